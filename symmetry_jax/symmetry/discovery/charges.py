"""Symmetries that are no permutations: signs and scales of units, proved along the same program.

Multiply the entries of parameters that belong to unit u by s_u ** q, with another exponent q for each array. Every array of the
program that carries the units along an axis is then multiplied by a power of s_u as well, its *charge*, if each equation allows
that: charges of factors add up, those of summands are equal, what is summed over has none, nor has a result. These conditions
are linear in the exponents of the parameters. Their solutions modulo 2 are signs, s_u = -1; over the rationals, scales,
s_u = c > 0. Where a charge cannot be followed it has to be zero, so that nothing that is found is false.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from symmetry_jax.symmetry.axes import Charges, UnitAxis

# rules are registered where they are written
from symmetry_jax.symmetry.discovery import moves, powers
from symmetry_jax.symmetry.discovery.equations import Families, Step
from symmetry_jax.symmetry.discovery.forms import Form, Forms
from symmetry_jax.symmetry.discovery.grouping import Occurrence, joined_axes
from symmetry_jax.symmetry.discovery.layouts import Factor
from symmetry_jax.symmetry.discovery.ledger import Census, Ledger
from symmetry_jax.symmetry.discovery.operands import Operand
from symmetry_jax.symmetry.units import UnitGroup

RULE_BOOKS = (moves, powers)
Unknown = tuple[str, int, Occurrence]  # the exponent of units of an array, along one of its axes, in one place


def charged(
    groups: Sequence[tuple[Factor, UnitGroup]], families: Families, params: Mapping[str, Operand], steps: Sequence[Step]
) -> list[UnitGroup]:
    """The groups with the signs and scales of their units.

    Args:
        groups: the groups and their factors.
        families: the families of factors.
        params: by its path, each array of numbers that are no integers, as the program begins with it.
        steps: the program.
    """
    census = Census({factor for factor, _ in groups}, families)
    signs, scales = (_solutions(Ledger(Forms(modulo), census), groups, params, steps) for modulo in (True, False))
    return [dataclasses.replace(group, signs=signs[factor], scales=scales[factor]) for factor, group in groups]


def _solutions(
    ledger: Ledger, groups: Sequence[tuple[Factor, UnitGroup]], params: Mapping[str, Operand], steps: Sequence[Step]
) -> dict[Factor, tuple[Charges, ...]]:
    unknowns = {factor: _unknowns(ledger, factor, group, params) for factor, group in groups}
    start: dict[str, dict[Occurrence, Form]] = {path: {} for path in params}
    for (path, _, place), form in (pair for found in unknowns.values() for pair in found.items()):
        start[path][place] = form
    for path, charge in start.items():
        ledger.give(params[path], charge)
    for step in steps:
        powers.follow_charge(ledger, step)
    return {
        factor: tuple(_charges(group, vector) for vector in ledger.forms.solutions(unknowns[factor]))
        for factor, group in groups
    }


def _unknowns(ledger: Ledger, factor: Factor, group: UnitGroup, params: Mapping[str, Operand]) -> dict[Unknown, Form]:
    where = dict.fromkeys((axis.path, axis.axis) for axis in group.axes if axis.path in params)
    return {
        (path, axis, place): ledger.forms.unknown()
        for path, axis in where
        for place in ledger.census.places(params[path].axes, factor)
    }


def _charges(group: UnitGroup, exponents: Mapping[Unknown, int]) -> Charges:
    """The exponents that are not zero, where neighbouring ranges with the same one are one."""
    roles = {(axis.path, axis.axis): axis.role for axis in group.axes}
    together: dict[tuple[str, int, int], list[Occurrence]] = {}
    for (path, axis, place), exponent in exponents.items():
        together.setdefault((path, axis, exponent), []).append(place)
    found: list[tuple[UnitAxis, int]] = []
    for (path, axis, exponent), places in together.items():
        found += [(one, exponent) for one in joined_axes(path, axis, places, group.size, roles[path, axis])]
    return Charges(tuple(axis for axis, _ in found), tuple(exponent for _, exponent in found))
