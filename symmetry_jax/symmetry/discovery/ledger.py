"""The charges of the arrays of a program, and where in them units lie; see `charges`."""

import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction

from symmetry_jax.symmetry.discovery.forms import Form, Forms
from symmetry_jax.symmetry.discovery.grouping import Occurrence, occurrences
from symmetry_jax.symmetry.discovery.layouts import Factor, Layout, Product, resolved
from symmetry_jax.symmetry.discovery.operands import Operand

Charge = Mapping[Occurrence, Form]  # of each place of units along an axis; zero where there is none
NOTHING: Charge = {}


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
        """A charge in an array with these axes: units that do not lie in these very places, or along several axes, have none."""
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


class Census:
    """Where the units of groups lie in the arrays of a program whose layouts are settled.

    Args:
        factors: those of the groups.
    """

    def __init__(self, factors: Collection[Factor]) -> None:
        self._factors = factors
        self._known: dict[Layout, dict[Factor, tuple[Occurrence, ...]]] = {}

    def along(self, axis: Layout) -> Mapping[Factor, tuple[Occurrence, ...]]:
        """The places of each factor along an axis; none where one entry has two indices of it."""
        if axis not in self._known:
            layout = resolved(axis)
            found: dict[Factor, tuple[Occurrence, ...]] = {}
            for place in occurrences(layout):
                if place.factor in self._factors:
                    merged = dataclasses.replace(place, outer=_merged(place.outer))
                    found[place.factor] = (*found.get(place.factor, ()), merged)
            for factor in found:
                found[factor] = () if _is_repeated(layout, factor) else found[factor]
            self._known[axis] = found
        return self._known[axis]

    def places(self, axes: Sequence[Layout], factor: Factor) -> tuple[Occurrence, ...]:
        """The places of a factor in an array with these axes; none where it lies along several."""
        found = [places for axis in axes for places in [self.along(axis).get(factor)] if places is not None]
        return found[0] if len(found) == 1 else ()

    def every(self, axes: Sequence[Layout]) -> list[Occurrence]:
        """The places of all factors in an array with these axes."""
        factors = dict.fromkeys(factor for axis in axes for factor in self.along(axis))
        return [place for factor in factors for place in self.places(axes, factor)]

    def flat(self, axes: Sequence[Layout], place: Occurrence) -> Occurrence:
        """Where the units of a place lie in the flattened array."""
        number = next(number for number, axis in enumerate(axes) if place.factor in self.along(axis))
        before, size, after = (math.prod(axis.size for axis in some) for some in (axes[:number], [axes[number]], axes[number + 1 :]))
        outer = [(before, size * after), *((count, stride * after) for count, stride in place.outer)]
        return Occurrence(place.factor, _merged(outer), place.inner * after, place.start * after)


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


def _merged(outer: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Slower digits, slowest first, with those that count on from each other made one."""
    merged: list[tuple[int, int]] = []
    for number, stride in outer:
        if number == 1:
            continue
        if merged and merged[-1][1] == number * stride:
            merged[-1] = (merged[-1][0] * number, stride)
        else:
            merged.append((number, stride))
    return tuple(merged)
