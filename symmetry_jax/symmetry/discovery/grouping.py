"""Unit groups out of the layouts of parameters."""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

from symmetry_jax.symmetry.axes import ROLES, Role, UnitAxis
from symmetry_jax.symmetry.discovery.equations import Findings, Use
from symmetry_jax.symmetry.discovery.layouts import Factor, Layout, Product, Ranges, factors, resolved
from symmetry_jax.symmetry.units import UnitGroup

Axes = Mapping[str, tuple[Layout, ...]]  # the layouts of each parameter's axes, by its path


@dataclasses.dataclass(frozen=True)
class Occurrence:
    """Where a factor lies along an axis: position of index u at start + sum of multiples of the outer strides + u inner + i."""

    factor: Factor
    outer: tuple[tuple[int, int], ...]  # (number, stride) of each slower digit, slowest first
    inner: int
    start: int

    @property
    def repeats(self) -> int:
        """How many times the units are there."""
        return math.prod(number for number, _ in self.outer)

    def apart(self) -> "Iterator[Occurrence]":
        """Each time by itself."""
        for index in itertools.product(*(range(number) for number, _ in self.outer)):
            start = self.start + sum(at * stride for at, (_, stride) in zip(index, self.outer, strict=True))
            yield Occurrence(self.factor, (), self.inner, start)


def occurrences(layout: Layout) -> Iterator[Occurrence]:
    """Every place of every factor along an axis."""
    yield from _occurrences(resolved(layout), (), 1, 0)


def _occurrences(layout: Layout, outer: tuple[tuple[int, int], ...], inner: int, start: int) -> Iterator[Occurrence]:
    if isinstance(layout, Factor):
        yield Occurrence(layout, outer, inner, start)
    elif isinstance(layout, Product):
        stride = layout.size * inner
        for part in layout.parts:
            stride //= part.size
            yield from _occurrences(part, outer, stride, start)
            outer = (*outer, (part.size, stride))
    else:
        for part in layout.parts:
            yield from _occurrences(part, outer, inner, start)
            start += part.size * inner


def unit_axes(path: str, axis: int, layout: Layout, factor: Factor, role: Role) -> list[UnitAxis]:
    """Where the units of a factor lie along one axis of an array."""
    return joined_axes(path, axis, [place for place in occurrences(layout) if place.factor is factor], factor.size, role)


def joined_axes(path: str, axis: int, places: Sequence[Occurrence], size: int, role: Role) -> list[UnitAxis]:
    """Units that lie in several places of one axis, of which neighbouring ranges are one."""
    found = [piece for place in places for piece in _pieces(place)]
    joined: list[tuple[int, int, int]] = []
    for start, outer, inner in sorted(found):
        if joined and joined[-1][2] == inner and joined[-1][0] + joined[-1][1] * size * inner == start:
            joined[-1] = (joined[-1][0], joined[-1][1] + outer, inner)
        else:
            joined.append((start, outer, inner))
    return [UnitAxis(path, axis, role, outer, inner, start) for start, outer, inner in joined]


def _pieces(place: Occurrence) -> list[tuple[int, int, int]]:
    """(start, outer, inner) of the ranges of one occurrence: several where slower digits leave other positions between."""
    starts, outer = [place.start], 1
    for number, stride in reversed(place.outer):
        if len(starts) == 1 and stride == outer * place.factor.size * place.inner:
            outer *= number
        else:
            starts = [start + index * stride for index in range(number) for start in starts]
    return [(start, outer, place.inner) for start in starts]


def groups(axes: Axes, findings: Findings, state: Sequence[str]) -> list[tuple[Factor, UnitGroup]]:
    """The unit groups of parameters with these layouts, in the order in which the program makes their units.

    Args:
        axes: the layouts of the axes of each parameter that the program uses.
        findings: what following the program brought to light.
        state: the paths of arrays that are not trained.
    """
    order = {id(use): number for number, use in enumerate(findings.uses)}
    met: dict[Factor, list[tuple[tuple[int, int], UnitAxis]]] = {}
    for path, layouts in axes.items():
        for axis, layout in enumerate(layouts):
            for factor in dict.fromkeys(factors(layout)):
                if factor.rigid is None:
                    use = _use(path, layouts, axis, factor, findings)
                    role = "state" if path in state else use.role if use else _usual_role(layouts)
                    when = (ROLES.index(role), order[id(use)] if use else len(order))
                    met.setdefault(factor, []).extend((when, place) for place in unit_axes(path, axis, layout, factor, role))
    made = sorted(met.items(), key=lambda item: min(when[1] for when, _ in item[1]))
    ordered = [(factor, tuple(place for _, place in sorted(places, key=lambda pair: pair[0]))) for factor, places in made]
    names = _names([(factor.size, places) for factor, places in ordered])
    return [(factor, UnitGroup(name, factor.size, places)) for name, (factor, places) in zip(names, ordered, strict=True)]


def _use(path: str, layouts: Sequence[Layout], axis: int, factor: Factor, findings: Findings) -> Use | None:
    """The first use of a parameter's axis: of itself, of one that stands for it, or else of one it became, with the factor."""
    own = [(use, _stands_for(use.axis, findings.alike)) for use in findings.uses if path in use.paths]
    itself = (use for use, _ in own if use.axis is layouts[axis])
    instead = (use for use, stood_for in own if layouts[axis] in stood_for)
    derived = (use for use, stood_for in own if stood_for.isdisjoint(layouts) and factor in factors(use.axis))
    return next(itertools.chain(itself, instead, derived), None)


def _stands_for(axis: Layout, alike: Mapping[Layout, Sequence[Layout]]) -> set[Layout]:
    """An axis, and all that it stands for or has ranges of; positions without a neighbour are all one object."""
    found, new = {axis}, [axis]
    while new:
        parts = [part for one in new if isinstance(one, Ranges) for part in one.parts if part.size > 1]
        met = {*parts, *(other for one in new for other in alike.get(one, ()))} - found
        found |= met
        new = list(met)
    return found


def _usual_role(layouts: Sequence[Layout]) -> Role:
    return "fan-in" if len(layouts) > 1 else "bias"


def _names(found: Sequence[tuple[int, Sequence[UnitAxis]]]) -> list[str]:
    """Each group is named by the module that makes its units; several of one module by their number too."""
    modules = [_module(places) for _, places in found]
    names: list[str] = []
    for module, (size, _) in zip(modules, found, strict=True):
        name = module if modules.count(module) == 1 else f"{module}:{size}"
        numbered = itertools.chain([name], (f"{name}:{number}" for number in itertools.count(2)))
        names.append(next(one for one in numbered if one not in names))
    return names


def _module(places: Sequence[UnitAxis]) -> str:
    path = places[0].path.split("/")
    parts = path[1:] if path[0] == "params" and len(path) > 1 else path
    return "/".join(parts[:-1] or parts) or "params"
