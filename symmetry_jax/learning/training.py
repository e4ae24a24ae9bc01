"""Training by gradient descent as a process."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from symmetry_jax.learning import optimizers, schedules, starts
from symmetry_jax.learning.breakers import Breaker, Place
from symmetry_jax.learning.intervals import Interval
from symmetry_jax.learning.layers import STATISTICS
from symmetry_jax.learning.optimizers import Optimizer
from symmetry_jax.learning.process import Hparams, Obstacle, Process, PyTree, State
from symmetry_jax.learning.regularizers import Regularizer
from symmetry_jax.learning.schedules import Schedule, constant
from symmetry_jax.learning.starts import Start
from symmetry_jax.learning.tasks import Batch, Dataset, Task

Rates = Callable[[Hparams, jax.Array], PyTree]

RANGES = {"learning_rate": Interval(0), "dropout": Interval(0, 1), **optimizers.RANGES, **schedules.RANGES, **starts.RANGES}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Aux:
    """What a training step computed on its way, at the variables it started from.

    Attributes:
        loss: minibatch loss, without what regularizers add to it, ().
        outputs: the model's outputs on the minibatch, (batch, ...).
        batch: the minibatch, with what breakers did to it.
        gradients: of the loss and of what regularizers add to it, in the shape of the variables that are trained, with what
            breakers did to them.
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
    breakers: Sequence[Breaker] = (),
    regularizers: Sequence[Regularizer] = (),
) -> Process:
    """Gradient descent: theta' = theta - learning_rate * schedule(step) * rates * direction(gradient).

    Args:
        task: what is learned.
        optimizer: makes a direction of a gradient.
        start: draws the variables at step 0.
        schedule: a factor on the learning rate.
        rates: a factor on the final update of each entry (0 freezes it), from hparams and step, in the shape of the variables
            that are trained or any prefix tree of it; none for 1 everywhere.
        breakers: noise, each source in its place; in the order given where two are in one place.
        regularizers: what is added to the loss, of which the gradient is taken.
    """
    disturb = functools.partial(_disturb, breakers)

    def init(data: Dataset, hparams: Hparams, previous: State | None = None) -> State:
        variables = start(hparams, data.train.inputs) if previous is None else previous.variables
        return State(variables, optimizer(hparams).init(trained(variables)))

    def step(state: State, data: Dataset, hparams: Hparams, step: jax.Array) -> tuple[State, Aux]:
        batch = disturb("batch", task.batch(data, hparams, step), hparams, step)
        before = trained(state.variables)

        def loss(variables: PyTree) -> tuple[jax.Array, tuple[jax.Array, jax.Array, PyTree]]:
            every = {**state.variables, **variables}
            outputs, moved = _outputs(task, every, batch.inputs, hparams, step)
            value = task.loss(outputs, batch.targets)
            return sum((add(every, batch.inputs, hparams) for add in regularizers), value), (value, outputs, moved)

        (_, (value, outputs, moved)), exact = jax.value_and_grad(loss, has_aux=True)(before)
        gradients = disturb("gradients", exact, hparams, step)
        direction, memory = _direction(optimizer, gradients, state, hparams)
        rate = hparams["learning_rate"] * schedule(hparams, step)
        factors = jnp.ones_like(rate) if rates is None else rates(hparams, step)
        update = scale(factors, rate, direction)
        after = disturb("variables", jax.tree.map(jnp.subtract, before, update), hparams, step)
        return State({**moved, **after}, memory), Aux(value, outputs, batch, gradients)

    strengths = {source.name: source.allowed for source in breakers} | {cost.name: cost.allowed for cost in regularizers}
    obstacles = [Obstacle(breaker.obstacle) for breaker in breakers if breaker.obstacle]
    return Process(init, step, RANGES | strengths, (*task.obstacles, *obstacles))


def trained(variables: PyTree) -> PyTree:
    """The variables that descent moves: all but the statistics of batches."""
    return {collection: tree for collection, tree in variables.items() if collection != STATISTICS}


def _outputs(task: Task, variables: PyTree, inputs: jax.Array, hparams: Hparams, step: jax.Array) -> tuple[jax.Array, PyTree]:
    if task.train is None:
        return task.predict(variables, inputs), variables
    return task.train(variables, inputs, hparams, step)


def _disturb(breakers: Sequence[Breaker], place: Place, tree: PyTree, hparams: Hparams, step: jax.Array) -> PyTree:
    for breaker in breakers:
        tree = breaker.change(tree, hparams, step) if breaker.place == place else tree
    return tree


def _direction(optimizer: Optimizer, gradients: PyTree, state: State, hparams: Hparams) -> tuple[PyTree, PyTree]:
    # optax raises traced numbers to the power of an integer count, which strict promotion refuses
    with jax.numpy_dtype_promotion("standard"):
        return optimizer(hparams).update(gradients, state.memory, trained(state.variables))


def scale(factors: PyTree, rate: jax.Array, direction: PyTree) -> PyTree:
    """rate * factors * direction, where `factors` may be a prefix tree of `direction`."""
    return jax.tree.map(
        lambda factor, branch: jax.tree.map(lambda leaf: rate * factor.astype(leaf.dtype) * leaf, branch), factors, direction
    )
