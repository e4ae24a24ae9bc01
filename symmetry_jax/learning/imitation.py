"""The task of a student that imitates a teacher: another network, of which it sees inputs and outputs alone."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp

from symmetry_jax.errors import InputError, choose
from symmetry_jax.learning.process import Hparams
from symmetry_jax.learning.starts import Start
from symmetry_jax.learning.streams import Stream, draw_key
from symmetry_jax.learning.tasks import MINIBATCHES, Batch, Dataset, Minibatches, Task, minibatch, own_masks, training_mode

Lessons = Minibatches | Literal["once", "online"]

Draw = Callable[[Dataset, Hparams, jax.Array], jax.Array]  # the inputs of a step

LESSONS: dict[str, Lessons] = {**MINIBATCHES, "once": "once", "online": "online"}


def imitation(student: Any, teacher: Any, teach: Start, batch_size: int, lessons: Lessons) -> Task:
    """Half the squared error against a teacher, summed over outputs, mean over examples.

    Each run has a teacher of its own: its variables are a function of the run's hparams and of nothing else.

    Args:
        student: a flax.linen module from inputs (batch, ...) to outputs (batch, outputs), as in `tasks.classification`.
        teacher: a flax.linen module from the same inputs to as many outputs.
        teach: draws the teacher's variables.
        batch_size: examples in a minibatch.
        lessons: how inputs are drawn from the training set, as in `tasks.minibatch`; or standard normal ones of its shape,
            drawn from the seed: "once" for the whole run, or "online", afresh at every step, so that none is seen twice.

    Raises:
        InputError: for lessons that there are not; as `tasks.minibatch` does.
    """
    lessons = choose("lessons", lessons, LESSONS)
    draw = _sampled(batch_size, MINIBATCHES[lessons]) if lessons in MINIBATCHES else _normal(batch_size, lessons == "online")

    def batch(data: Dataset, hparams: Hparams, step: jax.Array) -> Batch:
        inputs = draw(data, hparams, step)
        return Batch(inputs, teacher.apply(teach(hparams, data.train.inputs), inputs))

    def loss(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        return jnp.mean(jnp.sum(jnp.square(outputs - targets), axis=-1)) / 2

    return Task(student.apply, loss, batch, training_mode(student), own_masks(student))


def _sampled(batch_size: int, minibatches: Minibatches) -> Draw:
    """From the training set."""
    chosen = minibatch(batch_size, minibatches)
    return lambda data, hparams, step: chosen(data, hparams, step).inputs


def _normal(batch_size: int, afresh: bool) -> Draw:
    """Standard normal inputs, at every step others, or for the whole run the same."""
    if batch_size < 1:
        raise InputError(f"batch_size={batch_size}: at least 1 example")

    def draw(data: Dataset, hparams: Hparams, step: jax.Array) -> jax.Array:
        key = draw_key(hparams["seed"], Stream.MINIBATCH, step if afresh else 0)
        return jax.random.normal(key, (batch_size, *data.shape), data.train.inputs.dtype)

    return draw
