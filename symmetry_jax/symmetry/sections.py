"""Sections: what an array holds of one unit, and equations that compute the section of a result from those of operands.

Where an array carries the units of a group along one axis, its section at a unit has the same axes, but along that one the
unit's own positions alone, in their order. An equation that treats all units alike takes sections to sections.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Jaxpr, JaxprEqn

from symmetry_jax.symmetry.axes import UnitAxis
from symmetry_jax.symmetry.discovery.contractions import REDUCTIONS
from symmetry_jax.symmetry.discovery.elementwise import FUNCTIONS, UNCHANGED
from symmetry_jax.symmetry.discovery.grouping import occurrences
from symmetry_jax.symmetry.discovery.layouts import Factor, Layout
from symmetry_jax.symmetry.programs import compute

Moves = Sequence[jax.Array | None]  # tangents of arrays, None where nothing moves


class Derivative(NamedTuple):
    """The results of an equation, and their tangents."""

    results: Sequence[Any]
    moves: Moves


@dataclasses.dataclass(frozen=True, eq=False)
class Place:
    """Where units lie in an array.

    Attributes:
        axis: along which they lie.
        size: of the axis.
        positions: of each unit along it, in order (units, entries of a unit).
    """

    axis: int
    size: int
    positions: np.ndarray

    def before(self, unit: int, number: int) -> int:
        """How many of a unit's positions are among the first ones of the axis, of that number."""
        return int(np.sum(self.positions[unit] < number))

    def behind(self, unit: int, number: int) -> int:
        """How many of a unit's positions are among the last ones of the axis, of that number."""
        return int(np.sum(self.positions[unit] >= self.size - number))

    def shape(self, whole: Sequence[int]) -> tuple[int, ...]:
        """That of a section of an array of this shape."""
        return (*whole[: self.axis], self.positions.shape[1], *whole[self.axis + 1 :])

    def cut(self, array: jax.Array, unit: int) -> jax.Array:
        """The section of an array at a unit."""
        if self._digits is None:
            return jnp.take(array, self.positions[unit], self.axis)
        before, after = array.shape[: self.axis], array.shape[self.axis + 1 :]
        apart = lax.index_in_dim(array.reshape(*before, *self._digits, *after), unit, self.axis + 1, keepdims=False)
        return apart.reshape(self.shape(array.shape))

    def spread(self, section: jax.Array, units: tuple[int, int]) -> jax.Array:
        """The array that has a section at one unit, its opposite at another, and zeros elsewhere."""
        before, after = section.shape[: self.axis], section.shape[self.axis + 1 :]
        shape = (*before, self.size, *after)
        if self._digits is None:
            first, second = self.positions[np.asarray(units)]
            along = (slice(None),) * self.axis
            blank = jnp.zeros(shape, section.dtype)
            return blank.at[(*along, first)].set(section).at[(*along, second)].set(-section)
        outer, number, inner = self._digits
        apart = jnp.expand_dims(section.reshape(*before, outer, inner, *after), self.axis + 1)
        index = jnp.expand_dims(jnp.arange(number), [axis for axis in range(apart.ndim) if axis != self.axis + 1])
        # chosen by index, it is one with what reads it, where a copy to its place would be an array of its own
        whole = jnp.where(index == units[0], apart, jnp.where(index == units[1], -apart, 0))
        return whole.reshape(shape)

    @functools.cached_property
    def _digits(self) -> tuple[int, int, int] | None:
        """The axis as (outer, units, inner), if the units fill it so."""
        units, entries = self.positions.shape
        inner = int(np.argmax(np.diff(self.positions[0], append=-1) != 1)) + 1  # positions that follow each other
        filled = UnitAxis("", self.axis, "state", entries // inner, inner).positions(units)
        fits = self.size == filled.size and np.array_equal(filled, self.positions)
        return (entries // inner, units, inner) if fits else None


def places(axes: Sequence[Layout], factor: Factor) -> tuple[Place, ...]:
    """Where the units of a factor lie in an array with axes of these layouts: one place for each axis that carries them.

    An axis that carries two indices of them counts twice.
    """
    found = []
    for axis, layout in enumerate(axes):
        positions = [_positions(place) for place in occurrences(layout) if place.factor is factor]
        if positions:
            every = np.sort(np.concatenate(positions, axis=1), axis=1)
            found += [Place(axis, layout.size, every)] * (1 if len(np.unique(every)) == every.size else 2)
    return tuple(found)


def _positions(place: Any) -> np.ndarray:
    """Of each unit: (units, entries)."""
    size, pieces = place.factor.size, list(place.apart())
    inner = np.arange(place.inner)
    return np.stack([[piece.start + unit * place.inner + inner for piece in pieces] for unit in range(size)]).reshape(size, -1)


@dataclasses.dataclass(frozen=True)
class Cut:
    """An equation some of whose operands and results are cut at a unit.

    Attributes:
        line: the equation.
        operands: where the units lie in each operand that carries them, along one axis; None for others.
        results: the same of each result.
        unit: the one that they are cut at.
    """

    line: JaxprEqn
    operands: Sequence[Place | None]
    results: Sequence[Place | None]
    unit: int


Rule = Callable[[Cut], dict[str, Any] | None]  # what changes in the parameters of the primitive; None where it has no sections
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Registers the rule for primitives of these names."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


SIZELESS = """
    clamp concatenate cummax cummin cumprod cumsum dot_general reduce_window_sum rev select_n squeeze transpose
""".split()


@rule(*FUNCTIONS, *UNCHANGED, *REDUCTIONS, *SIZELESS)
def unchanged(cut: Cut) -> dict[str, Any] | None:
    """Parameters tell of no sizes."""
    del cut
    return {}


@rule("conv_general_dilated")
def convolution(cut: Cut) -> dict[str, Any] | None:
    """Channels are whole axes where they are in no groups."""
    params = cut.line.params
    return {} if params["feature_group_count"] == params["batch_group_count"] == 1 else None


@rule("linear_map")
def linear_map(cut: Cut) -> dict[str, Any] | None:
    """Leading axes, and that of channels behind them, are any number; height, width and batch follow it, apart or together."""
    (operand,), (result,) = cut.operands, cut.results
    assert operand is not None and result is not None
    channels = min(len(_shape(cut.line.invars[0])), len(_shape(cut.line.outvars[0]))) - 2
    return {} if max(operand.axis, result.axis) <= channels else None


@rule("broadcast_in_dim")
def broadcast(cut: Cut) -> dict[str, Any] | None:
    """The shape of the result."""
    return {"shape": _cut_shape(cut)}


@rule("reshape")
def reshape(cut: Cut) -> dict[str, Any] | None:
    """The entries of a unit have the same order before and after."""
    return {"new_sizes": _cut_shape(cut)}


@rule("slice")
def take_slice(cut: Cut) -> dict[str, Any] | None:
    """A range of a unit's positions."""
    place, params = cut.operands[0], cut.line.params
    assert place is not None
    bounds = {name: list(params[f"{name}_indices"]) for name in ("start", "limit")}
    strides = params["strides"]
    if strides is not None and strides[place.axis] != 1:
        return None
    for ends in bounds.values():
        ends[place.axis] = place.before(cut.unit, ends[place.axis])
    return {f"{name}_indices": tuple(ends) for name, ends in bounds.items()}


@rule("pad")
def pad(cut: Cut) -> dict[str, Any] | None:
    """As many of a unit's positions come before and after, or go."""
    before, after = cut.operands[0], cut.results[0]
    assert before is not None and after is not None
    config = list(cut.line.params["padding_config"])
    low, high, interior = config[after.axis]
    if interior:
        return None
    new_low = after.before(cut.unit, low) - before.before(cut.unit, -low)  # one of the two is 0
    new_high = after.behind(cut.unit, high) - before.behind(cut.unit, -high)
    config[after.axis] = (new_low, new_high, 0)
    return {"padding_config": tuple(config)}


@rule("split")
def split(cut: Cut) -> dict[str, Any] | None:
    """Ranges of a unit's positions."""
    place, params = cut.operands[0], cut.line.params
    assert place is not None
    if params["axis"] != place.axis:
        return {}
    stops = np.cumsum([0, *params["sizes"]])
    counts = np.diff([place.before(cut.unit, stop) for stop in stops])
    return {"sizes": tuple(map(int, counts))}


def _cut_shape(cut: Cut) -> tuple[int, ...]:
    place = cut.results[0]
    assert place is not None
    return place.shape(_shape(cut.line.outvars[0]))


def _shape(variable: Any) -> tuple[int, ...]:
    return variable.aval.shape


def differentiate_sections(program: Jaxpr, cut: Cut, values: Sequence[Any], moves: Moves) -> Derivative | None:
    """The sections of an equation's results and of their tangents, given those of its operands; None where it has no sections.

    Args:
        program: which the equation is in.
        cut: the equation, no operand or result of which carries the units along several axes.
        values: the operands, whole.
        moves: the sections of their tangents.
    """
    line = cut.line
    find = RULES.get(line.primitive.name)
    changed = None if find is None else find(cut)
    if changed is None:
        return None
    operands = list(zip(line.invars, cut.operands, values, moves, strict=True))
    if line.primitive.name == "concatenate":  # arrays without units that are joined to others have nothing in the section
        operands = [operand for operand in operands if operand[1] is not None]
    sections = [value if place is None else place.cut(value, cut.unit) for _, place, value, _ in operands]
    within = line.replace(invars=[atom for atom, *_ in operands], params={**line.params, **changed})
    found = differentiate(program, within, sections, [move for *_, move in operands])
    for move, place, variable in zip(found.moves, cut.results, line.outvars, strict=True):
        assert move is None or place is None or move.shape == place.shape(_shape(variable)), line
    return found


def differentiate(program: Jaxpr, line: JaxprEqn, values: Sequence[Any], moves: Moves) -> Derivative:
    """The results of an equation of a program and their tangents, given its operands and theirs."""
    moving = [place for place, move in enumerate(moves) if move is not None]

    def apply(*moved: jax.Array) -> list[Any]:
        put = dict(zip(moving, moved, strict=True))
        return compute(program, line, [put.get(place, value) for place, value in enumerate(values)])

    results, found = jax.jvp(apply, [values[place] for place in moving], [moves[place] for place in moving])
    return Derivative(results, [None if move.dtype == jax.dtypes.float0 else move for move in found])
