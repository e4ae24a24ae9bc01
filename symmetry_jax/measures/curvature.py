"""Measures of the curvature that twins feel between them, where a run begins and where it ends."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from symmetry_jax.learning.process import Hparams, Measure, PyTree, State
from symmetry_jax.learning.starts import Pairs
from symmetry_jax.learning.streams import Stream, draw_key
from symmetry_jax.learning.tasks import Batch, Task
from symmetry_jax.symmetry.curvature import Operator, extreme_eigenvalues, twin_curvature
from symmetry_jax.symmetry.separation import orbits
from symmetry_jax.symmetry.units import TRAINED, Role, Symmetry, UnitGroup
from symmetry_jax.theory.erf_biases import bias_curvature

FAN_IN: tuple[Role, ...] = ("fan-in", "bias")


def curvature_range(task: Task, symmetry: Symmetry, pairs: Pairs) -> Measure:
    """Lowest and highest eigenvalue of the twin curvature on the minibatch of the step, at ends: (group, extreme)."""

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux
        batch, key = task.batch(data, hparams, step), draw_key(hparams["seed"], Stream.TANGENTS)

        def extremes(group: UnitGroup, units: tuple[int, int]) -> jax.Array:
            apart, _ = orbits(state.variables, group, units)
            start = jax.random.normal(key, apart.shape, apart.dtype)
            return extreme_eigenvalues(_between(task, batch, state, group, units, TRAINED), start, len(start))

        return jnp.stack([extremes(symmetry[name], units) for name, units in pairs.items()])

    return Measure("curvature", read, "ends", ("group", "extreme"), {"group": list(pairs), "extreme": ["lowest", "highest"]})


def erf_bias_curvature(task: Task, symmetry: Symmetry, pairs: Pairs) -> Measure:
    """Curvature between twins along their biases, and what `theory.erf_biases` says it is, at ends: (group, source)."""

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux
        batch = task.batch(data, hparams, step)
        gradient = jax.grad(_loss(task, batch))(state.variables)

        def both(group: UnitGroup, units: tuple[int, int]) -> jax.Array:
            bent = _between(task, batch, state, group, units, ("bias",))(jnp.ones(1, batch.inputs.dtype))
            unit, slope = (orbits(tree, group, units, FAN_IN)[0] for tree in (state.variables, gradient))
            return jnp.stack([bent[0], bias_curvature(unit, slope)])

        return jnp.stack([both(symmetry[name], units) for name, units in pairs.items()])

    return Measure(
        "bias_curvature", read, "ends", ("group", "source"), {"group": list(pairs), "source": ["measured", "predicted"]}
    )


def _loss(task: Task, batch: Batch) -> Callable[[PyTree], jax.Array]:
    return lambda variables: task.loss(task.predict(variables, batch.inputs), batch.targets)


def _between(
    task: Task, batch: Batch, state: State, group: UnitGroup, units: tuple[int, int], roles: tuple[Role, ...]
) -> Operator:
    """The twin curvature as an operator: its residual part, since the other is 0 between equal units."""

    def outputs(variables: PyTree) -> jax.Array:
        return task.predict(variables, batch.inputs)

    return twin_curvature(outputs, lambda found: task.loss(found, batch.targets), state.variables, group, units, roles)[1]
