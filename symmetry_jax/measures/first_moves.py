"""When each array of a network first moves, told apart from rounding.

A gradient that is algebraically zero is seldom zero in floating point. An entry counts as moved by a step that changes its bits
while its gradient is larger than its doubt: see `rounding`. A change by a smaller gradient is drift.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.process import Hparams, Measure, Process, PyTree, State
from symmetry_jax.learning.training import Aux
from symmetry_jax.measures.rounding import gradient_doubts
from symmetry_jax.symmetry.separation import norm

PARTS = {"weight": "kernel", "bias": "bias"}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Watched:
    """What a process remembers that is watched.

    Attributes:
        memory: of the process itself.
        drift: the sum of the magnitudes of all changes by rounding, in the shape of the variables.
        moved: int32 (layers, parts): the step, counted from 1, that first moved the array; -1 before.
        changed: int32 (layers, parts): the step that first changed a bit of it, be it by rounding; -1 before.
        size: (layers, parts): Euclidean norm of the array's gradient at the step that first moved it; 0 before.
    """

    memory: PyTree
    drift: PyTree
    moved: jax.Array
    changed: jax.Array
    size: jax.Array


def watch(process: Process, model: MLP) -> Process:
    """The process of training a perceptron, which also remembers the first move of each of its arrays."""

    def init(data: PyTree, hparams: Hparams, previous: State | None = None) -> State:
        state = process.init(data, hparams, previous)
        drift = jax.tree.map(jnp.zeros_like, state.variables)
        never = jnp.full((len(model.layers), len(PARTS)), -1, jnp.int32)
        size = jnp.zeros(never.shape, jax.tree.leaves(drift)[0].dtype)
        return State(state.variables, Watched(state.memory, drift, never, never, size))

    def step(state: State, data: PyTree, hparams: Hparams, step: jax.Array) -> tuple[State, Aux]:
        seen: Watched = state.memory
        after, aux = process.step(dataclasses.replace(state, memory=seen.memory), data, hparams, step)
        changes = jax.tree.map(lambda new, old: jnp.abs(new - old), after.variables, state.variables)
        doubts = gradient_doubts(model, state.variables, seen.drift, aux.batch, aux.outputs)
        real = jax.tree.map(lambda gradient, doubt: jnp.abs(gradient) > doubt, aux.gradients, doubts)
        drift = jax.tree.map(lambda old, change, sure: old + jnp.where(sure, 0, change), seen.drift, changes, real)
        changed = _each(model, lambda change: jnp.any(change != 0), changes)
        moved = _each(model, lambda change, sure: jnp.any((change != 0) & sure), changes, real)
        size = _each(model, lambda gradient: norm(gradient.reshape(-1)), aux.gradients)
        first, number = (seen.moved < 0) & moved, step.astype(jnp.int32) + 1
        memory = Watched(
            after.memory,
            drift,
            jnp.where(first, number, seen.moved),
            jnp.where((seen.changed < 0) & changed, number, seen.changed),
            jnp.where(first, size, seen.size),
        )
        return State(after.variables, memory), aux

    return dataclasses.replace(process, init=init, step=step)


def first_moves(model: MLP) -> tuple[Measure, ...]:
    """What a watched process remembers, at ends: `first_move`, `first_change` and `first_gradient`, each (layer, part)."""

    def measure(name: str, field: str, unit: str) -> Measure:
        def read(state: State, aux: Aux | None, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
            del aux, data, hparams, step
            return getattr(state.memory, field)

        coords: dict[str, Sequence[Any]] = {"layer": list(range(1, len(model.layers) + 1)), "part": list(PARTS)}
        return Measure(name, read, "ends", ("layer", "part"), coords, unit)

    names = {"first_move": "moved", "first_change": "changed", "first_gradient": "size"}
    return tuple(measure(name, field, "" if field == "size" else "step") for name, field in names.items())


def _each(model: MLP, reduce: Any, *trees: PyTree) -> jax.Array:
    """A number for each array: (layers, parts)."""
    rows = [[reduce(*(tree["params"][name][part] for tree in trees)) for part in PARTS.values()] for name in model.layers]
    return jnp.stack([jnp.stack(row) for row in rows])
