"""Measures of a network of one convolution: its kernels, and how far it is from softmax regression."""

import jax
import jax.numpy as jnp

from symmetry_jax.learning.models import CNN
from symmetry_jax.learning.process import Hparams, Measure, PyTree, State
from symmetry_jax.learning.tasks import Dataset
from symmetry_jax.theory.linear_filters import convolution_matrix, gain


def kernels(model: CNN) -> Measure:
    """The kernels of the first convolution, at ends: (row, column, filter), for images of one channel."""

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return _kernels(state)

    sides = range(model.kernel)
    shape = {"row": sides, "column": sides, "filter": range(model.filters[0])}
    return Measure("kernels", read, "ends", tuple(shape), shape)


def fold_gap(model: CNN) -> Measure:
    """How far the network is from the softmax regression that it would be without a nonlinearity, at ends: ().

    Kernels, biases and head folded into one matrix and one bias; the largest difference between the logits of the two on the
    test set, over the largest logit.
    """

    def read(state: State, aux: PyTree, data: Dataset, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, hparams, step
        params, images = state.variables["params"], data.test.inputs
        head, side = params["output"]["kernel"], images.shape[1]
        matrix = convolution_matrix(_kernels(state), side, str(model.padding)) @ head
        by_filter = head.reshape(model.filters[0], -1, head.shape[1]).sum(1)
        bias = params["conv_0"]["bias"] @ by_filter + params["output"]["bias"]
        logits = jnp.asarray(model.apply(state.variables, images))
        folded = images.reshape(len(images), -1) @ matrix + bias[None]
        return jnp.max(jnp.abs(logits - folded)) / jnp.max(jnp.abs(logits))

    return Measure("fold_gap", read, "ends")


def folded_gain(model: CNN) -> Measure:
    """How many times faster than softmax regression's matrix the folded one moves at the same learning rate, on average: ()."""

    def read(state: State, aux: PyTree, data: Dataset, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, hparams, step
        head = state.variables["params"]["output"]["kernel"]
        return gain(_kernels(state), head, data.train.inputs.shape[1], str(model.padding))

    return Measure("gain", read)


def _kernels(state: State) -> jax.Array:
    """Of one channel: (row, column, filter)."""
    return state.variables["params"]["conv_0"]["kernel"][:, :, 0]
