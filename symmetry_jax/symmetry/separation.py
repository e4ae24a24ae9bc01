"""How far apart units are: the component of the parameters transverse to the subspace in which two units are equal."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from symmetry_jax.errors import InputError
from symmetry_jax.symmetry.choices import check_pair, check_units
from symmetry_jax.symmetry.units import TRAINED, PyTree, Role, UnitAxis, UnitGroup, check_fit, leaves, reorder, swap

Unit = int | jax.Array


def orbits(
    params: PyTree, group: UnitGroup, units: tuple[Unit, Unit], roles: Sequence[Role] = TRAINED
) -> tuple[jax.Array, jax.Array]:
    """Two units as vectors of everything that belongs to them, laid out so that entries that the swap exchanges align.

    Where one array carries the group on two axes (recurrent weights), the second unit is read through the swap, and the
    entries shared by both axes are counted once. Then ||a - b|| = ||theta - swap theta|| / sqrt 2.

    Args:
        params: any pytree of arrays.
        group: the group of the units.
        units: the two units; each () and may be traced.
        roles: which parts of a unit to read; whole numbers, which nothing moves, are not read.

    Returns:
        Two arrays (numbers in a unit,).

    Raises:
        InputError: for units that are not in the group, or arrays that it does not fit.
    """
    check_units(units, group.name, group.size)
    check_fit(params, group)
    carrying = {path: [axis for axis in group.axes if axis.path == path] for path, _ in leaves(params)}
    pairs = [pair for path, array in leaves(params) for pair in _aligned(array, group, carrying[path], roles, units)]
    if not pairs:
        raise _no_array(group, roles)
    return jnp.concatenate([a for a, _ in pairs]), jnp.concatenate([b for _, b in pairs])


def difference(params: PyTree, group: UnitGroup, units: tuple[Unit, Unit], roles: Sequence[Role] = TRAINED) -> jax.Array:
    """One unit minus another, laid out as by `orbits`: (numbers in a unit,). Its norm is their separation.

    Linear in the parameters, and 0 on those in which the units are equal: the transverse coordinates of the pair.
    """
    first, second = orbits(params, group, units, roles)
    return first - second


def displace(
    params: PyTree, group: UnitGroup, units: tuple[Unit, Unit], apart: jax.Array, roles: Sequence[Role] = TRAINED
) -> PyTree:
    """The parameters with one unit moved by +apart/2 and the other by -apart/2.

    The shortest move after which `difference` is larger by `apart` (numbers in a unit,): its length is ||apart|| / sqrt 2.
    """
    return move(params, group, units, (apart / 2, -apart / 2), roles)


def move(
    params: PyTree,
    group: UnitGroup,
    units: tuple[Unit, Unit],
    moves: tuple[jax.Array, jax.Array],
    roles: Sequence[Role] = TRAINED,
) -> PyTree:
    """The parameters with something added to each of two units; `moves` are laid out like what `orbits` returns."""
    arrays, structure = jax.tree.flatten(params)
    check_pair(units, group.name, group.size)
    paths = {axis.path for axis in group.axes if axis.role in roles}
    places = [place for place, (path, array) in enumerate(leaves(params)) if path in paths and _is_inexact(array)]

    def place_in(chosen: Sequence[jax.Array]) -> PyTree:
        replaced = dict(zip(places, chosen, strict=True))
        return jax.tree.unflatten(structure, [replaced.get(place, array) for place, array in enumerate(arrays)])

    held = [arrays[place] for place in places]
    (added,) = jax.linear_transpose(lambda chosen: orbits(place_in(chosen), group, units, roles), held)(moves)
    return place_in([array + more for array, more in zip(held, added, strict=True)])


def separation(params: PyTree, group: UnitGroup, roles: Sequence[Role] = TRAINED) -> jax.Array:
    """Distance between every two units: ||theta - swap_ij theta|| / sqrt 2.

    This is the component transverse to the subspace in which units i and j are equal. It is scaled by the largest difference
    before squaring, so that it does not underflow: it is 0 only where the largest absolute difference is 0.

    Returns:
        (size, size), symmetric, zero on the diagonal.
    """
    # around the circle of units each two meet once, opposite ones twice, and a single one itself
    steps = np.arange(1, max(1, group.size // 2) + 1)
    first = np.tile(np.arange(group.size), len(steps))
    second = (first + np.repeat(steps, group.size)) % group.size
    if _lies_on_single_axes(group):  # then a unit lies alike whatever it is compared with
        units = _every_unit(params, group, roles)
        ahead = jnp.concatenate([units, units[: len(steps)]])
        # one slice for each step: vmapped over steps they compile sooner, but records came out dearer
        apart = norm(jnp.concatenate([ahead[step : step + group.size] - units for step in steps]))
    else:
        apart = jax.vmap(lambda i, j: norm(difference(params, group, (i, j), roles)))(first, second)
    place = np.zeros((group.size, group.size), np.int32)  # of each two units in `apart`, behind a 0 for the diagonal
    place[first, second] = 1 + np.arange(len(first))
    return jnp.pad(apart, (1, 0))[np.maximum(place, place.T)]


def distances(params: PyTree, group: UnitGroup, units: Sequence[int], roles: Sequence[Role] = TRAINED) -> jax.Array:
    """Distance of the first of some units from each of the others, as `separation` has it: (units - 1,)."""
    first, *others = units
    return jax.vmap(lambda other: norm(difference(params, group, (first, other), roles)))(jnp.array(others, int))


def sizes(params: PyTree, group: UnitGroup, roles: Sequence[Role] = TRAINED) -> jax.Array:
    """Euclidean norm of each unit: (size,), over all that belongs to it."""
    return norm(_every_unit(params, group, roles))


def norm(vectors: jax.Array) -> jax.Array:
    """Euclidean norm along the last axis of (..., n), scaled by the largest entry so that squares neither underflow nor
    overflow: (...,), real where entries are complex."""
    sizes = jnp.abs(vectors)
    largest = jnp.max(sizes, axis=-1, keepdims=True)
    scale = jnp.where(largest > 0, largest, jnp.ones_like(largest))
    return jnp.squeeze(scale, -1) * jnp.sqrt(jnp.sum(jnp.square(sizes / scale), axis=-1))


def angle(first: jax.Array, second: jax.Array) -> jax.Array:
    """Angle between vectors along the last axis of (..., n), in radians, 0 to pi; 0 if they are equal: (...,).

    2 atan2(||a - b||, ||a + b||) of the unit vectors a and b: exact at small angles, where arccos of a cosine is not
    (W. Kahan, "How futile are mindless assessments of roundoff", 2006, section 12). nan if a vector is zero.
    """
    both = jnp.stack([first, second])
    a, b = both / norm(both)[..., None]
    return 2 * jnp.arctan2(*norm(jnp.stack([a - b, a + b])))


def _lies_on_single_axes(group: UnitGroup) -> bool:
    """Whether no array carries the units twice."""
    return len({axis.path for axis in group.axes}) == len(group.axes)


def _every_unit(params: PyTree, group: UnitGroup, roles: Sequence[Role]) -> jax.Array:
    """Each unit as a vector of everything that belongs to it, laid out as by `orbits`: (size, numbers in a unit)."""
    if not _lies_on_single_axes(group):
        return jax.vmap(lambda unit: orbits(params, group, (unit, unit), roles)[0])(jnp.arange(group.size))
    check_fit(params, group)
    axes = {axis.path: axis for axis in group.axes if axis.role in roles}
    arrays = [(path, array) for path, array in leaves(params) if path in axes and _is_inexact(array)]
    parts = [_by_unit(array, axes[path], group.size) for path, array in arrays]
    if not parts:
        raise _no_array(group, roles)
    return jnp.concatenate(parts, axis=1)


def _is_inexact(array: jax.Array) -> bool:
    return jnp.issubdtype(jnp.result_type(array), jnp.inexact)


def _no_array(group: UnitGroup, roles: Sequence[Role]) -> ValueError:
    return ValueError(f"group {group.name!r} has no array with a role among {tuple(roles)}")


def _by_unit(array: jax.Array, axis: UnitAxis, size: int) -> jax.Array:
    """What one array holds of each unit: (size, entries). By shape alone: looking places up takes longer."""
    filled = lax.slice_in_dim(array, axis.start, axis.start + axis.outer * size * axis.inner, axis=axis.axis)
    before, after = array.shape[: axis.axis], array.shape[axis.axis + 1 :]
    apart = filled.reshape(*before, axis.outer, size, axis.inner, *after)
    return jnp.moveaxis(apart, axis.axis + 1, 0).reshape(size, -1)


def _aligned(
    array: jax.Array, group: UnitGroup, axes: Sequence[UnitAxis], roles: Sequence[Role], units: tuple[Unit, Unit]
) -> list[tuple[jax.Array, jax.Array]]:
    """The parts of two units that one array holds: a pair of vectors for each axis whose role is asked for."""
    if len({axis.axis for axis in axes}) > 2:
        raise InputError(f"{axes[0].path!r} carries group {group.name!r} on more than 2 axes, which is not understood")
    pairs = []
    for number, axis in enumerate(axes if _is_inexact(array) else ()):
        a, b = (jnp.take(array, jnp.asarray(axis.positions(group.size))[unit], axis=axis.axis, mode="clip") for unit in units)
        for earlier in (other for other in axes[:number] if other.axis != axis.axis):
            a, b = (
                _hide(part, earlier, group.size, units) for part in (a, b)
            )  # entries on both were counted with the earlier one
        for later in (other for other in axes[number + 1 :] if other.axis != axis.axis):
            b = reorder(b, later, group.size, swap(group, *units))
        if axis.role in roles:
            pairs.append((a.reshape(-1), b.reshape(-1)))
    return pairs


def _hide(array: jax.Array, axis: UnitAxis, size: int, units: tuple[Unit, Unit]) -> jax.Array:
    """An array with the entries of two units on one axis set to zero."""
    positions = jnp.asarray(axis.positions(size))[jnp.stack([jnp.asarray(unit) for unit in units])]
    shown = jnp.ones(array.shape[axis.axis], array.dtype).at[positions].set(0)
    return array * jnp.expand_dims(shown, [other for other in range(array.ndim) if other != axis.axis])
