"""Lifts one run to many: device shard > tile > segment > vmapped runs. Nothing else vmaps over runs.

A tile is the runs computed side by side inside a device. Its size is fixed, and runs are padded to whole tiles, so that a run
has the same bits whatever sweep it is part of, on one device, and on any several: XLA compiles otherwise for one.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh, PartitionSpec

from symmetry_jax.learning.convolution import Lowering, lowered
from symmetry_jax.learning.process import Hparams, PyTree, State

RUNS = "runs"


class Layout(NamedTuple):
    """How runs lie on devices, all of it static: runs side by side in one, the devices, and how convolutions are computed."""

    tile: int
    mesh: Mesh
    lowering: Lowering


def lift(function: Callable[..., PyTree], layout: Layout) -> Callable[..., PyTree]:
    """From a function of one run and shared arguments to one of all runs, along the leading axis of its first argument."""

    def tiles(runs: PyTree, *shared: PyTree) -> PyTree:
        count = len(jax.tree.leaves(runs)[0])
        # Twice, where once would do: a loop that is done once is none to XLA, which then rounds otherwise in starts (jax 0.12).
        # Segments, which are loops inside, were not seen to depend on it.
        if count == layout.tile:
            runs = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf]), runs)
        results = lax.map(lambda run: function(run, *shared), runs, batch_size=layout.tile)
        return jax.tree.map(lambda leaf: leaf[:count], results)

    return _sharded(tiles, layout)


def lift_in_place(advance: Callable[..., tuple[State, PyTree]], layout: Layout) -> Callable[..., tuple[State, PyTree]]:
    """From a function of one run's state and hparams, and shared arguments, to one of all runs: new states, and what else.

    New states take the place of those that they come from. `lax.map` would keep both until all tiles are through.
    """

    def tiles(runs: tuple[State, Hparams], *shared: PyTree) -> tuple[State, PyTree]:
        def advance_tile(states: State, tile: tuple[jax.Array, Hparams]) -> tuple[State, PyTree]:
            index, hparams = tile
            before = jax.tree.map(lambda leaf: lax.dynamic_index_in_dim(leaf, index, keepdims=False), states)
            after, rest = jax.vmap(lambda run: advance(run, *shared))((before, hparams))
            put = functools.partial(lax.dynamic_update_index_in_dim, index=index, axis=0)
            return jax.tree.map(put, states, after), rest

        states, hparams = jax.tree.map(lambda leaf: leaf.reshape(-1, layout.tile, *leaf.shape[1:]), runs)
        moved = lax.scan(advance_tile, states, (jnp.arange(len(states.stopped)), hparams))
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), moved)

    return _sharded(tiles, layout)


def _sharded(tiles: Callable[..., PyTree], layout: Layout) -> Callable[..., PyTree]:
    """A function of the runs of one device and shared arguments on all devices, each of which has its own runs."""

    def lowered_tiles(runs: PyTree, *shared: PyTree) -> PyTree:
        with lowered(layout.lowering):
            return tiles(runs, *shared)

    def sharded(runs: PyTree, *shared: PyTree) -> PyTree:
        specs = (PartitionSpec(RUNS), *(PartitionSpec() for _ in shared))
        return jax.shard_map(lowered_tiles, mesh=layout.mesh, in_specs=specs, out_specs=PartitionSpec(RUNS), check_vma=False)(
            runs, *shared
        )

    return sharded
