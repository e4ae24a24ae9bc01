"""Unit groups: which array axes index the same units, and what can be done to those units.

A unit group lists, for every array that mentions the units, the axis they lie on. Permuting all of those axes alike leaves
the function unchanged. Everything here is pure, works on any pytree of arrays and can be vmapped.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from symmetry_jax.errors import InputError
from symmetry_jax.symmetry.axes import TRAINED, Charges, Role, UnitAxis
from symmetry_jax.symmetry.choices import Permutation, check_pair, ordered, owners
from symmetry_jax.symmetry.copies import prefixes
from symmetry_jax.symmetry.paths import PyTree, joined, leaves, mapped


@dataclasses.dataclass(frozen=True)
class UnitGroup:
    """Units that may be permuted together.

    Attributes:
        name: of the module that makes them.
        size: their number.
        axes: where they lie in each array that mentions them.
        inside: what they lie in, each with its places in the same arrays, where they may be permuted in another way for each
            index of it: the heads, for the dimensions of a head. `permute` moves them alike in all.
        conditions: where units may be permuted only if something does not happen, what that is.
        signs: in which arrays the sign of a unit may be changed; any product of these is a symmetry too. No permutations.
        scales: by which powers a unit may be multiplied in each array; any product of these is a symmetry too.
    """

    name: str
    size: int
    axes: tuple[UnitAxis, ...]
    inside: "tuple[UnitGroup, ...]" = ()
    conditions: tuple[str, ...] = ()
    signs: tuple[Charges, ...] = ()
    scales: tuple[Charges, ...] = ()

    @property
    def sets(self) -> int:
        """The number of sets in which the units may be permuted by themselves: 12, for the dimensions of each of 12 heads."""
        return math.prod(outer.size for outer in self.inside)

    def number(self) -> str:
        """How many units there are: `64`, or `64 in each of 12`."""
        return f"{self.size} in each of {self.sets}" if self.inside else str(self.size)

    def only(self, roles: Sequence[Role]) -> "UnitGroup":
        """The same units in the arrays that have one of these roles."""
        signs, scales = (tuple(one.only(roles) for one in every) for every in (self.signs, self.scales))
        return dataclasses.replace(
            self, axes=tuple(axis for axis in self.axes if axis.role in roles), signs=signs, scales=scales
        )

    def within(self, tree: PyTree) -> "UnitGroup":
        """The same group in a tree that holds copies of the arrays, such as an optimizer's moments: only to be permuted.

        Copies are told by their paths: `prefix/path`, with one prefix for all of the group's arrays that are trained, or for
        all of its state, so that an array of another layer which has the same name is none. Where a node of the tree is empty,
        as in moments of a part of the parameters, what would be below it counts as there. A prefix inside another one that
        counts does not; so in the parameters themselves the group is what it was. Hand over an optimizer's state alone: beside
        parameters that lie at the root its copies would be inside them.
        """
        present = {path for path, _ in leaves(tree)}
        found = prefixes(self.axes, self.size, tree)

        def moved(axes: Sequence[UnitAxis]) -> tuple[UnitAxis, ...]:
            every = (dataclasses.replace(axis, path=joined(prefix, axis.path)) for axis in axes for prefix in found)
            return tuple(axis for axis in every if axis.path in present)

        def copied(group: UnitGroup) -> UnitGroup:
            return dataclasses.replace(
                group, axes=moved(group.axes), inside=tuple(map(copied, group.inside)), signs=(), scales=()
            )

        return copied(self)


@dataclasses.dataclass(frozen=True)
class RigidAxis:
    """Positions of a parameter's axis that may not be permuted, and why; axis None where the array is not used at all."""

    path: str
    axis: int | None
    size: int
    reason: str


