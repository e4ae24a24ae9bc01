"""Linear forms in unknown exponents, and which of them are zero."""

import dataclasses
import math
from collections.abc import Hashable, Mapping
from fractions import Fraction
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)
Form = Mapping[int, Fraction | int]  # the coefficient of each unknown, none of them zero


@dataclasses.dataclass
class Forms:
    """Forms over the rationals, or over the integers modulo 2; every form that was said to vanish settles one unknown.

    Attributes:
        signs: whether forms are modulo 2.
        settled: for an unknown, the form in earlier ones that it is equal to.
        number: of unknowns.
    """

    signs: bool
    settled: dict[int, Form] = dataclasses.field(default_factory=dict)
    number: int = 0

    def unknown(self) -> Form:
        """The form that is one new unknown."""
        self.number += 1
        return {self.number - 1: 1}

    def plus(self, one: Form, other: Form, times: Fraction | int = 1) -> Form:
        """`one + times * other`, without unknowns that are settled."""
        total = dict(one)
        for unknown, coefficient in other.items():
            total[unknown] = total.get(unknown, 0) + times * coefficient
        while late := [unknown for unknown in total if unknown in self.settled]:
            for unknown in late:
                coefficient = total.pop(unknown)
                for earlier, factor in self.settled[unknown].items():
                    total[earlier] = total.get(earlier, 0) + coefficient * factor
        if self.signs:
            return {unknown: 1 for unknown, coefficient in total.items() if coefficient % 2}
        return {unknown: coefficient for unknown, coefficient in total.items() if coefficient}

    def vanish(self, form: Form) -> None:
        """This form is zero: its latest unknown is what the others say."""
        left = dict(self.plus(form, {}))
        if left:
            last = max(left)
            by = left.pop(last)
            self.settled[last] = {unknown: -Fraction(coefficient) / by for unknown, coefficient in left.items()}

    def solutions(self, forms: Mapping[Name, Form]) -> list[dict[Name, int]]:
        """A basis of the values that forms may have together, in smallest integers and without zeros.

        Args:
            forms: unknowns that were made before all others, by a name.
        """
        basis: dict[int, dict[Name, Fraction | int]] = {}
        for name, form in forms.items():
            for free, coefficient in self.plus(form, {}).items():
                basis.setdefault(free, {})[name] = coefficient
        return [_smallest(vector) for vector in basis.values()]


def _smallest(vector: Mapping[Name, Fraction | int]) -> dict[Name, int]:
    common = math.lcm(*(Fraction(entry).denominator for entry in vector.values()))
    whole = {name: int(entry * common) for name, entry in vector.items()}
    shared = math.gcd(*whole.values())
    return {name: entry // shared for name, entry in whole.items()}
