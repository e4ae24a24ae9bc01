"""Measures of the output layer of a perceptron that has no other: a row for each class.

The row of class k is what feeds its logit: the weights of all inputs, in order; where it says so, the bias after them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.process import Hparams, Measure, PyTree, State
from symmetry_jax.learning.training import Aux
from symmetry_jax.measures.directions import rank
from symmetry_jax.theory.softmax_rows import curvature_bound, first_loss_drop, with_bias

Formula = Callable[[jax.Array, jax.Array, int], jax.Array]  # from inputs (n, d), labels (n,) and the classes: rows (classes, d)

EXTREMES = {"extreme": ["smallest", "largest"]}


def row_norm(model: MLP) -> Measure:
    """Euclidean norm of each class's row of the gradient, without the bias: (class,)."""

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del state, data, hparams, step
        return jnp.linalg.norm(_rows(aux.gradients), axis=1)

    return Measure("row_norm", read, dims=("class",), coords=_classes(model))


def row_cosine(model: MLP) -> Measure:
    """Cosine between each class's row of the gradient, without the bias, and the mean input of the batch: (class,).

    0 where either is 0.
    """

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del state, data, hparams, step
        rows, mean = _rows(aux.gradients), jnp.mean(_inputs(aux), axis=0)
        sizes = jnp.linalg.norm(rows, axis=1) * jnp.linalg.norm(mean)
        return rows @ mean / jnp.where(sizes > 0, sizes, 1)

    return Measure("row_cosine", read, dims=("class",), coords=_classes(model))


def input_norm() -> Measure:
    """Euclidean norm of the mean input of the batch: ()."""

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del state, data, hparams, step
        return jnp.linalg.norm(jnp.mean(_inputs(aux), axis=0))

    return Measure("input_norm", read)


def first_label() -> Measure:
    """The class of the first example of the batch: () int32."""

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del state, data, hparams, step
        return aux.batch.targets[0]

    return Measure("label", read)


def row_error(model: MLP, formula: Formula) -> Measure:
    """Largest difference of the gradient's rows, with the bias, from a closed form, over the form's largest entry: ()."""

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del state, data, hparams, step
        expected = formula(with_bias(_inputs(aux)), aux.batch.targets, model.outputs)
        found = jnp.concatenate([_rows(aux.gradients), aux.gradients["params"]["output"]["bias"][:, None]], axis=1)
        return jnp.max(jnp.abs(found - expected)) / jnp.max(jnp.abs(expected))

    return Measure("row_error", read)


def bias_gradient() -> Measure:
    """Largest magnitude in the gradient of the biases over the largest in that of the weights: ()."""

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del state, data, hparams, step
        layer = aux.gradients["params"]["output"]
        return jnp.max(jnp.abs(layer["bias"])) / jnp.max(jnp.abs(layer["kernel"]))

    return Measure("bias_gradient", read)


def still_weights() -> Measure:
    """Fraction of the weights whose gradient is exactly 0: ()."""

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del state, data, hparams, step
        rows = _rows(aux.gradients)
        return jnp.mean(rows == 0, dtype=rows.dtype)

    return Measure("still_weights", read)


def silent_inputs() -> Measure:
    """Fraction of the inputs that are 0 in every example of the batch: ()."""

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del state, data, hparams, step
        inputs = _inputs(aux)
        return jnp.mean(jnp.all(inputs == 0, axis=0), dtype=inputs.dtype)

    return Measure("silent_inputs", read)


def gradient_range() -> Measure:
    """The smallest magnitude that is not 0 in the gradient of the weights, and the largest: (extreme,)."""

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del state, data, hparams, step
        return _magnitudes(_rows(aux.gradients))

    return Measure("gradient_range", read, dims=("extreme",), coords=EXTREMES)


def moved_range() -> Measure:
    """The same of how far the weights are from hparams["constant"], at which they started, in learning rates, at ends."""

    def read(state: State, aux: Aux | None, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, step
        return _magnitudes(_rows(state.variables) - hparams["constant"]) / hparams["learning_rate"]

    return Measure("moved", read, "ends", ("extreme",), EXTREMES, "learning rate")


def predicted_drop(model: MLP, formula: Formula) -> Measure:
    """The drop of the loss in a step of gradient descent, to first order, from a closed form of the rows with bias: ()."""

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del state, data, step
        rows = formula(with_bias(_inputs(aux)), aux.batch.targets, model.outputs)
        return first_loss_drop(rows, hparams["learning_rate"])

    return Measure("predicted_drop", read, unit="nats")


def largest_curvature() -> Measure:
    """A bound on every curvature of the batch's loss in weights and biases: ()."""

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del state, data, hparams, step
        return curvature_bound(with_bias(_inputs(aux)))

    return Measure("curvature", read, unit="nats")


def class_mean() -> Measure:
    """Mean over classes of the weights of an input: the smallest and the largest of all inputs, (extreme,)."""

    def read(state: State, aux: Aux | None, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        means = jnp.mean(_rows(state.variables), axis=0)
        return jnp.stack([jnp.min(means), jnp.max(means)])

    return Measure("class_mean", read, dims=("extreme",), coords=EXTREMES)


def largest_weight() -> Measure:
    """Largest magnitude among the weights: ()."""

    def read(state: State, aux: Aux | None, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return jnp.max(jnp.abs(_rows(state.variables)))

    return Measure("largest_weight", read)


def row_rank() -> Measure:
    """Numerical rank of the weights: () int32."""

    def read(state: State, aux: Aux | None, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return rank(_rows(state.variables).T)

    return Measure("rank", read)


def output_weights(model: MLP, shape: Mapping[str, int]) -> Measure:
    """The weights at ends: (class, *shape), where `shape` names the dimensions of one example and their lengths."""

    def read(state: State, aux: Aux | None, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return _rows(state.variables).reshape(model.outputs, *shape.values())

    return Measure("weights", read, "ends", ("class", *shape), _classes(model))


def _rows(tree: PyTree) -> jax.Array:
    return tree["params"]["output"]["kernel"].T


def _inputs(aux: Aux) -> jax.Array:
    return aux.batch.inputs.reshape(len(aux.batch.inputs), -1)


def _classes(model: MLP) -> dict[str, Sequence[Any]]:
    return {"class": range(model.outputs)}


def _magnitudes(array: jax.Array) -> jax.Array:
    """The smallest magnitude that is not 0, inf if there is none, and the largest."""
    sizes = jnp.abs(array)
    return jnp.stack([jnp.min(jnp.where(sizes > 0, sizes, jnp.inf)), jnp.max(sizes)])
