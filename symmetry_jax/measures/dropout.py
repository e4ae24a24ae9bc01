"""The kick that dropout is expected to give to two equal units."""

import jax
import jax.numpy as jnp

from symmetry_jax.learning.activity import observe, slopes
from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.process import Hparams, Measure, PyTree, State
from symmetry_jax.learning.tasks import Dataset, Task
from symmetry_jax.theory.kicks import dropout_kick


def expected_dropout_kick(task: Task, model: MLP, units: tuple[int, int]) -> Measure:
    """What `theory.kicks` expects of the next step, at ends: (source,), fan-in with bias, and fan-out.

    The network has one hidden layer, one output, and loses half the mean square of its residual on the minibatch.
    """

    def read(state: State, aux: PyTree, data: Dataset, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux
        batch = task.batch(data, hparams, step)
        outputs, activity = observe(model, state.variables, batch.inputs)
        [layer], [head] = model.layers[:-1], state.variables["params"][model.layers[-1]]["kernel"].T
        values, slope = activity.after[layer], slopes(model, activity)[layer]
        twin = units[0]
        others = jnp.delete(values * head[None, :], jnp.array(units), axis=1, assume_unique_indices=True)
        residual = (outputs - batch.targets)[:, 0]
        inputs = batch.inputs.reshape(len(batch.inputs), -1)
        kicks = dropout_kick(hparams["dropout"], inputs, values[:, twin], slope[:, twin], head[twin], residual, others)
        return hparams["learning_rate"] * jnp.stack(kicks)

    return Measure("expected_kick", read, "ends", ("source",), {"source": ["fan-in", "fan-out"]})
