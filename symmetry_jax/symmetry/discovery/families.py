"""Families: where positions of an axis are taken one by one, a factor beside it is another one at each of them.

A matrix may make queries, keys and values side by side, reshaped to (3, heads, dimensions) and taken apart: dimensions of
queries and of keys are then permuted together, those of values by themselves. So where one position of an axis is taken, the
factors beside it become members of a family, free of each other until they meet; the factor that they are members of is their
base. That is right where the base could be permuted in another way at each position (see `nesting`), and where the members can
be said of the parameters; or else they are all one with their base again.
"""

from symmetry_jax.symmetry.discovery.equations import Equation, Families, Findings
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

APART = Reason("it differs from position to position of an axis that is taken apart")
UNTAKEN = Reason("where positions beside it are taken apart it is not taken")


def settle(axes: Axes, findings: Findings) -> Families:
    """Makes members one with their base where they have to be, and puts the others into the layouts of the parameters.

    A family is kept only if writing it out leaves its base in no parameter: what is demanded of one member would be lost there.

    Args:
        axes: the layouts of the parameters' axes, each an object that stands for this axis alone.
        findings: what following the program brought to light.

    Returns:
        The families that are left, in terms of what their factors turned out to be.
    """
    marked = [layout for layouts in axes.values() for layout in layouts if isinstance(layout, Factor)]
    while True:
        families = _families(findings)
        written = [_expanded(layout, families) for layout in marked]
        left = {factor for layout in written for factor in factors(layout)}
        unsaid = [key for key in findings.members if resolved(key[0]) in left]
        if not unsaid:
            break
        for key in unsaid:
            unify(key[0], findings.members.pop(key), APART)
    for layout, form in zip(marked, written, strict=True):
        layout.form = form
    return families


def _families(findings: Findings) -> Families:
    """The families that are left once members which cannot be permuted apart from each other are one with their base.

    The members of a base differ along one axis only; those along a second one are one with it.
    """
    while findings.members:
        families: Families = {}
        differ: dict[Factor, Factor] = {}  # the axis along which the members of each base differ
        alike: list[tuple[tuple[Factor, Factor, int], Layout]] = []
        beside = neighbours(_bases(findings), findings)
        for key, member in findings.members.items():
            base, along, same = resolved(key[0]), resolved(key[1]), resolved(key[0])
            if isinstance(base, Factor) and along in beside.get(base, []) and differ.setdefault(base, along) is along:
                same = families.setdefault((base, along), {}).setdefault(key[2], member)
            if same is not member:
                alike.append((key, same))
        if not alike:
            return families
        for key, same in alike:
            unify(same, findings.members.pop(key), APART)
    return {}


def _bases(findings: Findings) -> list[Factor]:
    """The factors that have members and may be permuted."""
    bases = (resolved(base) for base, _, _ in findings.members)
    return [base for base in bases if isinstance(base, Factor) and base.rigid is None]


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
    """The member at a position, of a part that has a family along this axis; any other part as it is."""
    if not isinstance(part, Factor) or (part, along) not in families:
        return part
    return families[part, along].get(position) or Factor(part.size, UNTAKEN)


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
    """The layout with a member in the place of each factor that may be permuted; the same one whenever it is asked for."""
    layout = resolved(layout)
    if not isinstance(layout, Factor):
        return type(layout)(tuple(_copied(findings, part, along, position) for part in layout.parts))
    if layout.rigid is not None or layout is along:
        return layout
    return findings.members.setdefault((layout, along, position), Factor(layout.size))
