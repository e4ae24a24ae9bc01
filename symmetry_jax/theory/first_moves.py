"""What moves first, and how, in a network whose weights start at zero or at any other constant.

K classes, softmax cross-entropy, L weight layers of which the hidden ones have an activation phi, gradient descent. Three facts
tell everything, and none of them needs a network to be run:

- An output starts at p = 1/K for every example, so the residual p - y sums to 0 over classes, and over a balanced batch.
- A weight's gradient is a sum of products (error of its unit) x (value it reads); it is 0 where either is 0 for every example.
- Units of a layer start tied and stay tied, so a layer is one row: see `tied_training`, which gives the sizes.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from symmetry_jax.errors import InputError, choose
from symmetry_jax.theory.activations import ACTIVATIONS, Activation
from symmetry_jax.theory.tied_training import ROUNDING, Examples, Layer, train_tied

Part = Literal["weight", "bias"]
Rows = Literal["equal", "sum to zero", "none"]
Step = list[Layer]
Batch = Literal["minibatch", "full", "balanced"]
Precision = Literal["float32", "float64"]

BATCHES: dict[str, Batch] = {"minibatch": "minibatch", "full": "full", "balanced": "balanced"}
PRECISIONS: dict[str, Precision] = {"float32": "float32", "float64": "float64"}
HORIZON = 10  # steps over which it is told whether a layer dies


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
class FirstMoves(Sequence[Move]):
    """The prediction for a network: a move for each array, from the first layer to the last; prints as a table.

    Attributes:
        moves: weight and bias of layer 1, of layer 2, ...
        dead: the steps after which the slope of some hidden layer is 0 for every example, so that nothing below it moves any
            more; 0 if it starts so, None if that does not happen within `HORIZON` steps or no examples were given.
    """

    moves: tuple[Move, ...]
    dead: int | None

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # the overloads of Sequence say it
        return self.moves[index]

    def __len__(self) -> int:
        return len(self.moves)

    def at(self, layer: int, part: Part) -> Move:
        """The move of one array."""
        return next(move for move in self.moves if (move.layer, move.part) == (layer, part))

    def __str__(self) -> str:
        rows = [("layer", "part", "first move", "gradient", "rows", "rank", "why")]
        for move in self.moves:
            step = "never" if move.step is None else f"step {move.step}" + ("" if move.visible in (True, None) else ", unseen")
            rank = "" if move.rank is None else str(move.rank)
            size = "" if move.size is None else f"{move.size:.3g}"
            rows.append((str(move.layer), move.part, step, size, move.rows, rank, move.reason))
        widths = [max(len(row[column]) for row in rows) for column in range(7)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def predict_first_moves(
    layers: int,
    activation: str,
    constant: float,
    batch: str | Sequence[Examples] = "full",
    classes: int = 10,
    *,
    width: int = 16,
    bias: float = 0.0,
    learning_rate: float = 0.1,
    precision: str = "float64",
) -> FirstMoves:
    """When each layer of a network with constant weights first moves, by how much, in which direction, and with what rank.

    Args:
        layers: weight layers L; the first L - 1 are hidden.
        activation: of the hidden layers.
        constant: all weights at the start.
        batch: "minibatch", "full" or exactly "balanced" for what holds of any such batch of non-negative, varied inputs; or the
            batches of steps 1, 2, ... themselves, each (inputs (n, inputs), labels (n,)), for sizes as well. The last of them
            is used again when there are no more.
        classes: K.
        width: units of each hidden layer.
        bias: all biases at the start.
        learning_rate: of plain gradient descent; only sizes from the second step on depend on it.
        precision: in which a move must change a bit to be visible.

    Raises:
        InputError: for a network, a batch or a number that cannot be.
    """
    _check(layers, classes, width, {"constant": constant, "bias": bias, "learning_rate": learning_rate})
    choose("precision", precision, PRECISIONS)
    phi = choose("activation", activation, ACTIVATIONS)
    if isinstance(batch, str):
        facts = _expected(phi, layers - 1, constant, bias, choose("batch", batch, BATCHES))
        return FirstMoves(tuple(_moves(facts, layers, classes, constant)), None)
    batches = [_checked(inputs, labels, classes) for inputs, labels in batch]
    if not batches:
        raise InputError("batch: no batch; one is enough")
    count = max(HORIZON, layers + len(batches) + 1)
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # a rate too large for the network is no reason not to tell its first steps
        steps = list(train_tied(layers, phi, constant, bias, width, classes, learning_rate, batches, count))
    moves = _moves(_observed(steps[0], batches, classes), layers, classes, constant)
    return FirstMoves(tuple(_measure(move, steps, width, learning_rate, precision) for move in moves), _death(steps))


@dataclasses.dataclass(frozen=True)
class _Facts:
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


def _expected(phi: Activation, hidden: int, constant: float, bias: float, batch: str) -> _Facts:
    """The facts of any batch of non-negative, varied inputs: two of them, since only signs and differences matter."""
    sums = [constant * np.array([1.0, 2.0]) + bias]
    while len(sums) < hidden:
        sums.append(constant * phi.value(sums[-1]) + bias)
    values, slopes = [phi.value(z) for z in sums[:hidden]], [phi.slope(z) for z in sums[:hidden]]
    return _facts(None if batch == "balanced" else 0, values, slopes)


def _observed(start: Step, batches: Sequence[Examples], classes: int) -> _Facts:
    """The facts of given batches; those of the hidden layers are of the first one."""
    level = [np.ptp(np.bincount(labels, minlength=classes)) == 0 for _, labels in batches]
    hidden = start[1:]
    balanced = None if all(level) else level.index(False)
    return _facts(balanced, [layer.value for layer in hidden], [layer.slope for layer in hidden])


def _facts(balanced: int | None, values: Sequence[np.ndarray], slopes: Sequence[np.ndarray]) -> _Facts:
    silent, closed = (tuple(bool(np.all(array == 0)) for array in arrays) for arrays in (values, slopes))
    return _Facts(balanced, silent, bool(values and np.ptp(values[-1]) == 0), closed)


def _moves(facts: _Facts, layers: int, classes: int, constant: float) -> Iterator[Move]:
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


def _output_step(facts: _Facts) -> int | None:
    """The first step at which the output's weights move."""
    if facts.silent and facts.silent[-1]:
        return None
    if facts.uniform:
        return None if facts.balanced is None else facts.balanced + 1
    return 1


