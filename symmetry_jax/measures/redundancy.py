"""How alike the units of a group are in what they read."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from symmetry_jax.learning.process import Hparams, Measure, PyTree, State
from symmetry_jax.measures.separation import PARTS
from symmetry_jax.symmetry.similarity import cosines, mean_and_largest, pairs
from symmetry_jax.symmetry.units import Symmetry, UnitGroup, leaves

ALIKE = 0.99  # |cosine| from which on a unit is a duplicate of another: 8 degrees

STATISTICS = ["mean", "largest"]


def redundancy(symmetry: Symmetry, groups: Sequence[str]) -> Measure:
    """Mean and largest |cosine| of two units of each group, of their fan-in with its bias: (group, statistic).

    nan where a group has one unit.
    """

    def read(params: PyTree, group: UnitGroup) -> jax.Array:
        return mean_and_largest(pairs(_alike(params, group)))

    return _of_groups("redundancy", symmetry, groups, read, {"statistic": STATISTICS})


def duplicates(symmetry: Symmetry, groups: Sequence[str]) -> Measure:
    """Units of each group that are like one before them, their |cosine| being `ALIKE` or more: (group,)."""

    def read(params: PyTree, group: UnitGroup) -> jax.Array:
        found = _alike(params, group)
        return jnp.sum(jnp.any(jnp.tril(found, -1) >= ALIKE, axis=1), dtype=found.dtype)

    return _of_groups("duplicates", symmetry, groups, read, {})


def _alike(params: PyTree, group: UnitGroup) -> jax.Array:
    """|cosine| of every two units' fan-in with its bias: (size, size); 0 for a unit whose fan-in is 0."""
    arrays = dict(leaves(params))
    parts = [
        jnp.moveaxis(jnp.take(arrays[axis.path], axis.positions(group.size), axis=axis.axis), axis.axis, 0)
        for axis in group.axes
        if axis.role in PARTS["fan-in"]
    ]
    return jnp.abs(cosines(jnp.concatenate([part.reshape(group.size, -1) for part in parts], axis=1)))


def _of_groups(
    name: str,
    symmetry: Symmetry,
    groups: Sequence[str],
    reduce: Callable[[PyTree, UnitGroup], jax.Array],
    coords: dict[str, Sequence[str]],
) -> Measure:
    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return jnp.stack([reduce(state.variables, symmetry[group]) for group in groups])

    return Measure(name, read, dims=("group", *coords), coords={"group": list(groups), **coords})
