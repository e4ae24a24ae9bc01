"""What moves first, and how, in a network whose weights start at zero or at any other constant.

K classes, softmax cross-entropy, L weight layers of which the hidden ones have an activation phi, gradient descent. The steps
are told by `move_rules`; where examples are given, `tied_training` tells the sizes, and what these very examples change.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from symmetry_jax.errors import InputError, choose
from symmetry_jax.theory.activations import ACTIVATIONS
from symmetry_jax.theory.move_rules import Facts, Move, Part, Rows, expected_facts, facts_of, moves
from symmetry_jax.theory.tied_training import ROUNDING, Examples, Layer, train_tied

Batch = Literal["minibatch", "full", "balanced"]
Precision = Literal["float32", "float64"]
Step = list[Layer]

BATCHES: dict[str, Batch] = {"minibatch": "minibatch", "full": "full", "balanced": "balanced"}
PRECISIONS: dict[str, Precision] = {"float32": "float32", "float64": "float64"}
HORIZON = 10  # steps, at least, over which first moves are told where examples are given


@dataclasses.dataclass(frozen=True)
class FirstMoves:
    """The prediction for a network: a move for each array, from the first layer to the last; prints as a table.

    Attributes:
        moves: weight and bias of layer 1, of layer 2, ...
        dead: the steps after which the slope of some hidden layer is first 0 for every example of the batch, so that no error
            passes: for ever, if the batch is always the same. 0 if it starts so; None if that does not happen in so many steps,
            or no examples were given.
    """

    moves: tuple[Move, ...]
    dead: int | None

    def __iter__(self) -> Iterator[Move]:
        return iter(self.moves)

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
        kind = choose("batch", batch, BATCHES)
        if constant and bias:
            raise InputError(f"constant={constant:g} and bias={bias:g}: the inputs decide, so give the batches themselves")
        facts = expected_facts(phi, layers - 1, constant, bias, kind == "balanced")
        return FirstMoves(tuple(moves(facts, layers, classes, constant)), None)
    batches = _checked(batch, classes)
    count = max(HORIZON, layers + len(batches) + 1)
    with np.errstate(over="ignore", invalid="ignore"):  # at too large a rate, first steps are told all the same
        steps = list(train_tied(layers, phi, constant, bias, width, classes, learning_rate, batches, count))
    found = moves(_observed(steps[0], batches, classes), layers, classes, constant)
    placed = (_placed(move, steps) for move in found)
    return FirstMoves(tuple(_measured(move, steps, width, learning_rate, precision) for move in placed), _death(steps))


def _observed(start: Step, batches: Sequence[Examples], classes: int) -> Facts:
    """The facts of given batches; those of the hidden layers are of the first one."""
    level = [np.ptp(np.bincount(labels, minlength=classes)) == 0 for _, labels in batches]
    hidden = start[1:]
    balanced = None if all(level) else level.index(False)
    return facts_of(balanced, [layer.value for layer in hidden], [layer.slope for layer in hidden])


def _placed(move: Move, steps: Sequence[Step]) -> Move:
    """The move at the step at which these examples let it happen: sums may cancel by chance, or a later batch open a layer."""
    arrays, eps = [_array(move, step) for step in steps], ROUNDING * float(np.finfo(np.float64).eps)
    above = [number for number, array in enumerate(arrays, 1) if np.any(abs(array.gradient) > eps * array.doubt)]
    first = above[0] if above else None
    if move.rank is not None and move.layer == 1:
        move = dataclasses.replace(move, rank=min(move.rank, steps[0][0].weight.shape[1]))
    if move.step is None and first is not None and move.before == "exact":  # or else rounding may have grown
        rank = None if move.rank is None else max(move.rank, 1)
        why = "not on the first batch, but on a later one"
        rows: Rows = "sum to zero" if move.layer == len(steps[0]) else "equal"
        return dataclasses.replace(move, step=first, rows=rows, rank=rank, reason=why)
    if move.step is None or first == move.step or arrays[move.step - 1].gradient.any():
        return move  # what is not 0 there, but below its rounding, drowns
    why = "in these examples the terms of earlier steps cancel" if first else "in these examples its terms cancel"
    return dataclasses.replace(move, step=first, rows=move.rows if first else "none", reason=why)


@dataclasses.dataclass(frozen=True)
class _Array:
    """One array at one step of tied training; `doubt` in units of `ROUNDING` times the precision."""

    before: np.ndarray
    gradient: np.ndarray
    doubt: np.ndarray


def _array(move: Move, step: Step) -> _Array:
    layer = step[move.layer - 1]
    if move.part == "weight":
        return _Array(layer.weight, layer.weight_gradient, layer.weight_doubt)
    return _Array(layer.bias, layer.bias_gradient, layer.bias_doubt)


def _measured(move: Move, steps: Sequence[Step], width: int, learning_rate: float, precision: str) -> Move:
    """A move with the size of its gradient, its doubt, and whether it is seen, from the steps of tied training."""
    if move.step is None:
        return dataclasses.replace(move, visible=False)
    array = _array(move, steps[move.step - 1])
    before, doubt = array.before.astype(precision), ROUNDING * float(np.finfo(precision).eps) * array.doubt
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        changed = before - (learning_rate * array.gradient).astype(precision) != before
        visible = bool(np.any(changed & (abs(array.gradient) > doubt)))
        copies = np.sqrt(_copies(move, len(steps[0]), width))
        size, rounding = (float(copies * _norm(part)) for part in (array.gradient, doubt))
    return dataclasses.replace(move, size=size, doubt=rounding / size if size else np.inf, visible=visible)


def _copies(move: Move, layers: int, width: int) -> int:
    """How often each number of tied training stands in the array."""
    fan_in = width if move.part == "weight" and move.layer > 1 else 1
    return fan_in * (width if move.layer < layers else 1)


def _norm(array: np.ndarray) -> float:
    """Euclidean norm, scaled so that squares do not underflow."""
    largest = float(abs(array).max())
    return largest * float(np.linalg.norm(array / largest)) if largest else 0.0


def _death(steps: Sequence[Step]) -> int | None:
    closed = (number for number, step in enumerate(steps) if any(np.all(layer.slope == 0) for layer in step))
    return next(closed, None)


def _checked(batches: Sequence[Examples], classes: int) -> list[Examples]:
    """Batches as float64 (n, inputs) and whole labels (n,)."""
    if not len(batches):
        raise InputError("batch: no batch; one is enough")
    checked = [_checked_one(batch, classes) for batch in batches]
    widths = list(dict.fromkeys(inputs.shape[1] for inputs, _ in checked))
    if len(widths) > 1:
        raise InputError(f"batch: examples of {widths[0]} and of {widths[1]} numbers: as many in every batch")
    return checked


def _checked_one(batch: Examples, classes: int) -> Examples:
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise InputError("batch: a list of batches is wanted, each a pair (inputs, labels)")
    inputs, labels = np.asarray(batch[0], np.float64), np.asarray(batch[1])
    if not len(inputs) or labels.shape != (len(inputs),) or labels.dtype.kind not in "iu":
        raise InputError(f"batch: {len(inputs)} examples and labels of shape {labels.shape}: one whole number for each example")
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"batch: labels from {labels.min()} to {labels.max()}, and classes={classes} allows 0..{classes - 1}")
    if not np.all(np.isfinite(inputs)):
        raise InputError("batch: inputs that are nan or infinite; finite numbers are wanted")
    return inputs.reshape(len(inputs), -1), labels


def _check(layers: int, classes: int, width: int, numbers: Mapping[str, float]) -> None:
    for name, value, least in (("layers", layers, 1), ("classes", classes, 2), ("width", width, 1)):
        if not isinstance(value, int | np.integer) or value < least:
            raise InputError(f"{name}={value!r}: a whole number from {least}")
    for name, number in numbers.items():
        if not isinstance(number, int | float | np.number) or not np.isfinite(number):
            raise InputError(f"{name}={number!r}: a finite number")
