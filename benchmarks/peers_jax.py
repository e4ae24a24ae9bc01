"""The peers in JAX: plain flax networks, one at a time or vmapped over runs, on one device."""

import operator
from collections.abc import Callable

import jax
import numpy as np
import optax
from flax import linen as nn

from benchmarks.contestants import ONE_AT_A_TIME, Contestant
from benchmarks.works import STRIDES, Assignment, Layers, Work
from symmetry_jax.learning.models import CNN
from symmetry_jax.learning.process import PyTree
from symmetry_jax.learning.tasks import Batch

Step = Callable[[PyTree, Batch, jax.Array], PyTree]  # from one run's state, the training set and the places of its examples


class ConvolutionalNetwork(nn.Module):
    """The CNN as one writes it in flax: (batch, height, width, channel) -> (batch, classes)."""

    filters: tuple[int, ...]
    outputs: int

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """The logits of a batch."""
        for number, (filters, stride) in enumerate(zip(self.filters, STRIDES, strict=True)):
            images = nn.tanh(nn.Conv(filters, (3, 3), (stride, stride), name=f"conv_{number}")(images))
        return nn.Dense(self.outputs, name="output")(images.reshape(len(images), -1))


class Perceptron(nn.Module):
    """The MLP as one writes it in flax: (batch, height, width, channel) -> (batch, classes)."""

    widths: tuple[int, ...]
    outputs: int

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """The logits of a batch."""
        hidden = images.reshape(len(images), -1)
        for number, width in enumerate(self.widths):
            hidden = nn.tanh(nn.Dense(width, name=f"hidden_{number}")(hidden))
        return nn.Dense(self.outputs, name="output")(hidden)


def one_by_one(assignment: Assignment) -> Contestant:
    """A jitted step, called in a Python loop over steps for one network after another."""
    step = jax.jit(_step(assignment.work))
    runs = min(ONE_AT_A_TIME, assignment.runs)

    def start() -> list[PyTree]:
        states = _start(assignment)
        return [jax.block_until_ready(jax.tree.map(operator.itemgetter(run), states)) for run in range(runs)]

    def train(states: list[PyTree]) -> list[PyTree]:
        train_set = jax.device_put(assignment.data.train)
        for run, state in enumerate(states):
            for chosen in assignment.batches[:, run]:
                state = step(state, train_set, chosen)
            states[run] = jax.block_until_ready(state)
        return states

    def losses(states: list[PyTree]) -> np.ndarray:
        return _losses(assignment, jax.tree.map(lambda *leaves: np.stack(leaves), *states))

    return Contestant("JAX, one by one", runs, start, train, losses)


def vmapped(assignment: Assignment) -> Contestant:
    """One jitted step of all runs, called once for each step."""
    every = jax.jit(jax.vmap(_step(assignment.work), (0, None, 0)))

    def train(states: PyTree) -> PyTree:
        train_set = jax.device_put(assignment.data.train)
        for chosen in assignment.batches:
            states = every(states, train_set, chosen)
        return jax.block_until_ready(states)

    return Contestant(
        "JAX, vmapped", assignment.runs, lambda: _start(assignment), train, lambda states: _losses(assignment, states)
    )


def in_one_program(assignment: Assignment) -> Contestant:
    """All steps of all runs in one jitted program, as purejaxrl does it."""
    step = _step(assignment.work)

    @jax.jit
    def whole(states: PyTree, train_set: Batch, batches: jax.Array) -> PyTree:
        def train_run(state: PyTree, batches: jax.Array) -> PyTree:
            return jax.lax.scan(lambda state, chosen: (step(state, train_set, chosen), None), state, batches)[0]

        return jax.vmap(train_run, (0, 1))(states, batches)

    def train(states: PyTree) -> PyTree:
        return jax.block_until_ready(whole(states, assignment.data.train, assignment.batches))

    return Contestant(
        "JAX, one program", assignment.runs, lambda: _start(assignment), train, lambda states: _losses(assignment, states)
    )


def _network(work: Work) -> nn.Module:
    model = work.model
    if isinstance(model, CNN):
        return ConvolutionalNetwork(model.filters, model.outputs)
    return Perceptron(model.widths, model.outputs)


def _optimizer(work: Work) -> optax.GradientTransformation:
    return {"sgd": optax.sgd, "adam": optax.adam}[work.optimizer](work.learning_rate)


def _loss(network: nn.Module, variables: PyTree, batch: Batch) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(network.apply(variables, batch.inputs), batch.targets).mean()


def _step(work: Work) -> Step:
    network, optimizer = _network(work), _optimizer(work)

    def step(state: PyTree, train_set: Batch, chosen: jax.Array) -> PyTree:
        variables, memory = state
        batch = Batch(train_set.inputs[chosen], train_set.targets[chosen])
        gradients = jax.grad(lambda variables: _loss(network, variables, batch))(variables)
        updates, memory = optimizer.update(gradients, memory)
        return optax.apply_updates(variables, updates), memory

    return step


def _start(assignment: Assignment) -> PyTree:
    variables = {"params": _arranged(assignment)}
    return jax.block_until_ready(jax.device_put((variables, jax.vmap(_optimizer(assignment.work).init)(variables))))


def _losses(assignment: Assignment, states: PyTree) -> np.ndarray:
    """Of one run after another, since a vmapped convolution of the whole set is slow."""
    network, train_set = _network(assignment.work), assignment.data.train
    return np.asarray(jax.jit(lambda all_runs: jax.lax.map(lambda run: _loss(network, run, train_set), all_runs))(states[0]))


def _arranged(assignment: Assignment) -> Layers:
    """The initial weights, in the CNN with a head that reads (height, width, channel) instead of (channel, height, width)."""
    layers, model = assignment.layers, assignment.work.model
    if not isinstance(model, CNN):
        return layers
    head = layers["output"]["kernel"]
    by_channel = head.reshape(len(head), model.filters[-1], -1, head.shape[-1])
    return {**layers, "output": {**layers["output"], "kernel": by_channel.swapaxes(1, 2).reshape(head.shape)}}
