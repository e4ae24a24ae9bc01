"""Permuting units that lie in others by themselves: dimensions in each head, hidden units in each expert."""

import jax
import jax.numpy as jnp
import numpy as np

from symmetry_jax.symmetry.choices import ordered
from symmetry_jax.symmetry.units import PyTree, UnitAxis, UnitGroup, rewrite_arrays


def permute_each(params: PyTree, group: UnitGroup, permutations: jax.Array | np.ndarray) -> PyTree:
    """Reorders units in another way in each set: new unit k of set s is old unit `permutations[s, k]` of that set.

    Args:
        params: any pytree of arrays.
        group: a group of any kind; one that lies in nothing is one set.
        permutations: (sizes of what the units lie in..., size), and may be traced.

    Returns:
        The parameters, which define the same function.

    Raises:
        InputError: for permutations that are none, or arrays that the group does not fit.
    """
    orders = ordered(permutations, group.name, (*(outer.size for outer in group.inside), group.size))

    def move(path: str, array: jax.Array) -> jax.Array:
        for place in (axis for axis in group.axes if axis.path == path):
            sets = [set_index(array, outer, place, group.size) for outer in group.inside]
            array = jnp.take_along_axis(array, _sources(array, place, group.size, sets, orders), place.axis)
        return array

    return rewrite_arrays(params, group, move)


def _sources(array: jax.Array, place: UnitAxis, size: int, sets: list[np.ndarray], orders: jax.Array) -> jax.Array:
    """From which position along the axis each entry comes: of the array's rank, with size 1 where it does not matter."""
    positions = place.positions(size)
    length = array.shape[place.axis]
    unit, step = np.zeros(length, int), np.zeros(length, int)
    unit[positions], step[positions] = np.arange(size)[:, None], place.inner
    own = along(unit, place.axis, array.ndim)
    moved = orders[(*sets, own)] - own
    return jnp.broadcast_to(
        along(np.arange(length), place.axis, array.ndim) + along(step, place.axis, array.ndim) * moved, array.shape
    )


def set_index(array: jax.Array, outer: UnitGroup, units: UnitAxis, size: int) -> np.ndarray:
    """The index of the set that each entry belongs to, along the axis on which it lies: beside the units, or else another."""
    for axis in sorted(range(array.ndim), key=lambda other: other != units.axis):
        index = np.full(array.shape[axis], -1)
        for place in outer.axes:
            if place.path == units.path and place.axis == axis:
                index[place.positions(outer.size)] = np.arange(outer.size)[:, None]
        if (index[units.positions(size)] if axis == units.axis else index).min() >= 0:
            return along(index, axis, array.ndim)
    raise ValueError(f"no axis of {units.path} tells which of {outer.name!r} each unit lies in")


def along(values: np.ndarray, axis: int, rank: int) -> np.ndarray:
    """Values along one axis of an array of this rank, ready to be broadcast against it."""
    return values.reshape([-1 if other == axis else 1 for other in range(rank)])
