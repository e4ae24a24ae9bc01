"""Differences between equal units, pushed forward through any program that treats all units alike.

Let two units be equal, and move one by +d/2 and the other by -d/2. Exchanging the two reverses that. So an array of the program
that does not tell the units apart stays as it is to first order, and one that carries them along an axis moves at these two
alone, by opposite amounts: its tangent is a section at the first of them. The layouts that `discovery` reads off the program
say which arrays are which, and each equation is differentiated on sections alone, at a cost that falls with the number of
units. Where an equation has no rule for sections, or the program is not proved to treat all units alike, whole arrays are
differentiated, which gives the same but for rounding.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from symmetry_jax.symmetry.axes import ROLES
from symmetry_jax.symmetry.programs import compute, flat_program, read
from symmetry_jax.symmetry.sections import Cut, Derivative, Moves, differentiate, differentiate_sections
from symmetry_jax.symmetry.separation import difference, displace
from symmetry_jax.symmetry.units import PyTree, UnitGroup, leaves, project
from symmetry_jax.symmetry.whereabouts import Whereabouts, whereabouts

Difference = Sequence[jax.Array]  # one unit minus another in each array that carries them: vectors, in the order of leaves


@dataclasses.dataclass(frozen=True)
class Twins:
    """Two equal units of a group."""

    group: UnitGroup
    units: tuple[int, int]

    def along(self, path: str) -> UnitGroup:
        """The group in one array."""
        return dataclasses.replace(self.group, axes=tuple(axis for axis in self.group.axes if axis.path == path))

    def arrays(self, tree: PyTree) -> list[tuple[str, jax.Array]]:
        """The arrays of numbers of a tree that carry the units, with their paths, in the order of its leaves."""
        numbers = ((path, array) for path, array in leaves(tree) if jnp.issubdtype(array.dtype, jnp.inexact))
        return [(path, array) for path, array in numbers if self.along(path).axes]

    def difference(self, arrays: Iterable[tuple[str, jax.Array]]) -> Difference:
        """The difference between the twins, laid out as `separation.difference` has it for each array by itself."""
        return [difference({path: array}, self.along(path), self.units, ROLES) for path, array in arrays]

    def displacement(self, arrays: Iterable[tuple[str, jax.Array]], apart: Difference) -> list[jax.Array]:
        """What is added to each array to move the twins apart by this difference."""
        blank = ((path, jnp.zeros_like(array)) for path, array in arrays)
        return [
            displace({path: array}, self.along(path), self.units, part, ROLES)[path]
            for (path, array), part in zip(blank, apart, strict=True)
        ]


class Pushforward:
    """A function from a tree to one of the same arrays, which takes small differences between twins along.

    Args:
        function: from the tree to one of the same arrays, and anything else.
        tree: such arrays.
        twins: by name, of groups of the tree.
        sought: of an array's path, whether the program is asked where the units lie in it: an optimizer's moments, in whatever
            form it keeps them. In all others the groups name every place; by default in all.
        believed: by name, the group in all arrays, where the program does not show it: it is not proved to treat all units
            alike, or only if more than these are permuted.

    Attributes:
        twins: by name, of groups that name every array which carries the units.

    Raises:
        InputError: if an array carries units in a way in which they cannot be moved apart.
    """

    def __init__(
        self,
        function: Callable[[PyTree], tuple[PyTree, PyTree]],
        tree: PyTree,
        twins: Mapping[str, Twins],
        sought: Callable[[str], bool] | None = None,
        believed: Callable[[str], UnitGroup] | None = None,
    ) -> None:
        self._program, self._shapes = flat_program(function, tree)
        self._units = whereabouts(self._program, tree, {name: pair.group for name, pair in twins.items()})

        def everywhere(name: str, group: UnitGroup) -> UnitGroup:
            if sought is None or believed is None:
                return group
            return self._units[name].everywhere(group, tree, self._program.jaxpr.invars, sought) or believed(name)

        self.twins = {name: Twins(everywhere(name, pair.group), pair.units) for name, pair in twins.items()}

    def __call__(
        self, tree: PyTree, differences: Mapping[str, Sequence[Difference]]
    ) -> tuple[PyTree, PyTree, dict[str, list[Difference]]]:
        """The results of the function, and the differences between twins to which it takes infinitesimal ones.

        Args:
            tree: arrays in which the twins are equal.
            differences: for each pair any number of them, each for all arrays that carry the units.

        Returns:
            The tree that the function makes, what else it returns, and the differences in that tree.
        """
        program = self._program
        travels = {
            name: [_Travel(pair, self._units[name], program.jaxpr, tree, apart) for apart in differences[name]]
            for name, pair in self.twins.items()
        }
        values = dict(zip(program.jaxpr.constvars, program.consts, strict=True))
        values.update(zip(program.jaxpr.invars, jax.tree.leaves(tree), strict=True))
        for line in program.jaxpr.eqns:
            operands = [read(values, atom) for atom in line.invars]
            found = [travel.pass_through(line, operands) for travel in itertools.chain(*travels.values())]
            # what was differentiated whole was computed with it: XLA would not see that a loop is the same
            computed = next((results for results in found if results is not None), None)
            values.update(zip(line.outvars, computed or compute(program.jaxpr, line, operands), strict=True))
        results = [read(values, atom) for atom in program.jaxpr.outvars]
        after, aux = jax.tree.unflatten(jax.tree.structure(self._shapes), results)
        beside = {name: [other for key, other in self.twins.items() if key != name] for name in self.twins}
        return after, aux, {name: [travel.arrive(after, beside[name]) for travel in travels[name]] for name in travels}


class _Travel:
    """One difference between twins on its way through a program.

    Args:
        pair: the twins.
        units: where they lie in the arrays of the program.
        program: from a tree to such a tree and more.
        tree: its arguments.
        apart: the difference there.
    """

    def __init__(self, pair: Twins, units: Whereabouts, program: Jaxpr, tree: PyTree, apart: Difference) -> None:
        self._pair, self._units, self._program = pair, units, program
        # tangents: sections at the first of the twins where the units lie along one axis, else whole; none where nothing moves
        self._moves: dict[Any, jax.Array] = {}
        displaced = pair.displacement(pair.arrays(tree), apart)
        for variable, move in zip(self._carrying(tree, program.invars), displaced, strict=True):
            self._moves[variable] = self._cut(move, variable)

    def pass_through(self, line: JaxprEqn, values: Sequence[Any]) -> Sequence[Any] | None:
        """Moves the results of an equation, and returns them if they were computed with that."""
        moves = list(map(self._move, line.invars))
        if all(move is None for move in moves) or not any(map(self._can_move, line.outvars)):
            return None
        operands, results = (list(map(self._units.place, atoms)) for atoms in (line.invars, line.outvars))
        cut = Cut(line, operands, results, self._first)
        along_one = all(map(self._units.along_one, (*line.invars, *line.outvars)))
        sections = differentiate_sections(self._program, cut, values, moves) if along_one else None
        found = self._differentiate_whole(line, values, moves) if sections is None else sections
        for variable, move in zip(line.outvars, found.moves, strict=True):
            if move is not None and self._can_move(variable):
                self._moves[variable] = move
        return found.results if sections is None else None

    def arrive(self, tree: PyTree, others: Sequence[Twins]) -> Difference:
        """The difference in the tree that the program makes, but for what differs between other twins at the same time."""
        arrived = []
        for (path, array), variable in zip(self._pair.arrays(tree), self._carrying(tree, self._program.outvars), strict=True):
            move = self._move(variable)
            moved = {path: jnp.zeros_like(array) if move is None else self._whole(move, variable)}
            for other in (other for other in others if other.along(path).axes):
                moved = project(moved, other.along(path), [other.units])
            arrived.append((path, moved[path]))
        return self._pair.difference(arrived)

    def _carrying(self, tree: PyTree, variables: Sequence[Any]) -> list[Any]:
        """The variables of the arrays of a tree that carry the units."""
        carrying = {path for path, _ in self._pair.arrays(tree)}
        paths = [path for path, _ in leaves(tree)]
        return [variable for path, variable in zip(paths, variables[: len(paths)], strict=True) if path in carrying]

    def _move(self, atom: Any) -> jax.Array | None:
        return None if isinstance(atom, Literal) else self._moves.get(atom)

    def _can_move(self, variable: Any) -> bool:
        return self._units.carry(variable) and jnp.issubdtype(variable.aval.dtype, jnp.inexact)

    @property
    def _first(self) -> int:
        return self._pair.units[0]

    def _cut(self, move: jax.Array, variable: Any) -> jax.Array:
        place = self._units.place(variable)
        return move if place is None else place.cut(move, self._first)

    def _whole(self, move: jax.Array, variable: Any) -> jax.Array:
        place = self._units.place(variable)
        return move if place is None else place.spread(move, self._pair.units)

    def _differentiate_whole(self, line: JaxprEqn, values: Sequence[Any], moves: Moves) -> Derivative:
        pairs = zip(moves, line.invars, strict=True)
        wholes = [None if move is None else self._whole(move, variable) for move, variable in pairs]
        results, found = differentiate(self._program, line, values, wholes)
        cut = [None if move is None else self._cut(move, variable) for move, variable in zip(found, line.outvars, strict=True)]
        return Derivative(results, cut)
