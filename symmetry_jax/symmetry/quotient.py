"""The quotient network: what a network with tied units amounts to."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from symmetry_jax.errors import InputError
from symmetry_jax.symmetry.choices import owners
from symmetry_jax.symmetry.units import PyTree, UnitAxis, UnitGroup, rewrite


def quotient(
    params: PyTree, group: UnitGroup, blocks: Sequence[Sequence[int]], rates: PyTree | None = None
) -> tuple[PyTree, PyTree]:
    """The smaller network that tied units amount to, and its learning-rate factors.

    A block of m tied units acts as one unit with their common fan-in and bias and the sum of their fan-outs, trained with
    lr/m on fan-in and bias and m lr on the fan-out (SGD, momentum, Nesterov). Fan-outs are summed also where units are not
    tied, but only tied units train like their quotient.

    Units must enter what reads them by sums over them alone, each through a fan-out of its own: a softmax or a norm over them,
    or an array that both makes and reads them, such as a tied embedding, makes the quotient another function. A group does not
    tell that: compare outputs where it may be so.

    Args:
        params: parameters, tied within each block.
        group: the group of the blocks.
        blocks: units that become one, block by block; unnamed units stay alone.
        rates: factors of an earlier quotient, by another group, to go on from.

    Returns:
        The parameters with one unit for each block, and a tree of the same shapes: the factor on each entry's learning rate.

    Raises:
        InputError: where nothing is a fan-out to the units, as in a sum of outputs; for blocks that are empty, overlap or leave
            the group.
    """
    if not any(axis.role == "fan-out" for axis in group.axes):
        raise InputError(
            f"group {group.name!r} has no fan-out: one unit can stand for several only where fan-outs can be summed"
        )
    first = owners(blocks, group.name, group.size)
    kept, multiplicity = np.unique(first, return_counts=True)

    def fold(array: jax.Array, axis: UnitAxis) -> jax.Array:
        if axis.role != "fan-out":
            return _keep(array, axis, group.size, kept)
        positions = axis.positions(group.size)
        index = np.arange(array.shape[axis.axis])
        index[positions] = positions[first]
        moved = jnp.moveaxis(array, axis.axis, 0)
        summed = jnp.moveaxis(jnp.zeros_like(moved).at[index].add(moved), 0, axis.axis)
        return _keep(summed, axis, group.size, kept)

    def rate(array: jax.Array, axis: UnitAxis) -> jax.Array:
        factors = np.ones(array.shape[axis.axis])
        power = {"fan-in": -1.0, "bias": -1.0, "fan-out": 1.0, "state": 0.0}[axis.role]
        factors[axis.positions(group.size)[kept]] = multiplicity[:, None] ** power
        shape = [-1 if dimension == axis.axis else 1 for dimension in range(array.ndim)]
        return _keep(array * jnp.asarray(factors.reshape(shape), array.dtype), axis, group.size, kept)

    return rewrite(params, group, fold), rewrite(jax.tree.map(jnp.ones_like, params) if rates is None else rates, group, rate)


def _keep(array: jax.Array, axis: UnitAxis, size: int, kept: np.ndarray) -> jax.Array:
    """Drops the units that are not kept from one axis, leaving everything else on it in order."""
    positions = axis.positions(size)
    dropped = np.delete(positions, kept, axis=0).ravel()
    return jnp.take(array, np.delete(np.arange(array.shape[axis.axis]), dropped), axis=axis.axis)
