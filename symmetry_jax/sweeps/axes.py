"""Named axes and their product: each point is a run.

An axis is written as text: a comma-separated union of values, `a:b` (integers, b excluded), `log:a:b:n` and `lin:a:b:n`
(n values from a to b), or names. One value is an axis of one point.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symmetry_jax.errors import InputError, listing

Value = int | float | str

MOST_POINTS = 10_000_000
FORMS = "a value, a union a,b,c, a:b (integers, b excluded), log:a:b:n, lin:a:b:n, or names"


@dataclasses.dataclass(frozen=True)
class Axis:
    """One dimension of a sweep.

    Attributes:
        names: the settings that change along it; the first names the dimension. More than one if they are zipped.
        points: the values of the settings at each point, one tuple of values for each point.
    """

    names: tuple[str, ...]
    points: tuple[tuple[Value, ...], ...]

    def __len__(self) -> int:
        return len(self.points)

    def column(self, name: str) -> list[Value]:
        """The values of one setting along the axis."""
        return [point[self.names.index(name)] for point in self.points]


@dataclasses.dataclass(frozen=True)
class Axes:
    """The product of axes; the last one varies fastest."""

    axes: tuple[Axis, ...]

    @classmethod
    def of(cls, values: Mapping[str | tuple[str, ...], Sequence[Value | tuple[Value, ...]]]) -> "Axes":
        """Axes from names and values; a tuple of names takes tuples of values and makes one zipped axis."""
        return cls(tuple(_axis(name, points) for name, points in values.items()))

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions."""
        return tuple(axis.names[0] for axis in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each dimension."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def size(self) -> int:
        """Number of runs."""
        return math.prod(self.shape)

    def runs(self) -> dict[str, np.ndarray]:
        """Each setting's value in every run: name -> (size,)."""
        grid = np.indices(self.shape).reshape(len(self.axes), -1)
        return {
            name: np.array(axis.column(name))[index] for axis, index in zip(self.axes, grid, strict=True) for name in axis.names
        }

    def without(self, name: str) -> "Axes":
        """The axes but for the setting `name`; what it was zipped with stays."""
        kept = [(axis, tuple(other for other in axis.names if other != name)) for axis in self.axes]
        columns = ((names, zip(*(axis.column(other) for other in names), strict=True)) for axis, names in kept if names)
        return Axes(tuple(Axis(names, tuple(dict.fromkeys(points))) for names, points in columns))

    def fix(self, name: str, value: Value) -> "Axes":
        """The axes with the setting `name` at one value, on an axis of its own."""
        return Axes((*self.without(name).axes, Axis((name,), ((value,),))))

    def cut(self, name: str, count: int) -> "Axes":
        """The axes with the dimension `name` cut to its first points."""
        cut = (axis if axis.names[0] != name else dataclasses.replace(axis, points=axis.points[:count]) for axis in self.axes)
        return Axes(tuple(cut))

    def split(self, static: Iterable[str]) -> list[tuple[dict[str, Value], "Axes"]]:
        """One entry for each point of the static axes: the settings there, and the axes that remain.

        Raises:
            InputError: if a static setting is zipped with one that is not.
        """
        chosen = set(static)
        for axis in self.axes:
            if 0 < len(chosen & set(axis.names)) < len(axis.names):
                raise InputError(f"axis {'+'.join(axis.names)} zips a setting that changes the program with one that does not")
        outer = [axis for axis in self.axes if axis.names[0] in chosen]
        inner = Axes(tuple(axis for axis in self.axes if axis.names[0] not in chosen))
        names = [name for axis in outer for name in axis.names]
        points = itertools.product(*(axis.points for axis in outer))
        return [(dict(zip(names, itertools.chain(*point), strict=True)), inner) for point in points]


def _axis(name: str | tuple[str, ...], points: Sequence[Any]) -> Axis:
    if isinstance(name, str):
        return Axis((name,), tuple((value,) for value in points))
    return Axis(name, tuple(tuple(point) for point in points))


def parse_axes(sweep: Mapping[str, str], zipped: str = "") -> Axes:
    """Axes from their texts.

    Args:
        sweep: for each setting, the text of its values.
        zipped: names joined by "+" vary together, as one dimension; several such groups are separated by commas.

    Raises:
        InputError: for a text that is no axis, or zipped settings of different lengths.
    """
    values = {name: parse_axis(name, text) for name, text in sweep.items()}
    groups = [tuple(group.strip().split("+")) for group in zipped.split(",") if group.strip()]
    _check_zipped(groups, values)
    leaders = {group[0]: group for group in groups}
    followers = {name for group in groups for name in group[1:]}
    axes = []
    for name in values:
        if name not in followers:
            names = leaders.get(name, (name,))
            axes.append(Axis(names, tuple(zip(*(values[member] for member in names), strict=True))))
            if len(set(axes[-1].points)) < len(axes[-1]):
                raise InputError(f"axis {'+'.join(names)} has the same value twice")
    return Axes(tuple(axes))


def _check_zipped(groups: Sequence[tuple[str, ...]], values: Mapping[str, tuple[Value, ...]]) -> None:
    members = [name for group in groups for name in group]
    for name in members:
        if name not in values:
            raise InputError(f"zipped: no axis {name!r}: choose from {listing(values)}")
        if members.count(name) > 1:
            raise InputError(f"zipped: axis {name!r} is named twice")
    for group in groups:
        lengths = {name: len(values[name]) for name in group}
        if len(set(lengths.values())) > 1:
            raise InputError(f"zipped: axes {'+'.join(group)} have different lengths: {lengths}")


def parse_axis(name: str, text: str) -> tuple[Value, ...]:
    """The values of one axis.

    Raises:
        InputError: naming the axis, what was read, and what is allowed.
    """
    values = [value for term in str(text).split(",") for value in _parse_term(name, text, term.strip())]
    if len({type(value) is str for value in values}) > 1:
        raise InputError(f"axis {name}={text!r} mixes names and numbers")
    return tuple(values)


def _parse_term(name: str, text: str, term: str) -> list[Value]:
    wrong = InputError(f"axis {name}={text!r}: cannot read {term!r}: an axis is {FORMS}")
    parts = term.split(":")
    try:
        if parts[0] in _SPACINGS and len(parts) == 4:
            values = _spaced(parts[0], float(parts[1]), float(parts[2]), int(parts[3]))
        elif len(parts) == 2:
            values = _integers(int(parts[0]), int(parts[1]))
        else:
            values = [_parse_value(term)]
    except ValueError as error:
        raise wrong from error
    if not values or any(isinstance(value, float) and not math.isfinite(value) for value in values):
        raise wrong
    return values


_SPACINGS: dict[str, Callable[[float, float, int], np.ndarray]] = {"log": np.geomspace, "lin": np.linspace}


def _spaced(spacing: str, first: float, last: float, count: int) -> list[Value]:
    # twelve digits are enough to tell points apart, and 1e-06 is then not 1.0000000000000002e-06
    if not (math.isfinite(first) and math.isfinite(last) and count <= MOST_POINTS):
        raise ValueError("not finite, or too many points")
    return [float(f"{value:.12g}") for value in _SPACINGS[spacing](first, last, count)]


def _integers(first: int, last: int) -> list[Value]:
    if last - first > MOST_POINTS:
        raise ValueError(f"more than {MOST_POINTS} points")
    return list(range(first, last))


def _parse_value(term: str) -> Value:
    if term.isidentifier() and term not in ("nan", "inf", "infinity"):
        return term
    return float(term) if any(mark in term.lower() for mark in (".", "e", "n")) else int(term)
