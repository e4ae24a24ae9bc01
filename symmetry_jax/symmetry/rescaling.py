"""Multiplying units by numbers, where that leaves the function unchanged."""

import jax
import jax.numpy as jnp
import numpy as np

from symmetry_jax.errors import InputError
from symmetry_jax.symmetry.axes import Charges, UnitAxis
from symmetry_jax.symmetry.nested import along, set_index
from symmetry_jax.symmetry.units import PyTree, UnitGroup, rewrite_arrays


def rescale(params: PyTree, group: UnitGroup, charges: Charges, factors: jax.Array | np.ndarray) -> PyTree:
    """Multiplies unit u of each array by `factors[u] ** q`, where q is the array's exponent.

    The function that the parameters define is unchanged, and a gradient is divided by the same powers.

    Args:
        params: any pytree of arrays.
        group: the group of the units.
        charges: one of `group.signs`, for factors that are 1 or -1, or of `group.scales`, for positive ones.
        factors: (size,), alike in all sets of units, or (sizes of what the units lie in..., size); may be traced.

    Raises:
        InputError: for another number of factors, or arrays that the group does not fit.
    """
    shapes = ((group.size,), (*(outer.size for outer in group.inside), group.size))
    if jnp.shape(factors) not in shapes:
        raise InputError(
            f"factors of shape {jnp.shape(factors)} for {group.name!r}: {' or '.join(map(str, dict.fromkeys(shapes)))}"
        )

    def multiply(path: str, array: jax.Array) -> jax.Array:
        for place, exponent in zip(charges.axes, charges.exponents, strict=True):
            if place.path == path:
                array = array * _powers(array, group, place, jnp.asarray(factors, array.dtype), exponent)
        return array

    return rewrite_arrays(params, group, multiply)


def _powers(array: jax.Array, group: UnitGroup, place: UnitAxis, factors: jax.Array, exponent: int) -> jax.Array:
    """What each entry of an array is multiplied by: of its rank, with size 1 where that does not differ."""
    positions = place.positions(group.size)
    unit, here = np.zeros(array.shape[place.axis], int), np.zeros(array.shape[place.axis], bool)
    unit[positions], here[positions] = np.arange(group.size)[:, None], True
    sets = [set_index(array, outer, place, group.size) for outer in group.inside] if factors.ndim > 1 else []
    chosen = factors[(*sets, along(unit, place.axis, array.ndim))]
    return jnp.where(along(here, place.axis, array.ndim), chosen**exponent, jnp.ones((), array.dtype))
