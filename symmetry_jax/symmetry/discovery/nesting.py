"""Groups inside others: units that may be permuted in another way for each index of something else.

Dimensions of a head are permuted by themselves in each head, hidden units of an expert in each expert, those of a layer in
each layer of a stack that is scanned. That is so for a factor D and another factor F if every array that carries D carries F
once beside it, sums included before they are added up, and nothing mixes positions along F: each index of F then is a program
of its own for what D indexes. An array whose entries are positions along D carries D as well.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence

from symmetry_jax.symmetry.discovery.equations import Array, Findings
from symmetry_jax.symmetry.discovery.grouping import Axes, unit_axes
from symmetry_jax.symmetry.discovery.layouts import Factor, Layout, Product, factors, resolved
from symmetry_jax.symmetry.units import UnitGroup


def nested(found: Sequence[tuple[Factor, UnitGroup]], axes: Axes, findings: Findings) -> list[UnitGroup]:
    """The groups, each with what its units are apart in, in the arrays of the group."""
    beside = _beside([factor for factor, _ in found], findings)
    names = {factor: group.name for factor, group in found}
    return [
        dataclasses.replace(
            group,
            inside=tuple(_outer(other, names.get(other, ""), factor, group, axes) for other in beside[factor]),
            conditions=tuple(dict.fromkeys(str(one.reason) for one in findings.conditions if _holds(one.axis, factor))),
        )
        for factor, group in found
    ]


def _holds(layout: Layout, factor: Factor) -> bool:
    return factor in factors(layout)


def _outer(outer: Factor, name: str, inner: Factor, group: UnitGroup, axes: Axes) -> UnitGroup:
    """What the units of a group lie in, where it tells them apart: the same indices may lie in other ranges as well."""
    paths = dict.fromkeys(axis.path for axis in group.axes)
    places = [
        place
        for path in paths
        for axis, layout in enumerate(axes[path])
        if outer in _digits(resolved(layout)) or _are_siblings(layout, inner, outer)
        for place in unit_axes(path, axis, layout, outer, "state")
    ]
    return UnitGroup(name or f"axis {places[0].axis} of {places[0].path}", outer.size, tuple(places))


def _beside(candidates: Sequence[Factor], findings: Findings) -> dict[Factor, list[Factor]]:
    """For each factor, those that lie once beside it wherever it occurs, in the order of their first meeting."""
    beside: dict[Factor, list[Factor]] = {}
    wanted = set(candidates)
    for array in findings.arrays:
        for factor, others in _neighbours(array):
            if factor in wanted:
                times = Counter(others)
                before = beside.get(factor, others)
                beside[factor] = [other for other in dict.fromkeys(before) if times[other] == 1 and other is not factor]
    return beside


def _neighbours(array: Array) -> Iterator[tuple[Factor, list[Factor]]]:
    """Each factor of an array with the others that tell its copies apart: those of other axes, and digits beside it.

    A position names an index of each of its own digits, so that only what is no digit of it is told by the array's axes.
    """
    digits = [_digits(resolved(axis)) for axis in array.axes]
    outside = [digit for scan in array.scans for digit in _digits(resolved(scan))]
    for number, axis in enumerate(array.axes):
        others = [digit for other, found in enumerate(digits) if other != number for digit in found]
        yield from _walk(resolved(axis), [*others, *outside])
    if array.points is not None:
        own = set(factors(array.points))
        everywhere = [*(digit for found in digits for digit in found), *outside]
        yield from _walk(resolved(array.points), [digit for digit in everywhere if digit not in own])


def _walk(layout: Layout, others: list[Factor]) -> Iterator[tuple[Factor, list[Factor]]]:
    if isinstance(layout, Factor):
        yield layout, others
    elif isinstance(layout, Product):
        for part in layout.parts:
            beside = [other for other in layout.parts if other is not part and isinstance(other, Factor)]
            yield from _walk(part, [*others, *beside])
    else:
        for part in layout.parts:
            yield from _walk(part, others)


def _are_siblings(layout: Layout, one: Factor, other: Factor) -> bool:
    return any(factor is one and other in beside for factor, beside in _walk(resolved(layout), []))


def _digits(layout: Layout) -> list[Factor]:
    """The factors whose index every position has: of ranges each position has only its own."""
    parts = layout.parts if isinstance(layout, Product) else (layout,)
    return [part for part in parts if isinstance(part, Factor)]
