"""Where the units of groups lie in the arrays of a program from a tree to one of the same arrays."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from symmetry_jax.errors import InputError
from symmetry_jax.symmetry.axes import UnitAxis
from symmetry_jax.symmetry.discovery.equations import Findings
from symmetry_jax.symmetry.discovery.grouping import unit_axes
from symmetry_jax.symmetry.discovery.layouts import Factor, Product, Ranges, factors, free, resolved, unify
from symmetry_jax.symmetry.discovery.operands import Operand
from symmetry_jax.symmetry.discovery.reading import follow
from symmetry_jax.symmetry.discovery.sources import Reason
from symmetry_jax.symmetry.sections import Place, places
from symmetry_jax.symmetry.units import PyTree, UnitGroup, leaves

UNFIT = Reason("units are said to lie where they do not")


class Whereabouts:
    """Where the units of one group lie in the arrays of a program.

    Args:
        layouts: of the arrays.
        factor: the index of the units in them; None where the program is not proved to treat all alike.
    """

    def __init__(self, layouts: Mapping[Any, Operand], factor: Factor | None) -> None:
        self._layouts, self._factor = layouts, factor
        self._known: dict[Any, tuple[Place, ...]] = {}

    def carry(self, atom: Any) -> bool:
        """Whether an array may tell the units apart."""
        return not isinstance(atom, Literal) and (self._factor is None or bool(self._places(atom)))

    def place(self, atom: Any) -> Place | None:
        """The axis of an array that the units lie along, if it is one."""
        if not self.carry(atom) or self._factor is None:
            return None
        first, *more = self._places(atom)
        return None if more else first

    def along_one(self, atom: Any) -> bool:
        """Whether an array carries the units along one axis at most."""
        return not self.carry(atom) or self.place(atom) is not None

    def everywhere(
        self, group: UnitGroup, tree: PyTree, variables: Sequence[Any], sought: Callable[[str], bool]
    ) -> UnitGroup | None:
        """The group with its places in the arrays that are sought, as the state of its units, or None if they do not show.

        They do not where the program is not proved to treat all units alike, or where the index of the units is found in other
        arrays that the group does not name: it may be that of another group too, whose units are permuted with these.

        Args:
            group: these units.
            tree: arrays.
            variables: what the arrays are in the program, in their order.
            sought: of an array's path, whether the group leaves out its places there.

        Raises:
            InputError: if an array that is sought has two indices of units along one axis: flattened weights among units.
        """
        if self._factor is None:
            return None
        named = {axis.path for axis in group.axes}
        unnamed = [(path, one) for (path, _), one in zip(leaves(tree), variables, strict=True) if path not in named]
        if any(self.carry(one) for path, one in unnamed if not sought(path)):
            return None
        more = [axis for path, one in unnamed if sought(path) for axis in self._axes(path, one, group)]
        return dataclasses.replace(group, axes=(*group.axes, *more))

    def _axes(self, path: str, variable: Any, group: UnitGroup) -> list[UnitAxis]:
        found = []
        assert self._factor is not None
        for axis, layout in enumerate(self._layouts[variable].axes):
            along = unit_axes(path, axis, layout, self._factor, "state")
            positions = [place.positions(group.size).reshape(-1) for place in along]
            if positions and len(np.unique(np.concatenate(positions))) < sum(map(len, positions)):
                raise InputError(
                    f"{path}: axis {axis} holds weights between the units of {group.name!r}, flattened: not followed"
                )
            found += along
        return found

    def _places(self, variable: Any) -> tuple[Place, ...]:
        if variable not in self._known:
            assert self._factor is not None
            self._known[variable] = places(self._layouts[variable].axes, self._factor)
        return self._known[variable]


def whereabouts(program: ClosedJaxpr, tree: PyTree, groups: Mapping[str, UnitGroup]) -> dict[str, Whereabouts]:
    """Where units lie in a program from a tree to such a tree, as far as it is proved to treat all alike.

    Args:
        program: its arguments are the arrays of the tree, and so are its first results.
        tree: arrays or their shapes.
        groups: by name, with where units lie in the tree; arrays that they do not name are found out about.
    """
    arrays = {path: Operand(tuple(free(size) for size in array.shape)) for path, array in leaves(tree)}
    indices = {name: Factor(group.size) for name, group in groups.items()}
    for name, group in groups.items():
        for axis in group.axes:
            layout = arrays[axis.path].axes[axis.axis]
            units = Product((free(axis.outer), indices[name], free(axis.inner)))
            unify(layout, Ranges((free(axis.start), units, free(layout.size - axis.start - units.size))), UNFIT)
    results, findings = follow(program, list(arrays.values()))
    for before, after in zip(arrays.values(), results[: len(arrays)], strict=True):
        after.use_as_numbers(UNFIT)
        for one, other in zip(before.axes, after.axes, strict=True):
            unify(one, other, UNFIT)
    for (base, _, _), member in findings.members.items():
        unify(base, member, UNFIT)
    return {name: Whereabouts(findings.operands, _proved(index, findings)) for name, index in indices.items()}


def _proved(index: Factor, findings: Findings) -> Factor | None:
    """What an index has turned out to be, if units may be permuted whatever happens: equal ones are no exception."""
    factor = resolved(index)
    conditional = {one for condition in findings.conditions for one in factors(condition.axis)}
    return factor if isinstance(factor, Factor) and factor.rigid is None and factor not in conditional else None
