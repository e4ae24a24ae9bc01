"""Whether the numbers of a sweep can be, as they will be computed with."""

from collections.abc import Mapping, Sequence

import numpy as np

from symmetry_jax.errors import InputError
from symmetry_jax.learning.intervals import Interval
from symmetry_jax.sweeps.axes import Axes, Value
from symmetry_jax.sweeps.precision import Precision

SEEDS = Interval(0, 2**31 - 1, "[]")


def check_numbers(axes: Axes, ranges: Mapping[str, Interval], precision: Precision) -> None:
    """Checks every value of traced axes, seeds as whole numbers and all others in the precision of the program.

    Args:
        axes: the traced axes.
        ranges: the values that a setting may have, by name; any finite number where it is not named.
        precision: "float32" or "float64".

    Raises:
        InputError: naming the axis, the first value that cannot be, and what is allowed.
    """
    for name, column in axes.columns().items():
        values = _numbers(name, column)
        if name == "seed":
            _check_seeds(values)
        else:
            _check_held(name, values, precision)
            _check_inside(name, values, ranges.get(name, Interval()), precision)


def _numbers(name: str, column: Sequence[Value]) -> np.ndarray:
    values = np.array(column)
    if not column:
        raise InputError(f"axis {name} has no values: one is enough")
    for value in column:
        if isinstance(value, bool) or not isinstance(value, int | float):
            kind = "a name" if isinstance(value, str) else "no number"
            raise InputError(f"axis {name}: {value!r} is {kind}, but {name} is a number")
    if values.dtype.kind not in "iuf":
        raise InputError(f"axis {name}: a whole number is more than 64 bits hold")
    return values


def _check_seeds(values: np.ndarray) -> None:
    wrong = values if values.dtype.kind == "f" else values[~SEEDS.holds(values)]
    if wrong.size:
        raise InputError(f"axis seed: {wrong[0]}: seeds are whole numbers from {SEEDS.low} to {SEEDS.high}")


def _check_held(name: str, values: np.ndarray, precision: Precision) -> None:
    """Raises InputError where a precision has no such number, or the same one for two values."""
    limits = np.finfo(precision)
    held = np.isfinite(values) & (abs(values) <= float(limits.max)) & ((values == 0) | (abs(values) >= float(limits.tiny)))
    if not held.all():
        allowed = f"0, or from {limits.tiny:.3g} to {limits.max:.3g} in size"
        raise InputError(f"axis {name}: {values[~held][0]} cannot be in {precision}: {allowed}")
    distinct = np.unique(values)
    same = np.flatnonzero(np.diff(distinct.astype(precision)) == 0)
    if same.size:
        one, other = distinct[same[0] : same[0] + 2]
        raise InputError(f"axis {name}: {one} and {other} are the same number in {precision}")


def _check_inside(name: str, values: np.ndarray, allowed: Interval, precision: Precision) -> None:
    outside = values[~allowed.holds(values.astype(precision))]
    if outside.size:
        raise InputError(f"axis {name}: {outside[0]} is outside of {allowed} in {precision}")
