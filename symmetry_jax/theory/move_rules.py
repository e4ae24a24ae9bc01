"""The rules of first moves: what of a start decides when which array first gets a gradient.

Three facts tell everything, and none of them needs a network to be run:

- An output starts at p = 1/K for every example, so the residual p - y sums to 0 over classes, and over a balanced batch.
- A weight's gradient is a sum of products (error of its unit) x (value it reads); it is 0 where either is 0 for every example.
- Units of a layer start tied and stay tied, so a layer is one row, and equal weights above pass the sum of the residuals: 0.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from symmetry_jax.theory.activations import Activation

Part = Literal["weight", "bias"]
Rows = Literal["equal", "sum to zero", "none"]


@dataclasses.dataclass(frozen=True)
class Move:
    """What is predicted of one array.

    Attributes:
        layer: 1 for the layer that reads the inputs, up to the number of weight layers.
        part: "weight" or "bias".
        step: the step, counted from 1, whose gradient is the first that is not algebraically zero; None for never.
        before: whether gradients that are algebraically zero are "exact" zeros in floating point, or zero to "rounding".
        size: Euclidean norm of that first gradient over the whole array; None for never, or where no examples were given.
        doubt: what rounding of cancelling sums may change of `size` in the given precision, relative to it; likewise.
        visible: whether that step changes a bit of the array in the given precision, by a gradient larger than its rounding;
            None where no examples were given.
        rows: how the rows of the gradient (one for each unit, or output) lie: "equal", "sum to zero", "none" if it never moves.
        rank: the largest rank that a weight matrix can have while ties hold, be it by rounding; None for a bias.
        reason: in words.
    """

    layer: int
    part: Part
    step: int | None
    before: Literal["exact", "rounding"]
    size: float | None
    doubt: float | None
    visible: bool | None
    rows: Rows
    rank: int | None
    reason: str


@dataclasses.dataclass(frozen=True)
class Facts:
    """What of a start decides the first moves.

    Attributes:
        balanced: how many batches at the beginning are exactly balanced; None if all are.
        silent: for each hidden layer, whether it is 0 for every example.
        uniform: whether the last hidden layer is the same for every example.
        closed: for each hidden layer, whether its slope is 0 for every example, so that no error passes.
    """

    balanced: int | None
    silent: tuple[bool, ...]
    uniform: bool
    closed: tuple[bool, ...]


def expected_facts(phi: Activation, hidden: int, constant: float, bias: float, balanced: bool) -> Facts:
    """The facts of any batch of non-negative, varied inputs: two of them, since only signs and differences matter.

    Either the constant or the bias is 0: otherwise the inputs decide which of the two prevails.
    """
    sums = [constant * np.array([1.0, 2.0]) + bias]
    while len(sums) < hidden:
        sums.append(constant * phi.value(sums[-1]) + bias)
    return facts_of(None if balanced else 0, [phi.value(z) for z in sums[:hidden]], [phi.slope(z) for z in sums[:hidden]])


def facts_of(balanced: int | None, values: Sequence[np.ndarray], slopes: Sequence[np.ndarray]) -> Facts:
    """The facts of hidden layers with these values and slopes, each an array over examples."""
    silent, closed = (tuple(bool(np.all(array == 0)) for array in arrays) for arrays in (values, slopes))
    return Facts(balanced, silent, bool(values and np.ptp(values[-1]) == 0), closed)


def moves(facts: Facts, layers: int, classes: int, constant: float) -> Iterator[Move]:
    """The moves of all arrays, without sizes."""
    output = _output_step(facts)
    for layer in range(1, layers):
        yield _ranked(_hidden_move(facts, layer, "weight", layers, constant, output), layers, classes, constant)
        yield _hidden_move(facts, layer, "bias", layers, constant, output)
    yield _ranked(_output_weight(facts, layers, output), layers, classes, constant)
    yield _output_bias(facts, output)


def _ranked(move: Move, layers: int, classes: int, constant: float) -> Move:
    """The move of a weight matrix with its rank: rows that are one row, or rows that sum to 0 and share a constant."""
    tied = int(constant != 0 or move.step is not None or move.before == "rounding")
    return dataclasses.replace(move, rank=tied if layers > 1 else classes - (constant == 0))


def _output_step(facts: Facts) -> int | None:
    """The first step at which the output's weights move."""
    if facts.silent and facts.silent[-1]:
        return None
    if facts.uniform:
        return None if facts.balanced is None else facts.balanced + 1
    return 1


def _output_weight(facts: Facts, layers: int, step: int | None) -> Move:
    if step is not None:
        reads = "inputs" if layers == 1 else "hidden units that are all alike"
        return _move(layers, "weight", step, facts.uniform, "sum to zero", f"the residual 1/K - y meets {reads}")
    if facts.silent[-1]:
        return _move(layers, "weight", None, False, "none", "what it reads is 0")
    return _move(layers, "weight", None, True, "none", "it reads a constant, and the residual of a balanced batch sums to 0")


def _output_bias(facts: Facts, weight: int | None) -> Move:
    layers = len(facts.silent) + 1
    if facts.balanced == 0:
        return _move(layers, "bias", 1, False, "sum to zero", "1/K is not the frequency of each class in the batch")
    steps = [step for step in (weight and weight + 1, facts.balanced and facts.balanced + 1) if step]
    if not steps:
        return _move(layers, "bias", None, True, "none", "1/K is the frequency of each class in a balanced batch")
    return _move(layers, "bias", min(steps), True, "sum to zero", "balanced at first: the outputs differ only from then on")


def _hidden_move(facts: Facts, layer: int, part: Part, layers: int, constant: float, output: int | None) -> Move:
    blocked = _blocked(facts, layer, part, output)
    if blocked or output is None:
        # equal output weights cancel the residual only to rounding, and weights that only rounding moved let it pass
        rounded = not any(facts.closed[layer - 1 :]) and (constant != 0 or not facts.silent[-1])
        return _move(layer, part, None, rounded, "none", blocked)
    if constant:
        why = "equal output weights cancel the residual until they differ: one step after them"
        return _move(layer, part, output + 1, True, "equal", why)
    why = f"errors come down through {_count(layers - layer, 'layer')} that must leave 0 first, one a step"
    # weights that only rounding moved while batches were balanced pass some of it
    return _move(layer, part, output + layers - layer, facts.balanced != 0, "equal", why)


def _blocked(facts: Facts, layer: int, part: Part, output: int | None) -> str:
    """Why a hidden array never moves; "" if it does."""
    for above in range(layer, len(facts.closed) + 1):
        if facts.closed[above - 1]:
            return f"the slope of hidden layer {above} is 0 for every example: no error passes"
    if output is None:
        return "the output weights stay equal, and cancel the residual"
    if part == "weight" and layer > 1 and facts.silent[layer - 2]:
        return "what it reads is 0"
    return ""


def _move(layer: int, part: Part, step: int | None, rounded: bool, rows: Rows, reason: str) -> Move:
    return Move(layer, part, step, "rounding" if rounded else "exact", None, None, None, rows, None, reason)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