@dataclasses.dataclass(frozen=True)
class Symmetry(Mapping[str, UnitGroup]):
    """All unit groups of a model, by name, and what is rigid in it. Prints as a table."""

    groups: tuple[UnitGroup, ...]
    rigid: tuple[RigidAxis, ...] = ()

    def only(self, roles: Sequence[Role]) -> "Symmetry":
        """The same groups in the arrays that have one of these roles to them."""
        return dataclasses.replace(self, groups=tuple(group.only(roles) for group in self.groups))

    def __getitem__(self, name: str) -> UnitGroup:
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(f"no unit group {name!r} among {list(self)}")

    def __iter__(self) -> Iterator[str]:
        return (group.name for group in self.groups)

    def __len__(self) -> int:
        return len(self.groups)

    def __str__(self) -> str:
        rows = [("group", "units", "array", "axis", "positions", "role")]
        for group in self.groups:
            for number, axis in enumerate(group.axes):
                first = ("", "") if number else (group.name, group.number())
                rows.append((*first, axis.path, str(axis.axis), axis.places(), axis.role))
        lines = _table(rows)
        lines += [f"{group.name}: only if {condition}" for group in self.groups for condition in group.conditions]
        lines += [f"{group.name}: no permutation: {one.words('-1')}" for group in self.groups for one in group.signs]
        lines += [f"{group.name}: no permutation, c > 0: {one.words('c')}" for group in self.groups for one in group.scales]
        if self.rigid:
            rigid = [("rigid", "axis", "positions", "why")]
            for one in self.rigid:
                rigid.append((one.path, "" if one.axis is None else str(one.axis), str(one.size or ""), one.reason))
            lines += ["", *_table(rigid)]
        return "\n".join(lines)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def permute(params: PyTree, group: UnitGroup, permutation: Permutation) -> PyTree:
    """Reorders the units of a group in all of its arrays: new unit k is old unit `permutation[k]`.

    The function that the parameters define is unchanged. `permutation` is (size,) and may be traced.

    Raises:
        InputError: for a permutation that is none, or arrays that the group does not fit.
    """
    return copy_units(params, group, ordered(permutation, group.name, (group.size,)))


def copy_units(params: PyTree, group: UnitGroup, sources: jax.Array | np.ndarray) -> PyTree:
    """Makes each unit k a copy of unit `sources[k]`, in every array of the group; (size,), and may be traced."""
    return rewrite(params, group, lambda array, axis: reorder(array, axis, group.size, jnp.asarray(sources)))


def tie(params: PyTree, group: UnitGroup, blocks: Sequence[Sequence[int]]) -> PyTree:
    """Makes the units of each block equal, in every array of the group: copies of the block's first unit.

    Works on optimizer state as well: `tie(state, group.within(state), blocks)`.

    Raises:
        InputError: for blocks that are empty, overlap or leave the group.
    """
    return copy_units(params, group, owners(blocks, group.name, group.size))


def project(params: PyTree, group: UnitGroup, blocks: Sequence[Sequence[int]]) -> PyTree:
    """The nearest parameters in which the units of each block are equal: their mean, in every array of the group.

    Unlike `tie`, which copies a block's first unit, this is the orthogonal projection on the symmetric subspace. Raises
    InputError like `tie`.
    """
    named = [list(block) for block in blocks]  # they may come one by one, and are needed in each array
    owners(named, group.name, group.size)

    def average(array: jax.Array, axis: UnitAxis) -> jax.Array:
        positions = axis.positions(group.size)
        leading = jnp.moveaxis(array, axis.axis, 0)
        for block in named:
            places = positions[block]  # (units in the block, entries of a unit)
            mean = leading[places].mean(0, keepdims=True)
            leading = leading.at[places].set(jnp.broadcast_to(mean, leading[places].shape))
        return jnp.moveaxis(leading, 0, axis.axis)

    return rewrite(params, group, average)


def perturb(
    params: PyTree,
    group: UnitGroup,
    units: tuple[int, int],
    epsilon: jax.Array | float,
    key: jax.Array,
    others: Sequence[tuple[UnitGroup, tuple[int, int]]] = (),
) -> PyTree:
    """Moves two units apart by `epsilon`: by +epsilon/2 and -epsilon/2 along one direction of norm 1.

    The direction d = (n - swap n) / ||.|| is drawn over the whole orbit (fan-in, bias, fan-out) from `key` alone, never from
    epsilon, so that tied units end with a separation of epsilon and an epsilon axis compares like with like.

    Args:
        params: any pytree of arrays.
        group: the group of the units.
        units: the two units.
        epsilon: the distance, in the units of the parameters; () and may be traced.
        key: a random key.
        others: twins of other groups that share arrays with this one; the direction is symmetric under their swaps, so that
            their separation stays as it is.

    Raises:
        InputError: for units that are not two different ones of their group.
    """
    apart = _direction(params, group, units, key, others)

    def move(path: str, array: jax.Array) -> jax.Array:
        if path not in apart:  # anything may be there
            return array
        # theta - swap theta gains 2 (epsilon / sqrt 2) d, whose norm over sqrt 2 is epsilon
        return array + jnp.asarray(epsilon, array.dtype) / jnp.asarray(np.sqrt(2), array.dtype) * apart[path]

    return mapped(move, params)


