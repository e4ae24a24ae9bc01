"""The charges of the arrays of a program, and where in them units lie; see `charges`."""

import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction

from symmetry_jax.symmetry.discovery.equations import Families
from symmetry_jax.symmetry.discovery.forms import Form, Forms
from symmetry_jax.symmetry.discovery.grouping import Occurrence, occurrences
from symmetry_jax.symmetry.discovery.layouts import Factor, Layout, Product, Ranges, product, resolved
from symmetry_jax.symmetry.discovery.operands import Operand

Charge = Mapping[Occurrence, Form]  # of each place of units along an axis; zero where there is none
NOTHING: Charge = {}
MOST_RANGES = 64  # of a digit that are told apart


class Ledger:
    """The charges of the arrays of one program, either signs or scales."""

    def __init__(self, forms: Forms, census: "Census") -> None:
        self.forms, self.census = forms, census
        self._charges: dict[int, Charge] = {}

    @property
    def signs(self) -> bool:
        """Whether charges are signs, rather than scales."""
        return self.forms.signs

    def of(self, operand: Operand) -> Charge:
        """The charge of an array."""
        return self._charges.get(id(operand), NOTHING)

    def fit(self, charge: Charge, axes: Sequence[Layout]) -> Charge:
        """A charge in an array with these axes: none of units that do not lie in these very places, or along several axes."""
        kept = {place: form for place, form in charge.items() if place in self.census.places(axes, place.factor)}
        self.vanish(form for place, form in charge.items() if place not in kept)
        return kept

    def give(self, operand: Operand, charge: Charge) -> None:
        """An array has this charge, as far as it fits."""
        kept = self.fit(charge, operand.axes)
        if kept:
            self._charges[id(operand)] = kept
        else:
            self._charges.pop(id(operand), None)

    def any_charge(self, operand: Operand) -> Charge:
        """A new unknown for each place of units in an array."""
        return {place: self.forms.unknown() for place in self.census.every(operand.axes)}

    def vanish(self, forms: Iterable[Form]) -> None:
        """These are zero."""
        for form in forms:
            self.forms.vanish(form)

    def uncharged(self, operands: Iterable[Operand]) -> None:
        """These arrays have no charge."""
        for operand in operands:
            self.vanish(self.of(operand).values())

    def plus(self, one: Charge, other: Charge, times: Fraction | int = 1) -> Charge:
        """`one + times * other`, without zeros."""
        total = dict(one)
        for place, form in other.items():
            total[place] = self.forms.plus(total.get(place, {}), form, times)
        return {place: form for place, form in total.items() if form}

    def alike(self, charges: Sequence[Charge]) -> Charge:
        """What is added up or chosen from has one charge."""
        for charge in charges[1:]:
            self.vanish(self.plus(charge, charges[0], -1).values())
        return charges[0] if charges else NOTHING


@dataclasses.dataclass(frozen=True)
class Member(Occurrence):
    """Where units lie at one position of another axis, beside which they are those of a base; see `families`.

    Attributes:
        base: the factor that lies there in the layout.
        beside: the other axis.
        at: the position on it.
    """

    base: Factor
    beside: Factor
    at: int

    def taken(self) -> Occurrence:
        """The same place where this position alone is taken."""
        return Occurrence(self.factor, self.outer, self.inner, self.start)


