"""When each array of a network first moves, told apart from rounding.

A gradient's entry is a sum of products. Where it is algebraically zero, floating point leaves an error of some eps (relative
precision) times the sum of the magnitudes of the terms, which is its majorant. An entry counts as moved by a step that changes
its bits while its gradient is larger than `MULTIPLE` times eps times its majorant.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.process import Hparams, Measure, Process, PyTree, State
from symmetry_jax.learning.tasks import Batch
from symmetry_jax.learning.training import Aux
from symmetry_jax.symmetry.separation import norm

MULTIPLE = 64.0
PARTS = {"weight": "kernel", "bias": "bias"}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Watched:
    """What a process remembers that is watched; each field but the first is (layers, parts).

    Attributes:
        memory: of the process itself.
        moved: int32: the step, counted from 1, that first moved the array; -1 before.
        changed: int32: the step that first changed a bit of it, be it by rounding; -1 before.
        size: Euclidean norm of the array's gradient at the step that first moved it; 0 before.
    """

    memory: PyTree
    moved: jax.Array
    changed: jax.Array
    size: jax.Array


def watch(process: Process, model: MLP) -> Process:
    """The process of training a perceptron, which also remembers the first move of each of its arrays."""
    shape = (len(model.layers), len(PARTS))

    def init(data: PyTree, hparams: Hparams, previous: State | None = None) -> State:
        state = process.init(data, hparams, previous)
        never = jnp.full(shape, -1, jnp.int32)
        return State(state.variables, Watched(state.memory, never, never, jnp.zeros(shape, _dtype(state.variables))))

    def step(state: State, data: PyTree, hparams: Hparams, step: jax.Array) -> tuple[State, Aux]:
        seen: Watched = state.memory
        after, aux = process.step(dataclasses.replace(state, memory=seen.memory), data, hparams, step)
        moved, changed, size = _compare(model, state.variables, after.variables, aux)
        first = (seen.moved < 0) & moved
        number = step.astype(jnp.int32) + 1
        memory = Watched(
            after.memory,
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

    return (
        measure("first_move", "moved", "step"),
        measure("first_change", "changed", "step"),
        measure("first_gradient", "size", ""),
    )


def gradient_majorants(model: MLP, variables: PyTree, batch: Batch, outputs: jax.Array) -> PyTree:
    """For each entry of the gradient of the mean softmax cross-entropy, the sum of the magnitudes of its terms.

    |x|, |W|, |phi'(z)| and |p - y| take the places of x, W, phi'(z) and p - y in backpropagation; the rounding of the logits,
    which the softmax passes on, is counted with the residual.
    """
    params = jax.tree.map(jnp.abs, variables["params"])
    inputs = batch.inputs.reshape(len(batch.inputs), -1)
    values, slopes = [inputs], []
    for name in model.layers[:-1]:
        layer = variables["params"][name]
        z = values[-1] @ layer["kernel"] + layer["bias"]
        value, slope = jax.jvp(model.activation, (z,), (jnp.ones_like(z),))
        values.append(value)
        slopes.append(jnp.abs(slope))
    values = [jnp.abs(value) for value in values]
    last = params[model.layers[-1]]
    logits = jnp.max(values[-1] @ last["kernel"] + last["bias"], axis=1, keepdims=True)
    probabilities = jax.nn.softmax(outputs)
    residual = jnp.abs(probabilities - jax.nn.one_hot(batch.targets, outputs.shape[1], dtype=outputs.dtype))
    errors = (residual + probabilities * logits) / len(inputs)
    found = {}
    for name, value, slope in zip(model.layers[::-1], values[::-1], [*slopes[::-1], None], strict=True):
        found[name] = {"kernel": value.T @ errors, "bias": errors.sum(0)}
        if slope is not None:
            errors = errors @ params[name]["kernel"].T * slope
    return {"params": found}


def _compare(model: MLP, before: PyTree, after: PyTree, aux: Aux) -> tuple[jax.Array, jax.Array, jax.Array]:
    """For each array, whether a step moved it, whether it changed a bit, and the size of the gradient: (layers, parts)."""
    # a barrier, so that XLA computes the gradient alike whether it is watched or not
    variables, batch, outputs = lax.optimization_barrier((before, aux.batch, aux.outputs))
    majorants = gradient_majorants(model, variables, batch, outputs)
    bound = MULTIPLE * jnp.finfo(_dtype(before)).eps

    def compare(old: jax.Array, new: jax.Array, gradient: jax.Array, majorant: jax.Array) -> tuple[jax.Array, ...]:
        changed = old != new
        real = jnp.abs(gradient) > bound.astype(gradient.dtype) * majorant
        return jnp.any(changed & real), jnp.any(changed), norm(gradient.reshape(-1))

    arrays = [
        [tree["params"][name][part] for tree in (before, after, aux.gradients, majorants)]
        for name in model.layers
        for part in PARTS.values()
    ]
    found = zip(*(compare(*four) for four in arrays), strict=True)
    moved, changed, size = (jnp.stack(column).reshape(len(model.layers), len(PARTS)) for column in found)
    return moved, changed, size


def _dtype(variables: PyTree) -> jnp.dtype:
    return jax.tree.leaves(variables)[0].dtype
