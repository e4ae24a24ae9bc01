"""How strongly moving one unit changes another's gradient, read from the minibatches of training.

Let e be the direction from unit j to unit i. As j moves by delta e, towards i, the force on i (minus its gradient) changes by
-delta H_ij e, and along the line by -delta e . H_ij e: where e . H_ij e > 0, i is drawn towards j as j comes nearer, which is
attraction; where it is < 0, i is pushed away, which is repulsion. The force on j itself changes by -delta H_jj e.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from symmetry_jax.learning.process import Hparams, Measure, PyTree, State
from symmetry_jax.learning.tasks import Task
from symmetry_jax.learning.training import Aux
from symmetry_jax.measures.curvature import PARTS, functions
from symmetry_jax.symmetry.curvature import Operator, cross_curvature, pair_curvature
from symmetry_jax.symmetry.separation import difference, norm, orbits
from symmetry_jax.symmetry.units import UnitGroup

BLOCKS = ["own", "cross", "net"]  # H_ii, H_ij, and (H_ii + H_jj - H_ij - H_ji)/2, which the distance of i and j feels
READINGS = ["along", "size"]


def interaction(task: Task, group: UnitGroup, pairs: Sequence[tuple[int, int]]) -> Measure:
    """Blocks of the Hessian applied to the line e between two units: (pair, block, hessian, reading), e . H e and ||H e||.

    Units that are equal have no line between them: e is then some fixed direction.
    """

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del data, hparams, step
        outputs, loss = functions(task, aux.batch)

        def of_pair(pair: jax.Array) -> jax.Array:
            units = (pair[0], pair[1])
            line = _line(difference(state.variables, group, units))
            parts = pair_curvature(outputs, loss, state.variables, group, units)
            return jnp.stack([_of_line(part, line) for part in parts], axis=1)

        return lax.map(of_pair, jnp.asarray(pairs))  # one after another: what they share compiles once

    names = [f"{first}-{second}" for first, second in pairs]
    coords = {"pair": names, "block": BLOCKS, "hessian": PARTS, "reading": READINGS}
    return Measure("interaction", read, dims=tuple(coords), coords=coords)


def response(task: Task, group: UnitGroup, units: tuple[int, int]) -> Measure:
    """||g_j|| of the second of two units, and ||H_ji g_i||: how much g_j changes as the first descends: (force,)."""

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del data, hparams, step
        first, second = orbits(aux.gradients, group, units)
        gauss_newton, residual = cross_curvature(*functions(task, aux.batch), state.variables, group, units[::-1])
        return jnp.stack([norm(second), norm(gauss_newton(first) + residual(first))])

    return Measure("response", read, dims=("force",), coords={"force": ["gradient", "response"]})


def _line(apart: jax.Array) -> jax.Array:
    some = jnp.cos(jnp.arange(len(apart), dtype=apart.dtype))  # a direction that is in no way special
    chosen = jnp.where(norm(apart) > 0, apart, some)
    return chosen / norm(chosen)


def _of_line(whole: Operator, line: jax.Array) -> jax.Array:
    """The readings of every block: (block, reading)."""
    still = jnp.zeros_like(line)
    first, second = lax.map(whole, jnp.stack([jnp.concatenate([line, still]), jnp.concatenate([still, line])]))
    own, cross = first[: len(line)], second[: len(line)]
    net = (own - cross - (first - second)[len(line) :]) / 2
    return jnp.stack([jnp.stack([jnp.dot(line, image), norm(image)]) for image in (own, cross, net)])
