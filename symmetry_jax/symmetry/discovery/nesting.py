"""Groups inside others: units that may be permuted in another way for each index of something else.

Dimensions of a head are permuted by themselves in each head, hidden units of an expert in each expert, those of a layer in
each layer of a stack that is scanned. That is so for a factor D and another factor F if every array that carries D carries F
once beside it, sums included before they are added up, and nothing mixes positions along F: each index of F then is a program
of its own for what D indexes. An array whose entries are positions along D carries D as well.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from symmetry_jax.symmetry.discovery.equations import Findings
from symmetry_jax.symmetry.discovery.grouping import Axes, unit_axes
from symmetry_jax.symmetry.discovery.layouts import Factor, Layout, Product, factors, resolved
from symmetry_jax.symmetry.units import UnitGroup


def nested(
    found: Sequence[tuple[Factor, UnitGroup]], axes: Axes, findings: Findings, bases: Mapping[Factor, Factor]
) -> list[UnitGroup]:
    """The groups, each with what its units lie apart in and on what condition they may be permuted.

    Args:
        found: the groups and their factors.
        axes: the layouts of the parameters' axes.
        findings: what following the program brought to light.
        bases: for a member of a family the factor that stands for all members where they lie side by side.
    """
    beside = neighbours([*(factor for factor, _ in found), *bases.values()], findings)
    names = {factor: group.name for factor, group in found}
    groups = []
    for factor, group in found:
        both = {factor, bases.get(factor, factor)}
        around = set(beside.get(bases.get(factor, factor), []))
        outer = [other for other in beside[factor] if around & {other, bases.get(other, other)}]
        conditions = [str(one.reason) for one in findings.conditions if both & set(factors(one.axis))]
        inside = tuple(_outer(other, names.get(other, ""), factor, group, axes) for other in outer)
        groups.append(dataclasses.replace(group, inside=inside, conditions=tuple(dict.fromkeys(conditions))))
    return groups


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


def neighbours(candidates: Sequence[Factor], findings: Findings) -> dict[Factor, list[Factor]]:
    """For each factor, those that lie once beside it wherever it occurs, in the order of their first meeting."""
    beside: dict[Factor, list[Factor]] = {}
    wanted = set(candidates)
    for array in findings.arrays:
        for factor, others in _others((*array.axes, *array.scans)):
            if factor in wanted:
                times = Counter(others)
                before = beside.get(factor, others)
                beside[factor] = [
                    other for other in dict.fromkeys(before) if times[other] == 1 and other is not factor and not other.loose
                ]
    return beside


def _others(axes: Sequence[Layout]) -> Iterator[tuple[Factor, list[Factor]]]:
    """Each factor of an array with the others that tell its copies apart: those of other axes, and digits beside it.

    Scans count as axes: an array that is made at every step lies along the steps.
    """
    digits = [[*_digits(resolved(axis)), *2 * _in_ranges(resolved(axis))] for axis in axes]
    for number, axis in enumerate(axes):
        others = [digit for other, found in enumerate(digits) if other != number for digit in found]
        yield from _walk(resolved(axis), others)


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


def _in_ranges(layout: Layout) -> list[Factor]:
    """The factors whose index only some positions have."""
    parts = layout.parts if isinstance(layout, Product) else (layout,)
    return [factor for part in parts if not isinstance(part, Factor) for factor in factors(part)]


def _are_siblings(layout: Layout, one: Factor, other: Factor) -> bool:
    return any(factor is one and other in beside for factor, beside in _walk(resolved(layout), []))


def _digits(layout: Layout) -> list[Factor]:
    """The factors whose index every position has: of ranges each position has only its own."""
    parts = layout.parts if isinstance(layout, Product) else (layout,)
    return [part for part in parts if isinstance(part, Factor)]
