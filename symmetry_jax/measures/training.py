"""Measures of training: what the step already computed, and the test set at ends."""

from typing import Literal

import jax
import jax.numpy as jnp

from symmetry_jax.learning.process import Hparams, Measure, PyTree, State
from symmetry_jax.learning.tasks import Batch, Dataset, Task
from symmetry_jax.learning.training import Aux, Rates, scale

Part = Literal["train", "test"]


def minibatch_loss(unit: str = "nats") -> Measure:
    """Loss of the step's minibatch, before the step."""

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del state, data, hparams, step
        return aux.loss

    return Measure("loss", read, unit=unit)


def minibatch_accuracy() -> Measure:
    """Fraction of the step's minibatch that is classified right, before the step."""

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del state, data, hparams, step
        return _accuracy(aux.outputs, aux.batch)

    return Measure("accuracy", read)


def gradient_norm(rates: Rates | None = None) -> Measure:
    """Euclidean norm of the minibatch gradient, before the step: of all of it, or of what is trained, weighed by its rates."""

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del state, data
        gradients = aux.gradients if rates is None else scale(rates(hparams, step), jnp.ones_like(aux.loss), aux.gradients)
        return jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(gradients)))

    return Measure("gradient_norm", read)


def first_nonfinite_step() -> Measure:
    """The step that first produced a number that is not finite, -1 if none did so far."""

    def read(state: State, aux: Aux | None, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return state.stopped

    return Measure("first_nonfinite_step", read, when="ends", unit="step")


def evaluate_loss(task: Task, part: Part = "test") -> Measure:
    """Mean loss over the test set, or over the training set."""

    def read(state: State, aux: Aux | None, data: Dataset, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, hparams, step
        examples: Batch = getattr(data, part)
        return task.loss(task.predict(state.variables, examples.inputs), examples.targets)

    return Measure(f"{part}_loss", read, when="ends", unit="nats")


def evaluate_accuracy(task: Task, part: Part = "test") -> Measure:
    """Fraction of the test set, or of the training set, that is classified right."""

    def read(state: State, aux: Aux | None, data: Dataset, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, hparams, step
        examples: Batch = getattr(data, part)
        return _accuracy(task.predict(state.variables, examples.inputs), examples)

    return Measure(f"{part}_accuracy", read, when="ends")


def _accuracy(logits: jax.Array, batch: Batch) -> jax.Array:
    return jnp.mean(jnp.argmax(logits, axis=-1).astype(jnp.int32) == batch.targets, dtype=logits.dtype)
