"""Measures of what it costs to remove units of the last hidden layer, one and two at a time, over the test set.

Let L be the test loss, L(-i) that without unit i, L(-i-j) that without both. The interaction of two units is

    D_ij = L(-i-j) - L(-i) - L(-j) + L.

Above 0 the two stand in for each other, and losing both costs more than the sum of losing each; below 0 it costs less. Removed
to zero, a unit adds nothing; removed to its mean, it adds to every example what it adds to the test set on average, so that
what a bias could replace is not counted. The network is not trained again.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from symmetry_jax.learning.contributions import contributions
from symmetry_jax.learning.models import CNN, MLP
from symmetry_jax.learning.process import Hparams, Measure, PyTree, State
from symmetry_jax.learning.regularizers import fan_in
from symmetry_jax.learning.tasks import Dataset, Task
from symmetry_jax.measures.overlap import contribution_matrix
from symmetry_jax.symmetry.similarity import correlations, cosines, pairs

WAYS = ("zero", "mean")  # what is left of a unit that is removed
ROUNDING = 1e-6  # nats: what float32 may make of an interaction that is 0, as where a unit is silent
QUANTITIES = ("one", "two", "superadditive", "told by cosine", "told by contribution")


def removal(task: Task, model: MLP | CNN) -> Measure:
    """What removing units costs, at ends, in five numbers for each way of doing so: (way, quantity).

    `one` and `two`: loss added by removing one unit, the mean over units, and two, the mean over pairs, in its unit;
    the mean interaction is the second less twice the first. `superadditive`: pairs whose interaction is above `ROUNDING`.
    `told by cosine` and `told by contribution`: correlation, over pairs, of the interaction with the |cosine| of fan-ins, and
    with the correlation between what the two units add to the outputs; 0 where one of them is the same for all pairs.
    """

    def read(state: State, aux: PyTree, data: Dataset, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, hparams, step
        outputs, added = contributions(model, state.variables, data.test.inputs)
        cosine = jnp.abs(pairs(cosines(fan_in(model, state.variables))))
        overlaps = cosine, pairs(contribution_matrix(added))

        def quantities(taken: jax.Array) -> jax.Array:
            one, two = removal_costs(task, outputs, taken, data.test.targets)
            found = interactions(one, two)
            above = jnp.mean(found > ROUNDING, dtype=found.dtype)
            told = correlations(jnp.stack([found, *overlaps]))[0, 1:]
            return jnp.stack([jnp.mean(one), jnp.mean(two), above, *told])

        varying = added - jnp.mean(added, axis=1, keepdims=True)
        return jnp.stack([quantities(taken) for taken in (added, varying)])

    return Measure("removal", read, "ends", ("way", "quantity"), {"way": WAYS, "quantity": QUANTITIES})


def removal_costs(task: Task, outputs: jax.Array, taken: jax.Array, targets: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Loss added by taking off what one unit adds, and what two do: (units,) and (pairs,), in the order of `similarity.pairs`.

    Args:
        task: whose loss is meant.
        outputs: of the whole network, (batch, outputs).
        taken: what is taken off with each unit, (units, batch, outputs).
        targets: of the examples, (batch,).
    """
    whole = task.loss(outputs, targets)
    first, second = (jnp.asarray(places) for places in np.triu_indices(len(taken), 1))
    one = lax.map(lambda each: task.loss(outputs - each, targets) - whole, taken)
    two = lax.map(lambda pair: task.loss(outputs - taken[pair[0]] - taken[pair[1]], targets) - whole, (first, second))
    return one, two


def interactions(one: jax.Array, two: jax.Array) -> jax.Array:
    """D_ij of all pairs: (pairs,), from the costs of removing one (units,) and two (pairs,)."""
    return two - pairs(one[:, None] + one[None, :])
