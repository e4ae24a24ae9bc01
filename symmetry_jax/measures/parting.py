"""When units that start equal first differ in a bit, and by how much.

Read at every step: what happens between two records would be missed, and a kick that has grown is no longer the kick.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from symmetry_jax.learning.process import Hparams, Measure, Process, PyTree, State, remembered
from symmetry_jax.learning.starts import Blocks
from symmetry_jax.symmetry.separation import distances, separation
from symmetry_jax.symmetry.units import Symmetry, UnitGroup

NEVER = -1


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Parted:
    """What a process remembers whose equal units are watched.

    Attributes:
        memory: of the process itself.
        after: for each group, int32 (): the steps after which units of one block first differed in a bit, 0 if they did from
            the start; NEVER so far.
        kick: for each group (): the largest distance of a unit from the first of its block then; 0 before.
    """

    memory: PyTree
    after: Mapping[str, jax.Array]
    kick: Mapping[str, jax.Array]


def watch_ties(process: Process, symmetry: Symmetry, blocks: Blocks) -> Process:
    """The process, which also remembers when units of each block first differed in a bit, and by how much.

    Zeros of either sign are equal. `blocks` names for each group the units that are watched.
    """

    def init(data: PyTree, hparams: Hparams, previous: State | None = None) -> State:
        state = process.init(data, hparams, previous)
        apart = _apart(state.variables, symmetry, blocks)
        after = {name: jnp.where(distance > 0, 0, NEVER).astype(jnp.int32) for name, distance in apart.items()}
        return State(state.variables, Parted(state.memory, after, apart))

    def step(state: State, data: PyTree, hparams: Hparams, step: jax.Array) -> tuple[State, PyTree]:
        seen: Parted = state.memory
        moved, aux = process.step(dataclasses.replace(state, memory=seen.memory), data, hparams, step)
        apart = _apart(moved.variables, symmetry, blocks)
        first = {name: (seen.after[name] == NEVER) & (distance > 0) for name, distance in apart.items()}
        after = {name: jnp.where(first[name], step.astype(jnp.int32) + 1, seen.after[name]) for name in apart}
        kick = {name: jnp.where(first[name], distance, seen.kick[name]) for name, distance in apart.items()}
        return State(moved.variables, Parted(moved.memory, after, kick)), aux

    return dataclasses.replace(process, init=init, step=step)


def first_parting(blocks: Blocks) -> tuple[Measure, Measure]:
    """What a watched process remembers, at ends: `parted_after`, in steps, and `kick`; each (group,)."""

    def read_after(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return jnp.stack([remembered(state.memory, Parted).after[name] for name in blocks])

    def read_kick(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return jnp.stack([remembered(state.memory, Parted).kick[name] for name in blocks])

    groups = {"group": list(blocks)}
    after = Measure("parted_after", read_after, "ends", ("group",), groups, "step")
    return after, Measure("kick", read_kick, "ends", ("group",), groups)


def block_distance(symmetry: Symmetry, blocks: Blocks) -> Measure:
    """The largest distance of a unit from the first of its block: (group,)."""

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return jnp.stack(list(_apart(state.variables, symmetry, blocks).values()))

    return Measure("spread", read, dims=("group",), coords={"group": list(blocks)})


def distinct_units(symmetry: Symmetry, blocks: Blocks) -> Measure:
    """How many units of the blocks are equal in every bit to no unit before them in their block, at ends: (group,).

    1 for each block whose units are all equal, and as many as it has units where no two are. Zeros of either sign are equal.
    """

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        counts = [sum(_distinct(state.variables, symmetry[name], block) for block in units) for name, units in blocks.items()]
        return jnp.stack(counts)

    return Measure("distinct", read, "ends", ("group",), {"group": list(blocks)})


def _distinct(variables: PyTree, group: UnitGroup, block: Sequence[int]) -> jax.Array:
    equal = separation(variables, group)[np.ix_(block, block)] == 0
    return jnp.sum(~jnp.any(jnp.tril(equal, -1), axis=1), dtype=jnp.int32)


def _apart(variables: PyTree, symmetry: Symmetry, blocks: Blocks) -> dict[str, jax.Array]:
    return {
        name: jnp.max(jnp.concatenate([distances(variables, symmetry[name], block) for block in units]), initial=0)
        for name, units in blocks.items()
    }
