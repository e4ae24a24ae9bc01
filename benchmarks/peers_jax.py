"""The peer in JAX: plain flax networks, vmapped over runs, with a Python loop over steps, on one device."""

from collections.abc import Callable

import jax
import numpy as np
import optax
from flax import linen as nn

from benchmarks.contestants import Contestant
from benchmarks.works import LEARNING_RATE, Assignment, Layers
from symmetry_jax.learning.process import PyTree
from symmetry_jax.learning.tasks import Batch


class ConvolutionalNetwork(nn.Module):
    """The CNN as one writes it in flax: (batch, height, width, channel) -> (batch, classes)."""

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """The logits of a batch."""
        maps = nn.tanh(nn.Conv(8, (3, 3), name="conv_0")(images))
        maps = nn.tanh(nn.Conv(8, (3, 3), (2, 2), name="conv_1")(maps))
        return nn.Dense(10, name="output")(maps.reshape(len(maps), -1))


class Perceptron(nn.Module):
    """The MLP as one writes it in flax: (batch, height, width, channel) -> (batch, classes)."""

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """The logits of a batch."""
        hidden = nn.tanh(nn.Dense(64, name="hidden_0")(images.reshape(len(images), -1)))
        hidden = nn.tanh(nn.Dense(64, name="hidden_1")(hidden))
        return nn.Dense(10, name="output")(hidden)


NETWORKS: dict[str, Callable[[], nn.Module]] = {"cnn": ConvolutionalNetwork, "mlp": Perceptron}


def naive_jax(assignment: Assignment) -> Contestant:
    """One jitted step of all runs, called once for each step."""
    network = NETWORKS[assignment.work.name]()
    train_set = jax.device_put(assignment.data.train)

    def loss(variables: PyTree, batch: Batch) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(network.apply(variables, batch.inputs), batch.targets).mean()

    @jax.jit
    def step(variables: PyTree, train_set: Batch, chosen: jax.Array) -> PyTree:
        def descend_once(variables: PyTree, chosen: jax.Array) -> PyTree:
            gradients = jax.grad(loss)(variables, Batch(train_set.inputs[chosen], train_set.targets[chosen]))
            return jax.tree.map(lambda weights, gradient: weights - LEARNING_RATE * gradient, variables, gradients)

        return jax.vmap(descend_once)(variables, chosen)

    def train(variables: PyTree) -> PyTree:
        for chosen in assignment.batches:
            variables = step(variables, train_set, chosen)
        return jax.block_until_ready(variables)

    def losses(variables: PyTree) -> np.ndarray:
        # one run after another, since a vmapped convolution of the whole set is slow
        return np.asarray(jax.jit(lambda variables: jax.lax.map(lambda run: loss(run, train_set), variables))(variables))

    start = {"params": _arrange(assignment)}
    return Contestant("naive JAX", assignment.runs, lambda: jax.block_until_ready(jax.device_put(start)), train, losses)


def _arrange(assignment: Assignment) -> Layers:
    """The initial weights, in the CNN with a head that reads (height, width, channel) instead of (channel, height, width)."""
    layers = assignment.layers
    if assignment.work.name != "cnn":
        return layers
    head = layers["output"]["kernel"]
    by_channel = head.reshape(len(head), 8, -1, head.shape[-1])
    return {**layers, "output": {**layers["output"], "kernel": by_channel.swapaxes(1, 2).reshape(head.shape)}}
