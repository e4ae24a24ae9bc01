"""Where the units of a group lie in one array, and how each array changes when units are multiplied by numbers."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import jax
import numpy as np

Role = Literal["fan-in", "bias", "fan-out", "state"]

TRAINED: tuple[Role, ...] = ("fan-in", "bias", "fan-out")
ROLES: tuple[Role, ...] = (*TRAINED, "state")


@dataclasses.dataclass(frozen=True)
class UnitAxis:
    """Where the units of a group lie in one array.

    In an axis that was flattened or concatenated, unit u of U fills the positions
    `start + (o U + u) inner + i` for o < outer and i < inner.

    Attributes:
        path: the array's path in the pytree, joined by "/": `params/conv_0/kernel`.
        axis: the axis, counted from 0.
        role: what the array is to a unit: its fan-in, bias or fan-out, or state that is not trained.
        outer: number of slower factors flattened into the axis.
        inner: number of faster factors flattened into the axis.
        start: first position of the units, where other things come before them.
    """

    path: str
    axis: int
    role: Role
    outer: int = 1
    inner: int = 1
    start: int = 0

    def places(self) -> str:
        """Where in the axis units lie that do not fill it one by one: `from 5, 3 times, 4 each`."""
        words = (("from {}", self.start, 0), ("{} times", self.outer, 1), ("{} each", self.inner, 1))
        return ", ".join(text.format(number) for text, number, usual in words if number != usual)

    def fits(self, array: jax.Array, size: int) -> bool:
        """Whether an array has such an axis, long enough for so many units."""
        shape = np.shape(array)
        return self.axis < len(shape) and self.start + self.outer * size * self.inner <= shape[self.axis]

    def positions(self, size: int) -> np.ndarray:
        """The positions of each of `size` units along the axis: (size, outer * inner)."""
        block = np.arange(self.outer * size * self.inner).reshape(self.outer, size, self.inner)
        return self.start + block.transpose(1, 0, 2).reshape(size, -1)


@dataclasses.dataclass(frozen=True)
class Charges:
    """A symmetry that is no permutation: each unit u has a number s_u, and every array is multiplied by a power of it.

    Attributes:
        axes: where the units lie that are multiplied; elsewhere nothing changes.
        exponents: of each, the power q by which `s_u ** q` multiplies unit u. For a sign, which is s_u = -1, it is 1.
    """

    axes: tuple[UnitAxis, ...]
    exponents: tuple[int, ...]

    def only(self, roles: Sequence[Role]) -> "Charges":
        """What happens to the arrays that have one of these roles."""
        kept = [pair for pair in zip(self.axes, self.exponents, strict=True) if pair[0].role in roles]
        return Charges(tuple(axis for axis, _ in kept), tuple(exponent for _, exponent in kept))

    def words(self, number: str) -> str:
        """What is multiplied by which power of a number: `w1 1 by c, w2 0 by 1/c`."""
        return ", ".join(
            " ".join(filter(None, (axis.path, str(axis.axis), axis.places(), f"by {_power(number, exponent)}")))
            for axis, exponent in zip(self.axes, self.exponents, strict=True)
        )


def _power(number: str, exponent: int) -> str:
    power = number if abs(exponent) == 1 else f"{number}^{abs(exponent)}"
    return power if exponent > 0 else f"1/{power}"