def _output_weight(facts: _Facts, layers: int, step: int | None) -> Move:
    if step is not None:
        reads = "inputs" if layers == 1 else "hidden units that are all alike"
        return _move(layers, "weight", step, facts.uniform, "sum to zero", f"the residual 1/K - y meets {reads}")
    if facts.silent[-1]:
        return _move(layers, "weight", None, False, "none", "what it reads is 0")
    return _move(layers, "weight", None, True, "none", "it reads a constant, and the residual of a balanced batch sums to 0")


def _output_bias(facts: _Facts, weight: int | None) -> Move:
    layers = len(facts.silent) + 1
    if facts.balanced == 0:
        return _move(layers, "bias", 1, False, "sum to zero", "1/K is not the frequency of each class in the batch")
    steps = [step for step in (weight and weight + 1, facts.balanced and facts.balanced + 1) if step]
    if not steps:
        return _move(layers, "bias", None, True, "none", "1/K is the frequency of each class in a balanced batch")
    return _move(layers, "bias", min(steps), True, "sum to zero", "balanced at first: the outputs differ only from then on")


def _hidden_move(facts: _Facts, layer: int, part: Part, layers: int, constant: float, output: int | None) -> Move:
    blocked = _blocked(facts, layer, part, output)
    if blocked or output is None:
        # equal output weights cancel the residual only to rounding, and weights that only rounding moved let it pass
        rounded = not any(facts.closed[layer - 1 :]) and (constant != 0 or not facts.silent[-1])
        return _move(layer, part, None, rounded, "none", blocked)
    if constant:
        why = "equal output weights cancel the residual until they differ: one step after them"
        return _move(layer, part, output + 1, True, "equal", why)
    why = f"errors come down through {_count(layers - layer, 'layer')} that must leave 0 first, one a step"
    return _move(layer, part, output + layers - layer, False, "equal", why)


def _blocked(facts: _Facts, layer: int, part: Part, output: int | None) -> str:
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


def _measure(move: Move, steps: Sequence[Step], width: int, learning_rate: float, precision: str) -> Move:
    """A move with the size of its gradient, its doubt, and whether it is seen, from the steps of tied training."""
    if move.step is None:
        return dataclasses.replace(move, visible=False)
    layer, weights = steps[move.step - 1][move.layer - 1], move.part == "weight"
    gradient = layer.weight_gradient if weights else layer.bias_gradient
    eps = ROUNDING * float(np.finfo(precision).eps)
    doubt = eps * (layer.weight_doubt if weights else layer.bias_doubt)
    before = (layer.weight if weights else layer.bias).astype(precision)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        changed = before - (learning_rate * gradient).astype(precision) != before
    layers = len(steps[0])
    copies = (width if move.layer < layers else 1) * (width if weights and move.layer > 1 else 1)
    size = float(np.sqrt(copies) * np.linalg.norm(gradient))
    relative = float(np.sqrt(copies) * np.linalg.norm(doubt)) / size if size else np.inf
    return dataclasses.replace(move, size=size, doubt=relative, visible=bool(np.any(changed & (abs(gradient) > doubt))))


def _death(steps: Sequence[Step]) -> int | None:
    closed = (number for number, step in enumerate(steps) if any(np.all(layer.slope == 0) for layer in step))
    return next(closed, None)


def _checked(inputs: np.ndarray, labels: np.ndarray, classes: int) -> Examples:
    """A batch as float64 (n, inputs) and whole labels (n,)."""
    inputs, labels = np.asarray(inputs, np.float64), np.asarray(labels)
    inputs = inputs.reshape(len(inputs), -1)
    if labels.shape != (len(inputs),) or not len(labels) or labels.dtype.kind not in "iu":
        raise InputError(f"batch: {len(inputs)} examples and labels of shape {labels.shape}: one whole number for each example")
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"batch: labels from {labels.min()} to {labels.max()}, and classes={classes} allows 0..{classes - 1}")
    return inputs, labels


def _check(layers: int, classes: int, width: int, numbers: Mapping[str, float]) -> None:
    for name, value, least in (("layers", layers, 1), ("classes", classes, 2), ("width", width, 1)):
        if not isinstance(value, int | np.integer) or value < least:
            raise InputError(f"{name}={value!r}: a whole number from {least}")
    for name, number in numbers.items():
        if not np.isfinite(number):
            raise InputError(f"{name}={number!r}: a finite number")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