def direction(
    params: PyTree,
    group: UnitGroup,
    units: tuple[int, int],
    key: jax.Array,
    others: Sequence[tuple[UnitGroup, tuple[int, int]]] = (),
) -> PyTree:
    """A direction of norm 1 in which two units move apart, drawn from `key`; arguments as in `perturb`."""
    apart = _direction(params, group, units, key, others)
    return mapped(lambda path, array: apart[path] if path in apart else jnp.zeros_like(array), params)


def _direction(
    params: PyTree,
    group: UnitGroup,
    units: tuple[int, int],
    key: jax.Array,
    others: Sequence[tuple[UnitGroup, tuple[int, int]]],
) -> dict[str, jax.Array]:
    """A direction in the arrays of a group that are trained, by path: nothing else moves."""
    trained = group.only(TRAINED)
    for one, pair in ((group, units), *others):
        check_pair(pair, one.name, one.size)
    noise = _noise(params, trained, key)
    for other, pair in others:
        shared = dataclasses.replace(other, axes=tuple(axis for axis in other.axes if axis.path in noise))
        noise = jax.tree.map(jnp.add, noise, permute(noise, shared, swap(other, *pair)))
    noise = jax.tree.map(jnp.subtract, noise, permute(noise, trained, swap(trained, *units)))
    inside = [noise[path] for path, _ in leaves(params) if path in noise]
    length = jnp.sqrt(sum(jnp.sum(jnp.square(jnp.abs(array))) for array in inside))
    return jax.tree.map(lambda array: array / length.astype(array.dtype), noise)


def _noise(params: PyTree, group: UnitGroup, key: jax.Array) -> dict[str, jax.Array]:
    """Standard normal numbers in the arrays of a group, by path."""
    paths = [axis.path for axis in group.axes]
    return {
        path: jax.random.normal(jax.random.fold_in(key, paths.index(path)), array.shape, array.dtype)
        for path, array in leaves(params)
        if path in paths
    }


def reorder(array: jax.Array, axis: UnitAxis, size: int, sources: jax.Array) -> jax.Array:
    """One array with the units of one axis taken from `sources` (size,); everything else on the axis stays."""
    positions = axis.positions(size)
    index = jnp.arange(array.shape[axis.axis]).at[positions].set(jnp.asarray(positions)[sources])
    return jnp.take(array, index, axis=axis.axis)


def rewrite(tree: PyTree, group: UnitGroup, change: Callable[[jax.Array, UnitAxis], jax.Array]) -> PyTree:
    """Applies `change` along each axis of the group; raises if an array of the group is not there."""

    def leaf(path: str, array: jax.Array) -> jax.Array:
        for axis in group.axes:
            if axis.path == path:
                array = change(array, axis)
        return array

    return rewrite_arrays(tree, group, leaf)


def rewrite_arrays(tree: PyTree, group: UnitGroup, change: Callable[[str, jax.Array], jax.Array]) -> PyTree:
    """Applies `change` to each array and its path; raises if an array of the group is not there, or too small."""
    missing = {axis.path for axis in group.axes} - {path for path, _ in leaves(tree)}
    if missing:
        raise InputError(f"group {group.name!r} names arrays that are not in the tree: {sorted(missing)}")
    check_fit(tree, group)
    return mapped(change, tree)


def check_fit(tree: PyTree, group: UnitGroup) -> None:
    """Raises InputError if an array of the tree has no such axis as the group says, or one that is too short."""
    arrays = dict(leaves(tree))
    for axis in group.axes:
        if axis.path in arrays and not axis.fits(arrays[axis.path], group.size):
            shape = np.shape(arrays[axis.path])
            raise InputError(f"{axis.path} of shape {shape} has no {group.size} units of {group.name!r} along axis {axis.axis}")


def swap(group: UnitGroup, first: int | jax.Array, second: int | jax.Array) -> jax.Array:
    """The permutation (size,) that exchanges two units."""
    every = jnp.arange(group.size)
    return every.at[first].set(second).at[second].set(first)
