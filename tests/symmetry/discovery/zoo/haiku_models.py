"""Models in haiku, transformed into pure functions; names of modules have slashes of their own."""

from collections.abc import Callable
from typing import Any

import haiku as hk
import jax

from tests.symmetry.discovery.zoo.attention import KEY_BIAS, attention_flattened
from tests.symmetry.discovery.zoo.case import Case, Draw, Group, Place, counted, everyday


def of(forward: Callable[..., Any], inputs: tuple[Any, ...], groups: tuple[Group, ...], draw: Draw, **more: Any) -> Case:
    """A case of a function of haiku modules without state."""
    model = hk.without_apply_rng(hk.transform(forward))
    params = draw.like(jax.eval_shape(everyday(model.init), jax.random.PRNGKey(0), *inputs))
    return Case(model.apply, params, inputs, groups, **more)


@counted
def mlp() -> Case:
    """Two hidden layers, nothing else."""
    draw = Draw()

    def layer(k):
        return (Place(f"mlp/~/linear_{k}/w", 1), Place(f"mlp/~/linear_{k}/b", 0), Place(f"mlp/~/linear_{k + 1}/w", 0))

    groups = (Group(8, layer(0), meaning="first hidden layer"), Group(6, layer(1), meaning="second hidden layer"))
    return of(lambda x: hk.nets.MLP([8, 6, 3])(x), (draw(2, 5),), groups, draw)


def unrolled(core: type[hk.RNNCore]) -> Callable[[Any], Any]:
    """A recurrent core over time, and a dense layer on its last output."""

    def forward(x):
        cell = core(6, name="cell")
        outputs, _ = hk.dynamic_unroll(cell, x, cell.initial_state(x.shape[0]), time_major=False)
        return hk.Linear(2, name="head")(outputs[:, -1])

    return forward


@counted
def lstm() -> Case:
    """One matrix reads inputs and units, concatenated, and makes four gates: the units lie on both of its axes."""
    draw = Draw()
    cell = (
        Place("cell/linear/w", 0, start=4),
        Place("cell/linear/w", 1, outer=4),
        Place("cell/linear/b", 0, outer=4),
    )
    group = Group(6, (*cell, Place("head/w", 0)), meaning="hidden")
    return of(unrolled(hk.LSTM), (draw(2, 5, 4),), (group,), draw)


@counted
def gru() -> Case:
    """Three gates side by side, of which the last is reset before the unit's own product is taken; gates are rigid."""
    draw = Draw()
    cell = (Place("cell/w_i", 1, outer=3), Place("cell/w_h", 0), Place("cell/w_h", 1, outer=3), Place("cell/b", 0, outer=3))
    group = Group(6, (*cell, Place("head/w", 0)), meaning="hidden")
    return of(unrolled(hk.GRU), (draw(2, 5, 4),), (group,), draw)


def convolutional(x, is_training=False):
    """Two convolutions with batch normalisation, the mean over pixels and a dense layer."""
    for k, channels in enumerate((4, 7)):
        x = hk.Conv2D(channels, 3, with_bias=k == 0, name=f"conv_{k}")(x)
        x = jax.nn.relu(hk.BatchNorm(True, True, 0.9, name=f"norm_{k}")(x, is_training))
    return hk.Linear(3, name="head")(x.mean((1, 2)))


@counted
def cnn_batch_norm() -> Case:
    """Channels of two convolutions with their scales, offsets and running means; params are those and the state."""
    draw = Draw()
    model = hk.without_apply_rng(hk.transform_with_state(convolutional))
    x = draw(2, 6, 6, 2)
    # the running means are made by a call in training only
    params, state = jax.eval_shape(everyday(lambda key, x: model.init(key, x, True)), jax.random.PRNGKey(0), x)

    def norm(k):
        running = (f"state/norm_{k}/~/{name}_ema/{part}" for name in ("mean", "var") for part in ("average", "hidden"))
        return tuple(Place(path, 3) for path in (f"params/norm_{k}/scale", f"params/norm_{k}/offset", *running))

    first = (Place("params/conv_0/w", 3), Place("params/conv_0/b", 0), Place("params/conv_1/w", 2), *norm(0))
    second = (Place("params/conv_1/w", 3), Place("params/head/w", 0), *norm(1))
    return Case(
        lambda variables, x: model.apply(variables["params"], variables["state"], x)[0],
        draw.like({"params": params, "state": state}),
        (x,),
        (Group(4, first, meaning="first channels"), Group(7, second, meaning="second channels")),
        silent={
            f"state/norm_{k}/~/{name}_ema/hidden": "only the averages without bias are read, not what they are made of"
            for k in range(2)
            for name in ("mean", "var")
        },
    )


@counted
def attention() -> Case:
    """Heads, dimensions between query and key, dimensions of values; what goes in and out is no stream, so rigid."""
    draw = Draw()

    def forward(x):
        layer = hk.MultiHeadAttention(
            3, key_size=4, value_size=5, model_size=2, w_init=hk.initializers.RandomNormal(), name="attention"
        )
        return layer(x, x, x)

    between = tuple((f"attention/{name}/{part}", 1 if part == "w" else 0) for name in ("query", "key") for part in "wb")
    values = (("attention/value/w", 1), ("attention/value/b", 0), ("attention/linear/w", 0))
    groups = attention_flattened(between, values, 3, (4, 5))
    return of(forward, (draw(2, 6, 7),), groups, draw, silent={"attention/key/b": KEY_BIAS})


CASES = [mlp, lstm, gru, cnn_batch_norm, attention]