class Census:
    """Where the units of groups lie in the arrays of a program whose layouts are settled.

    Args:
        factors: those of the groups.
        families: for bases and the axes beside them, the members at each position.
    """

    def __init__(self, factors: Collection[Factor], families: Families) -> None:
        self._factors = factors
        self._bases: dict[Factor, dict[tuple[Factor, Factor], list[int]]] = {}
        for key, family in families.items():
            for position, member in sorted(family.items()):
                factor = resolved(member)
                if isinstance(factor, Factor) and factor in factors:
                    self._bases.setdefault(factor, {}).setdefault(key, []).append(position)
        self._looked_for = {*factors, *(base for base, _ in families)}
        self._known: dict[Layout, dict[Factor, tuple[Occurrence, ...]]] = {}

    def along(self, axis: Layout) -> Mapping[Factor, tuple[Occurrence, ...]]:
        """The places of each factor along an axis; none where one entry has two indices of it."""
        if axis not in self._known:
            layout = resolved(axis)
            found: dict[Factor, tuple[Occurrence, ...]] = {}
            for place in occurrences(_apart(layout)):
                if place.factor in self._looked_for:
                    whole = dataclasses.replace(place, outer=merged(place.outer))
                    found[place.factor] = (*found.get(place.factor, ()), whole)
            for factor in found:
                found[factor] = () if _is_repeated(layout, factor) else found[factor]
            self._known[axis] = found
        return self._known[axis]

    def lies(self, place: Occurrence, axis: Layout) -> bool:
        """Whether the units of a place in an array lie along this axis of it."""
        return (place.base if isinstance(place, Member) else place.factor) in self.along(axis)

    def places(self, axes: Sequence[Layout], factor: Factor) -> tuple[Occurrence, ...]:
        """The places of a factor in an array with these axes; none where it lies along several."""
        found = [places for axis in axes for places in [self.along(axis).get(factor)] if places is not None]
        for (base, beside), positions in self._bases.get(factor, {}).items():
            apart = sum(resolved(axis) is beside for axis in axes) == 1
            for places in (self.along(axis)[base] for axis in axes if base in self.along(axis)):
                at_each = ((place, at) for at in positions for place in places if apart)
                found.append(
                    tuple(Member(factor, place.outer, place.inner, place.start, base, beside, at) for place, at in at_each)
                )
        return found[0] if len(found) == 1 else ()

    def every(self, axes: Sequence[Layout]) -> list[Occurrence]:
        """The places of all factors in an array with these axes."""
        here = dict.fromkeys(factor for axis in axes for factor in self.along(axis))
        members = [factor for factor, families in self._bases.items() if any(base in here for base, _ in families)]
        factors = dict.fromkeys([*(factor for factor in here if factor in self._factors), *members])
        return [place for factor in factors for place in self.places(axes, factor)]

    def flat(self, axes: Sequence[Layout], place: Occurrence) -> Occurrence | None:
        """Where the units of a place lie in the flattened array; None where a base's other axis is a faster one."""
        strides = [math.prod(axis.size for axis in axes[number + 1 :]) for number in range(len(axes))]
        number = next(number for number, axis in enumerate(axes) if self.lies(place, axis))
        slower, start = list(range(number)), place.start * strides[number]
        if isinstance(place, Member):
            other = next(number for number, axis in enumerate(axes) if resolved(axis) is place.beside)
            if other > number:
                return None
            slower.remove(other)
            start += place.at * strides[other]
        outer = [(axes[one].size, strides[one]) for one in slower]
        outer += [(count, stride * strides[number]) for count, stride in place.outer]
        return Occurrence(place.factor, merged(outer), place.inner * strides[number], start)


def _apart(layout: Layout) -> Layout:
    """The same positions, with products of a few ranges as ranges of products, so that each place has one description."""
    layout = resolved(layout)
    if isinstance(layout, Factor):
        return layout
    parts = [_apart(part) for part in layout.parts]
    if isinstance(layout, Ranges):
        return resolved(Ranges(tuple(parts)))
    for number, part in enumerate(parts):
        faster = product(parts[number + 1 :])
        if isinstance(part, Ranges) and len(part.parts) <= MOST_RANGES and faster.size > 1:
            ranges = Ranges(tuple(_apart(Product((one, faster))) for one in part.parts))
            return resolved(Product((*parts[:number], ranges)))
    return layout


def _is_repeated(layout: Layout, factor: Factor) -> bool:
    """Whether some position of a layout has two indices of a factor."""
    layout = resolved(layout)
    if isinstance(layout, Factor):
        return False
    if any(_is_repeated(part, factor) for part in layout.parts):
        return True
    return isinstance(layout, Product) and sum(_holds(part, factor) for part in layout.parts) > 1


def _holds(layout: Layout, factor: Factor) -> bool:
    layout = resolved(layout)
    return layout is factor if isinstance(layout, Factor) else any(_holds(part, factor) for part in layout.parts)


def merged(outer: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Slower digits, slowest first, with those that count on from each other made one."""
    digits: list[tuple[int, int]] = []
    for number, stride in outer:
        if number == 1:
            continue
        if digits and digits[-1][1] == number * stride:
            digits[-1] = (digits[-1][0] * number, stride)
        else:
            digits.append((number, stride))
    return tuple(digits)
