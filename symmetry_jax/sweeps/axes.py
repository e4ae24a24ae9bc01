"""Named axes and their product: each point is a run.

An axis is written as text: a comma-separated union of values, `a:b` (integers, b excluded), `log:a:b:n` and `lin:a:b:n`
(n values from a to b), or names. One value is an axis of one point.
"""

import collections
import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symmetry_jax.errors import InputError, listing

Value = int | float | str

MOST_POINTS = 1_000_000  # of one axis
MOST_RUNS = 10_000_000  # of all axes together
LARGEST_WHOLE = 2**63 - 1  # in int64
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
        """Axes from names and values; a tuple of names takes tuples of values and makes one zipped axis.

        Raises:
            InputError: for what is no sequence of such values, and for a point that is there twice.
        """
        axes = cls(tuple(_axis(name, points) for name, points in values.items()))
        axes.check_distinct()
        return axes

    def check_distinct(self) -> None:
        """Raises InputError if an axis has the same point twice."""
        for axis in self.axes:
            for point, count in collections.Counter(axis.points).most_common(1):
                if count > 1:
                    raise InputError(f"axis {'+'.join(axis.names)} has the same value twice: {'+'.join(map(str, point))}")

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions."""
        return tuple(axis.names[0] for axis in self.axes)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all settings."""
        return tuple(name for axis in self.axes for name in axis.names)

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each dimension."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def size(self) -> int:
        """Number of runs."""
        return math.prod(self.shape)

    def columns(self) -> dict[str, list[Value]]:
        """Each setting's values along its axis."""
        return {name: axis.column(name) for axis in self.axes for name in axis.names}

    def runs(self) -> dict[str, np.ndarray]:
        """Each setting's value in every run: name -> (size,)."""
        return {name: self._spread(place, axis.column(name)) for place, axis in enumerate(self.axes) for name in axis.names}

    def _spread(self, place: int, column: Sequence[Value]) -> np.ndarray:
        alone = [-1 if other == place else 1 for other in range(len(self.axes))]
        return np.broadcast_to(np.array(column).reshape(alone), self.shape).reshape(-1)

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


def _axis(name: str | tuple[str, ...], points: Any) -> Axis:
    names = (name,) if isinstance(name, str) else name
    told = "+".join(names)
    if not _is_sequence(points):
        raise InputError(f"axis {told}: {points!r} is no sequence of values")
    rows = [[point] if isinstance(name, str) else _row(told, point, len(names)) for point in points]
    return Axis(names, tuple(tuple(_plain(told, value) for value in row) for row in rows))


def _is_sequence(values: Any) -> bool:
    return isinstance(values, Iterable) and not isinstance(values, str | bytes) and getattr(values, "ndim", 1) > 0


def _row(told: str, point: Any, length: int) -> list[Any]:
    values = list(point) if _is_sequence(point) else []
    if len(values) != length:
        raise InputError(f"axis {told}: {point!r} is no point: {length} values are")
    return values


def _plain(told: str, value: Any) -> Value:
    """A number or a name as Python has it: results keep axes as JSON, which knows none of numpy's."""
    plain = value.item() if getattr(value, "shape", None) == () else value
    if not isinstance(plain, int | float | str):
        raise InputError(f"axis {told}: {value!r} is no number and no name")
    return plain


def parse_axes(sweep: Mapping[str, str], zipped: str = "") -> Axes:
    """Axes from their texts.

    Args:
        sweep: for each setting, the text of its values.
        zipped: names joined by "+" vary together, as one dimension; several such groups are separated by commas.

    Raises:
        InputError: for a text that is no axis, settings that cannot be zipped, or too many runs.
    """
    values = {name: parse_axis(name, text) for name, text in sweep.items()}
    groups = [tuple(name.strip() for name in group.split("+")) for group in zipped.split(",")] if zipped.strip() else []
    _check_zipped(groups, values)
    leaders = {group[0]: group for group in groups}
    followers = {name for group in groups for name in group[1:]}
    dimensions = [leaders.get(name, (name,)) for name in values if name not in followers]
    axes = Axes(tuple(Axis(names, tuple(zip(*(values[name] for name in names), strict=True))) for names in dimensions))
    axes.check_distinct()
    if axes.size > MOST_RUNS:
        factors = " x ".join(f"{axis.names[0]} {len(axis):,}" for axis in axes.axes if len(axis) > 1)
        raise InputError(f"{factors} make {axes.size:,} runs: at most {MOST_RUNS:,} are possible")
    return axes


def _check_zipped(groups: Sequence[tuple[str, ...]], values: Mapping[str, tuple[Value, ...]]) -> None:
    members = [name for group in groups for name in group]
    for name in members:
        if name not in values:
            raise InputError(f"zipped: no axis {name!r}: choose from {listing(values)}")
        if members.count(name) > 1:
            raise InputError(f"zipped: axis {name!r} is named twice")
    for group in groups:
        if len(group) == 1:
            raise InputError(f"zipped: axis {group[0]!r} is alone: join what varies together by +")
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
    if len(values) > MOST_POINTS:
        raise InputError(f"axis {name}={text!r} has {len(values):,} points: at most {MOST_POINTS:,} are possible")
    return tuple(values)


def _parse_term(name: str, text: str, term: str) -> list[Value]:
    parts = term.split(":")
    try:
        if parts[0] in _SPACINGS and len(parts) == 4:
            return _spaced(parts[0], _number(parts[1]), _number(parts[2]), _whole(parts[3]))
        if len(parts) == 2:
            return _integers(_whole(parts[0]), _whole(parts[1]))
        return [_parse_value(term)]
    except InputError as error:
        raise InputError(f"axis {name}={text!r}: {term!r} cannot be: {error}") from error
    except ValueError as error:
        raise InputError(f"axis {name}={text!r}: cannot read {term!r}: an axis is {FORMS}") from error


_SPACINGS: dict[str, Callable[[float, float, int], np.ndarray]] = {"log": np.geomspace, "lin": np.linspace}


def _spaced(spacing: str, first: float, last: float, count: int) -> list[Value]:
    _check_count(count)
    if not math.isfinite(last - first):
        raise InputError("the distance between the ends is finite")
    if spacing == "log" and (first == 0 or last == 0 or (first < 0) != (last < 0)):
        raise InputError("the ends of log:a:b:n have the same sign, and neither is 0")
    # twelve digits are enough to tell points apart, and 1e-06 is then not 1.0000000000000002e-06
    return [float(f"{value:.12g}") for value in _SPACINGS[spacing](first, last, count)]


def _integers(first: int, last: int) -> list[Value]:
    _check_count(last - first)
    return list(range(first, last))


def _check_count(count: int) -> None:
    if not 1 <= count <= MOST_POINTS:
        raise InputError(f"it has {max(count, 0):,} points, and 1 to {MOST_POINTS:,} are possible")


def _parse_value(term: str) -> Value:
    if term.isidentifier() and term.lower() not in ("nan", "inf", "infinity"):
        return term
    return _number(term) if any(mark in term.lower() for mark in (".", "e", "n")) else _whole(term)


def _number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise InputError("values are finite")
    return number


def _whole(text: str) -> int:
    if abs(number := int(text)) > LARGEST_WHOLE:
        raise InputError(f"whole numbers are at most {LARGEST_WHOLE} in size")
    return number
