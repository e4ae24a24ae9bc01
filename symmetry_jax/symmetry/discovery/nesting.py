"""Groups inside others: units that may be permuted in another way for each index of something else.

Dimensions of a head are permuted by themselves in each head, hidden units of an expert in each expert, those of a layer in
each layer of a stack that is scanned. That is so for a factor D and another factor F if every array that carries D carries F
once beside it, sums included before they are added up, and nothing mixes positions along F: each index of F then is a program
of its own for what D indexes. An array whose entries are positions along D carries D as well.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from symmetry_jax.symmetry.discovery.equations import Families, Findings
from symmetry_jax.symmetry.discovery.grouping import Axes, unit_axes
from symmetry_jax.symmetry.discovery.layouts import Factor, Layout, Product, factors, resolved
from symmetry_jax.symmetry.units import UnitGroup

Origins = dict[Factor, list[tuple[Factor, Factor, int]]]  # of a member: its base, the axis along which it differs, where


def nested(found: Sequence[tuple[Factor, UnitGroup]], axes: Axes, findings: Findings, families: Families) -> list[UnitGroup]:
    """The groups, each with what its units lie apart in and on what condition they may be permuted.

    Args:
        found: the groups and their factors.
        axes: the layouts of the parameters' axes.
        findings: what following the program brought to light.
        families: the families whose members stand for their base in single positions; a member lies apart in something only
            where its base does so as well.
    """
    beside = neighbours([*(factor for factor, _ in found), *(base for base, _ in families)], findings)
    names = {factor: group.name for factor, group in found}
    origins = _origins(families)
    groups = []
    for factor, group in found:
        outer = [other for other in beside[factor] if _lie_beside(factor, other, beside, families, origins)]
        both = _with_bases(factor, origins)
        conditions = [str(one.reason) for one in findings.conditions if both & set(factors(one.axis))]
        inside = tuple(_outer(other, names.get(other, ""), factor, group, axes) for other in outer)
        groups.append(dataclasses.replace(group, inside=inside, conditions=tuple(dict.fromkeys(conditions))))
    return groups


def _origins(families: Families) -> Origins:
    """Of each factor that is a member or a part of one: all bases, the axis that members differ along, and the position."""
    origins: Origins = {}
    for (base, along), family in families.items():
        for position, member in family.items():
            for part in dict.fromkeys(factors(member)):
                origins.setdefault(part, []).append((base, along, position))
    return origins


def _with_bases(factor: Factor, origins: Origins) -> set[Factor]:
    """A factor, its bases, theirs, and so on."""
    found, waiting = {factor}, [factor]
    while waiting:
        bases = {base for base, _, _ in origins.get(waiting.pop(), [])} - found
        found |= bases
        waiting += bases
    return found


def _lie_beside(
    factor: Factor, other: Factor, beside: Mapping[Factor, Sequence[Factor]], families: Families, origins: Origins
) -> bool:
    """Whether of two factors that lie beside each other the bases do so as well, each in all of its arrays."""
    found, waiting = {(factor, other)}, [(factor, other)]
    while waiting:
        inner, outer = waiting.pop()
        for base, along, position in origins.get(inner, []):
            around = (
                one
                for one in beside.get(base, [])
                if one is outer or outer in factors(families.get((one, along), {}).get(position, one))
            )
            one = next(around, None)
            if one is None:
                return False
            if (base, one) not in found:
                found.add((base, one))
                waiting.append((base, one))
    return True


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
    # what lies in ranges of another axis is not beside every entry: counted twice, it is not there once
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
