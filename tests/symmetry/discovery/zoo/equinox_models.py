"""Models in equinox, split into arrays and the rest, each applied to one example and mapped over the batch."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from tests.symmetry.discovery.zoo.attention import KEY_BIAS, attention_flattened
from tests.symmetry.discovery.zoo.case import Case, Draw, Group, Place, Sets, counted


def of(build: Callable[[Any], Any], inputs: tuple[Any, ...], groups: tuple[Group, ...], draw: Draw, **more: Any) -> Case:
    """A case of a module for one example, whose params are the module with nothing but its arrays."""
    model = eqx.filter_eval_shape(build, jax.random.key(0))
    shapes, static = eqx.partition(model, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))

    def function(params, *inputs):
        return jax.vmap(eqx.combine(params, static))(*inputs)

    return Case(function, draw.like(shapes), inputs, groups, **more)


def places(**axes: int) -> tuple[Place, ...]:
    """Places with a double underscore for each "/"."""
    return tuple(Place(name.replace("__", "/"), axis) for name, axis in axes.items())


@counted
def mlp() -> Case:
    """Two hidden layers of the same width: two groups of the same size; matrices are (outputs, inputs)."""
    draw = Draw()
    groups = (
        Group(8, places(layers__0__weight=0, layers__0__bias=0, layers__1__weight=1), meaning="first hidden layer"),
        Group(8, places(layers__1__weight=0, layers__1__bias=0, layers__2__weight=1), meaning="second hidden layer"),
    )
    return of(lambda key: eqx.nn.MLP(5, 3, 8, depth=2, key=key), (draw(2, 5),), groups, draw)


class CNN(eqx.Module):
    """A convolution, normalised in 3 groups of 4 channels, and a dense layer on the flattened image."""

    conv: eqx.nn.Conv2d
    norm: eqx.nn.GroupNorm
    head: eqx.nn.Linear

    def __init__(self, key):
        first, second = jax.random.split(key)
        self.conv = eqx.nn.Conv2d(2, 12, 2, key=first)
        self.norm = eqx.nn.GroupNorm(3, 12)
        self.head = eqx.nn.Linear(108, 5, key=second)

    def __call__(self, x):
        return self.head(jax.nn.relu(self.norm(self.conv(x))).reshape(-1))


@counted
def cnn_group_norm() -> Case:
    """Groups as wholes, and channels inside each separately; flattened, the 9 pixels of a channel lie together."""
    draw = Draw()
    arrays = {"conv/weight": (0, 1), "conv/bias": (0, 1), "norm/weight": (0, 1), "norm/bias": (0, 1), "head/weight": (1, 9)}
    groups = (
        Group(3, tuple(Place(name, axis, inner=4 * n) for name, (axis, n) in arrays.items()), meaning="groups of channels"),
        Group(
            4,
            tuple(
                Place(name, axis, outer=3, inner=n, sets=(Sets(3, axis, inner=4 * n),)) for name, (axis, n) in arrays.items()
            ),
            3,
            "channels of a group",
        ),
    )
    every = Group(12, tuple(Place(name, axis, inner=n) for name, (axis, n) in arrays.items()), meaning="all channels")
    return of(CNN, (draw(2, 2, 4, 4),), groups, draw, rigid=(every,))


class Recurrent(eqx.Module):
    """A recurrent cell run over time, and a dense layer on its last state."""

    cell: eqx.Module
    head: eqx.nn.Linear

    def __init__(self, cell, key):
        first, second = jax.random.split(key)
        self.cell = cell(4, 6, key=first)
        self.head = eqx.nn.Linear(6, 2, key=second)

    def __call__(self, x):
        zeros = jnp.zeros(6, x.dtype)
        start = (zeros, zeros) if isinstance(self.cell, eqx.nn.LSTMCell) else zeros
        state, _ = jax.lax.scan(lambda state, now: (self.cell(now, state), None), start, x)
        return self.head(state[0] if isinstance(state, tuple) else state)


def recurrent_group(gates: int, *more: Place) -> Group:
    """The hidden units of a `Recurrent`, whose gates lie side by side in each matrix."""
    places = (
        Place("cell/weight_ih", 0, outer=gates),
        Place("cell/weight_hh", 0, outer=gates),
        Place("cell/weight_hh", 1),
        Place("cell/bias", 0, outer=gates),
        Place("head/weight", 1),
    )
    return Group(6, (*places, *more), meaning="hidden")


@counted
def lstm() -> Case:
    """A unit is its four gates, its cell and its output; gates are rigid."""
    draw = Draw()
    return of(lambda key: Recurrent(eqx.nn.LSTMCell, key), (draw(2, 5, 4),), (recurrent_group(4),), draw)


@counted
def gru() -> Case:
    """A unit is its three gates and its state, with one more bias inside the third gate; gates are rigid."""
    draw = Draw()
    group = recurrent_group(3, Place("cell/bias_n", 0))
    return of(lambda key: Recurrent(eqx.nn.GRUCell, key), (draw(2, 5, 4),), (group,), draw)


class Attention(eqx.Module):
    """Causal attention of a sequence to itself."""

    attention: eqx.nn.MultiheadAttention

    def __init__(self, key):
        biases = {f"use_{name}_bias": True for name in ("query", "key", "value", "output")}
        self.attention = eqx.nn.MultiheadAttention(3, 7, qk_size=4, vo_size=5, output_size=2, key=key, **biases)

    def __call__(self, x):
        steps = x.shape[0]
        return self.attention(x, x, x, mask=jnp.tril(jnp.ones((steps, steps), bool)))


@counted
def attention() -> Case:
    """Heads, dimensions between query and key, dimensions of values; what goes in and out is no stream, so rigid."""
    draw = Draw()
    between = tuple((f"attention/{name}_proj/{part}", 0) for name in ("query", "key") for part in ("weight", "bias"))
    values = (("attention/value_proj/weight", 0), ("attention/value_proj/bias", 0), ("attention/output_proj/weight", 1))
    groups = attention_flattened(between, values, 3, (4, 5))
    return of(Attention, (draw(2, 6, 7),), groups, draw, silent={"attention/key_proj/bias": KEY_BIAS})


CASES = [mlp, cnn_group_norm, lstm, gru, attention]
