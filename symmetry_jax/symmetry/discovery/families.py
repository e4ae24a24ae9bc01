"""Families: a factor that is another one at each position of an axis beside it, of which positions are taken one by one.

A matrix may make queries, keys and values side by side, reshaped to (3, heads, dimensions) and taken apart: dimensions of
queries and of keys are then permuted together, those of values by themselves. So where one position of an axis is taken, the
factors beside it become members of a family, free of each other until they meet. That is right where the members could be
permuted apart from each other (see `nesting`), and where it can be said of the parameters; or else members are one again.
"""

from symmetry_jax.symmetry.discovery.equations import Equation, Findings
from symmetry_jax.symmetry.discovery.grouping import Axes
from symmetry_jax.symmetry.discovery.layouts import (
    ONE,
    ONE_BY_ONE,
    Factor,
    Layout,
    Product,
    Ranges,
    factors,
    freeze,
    product,
    resolved,
    unify,
)
from symmetry_jax.symmetry.discovery.nesting import neighbours
from symmetry_jax.symmetry.discovery.operands import Operand
from symmetry_jax.symmetry.discovery.sources import Reason

Families = dict[tuple[Factor, Factor], dict[int, Factor]]  # the members by position, of a factor along another
Bases = dict[Factor, Factor]  # of each member, and of what it is made of, the factor that it is a member of
APART = Reason("it differs from position to position of an axis that is taken apart")
UNUSED = Reason("no output depends on it")


def settle(axes: Axes, findings: Findings) -> Bases:
    """Makes the members of a family one where they have to be, and puts the others into the layouts of the parameters.

    Args:
        axes: the layouts of the parameters' axes, each an object that stands for this axis alone.
        findings: what following the program brought to light.
    """
    families: Families = {}
    while not _consistent(axes, findings, families):
        pass
    for layouts in axes.values():
        for layout in layouts:
            if isinstance(layout, Factor):
                layout.form = _expanded(resolved(layout), families)
    members = ((one, base) for (base, _), family in families.items() for one in family.values())
    return {part: base for member, base in members for part in factors(member)}


def _consistent(axes: Axes, findings: Findings, families: Families) -> bool:
    """Gathers the families that there are by now; whether all of their members are as they have to be."""
    families.clear()
    consistent = True
    beside = neighbours(_bases(findings), findings)
    for (base, along, position), member in list(findings.members.items()):
        one, other = resolved(base), resolved(along)
        if (
            isinstance(one, Factor)
            and isinstance(other, Factor)
            and other in beside.get(one, [])
            and all(_follows(one, other, layout) for layouts in axes.values() for layout in layouts)
        ):
            same = families.setdefault((one, other), {}).setdefault(position, member)
        else:
            del findings.members[base, along, position]
            same = base
        if resolved(same) is not resolved(member):
            unify(same, member, APART)
            consistent = False
    return consistent


def _bases(findings: Findings) -> list[Factor]:
    """The factors that have members and may be permuted."""
    bases = (resolved(base) for base, _, _ in findings.members)
    return [base for base in bases if isinstance(base, Factor) and base.rigid is None]


def _follows(factor: Factor, along: Factor, layout: Layout) -> bool:
    """Whether a factor occurs along an axis only as a faster digit than another one, so that each member has its own ranges."""
    layout = resolved(layout)
    if isinstance(layout, Factor):
        return layout is not factor
    parts = layout.parts
    first = next((number for number, part in enumerate(parts) if part is along), len(parts))
    first = first if isinstance(layout, Product) else len(parts)
    return all(_follows(factor, along, part) or (part is factor and number > first) for number, part in enumerate(parts))


def _expanded(layout: Layout, families: Families) -> Layout:
    """The layout with each family written out: a range for each position of the axis that its members differ along."""
    layout = resolved(layout)
    if isinstance(layout, Factor):
        return layout
    if isinstance(layout, Product):
        for number, along in enumerate(layout.parts):
            before, after = layout.parts[:number], layout.parts[number + 1 :]
            if isinstance(along, Factor) and any((part, along) in families for part in after):
                each = [product([_member(part, along, at, families) for part in after]) for at in range(along.size)]
                return resolved(Product((*before, Ranges(tuple(_expanded(one, families) for one in each)))))
    return resolved(type(layout)(tuple(_expanded(part, families) for part in layout.parts)))


def _member(part: Layout, along: Factor, position: int, families: Families) -> Layout:
    if not isinstance(part, Factor) or (part, along) not in families:
        return part
    return families[part, along].get(position) or Factor(part.size, UNUSED)


def taken_at(equation: Equation, operand: Operand, number: int, position: int) -> Operand | None:
    """An array at one position of an axis, which becomes an axis of size 1.

    None where the axis is no factor of its own, or where nothing beside it could have members.
    """
    along = resolved(operand.axes[number])
    beside = [factor for axis in operand.axes for factor in factors(axis) if factor is not along and factor.rigid is None]
    if not isinstance(along, Factor) or along.rigid not in (None, ONE_BY_ONE) or not beside:
        return None
    freeze(along, ONE_BY_ONE)
    axes = [_copied(equation.findings, layout, along, position) for layout in operand.axes]
    axes[number] = ONE
    points = None if operand.points is None else _copied(equation.findings, operand.points, along, position)
    return operand.with_axes(axes).pointing(points)


def _copied(findings: Findings, layout: Layout, along: Factor, position: int) -> Layout:
    layout = resolved(layout)
    if not isinstance(layout, Factor):
        return type(layout)(tuple(_copied(findings, part, along, position) for part in layout.parts))
    if layout.rigid is not None or layout is along:
        return layout
    return findings.members.setdefault((layout, along, position), Factor(layout.size))
