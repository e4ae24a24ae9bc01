"""Models in flax.nnx, split into a graph and a state; some with the state itself as params, some with its plain dict."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from tests.symmetry.discovery.zoo.attention import KEY_BIAS, attention_of_flax
from tests.symmetry.discovery.zoo.case import Case, Draw, Group, Place, counted


def of(build: Any, inputs: tuple[Any, ...], groups: tuple[Group, ...], draw: Draw, pure: bool = False, **more: Any) -> Case:
    """A case of a module, whose params are its state, or that state as a plain dict if `pure`."""
    graph, state = nnx.split(nnx.eval_shape(lambda: build(nnx.Rngs(0))))
    params = draw.like(nnx.to_pure_dict(state) if pure else state)

    def function(params, *inputs):
        return nnx.merge(graph, params)(*inputs)

    return Case(function, params, inputs, groups, **more)


def values(**axes: int) -> tuple[Place, ...]:
    """Places in a state, whose arrays are the values of variables; a double underscore is a "/"."""
    return tuple(Place(f"{name.replace('__', '/')}/value", axis) for name, axis in axes.items())


class MLP(nnx.Module):
    """Two hidden layers."""

    def __init__(self, rngs):
        self.first, self.second = nnx.Linear(5, 8, rngs=rngs), nnx.Linear(8, 6, rngs=rngs)
        self.last = nnx.Linear(6, 3, rngs=rngs)

    def __call__(self, x):
        return self.last(nnx.relu(self.second(nnx.relu(self.first(x)))))


@counted
def mlp() -> Case:
    """Two hidden layers, nothing else."""
    draw = Draw()
    groups = (
        Group(8, values(first__kernel=1, first__bias=0, second__kernel=0), meaning="first hidden layer"),
        Group(6, values(second__kernel=1, second__bias=0, last__kernel=0), meaning="second hidden layer"),
    )
    return of(MLP, (draw(2, 5),), groups, draw)


class CNN(nnx.Module):
    """Two convolutions with batch normalisation and a dense layer on the flattened image."""

    def __init__(self, rngs):
        self.conv_0 = nnx.Conv(2, 4, (3, 3), rngs=rngs)
        self.conv_1 = nnx.Conv(4, 7, (3, 3), strides=(2, 2), rngs=rngs)
        self.norm_0, self.norm_1 = (nnx.BatchNorm(n, use_running_average=True, rngs=rngs) for n in (4, 7))
        self.head = nnx.Linear(63, 5, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.norm_0(self.conv_0(x)))
        x = nnx.relu(self.norm_1(self.conv_1(x)))
        return self.head(x.reshape(x.shape[0], -1))


@counted
def cnn_batch_norm() -> Case:
    """Channels of two convolutions with their statistics; the 9 pixels keep their places in the flattened image."""

    def norm(k):
        return values(**{f"norm_{k}__{name}": 0 for name in ("scale", "bias", "mean", "var")})

    draw = Draw()
    flat = Place("head/kernel/value", 0, outer=9)
    groups = (
        Group(4, (*values(conv_0__kernel=3, conv_0__bias=0, conv_1__kernel=2), *norm(0)), meaning="first channels"),
        Group(7, (*values(conv_1__kernel=3, conv_1__bias=0), *norm(1), flat), meaning="second channels"),
    )
    return of(CNN, (draw(2, 6, 6, 2),), groups, draw)


class Transformer(nnx.Module):
    """Tokens and learned positions, causal attention, a hidden layer and logits, each normalised before."""

    def __init__(self, rngs):
        self.embed = nnx.Embed(13, 10, param_dtype=jnp.zeros(()).dtype, rngs=rngs)
        self.positions = nnx.Param(jax.random.normal(rngs.params(), (6, 10)))
        self.attention = nnx.MultiHeadAttention(3, 10, qkv_features=15, decode=False, rngs=rngs)
        self.norm_0, self.norm_1, self.norm_2 = (nnx.LayerNorm(10, rngs=rngs) for _ in range(3))
        self.up, self.down = nnx.Linear(10, 7, rngs=rngs), nnx.Linear(7, 10, rngs=rngs)
        self.head = nnx.Linear(10, 4, rngs=rngs)

    def __call__(self, tokens):
        x = self.embed(tokens) + self.positions[...]
        x = x + self.attention(self.norm_0(x), mask=nnx.make_causal_mask(tokens))
        x = x + self.down(nnx.gelu(self.up(self.norm_1(x))))
        return self.head(self.norm_2(x))


@counted
def transformer() -> Case:
    """Stream, heads, dimensions inside heads, hidden units; the vocabulary and the time steps are rigid."""
    draw = Draw()
    stream = {f"attention/{name}/kernel": 0 for name in ("query", "key", "value")}
    stream |= {"attention/out/kernel": 2, "attention/out/bias": 0, "up/kernel": 0, "down/kernel": 1, "down/bias": 0}
    stream |= {f"norm_{k}/{name}": 0 for k in range(3) for name in ("scale", "bias")}
    stream |= {"embed/embedding": 1, "positions": 1, "head/kernel": 0}
    groups = (
        Group(10, tuple(Place(name, axis) for name, axis in stream.items()), meaning="stream"),
        *attention_of_flax("attention", 3, 5),
        Group(7, (Place("up/kernel", 1), Place("up/bias", 0), Place("down/kernel", 0)), meaning="hidden"),
    )
    silent = {"attention/key/bias": KEY_BIAS}
    # jax.nn.dot_product_attention takes its softmax in single precision
    return of(Transformer, (draw.tokens(13, 2, 6),), groups, draw, pure=True, silent=silent, rounding=1e-6)


CASES = [mlp, cnn_batch_norm, transformer]
