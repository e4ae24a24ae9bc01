"""The curvature that twins feel between them, read from the minibatch of each step."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from symmetry_jax.learning.process import Hparams, Measure, PyTree, State
from symmetry_jax.learning.starts import Pairs
from symmetry_jax.learning.tasks import Task
from symmetry_jax.learning.training import Aux
from symmetry_jax.symmetry.curvature import Operator, extreme_eigenvalues
from symmetry_jax.symmetry.separation import difference
from symmetry_jax.symmetry.units import TRAINED, Role, Symmetry

BOUNDS = ["lowest", "highest"]
PARTS = ["gauss_newton", "residual"]
ITERATIONS = 24  # of the Lanczos process: enough for two digits of extremes that stand out, as curvature's do

Curvature = Callable[..., tuple[Operator, Operator]]


def spectrum(
    name: str, of: Curvature, task: Task, symmetry: Symmetry, pairs: Pairs, roles: Sequence[Role] = TRAINED
) -> Measure:
    """The extreme eigenvalues of both parts of a curvature of the twins of each group: (group, hessian, bound).

    Args:
        name: of the measure.
        of: `twin_curvature` for H_ii - H_ij, `unit_curvature` for H_ii.
        task: gives outputs and loss; the Hessian is that of the minibatch's loss.
        symmetry: of the variables.
        pairs: the twins of each group.
        roles: which parts of a unit move; without "fan-out" that is frozen.
    """

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del data, hparams, step

        def predict(variables: PyTree) -> jax.Array:
            return task.predict(variables, aux.batch.inputs)

        def loss(outputs: jax.Array) -> jax.Array:
            return task.loss(outputs, aux.batch.targets)

        def extremes(group: str) -> jax.Array:
            apart = difference(state.variables, symmetry[group], pairs[group], roles)
            start = jnp.cos(jnp.arange(len(apart), dtype=apart.dtype))  # any vector that is in no way special
            parts = of(predict, loss, state.variables, symmetry[group], pairs[group], roles)
            return jnp.stack([extreme_eigenvalues(part, start, ITERATIONS) for part in parts])

        return jnp.stack([extremes(group) for group in pairs])

    return Measure(
        name, read, dims=("group", "hessian", "bound"), coords={"group": list(pairs), "hessian": PARTS, "bound": BOUNDS}
    )
