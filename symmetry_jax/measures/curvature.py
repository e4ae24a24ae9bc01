"""The curvature that twins feel between them, on the minibatch of a step."""

from collections.abc import Callable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp

from symmetry_jax.learning.process import Hparams, Measure, PyTree, State
from symmetry_jax.learning.starts import Pairs
from symmetry_jax.learning.tasks import Batch, Task
from symmetry_jax.learning.training import Aux
from symmetry_jax.symmetry.curvature import Loss, Operator, Outputs, extreme_eigenvalues, twin_curvature
from symmetry_jax.symmetry.separation import difference, orbits
from symmetry_jax.symmetry.units import TRAINED, Role, Symmetry
from symmetry_jax.theory.erf_biases import bias_curvature

BOUNDS = ["lowest", "highest"]
PARTS = ["gauss_newton", "residual"]
ITERATIONS = 24  # of the Lanczos process: enough for two digits of extremes that stand out, as curvature's do

Curvature = Callable[..., tuple[Operator, Operator]]


def spectrum(
    name: str,
    of: Curvature,
    task: Task,
    symmetry: Symmetry,
    pairs: Pairs,
    roles: Sequence[Role] = TRAINED,
    when: Literal["records", "ends"] = "records",
) -> Measure:
    """The extreme eigenvalues of both parts of a curvature of the twins of each group: (group, hessian, bound).

    Args:
        name: of the measure.
        of: `twin_curvature` for H_ii - H_ij, `unit_curvature` for H_ii.
        task: gives outputs and loss; the Hessian is that of the minibatch's loss.
        symmetry: of the variables.
        pairs: the twins of each group.
        roles: which parts of a unit move; without "fan-out" that is frozen.
        when: at records, on the minibatch as the step saw it, or at ends.
    """

    def read(state: State, aux: Aux | None, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        outputs, loss = functions(task, aux.batch if aux is not None else task.batch(data, hparams, step))

        def extremes(group: str) -> jax.Array:
            apart = difference(state.variables, symmetry[group], pairs[group], roles)
            start = jnp.cos(jnp.arange(len(apart), dtype=apart.dtype))  # any vector that is in no way special
            parts = of(outputs, loss, state.variables, symmetry[group], pairs[group], roles)
            return jnp.stack([extreme_eigenvalues(part, start, ITERATIONS) for part in parts])

        return jnp.stack([extremes(group) for group in pairs])

    coords = {"group": list(pairs), "hessian": PARTS, "bound": BOUNDS}
    return Measure(name, read, when, ("group", "hessian", "bound"), coords)


def erf_bias_curvature(task: Task, symmetry: Symmetry, pairs: Pairs) -> Measure:
    """Curvature between twins along their biases, and what `theory.erf_biases` says it is, at ends: (group, source)."""

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux
        outputs, loss = functions(task, task.batch(data, hparams, step))
        gradient = jax.grad(lambda variables: loss(outputs(variables)))(state.variables)

        def both(name: str) -> jax.Array:
            pair = symmetry[name], pairs[name]
            _, residual = twin_curvature(outputs, loss, state.variables, *pair, ("bias",))
            unit, slope = (orbits(tree, *pair, ("fan-in", "bias"))[0] for tree in (state.variables, gradient))
            return jnp.stack([residual(jnp.ones(1, unit.dtype))[0], bias_curvature(unit, slope)])

        return jnp.stack([both(name) for name in pairs])

    coords = {"group": list(pairs), "source": ["measured", "predicted"]}
    return Measure("bias_curvature", read, "ends", ("group", "source"), coords)


def functions(task: Task, batch: Batch) -> tuple[Outputs, Loss]:
    """Outputs of the variables, and loss of the outputs, on a minibatch.

    Raises:
        ValueError: for a task that computes something else in training, whose loss this is not.
    """
    if task.train is not None:
        raise ValueError(
            "curvature is read of networks without batch norm and dropout, which compute something else in training"
        )
    return (lambda variables: task.predict(variables, batch.inputs)), (lambda outputs: task.loss(outputs, batch.targets))
