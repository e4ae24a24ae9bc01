"""What is known of each array in a traced program."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from symmetry_jax.symmetry.discovery.layouts import Layout, free, freeze
from symmetry_jax.symmetry.discovery.sources import Reason


@dataclasses.dataclass(frozen=True)
class Operand:
    """An array of the program.

    Attributes:
        axes: the layout of each axis.
        origins: the paths of the parameters that it is computed from, if from parameters and constants alone; else None.
        points: the layout along which its entries are positions, or None where they are plain numbers.
        spoiled: what was done with positions after which they are positions no more.
        constant: the one number that all entries are, where that is known.
    """

    axes: tuple[Layout, ...]
    origins: frozenset[str] | None = None
    points: Layout | None = None
    spoiled: Reason | None = None
    constant: Any = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """The array's shape."""
        return tuple(axis.size for axis in self.axes)

    def with_axes(self, axes: Sequence[Layout]) -> "Operand":
        """The same entries in other places."""
        return dataclasses.replace(self, axes=tuple(axes))

    def pointing(self, points: Layout | None) -> "Operand":
        """The same array, whose entries are positions along this layout."""
        return dataclasses.replace(self, points=points)

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """Of its axes, and the one along which its entries are positions, unless each is its own position there."""
        if self.points is None or any(self.points is axis for axis in self.axes):
            return self.axes
        return (*self.axes, self.points)

    def within(self, dtype: Any, reason: Reason) -> "Operand":
        """As numbers of a type, which may be too narrow to tell positions apart or to hold a constant."""
        result, kept = self, self.constant
        with np.errstate(all="ignore"):  # what does not fit is what is looked for
            held = None if kept is None else np.asarray(kept).astype(dtype)
            lost = kept is not None and held != kept and (held == held or kept == kept)  # what is no number stays none
        if lost:
            result = dataclasses.replace(result, constant=None)
        if self.points is not None and self.points.size > _most(dtype):
            result = dataclasses.replace(result, spoiled=self.spoiled or reason)
        return result

    def plain(self) -> "Operand":
        """The same axes, with nothing known about the entries."""
        return dataclasses.replace(self, points=None, spoiled=None, constant=None)

    def use_as_numbers(self, reason: Reason) -> None:
        """Its entries are used as numbers: where they are positions, the axis that they point along is rigid."""
        if self.points is not None:
            freeze(self.points, self.spoiled or reason)


def _most(dtype: Any) -> int:
    """How many positions numbers of a type can tell apart."""
    if dtype == np.bool_:
        return 2
    if jax.dtypes.issubdtype(dtype, np.integer):
        return int(jax.numpy.iinfo(dtype).max) + 1
    return 2 ** (int(jax.numpy.finfo(dtype).nmant) + 1) + 1


def unknown(shape: Sequence[int], origins: frozenset[str] | None = None) -> Operand:
    """An array along whose axes anything may still be permuted."""
    return Operand(tuple(free(size) for size in shape), origins)


def rigid(shape: Sequence[int], reason: Reason, origins: frozenset[str] | None = None) -> Operand:
    """An array along whose axes nothing may be permuted."""
    operand = unknown(shape, origins)
    for axis in operand.axes:
        freeze(axis, reason)
    return operand


def constant(value: Any, origins: frozenset[str] | None = frozenset()) -> Operand:
    """An array of known entries: an axis along which they are all equal may be permuted in any way.

    Its origins are no parameters unless said otherwise, and those of a single number always are none.
    """
    kind = jax.typeof(value)
    origins = origins if kind.shape else frozenset()
    if isinstance(value, jax.core.Tracer):
        return rigid(kind.shape, Reason("numbers that are not known yet"), origins)
    if not isinstance(kind, jax.core.ShapedArray):
        return rigid(kind.shape, Reason("a reference to an array that may change"), origins)
    shape = np.shape(value)
    if jax.dtypes.issubdtype(jax.dtypes.result_type(value), jax.dtypes.extended):
        return rigid(shape, Reason("a random key"), origins)
    array = np.asarray(value)
    axes: list[Layout] = []
    for axis, size in enumerate(shape):
        layout = free(size)
        if size > 1 and not _are_equal(array, axis):
            freeze(layout, Reason("a constant that differs along this axis"))
        axes.append(layout)
    return Operand(tuple(axes), origins, constant=array[()] if shape == () else None)


def _are_equal(array: np.ndarray, axis: int) -> bool:
    """Whether all entries along an axis are the same to the last bit: zeros have signs."""
    bits = np.ascontiguousarray(array)[..., np.newaxis].view(np.uint8)
    return np.array_equal(bits, np.broadcast_to(np.take(bits, [0], axis), bits.shape))


def joint_origins(operands: Sequence[Operand]) -> frozenset[str] | None:
    """The parameters that a result of these is computed from, if from parameters alone."""
    found: frozenset[str] = frozenset()
    for operand in operands:
        if operand.origins is None:
            return None
        found |= operand.origins
    return found
