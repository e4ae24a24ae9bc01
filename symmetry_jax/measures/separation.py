"""Measures of symmetry: how far apart twins and other units of a group are."""

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp

from symmetry_jax.learning.process import Hparams, Measure, PyTree, State
from symmetry_jax.learning.starts import block_starts, copies_of
from symmetry_jax.symmetry.separation import angle, norm, orbits, separation
from symmetry_jax.symmetry.units import TRAINED, Role, Symmetry, UnitGroup, copy_units

PARTS: dict[str, tuple[Role, ...]] = {"fan-in": ("fan-in", "bias"), "fan-out": ("fan-out",), "orbit": TRAINED}


def twin_separation(symmetry: Symmetry, pairs: Mapping[str, tuple[int, int]]) -> Measure:
    """Distance between the twins of each group: (group, part), the fan-in (with its bias), the fan-out and the whole orbit."""
    return _of_twins("separation", symmetry, pairs, lambda a, b: norm(a - b))


def twin_angle(symmetry: Symmetry, pairs: Mapping[str, tuple[int, int]]) -> Measure:
    """Angle between the twins of each group, in radians: (group, part). Distance alone may be mere growth in norm."""
    return _of_twins("angle", symmetry, pairs, angle, unit="radian")


def twin_size(symmetry: Symmetry, pairs: Mapping[str, tuple[int, int]]) -> Measure:
    """Euclidean norm of the first twin of each group, all of its orbit, at ends: (group,)."""

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return jnp.stack([norm(orbits(state.variables, symmetry[group], pair)[0]) for group, pair in pairs.items()])

    return Measure("size", read, when="ends", dims=("group",), coords={"group": list(pairs)})


def twin_numbers(symmetry: Symmetry, pairs: Mapping[str, tuple[int, int]]) -> Measure:
    """How many numbers are trained of each twin, at ends: (group,)."""

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        sizes = [len(orbits(state.variables, symmetry[group], pair)[0]) for group, pair in pairs.items()]
        return jnp.array(sizes, jnp.int32)

    return Measure("numbers", read, when="ends", dims=("group",), coords={"group": list(pairs)})


def smallest_separation(symmetry: Symmetry, groups: Sequence[str]) -> Measure:
    """Distance of the two nearest units of each group: (group,); inf where a group has one unit."""

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        apart = [separation(state.variables, symmetry[group]) for group in groups]
        return jnp.stack([jnp.min(jnp.where(jnp.eye(len(d), dtype=bool), jnp.inf, d)) for d in apart])

    return Measure("smallest_separation", read, dims=("group",), coords={"group": list(groups)})


def block_spread(symmetry: Symmetry) -> Measure:
    """Largest difference between a unit and the first of its block, memory of the optimizer included: (group,).

    The blocks are those of `evenly_tied`; 0 only where units are equal in every bit, but for the sign of a zero.
    """

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, step
        tree = (state.variables, state.memory)
        copies = copies_of(symmetry, hparams)
        return jnp.stack(
            [_spread(tree, group.within(tree), count) for group, count in zip(symmetry.values(), copies, strict=True)]
        )

    return Measure("block_spread", read, dims=("group",), coords={"group": list(symmetry)})


def _spread(tree: PyTree, group: UnitGroup, copies: jax.Array) -> jax.Array:
    copied = copy_units(tree, group, block_starts(group.size, copies))
    apart = [jnp.max(jnp.abs(one - other)) for one, other in zip(*map(jax.tree.leaves, (tree, copied)), strict=True)]
    return jnp.max(jnp.stack([number for number in apart if jnp.issubdtype(number.dtype, jnp.inexact)]))


def twin_weights(symmetry: Symmetry, pairs: Mapping[str, tuple[int, int]], group: str, shape: Mapping[str, int]) -> Measure:
    """The fan-in weights of the twins of one group, at ends: (twin, *shape).

    `shape` names the dimensions of one unit's weights and their lengths, in the order of the array's other axes.
    """

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return jnp.stack(orbits(state.variables, symmetry[group], pairs[group], ("fan-in",))).reshape(2, *shape.values())

    return Measure(f"weights_{group}", read, when="ends", dims=("twin", *shape), coords={"twin": ["first", "second"]})


def _of_twins(
    name: str,
    symmetry: Symmetry,
    pairs: Mapping[str, tuple[int, int]],
    compare: Callable[[jax.Array, jax.Array], jax.Array],
    unit: str = "",
) -> Measure:
    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        twins = [
            orbits(state.variables, symmetry[group], pair, roles) for group, pair in pairs.items() for roles in PARTS.values()
        ]
        return compare(*map(_stacked, zip(*twins, strict=True))).reshape(len(pairs), len(PARTS))

    return Measure(name, read, dims=("group", "part"), coords={"group": list(pairs), "part": list(PARTS)}, unit=unit)


def _stacked(vectors: Sequence[jax.Array]) -> jax.Array:
    """Vectors of different lengths as rows, filled up with zeros, so that one operation serves all of them."""
    longest = max(map(len, vectors))
    return jnp.stack([jnp.pad(vector, (0, longest - len(vector))) for vector in vectors])
