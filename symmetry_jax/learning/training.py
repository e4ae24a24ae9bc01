"""Training by gradient descent as a process."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from symmetry_jax.learning import optimizers, schedules, starts
from symmetry_jax.learning.intervals import Interval
from symmetry_jax.learning.optimizers import Optimizer
from symmetry_jax.learning.process import Hparams, Process, PyTree, State
from symmetry_jax.learning.schedules import Schedule, constant
from symmetry_jax.learning.starts import Start
from symmetry_jax.learning.tasks import Batch, Dataset, Task

Rates = Callable[[Hparams, jax.Array], PyTree]

RANGES = {"learning_rate": Interval(0), **optimizers.RANGES, **schedules.RANGES, **starts.RANGES}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Aux:
    """What a training step computed on its way, at the variables it started from.

    Attributes:
        loss: minibatch loss, ().
        outputs: the model's outputs on the minibatch, (batch, ...).
        batch: the minibatch.
        gradients: of the loss, in the shape of the variables.
    """

    loss: jax.Array
    outputs: jax.Array
    batch: Batch
    gradients: PyTree


def descend(
    task: Task,
    optimizer: Optimizer,
    start: Start,
    schedule: Schedule = constant,
    rates: Rates | None = None,
) -> Process:
    """Gradient descent: theta' = theta - learning_rate * schedule(step) * rates * direction(gradient).

    Args:
        task: what is learned.
        optimizer: makes a direction of a gradient.
        start: draws the variables at step 0.
        schedule: a factor on the learning rate.
        rates: a factor on the final update of each entry (0 freezes it), from hparams and step, in the shape of the variables
            or any prefix tree of it; none for 1 everywhere.
    """

    def init(data: Dataset, hparams: Hparams, previous: State | None = None) -> State:
        variables = start(hparams, data.train.inputs) if previous is None else previous.variables
        return State(variables, optimizer(hparams).init(variables))

    def loss(variables: PyTree, batch: Batch) -> tuple[jax.Array, jax.Array]:
        outputs = task.predict(variables, batch.inputs)
        return task.loss(outputs, batch.targets), outputs

    def step(state: State, data: Dataset, hparams: Hparams, step: jax.Array) -> tuple[State, Aux]:
        batch = task.batch(data, hparams, step)
        (value, outputs), gradients = jax.value_and_grad(loss, has_aux=True)(state.variables, batch)
        direction, memory = _direction(optimizer, gradients, state, hparams)
        rate = hparams["learning_rate"] * schedule(hparams, step)
        factors = jnp.ones_like(rate) if rates is None else rates(hparams, step)
        update = _scale(factors, rate, direction)
        variables = jax.tree.map(jnp.subtract, state.variables, update)
        return State(variables, memory), Aux(value, outputs, batch, gradients)

    return Process(init, step, RANGES)


def _direction(optimizer: Optimizer, gradients: PyTree, state: State, hparams: Hparams) -> tuple[PyTree, PyTree]:
    # optax raises traced numbers to the power of an integer count, which strict promotion refuses
    with jax.numpy_dtype_promotion("standard"):
        return optimizer(hparams).update(gradients, state.memory, state.variables)


def _scale(factors: PyTree, rate: jax.Array, direction: PyTree) -> PyTree:
    """rate * factors * direction, where `factors` may be a prefix tree of `direction`."""
    return jax.tree.map(
        lambda factor, branch: jax.tree.map(lambda leaf: rate * factor.astype(leaf.dtype) * leaf, branch), factors, direction
    )
