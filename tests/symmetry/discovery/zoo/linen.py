"""Models in flax.linen, of its own layers. Spatial positions, time steps, inputs and outputs are rigid in all of them."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from tests.symmetry.discovery.zoo.attention import KEY_BIAS, attention_of_flax
from tests.symmetry.discovery.zoo.case import Case, Draw, Group, Place, Sets, counted, everyday

BATCH_STATISTICS = "running statistics are not read while training"
NORMALISED_AWAY = "batch normalisation takes the bias away again with the mean of the batch"


def of(
    model: nn.Module, inputs: tuple[Any, ...], groups: tuple[Group, ...], draw: Draw, mutable: Any = False, **more: Any
) -> Case:
    """A case of a module, whose params are all of its variables, drawn at random."""
    variables = draw.like(jax.eval_shape(everyday(model.init), jax.random.key(0), *inputs))
    return Case(lambda variables, *inputs: model.apply(variables, *inputs, mutable=mutable), variables, inputs, groups, **more)


def places(**axes: int) -> tuple[Place, ...]:
    """Places with a double underscore for each "/" below "params"."""
    return tuple(Place("params/" + name.replace("__", "/"), axis) for name, axis in axes.items())


def norm(name: str, axis: int = 0, collections: tuple[str, ...] = ("params/scale", "params/bias")) -> tuple[Place, ...]:
    """The places of the units that a normalisation layer acts on."""
    return tuple(Place(f"{part.split('/')[0]}/{name}/{part.split('/')[1]}", axis) for part in collections)


def batch_norm(name: str) -> tuple[Place, ...]:
    """The places of the channels of batch normalisation."""
    return norm(name, collections=("params/scale", "params/bias", "batch_stats/mean", "batch_stats/var"))


class MLP(nn.Module):
    """Dense layers with dropout between them, which is switched off."""

    widths: tuple[int, ...]
    outputs: int
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x):
        for width in self.widths:
            x = nn.relu(nn.Dense(width)(x))
            x = nn.Dropout(self.dropout, deterministic=True)(x)
        return nn.Dense(self.outputs)(x)


@counted
def mlp() -> Case:
    """Two hidden layers, nothing else."""
    draw = Draw()
    groups = (
        Group(8, places(Dense_0__kernel=1, Dense_0__bias=0, Dense_1__kernel=0), meaning="first hidden layer"),
        Group(6, places(Dense_1__kernel=1, Dense_1__bias=0, Dense_2__kernel=0), meaning="second hidden layer"),
    )
    return of(MLP((8, 6), 3), (draw(2, 5),), groups, draw)


@counted
def dropout_off() -> Case:
    """Dropout that is switched off does nothing: the hidden units are interchangeable."""
    draw = Draw()
    group = Group(8, places(Dense_0__kernel=1, Dense_0__bias=0, Dense_1__kernel=0), meaning="hidden")
    return of(MLP((8,), 3, dropout=0.5), (draw(2, 5),), (group,), draw)


class CNN(nn.Module):
    """Two convolutions with batch normalisation, pooling between them, and a dense layer on the flattened image."""

    trained: bool = False

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(4, (3, 3))(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not self.trained)(x))
        x = nn.avg_pool(x, (2, 2), strides=(2, 2))
        x = nn.Conv(7, (3, 3), use_bias=False)(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not self.trained)(x))
        return nn.Dense(5)(x.reshape(x.shape[0], -1))


def cnn_groups() -> tuple[Group, ...]:
    """The channels of `CNN` on 6 x 6 pixels: 9 pixels are left where it is flattened, channels fastest."""
    first = (*places(Conv_0__kernel=3, Conv_0__bias=0, Conv_1__kernel=2), *batch_norm("BatchNorm_0"))
    second = (*places(Conv_1__kernel=3), *batch_norm("BatchNorm_1"), Place("params/Dense_0/kernel", 0, outer=9))
    return Group(4, first, meaning="first channels"), Group(7, second, meaning="second channels")


@counted
def cnn_batch_norm() -> Case:
    """Channels of two convolutions, each with its own normalisation; pixels keep their places in the flattened image."""
    draw = Draw()
    return of(CNN(), (draw(2, 6, 6, 2),), cnn_groups(), draw)


@counted
def cnn_batch_norm_trained() -> Case:
    """The same with the statistics of the batch; the running ones are written but not read, and do not count as outputs."""
    draw = Draw()
    statistics = [f"batch_stats/BatchNorm_{k}/{name}" for k in range(2) for name in ("mean", "var")]
    silent = {**dict.fromkeys(statistics, BATCH_STATISTICS), "params/Conv_0/bias": NORMALISED_AWAY}
    return of(
        CNN(trained=True),
        (draw(2, 6, 6, 2),),
        cnn_groups(),
        draw,
        mutable=["batch_stats"],
        outputs=lambda result: result[0],
        silent=silent,
    )


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut, which is a projection where the shape changes."""

    inner: int
    channels: int
    stride: int = 1

    @nn.compact
    def __call__(self, x):
        strides = (self.stride, self.stride)
        y = nn.Conv(self.inner, (3, 3), strides, use_bias=False)(x)
        y = nn.relu(nn.BatchNorm(use_running_average=True)(y))
        y = nn.BatchNorm(use_running_average=True)(nn.Conv(self.channels, (3, 3), use_bias=False)(y))
        if x.shape != y.shape:
            x = nn.Conv(self.channels, (1, 1), strides, use_bias=False, name="projection")(x)
            x = nn.BatchNorm(use_running_average=True, name="projection_norm")(x)
        return nn.relu(x + y)


class ResNet(nn.Module):
    """A stem, a stage of two blocks and a stage of one, the mean over pixels and a dense layer."""

    @nn.compact
    def __call__(self, x):
        x = nn.relu(
            nn.BatchNorm(use_running_average=True, name="stem_norm")(nn.Conv(4, (3, 3), use_bias=False, name="stem")(x))
        )
        x = ResidualBlock(5, 4, name="a")(x)
        x = ResidualBlock(8, 4, name="b")(x)
        x = ResidualBlock(7, 6, stride=2, name="c")(x)
        return nn.Dense(3, name="head")(x.mean((1, 2)))


@counted
def resnet() -> Case:
    """The shortcuts tie the channels of a stage; the projection lets those of the next begin anew; inner ones are free."""

    def inner(block):
        return (*places(**{f"{block}__Conv_0__kernel": 3, f"{block}__Conv_1__kernel": 2}), *batch_norm(f"{block}/BatchNorm_0"))

    def end(block):
        return (*places(**{f"{block}__Conv_1__kernel": 3}), *batch_norm(f"{block}/BatchNorm_1"))

    first = (
        *places(stem__kernel=3, a__Conv_0__kernel=2, b__Conv_0__kernel=2, c__Conv_0__kernel=2, c__projection__kernel=2),
        *batch_norm("stem_norm"),
        *end("a"),
        *end("b"),
    )
    second = (*end("c"), *places(c__projection__kernel=3, head__kernel=0), *batch_norm("c/projection_norm"))
    groups = (
        Group(4, first, meaning="stream of the first stage"),
        Group(6, second, meaning="stream of the second stage"),
        Group(5, inner("a"), meaning="inner channels"),
        Group(8, inner("b"), meaning="inner channels"),
        Group(7, inner("c"), meaning="inner channels"),
    )
    draw = Draw(scale=0.4)
    return of(ResNet(), (draw(2, 6, 6, 2),), groups, draw)


class Block(nn.Module):
    """A transformer block: attention and a hidden layer, normalised before (or after) each is added to the stream."""

    heads: int
    dims: int
    hidden: int
    causal: bool = False
    biased: bool = True
    after: bool = False

    @nn.compact
    def __call__(self, x):
        attention = nn.MultiHeadDotProductAttention(
            self.heads, qkv_features=self.heads * self.dims, use_bias=self.biased, name="attention"
        )
        up, down = nn.Dense(self.hidden, name="up"), nn.Dense(x.shape[-1], name="down")
        first, second = nn.LayerNorm(name="norm_0"), nn.LayerNorm(name="norm_1")
        mask = nn.make_causal_mask(x[..., 0]) if self.causal else None
        if self.after:
            x = first(x + attention(x, mask=mask))
            return second(x + down(nn.gelu(up(x))))
        x = x + attention(first(x), mask=mask)
        return x + down(nn.gelu(up(second(x))))


def stream_of(block: str, layers: int = 0, biased: bool = True) -> tuple[Place, ...]:
    """Where the stream lies in a `Block`; behind the axis of stacked layers, if they are."""
    s = int(layers > 0)
    axes = {f"attention/{name}/kernel": s for name in ("query", "key", "value")} | {"attention/out/kernel": 2 + s}
    axes |= {"attention/out/bias": s} if biased else {}
    axes |= {f"norm_{k}/{name}": s for k in range(2) for name in ("scale", "bias")}
    axes |= {"up/kernel": s, "down/kernel": 1 + s, "down/bias": s}
    return tuple(Place(f"params/{block}/{name}", axis) for name, axis in axes.items())


def groups_of(block: str, heads: int, dims: int, hidden: int, layers: int = 0, biased: bool = True) -> tuple[Group, ...]:
    """The groups inside a `Block`, separate in each of the stacked layers, if they are."""
    path, s = f"params/{block}", int(layers > 0)
    units = {f"{path}/up/kernel": 1 + s, f"{path}/up/bias": s, f"{path}/down/kernel": s}
    inside = (Sets(layers, 0),) if layers else ()
    return (
        *attention_of_flax(f"{path}/attention", heads, dims, layers, biased),
        Group(hidden, tuple(Place(name, axis, sets=inside) for name, axis in units.items()), max(layers, 1), "hidden"),
    )


class Encoder(nn.Module):
    """Tokens and learned positions, a transformer block, the mean over time and a dense layer."""

    @nn.compact
    def __call__(self, tokens):
        x = nn.Embed(13, 10, name="embed")(tokens)
        x = x + self.param("positions", nn.initializers.normal(), (1, tokens.shape[1], 10))
        x = nn.LayerNorm(name="norm")(Block(3, 5, 7, name="block")(x))
        return nn.Dense(4, name="head")(x.mean(1))


@counted
def transformer_encoder() -> Case:
    """Stream, heads, dimensions inside heads, hidden units; learned positions move with the stream, the vocabulary is rigid."""
    draw = Draw()
    stream = (*places(embed__embedding=1, positions=2, head__kernel=0), *norm("norm"), *stream_of("block"))
    groups = (Group(10, stream, meaning="stream"), *groups_of("block", 3, 5, 7))
    silent = {"params/block/attention/key/bias": KEY_BIAS}
    return of(Encoder(), (draw.tokens(13, 2, 6),), groups, draw, silent=silent)


class Decoder(nn.Module):
    """A causal transformer, normalised after each addition; the embedding is read once more for the outputs."""

    @nn.compact
    def __call__(self, tokens):
        embed = nn.Embed(13, 10, name="embed")
        x = embed(tokens) + nn.Embed(tokens.shape[1], 10, name="positions")(jnp.arange(tokens.shape[1]))
        x = Block(3, 5, 7, causal=True, biased=False, after=True, name="first")(x)
        x = Block(4, 2, 8, causal=True, biased=False, after=True, name="second")(x)
        return embed.attend(x)


@counted
def transformer_decoder() -> Case:
    """One stream through the embedding, both blocks and the embedding again; each block has its own heads and units."""
    draw = Draw()
    ends = places(embed__embedding=1, positions__embedding=1)
    stream = (*ends, *stream_of("first", biased=False), *stream_of("second", biased=False))
    groups = (
        Group(10, stream, meaning="stream"),
        *groups_of("first", 3, 5, 7, biased=False),
        *groups_of("second", 4, 2, 8, biased=False),
    )
    return of(Decoder(), (draw.tokens(13, 2, 6),), groups, draw)


class VisionTransformer(nn.Module):
    """Patches behind a class token, a transformer block and a dense layer on the class token."""

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(10, (2, 2), strides=(2, 2), name="patches")(x)
        x = x.reshape(x.shape[0], -1, 10)
        token = self.param("token", nn.initializers.normal(), (1, 1, 10))
        x = jnp.concatenate([jnp.tile(token, (x.shape[0], 1, 1)), x], axis=1)
        x = x + self.param("positions", nn.initializers.normal(), (1, x.shape[1], 10))
        x = nn.LayerNorm(name="norm")(Block(3, 5, 7, name="block")(x))
        return nn.Dense(4, name="head")(x[:, 0])


@counted
def vision_transformer() -> Case:
    """The stream is the channels of the patches, and the class token has it too; patches keep their places."""
    draw = Draw()
    ends = places(patches__kernel=3, patches__bias=0, token=2, positions=2, head__kernel=0)
    groups = (Group(10, (*ends, *norm("norm"), *stream_of("block")), meaning="stream"), *groups_of("block", 3, 5, 7))
    silent = {"params/block/attention/key/bias": KEY_BIAS}
    return of(VisionTransformer(), (draw(2, 4, 4, 2),), groups, draw, silent=silent)


class ScannedTransformer(nn.Module):
    """Two transformer blocks whose parameters lie stacked in the same arrays."""

    @nn.compact
    def __call__(self, x):
        def step(block, x):
            return block(x), None

        blocks = nn.scan(step, variable_axes={"params": 0}, split_rngs={"params": True}, length=2)
        x = nn.Dense(10, name="enter")(x)
        x, _ = blocks(Block(3, 5, 7, name="blocks"), x)
        return nn.Dense(4, name="head")(x)


@counted
def scanned_transformer() -> Case:
    """One stream through both layers; heads, dimensions and hidden units are permuted in each layer separately."""
    draw = Draw(scale=0.5)
    stream = (*places(enter__kernel=1, enter__bias=0, head__kernel=0), *stream_of("blocks", layers=2))
    groups = (Group(10, stream, meaning="stream"), *groups_of("blocks", 3, 5, 7, layers=2))
    silent = {"params/blocks/attention/key/bias": KEY_BIAS}
    return of(ScannedTransformer(), (draw(2, 6, 8),), groups, draw, silent=silent)


class RecomputedBlock(nn.Module):
    """A transformer block that is computed again in the backward pass."""

    @nn.compact
    def __call__(self, x):
        x = nn.remat(Block)(3, 5, 7, name="block")(nn.Dense(10, name="enter")(x))
        return nn.Dense(4, name="head")(x)


@counted
def remat_block() -> Case:
    """Recomputing changes nothing about the units."""
    draw = Draw()
    stream = (*places(enter__kernel=1, enter__bias=0, head__kernel=0), *stream_of("block"))
    groups = (Group(10, stream, meaning="stream"), *groups_of("block", 3, 5, 7))
    silent = {"params/block/attention/key/bias": KEY_BIAS}
    return of(RecomputedBlock(), (draw(2, 6, 8),), groups, draw, silent=silent)


class GroupedQueryAttention(nn.Module):
    """Causal attention in which 2 query heads share each of 3 heads of keys and values."""

    shared: int = 3
    queries: int = 2
    between: int = 4
    passed: int = 5

    @nn.compact
    def __call__(self, x):
        def heads(name, count, dims):
            return nn.Dense(count * dims, use_bias=False, name=name)(x).reshape(*x.shape[:2], count, dims)

        query = heads("query", self.shared * self.queries, self.between)
        key = jnp.repeat(heads("key", self.shared, self.between), self.queries, axis=2)
        value = jnp.repeat(heads("value", self.shared, self.passed), self.queries, axis=2)
        scores = jnp.einsum("bthd,bshd->bhts", query, key) / jnp.sqrt(self.between)
        scores = jnp.where(jnp.tril(jnp.ones(scores.shape[-2:], bool)), scores, -jnp.inf)
        mixed = jnp.einsum("bhts,bshd->bthd", nn.softmax(scores), value)
        return nn.Dense(8, use_bias=False, name="out")(mixed.reshape(*x.shape[:2], -1))


@counted
def grouped_query_attention() -> Case:
    """Heads of keys with all of their queries; the queries inside each; dimensions in a head of keys and all of its queries."""
    draw = Draw()
    shared, queries, between, passed = 3, 2, 4, 5
    query, key, value, out = (f"params/{name}/kernel" for name in ("query", "key", "value", "out"))
    of_query, of_out = (Sets(shared, 1, queries * between),), (Sets(shared, 0, queries * passed),)
    groups = (
        Group(
            shared,
            (
                Place(query, 1, inner=queries * between),
                Place(key, 1, inner=between),
                Place(value, 1, inner=passed),
                Place(out, 0, inner=queries * passed),
            ),
            meaning="heads of keys and values",
        ),
        Group(
            queries,
            (
                Place(query, 1, outer=shared, inner=between, sets=of_query),
                Place(out, 0, outer=shared, inner=passed, sets=of_out),
            ),
            shared,
            "query heads that share keys",
        ),
        Group(
            between,
            (
                Place(query, 1, outer=shared * queries, sets=of_query),
                Place(key, 1, outer=shared, sets=(Sets(shared, 1, between),)),
            ),
            shared,
            "dimensions between query and key",
        ),
        Group(
            passed,
            (
                Place(value, 1, outer=shared, sets=(Sets(shared, 1, passed),)),
                Place(out, 0, outer=shared * queries, sets=of_out),
            ),
            shared,
            "dimensions of values",
        ),
    )
    return of(GroupedQueryAttention(), (draw(2, 6, 7),), groups, draw)


class Experts(nn.Module):
    """A mixture of 5 experts with one hidden layer each; a router weighs all of them, or its first two choices."""

    chosen: int = 0

    @nn.compact
    def __call__(self, x):
        normal = nn.initializers.normal()
        up, bias = self.param("up", normal, (5, x.shape[-1], 6)), self.param("bias", normal, (5, 6))
        down = self.param("down", normal, (5, 6, 3))
        scores = nn.Dense(5, name="router")(x)
        if self.chosen:
            best, index = jax.lax.top_k(scores, self.chosen)
            choices = jax.nn.one_hot(index, 5, dtype=x.dtype)
            gates = jnp.einsum("btk,btke->bte", nn.softmax(best), choices)
            x = jnp.einsum("bte,btd->btde", choices.sum(-2), x)
            hidden = nn.gelu(jnp.einsum("btde,edh->bteh", x, up) + bias)
        else:
            gates = nn.softmax(scores)
            hidden = nn.gelu(jnp.einsum("btd,edh->bteh", x, up) + bias)
        return jnp.einsum("bte,bteh,eho->bto", gates, hidden, down)


def expert_groups(only_where: str = "") -> tuple[Group, ...]:
    """The groups of `Experts`."""
    inside = (Sets(5, 0),)
    units = tuple(Place(f"params/{name}", axis, sets=inside) for name, axis in {"up": 2, "bias": 1, "down": 1}.items())
    return (
        Group(5, places(router__kernel=1, router__bias=0, up=0, bias=0, down=0), meaning="experts", only_where=only_where),
        Group(6, units, 5, "hidden units of an expert"),
    )


@counted
def experts_weighed() -> Case:
    """Experts as a whole with their column of the router; hidden units inside each expert separately."""
    draw = Draw()
    return of(Experts(), (draw(2, 8, 7),), expert_groups(), draw)


@counted
def experts_chosen() -> Case:
    """The same where the two experts with the largest scores are chosen: a choice by value, not by place, unless scores tie."""
    draw = Draw()
    return of(Experts(2), (draw(2, 8, 7),), expert_groups("no two scores of the router tie"), draw)


class Recurrent(nn.Module):
    """A recurrent cell run over time, and a dense layer on its last output."""

    cell: nn.RNNCellBase

    @nn.compact
    def __call__(self, x):
        return nn.Dense(3, name="head")(nn.RNN(self.cell)(x)[:, -1])


class RecurrentByScan(nn.Module):
    """A GRU run over time by nn.scan, and a dense layer on its last state."""

    @nn.compact
    def __call__(self, x):
        scan = nn.scan(nn.GRUCell, variable_broadcast="params", split_rngs={"params": False}, in_axes=1, out_axes=1)
        cell = scan(6, param_dtype=x.dtype, name="cell")
        carry, _ = cell(jnp.zeros((x.shape[0], 6), x.dtype), x)
        return nn.Dense(3, name="head")(carry)


def lstm_group() -> Group:
    """The hidden units of an LSTM named "cell": four matrices that read inputs, four that read units, with biases."""
    axes = {f"cell__i{gate}__kernel": 1 for gate in "ifgo"}
    axes |= {f"cell__h{gate}__bias": 0 for gate in "ifgo"} | {"head__kernel": 0}
    loops = tuple(Place(f"params/cell/h{gate}/kernel", axis) for gate in "ifgo" for axis in (0, 1))
    return Group(6, (*places(**axes), *loops), meaning="hidden")


@counted
def lstm() -> Case:
    """A unit is its four gates, its cell and its output, so that one group holds all of the cell's matrices."""
    draw = Draw()
    x = draw(2, 5, 4)
    return of(Recurrent(nn.LSTMCell(6, param_dtype=x.dtype, name="cell")), (x,), (lstm_group(),), draw)


@counted
def lstm_optimized() -> Case:
    """The same with the products for all gates taken at once, from matrices that are joined inside."""
    draw = Draw()
    x = draw(2, 5, 4)
    return of(Recurrent(nn.OptimizedLSTMCell(6, param_dtype=x.dtype, name="cell")), (x,), (lstm_group(),), draw)


@counted
def gru() -> Case:
    """A unit is its two gates and its state; flax gives the recurrent products of the gates no bias."""
    draw = Draw()
    axes = {f"cell__i{gate}__{name}": axis for gate in "rzn" for name, axis in (("kernel", 1), ("bias", 0))}
    loops = tuple(Place(f"params/cell/h{gate}/kernel", axis) for gate in "rzn" for axis in (0, 1))
    group = Group(6, (*places(**axes, cell__hn__bias=0, head__kernel=0), *loops), meaning="hidden")
    return of(RecurrentByScan(), (draw(2, 5, 4),), (group,), draw)


class Convolutions(nn.Module):
    """A convolution, a second in groups, a third, the mean over pixels."""

    first: int
    second: int
    groups: int

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(self.first, (3, 3), name="first")(x))
        x = nn.relu(nn.Conv(self.second, (3, 3), feature_group_count=self.groups, name="second")(x))
        return nn.Conv(2, (1, 1), name="third")(x).mean((1, 2))


def group_conv_groups(count: int, entering: int, leaving: int) -> tuple[Group, ...]:
    """Groups of channels in `Convolutions`, the channels that enter each (if several), the channels that leave each."""

    def whole(inner, **axes):
        return tuple(Place(f"params/{name.replace('__', '/')}", axis, inner=inner) for name, axis in axes.items())

    def inside(size, **axes):
        return tuple(
            Place(f"params/{name.replace('__', '/')}", axis, outer=count, sets=(Sets(count, axis, inner=size),))
            for name, axis in axes.items()
        )

    after = {"second__kernel": 3, "second__bias": 0, "third__kernel": 2}
    groups = [
        Group(count, (*whole(entering, first__kernel=3, first__bias=0), *whole(leaving, **after)), meaning="groups of channels")
    ]
    if entering > 1:
        reading = Place("params/second/kernel", 2, sets=(Sets(count, 3, inner=leaving),))
        entrants = (*inside(entering, first__kernel=3, first__bias=0), reading)
        groups.append(Group(entering, entrants, count, "channels that enter a group"))
    return (*groups, Group(leaving, inside(leaving, **after), count, "channels that leave a group"))


@counted
def depthwise_separable() -> Case:
    """Each of 4 channels gets 5 filters of its own, mixed by 1 x 1 kernels: channels, and filters inside each channel."""
    draw = Draw()
    return of(Convolutions(4, 20, 4), (draw(2, 6, 6, 2),), group_conv_groups(4, 1, 5), draw)


@counted
def grouped_convolution() -> Case:
    """Three groups as wholes; the 4 channels that enter each and the 5 that leave it, separately for each group."""
    draw = Draw()
    return of(Convolutions(12, 15, 3), (draw(2, 6, 6, 2),), group_conv_groups(3, 4, 5), draw)


class UNet(nn.Module):
    """Down, up again, and joined with what was before; up by a transposed convolution or by resizing."""

    resized: bool = False

    @nn.compact
    def __call__(self, x):
        wide = nn.relu(nn.Conv(4, (3, 3), name="wide")(x))
        deep = nn.relu(nn.Conv(5, (3, 3), name="deep")(nn.max_pool(wide, (2, 2), strides=(2, 2))))
        if self.resized:
            up = jax.image.resize(deep, (*wide.shape[:3], 5), "bilinear")
        else:
            up = nn.ConvTranspose(6, (2, 2), strides=(2, 2), name="up")(deep)
        x = nn.relu(nn.Conv(7, (3, 3), name="join")(jnp.concatenate([up, wide], axis=-1)))
        return nn.Conv(2, (1, 1), name="last")(x)


def skipped(start: int) -> Group:
    """The channels of a `UNet` that go both down and straight on, behind `start` others."""
    return Group(
        4,
        (*places(wide__kernel=3, wide__bias=0, deep__kernel=2), Place("params/join/kernel", 2, start=start)),
        meaning="channels of the skip",
    )


JOINED = Group(7, places(join__kernel=3, join__bias=0, last__kernel=2), meaning="joined channels")


@counted
def unet() -> Case:
    """Skipped channels are read twice, the second time behind the 6 that come up; no two layers share channels otherwise."""
    draw = Draw()
    groups = (
        skipped(6),
        Group(5, places(deep__kernel=3, deep__bias=0, up__kernel=2), meaning="deep channels"),
        Group(6, places(up__kernel=3, up__bias=0, join__kernel=2), meaning="channels that come up"),
        JOINED,
    )
    return of(UNet(), (draw(2, 4, 4, 3),), groups, draw)


@counted
def unet_resized() -> Case:
    """The same with the deep channels resized, which mixes pixels and not channels."""
    draw = Draw()
    deep = Group(5, places(deep__kernel=3, deep__bias=0, join__kernel=2), meaning="deep channels")
    return of(UNet(resized=True), (draw(2, 4, 4, 3),), (skipped(5), deep, JOINED), draw)


class GroupNormalised(nn.Module):
    """A convolution normalised in 3 groups of 4 channels, and another."""

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.GroupNorm(3, name="norm")(nn.Conv(12, (3, 3), name="conv")(x)))
        return nn.Conv(2, (3, 3), name="last")(x)


@counted
def group_norm() -> Case:
    """Channels that are normalised together stay together: groups as wholes, and the channels inside each separately."""
    draw = Draw()
    axes = {"conv/kernel": 3, "conv/bias": 0, "norm/scale": 0, "norm/bias": 0, "last/kernel": 2}
    groups = (
        Group(3, tuple(Place(f"params/{name}", axis, inner=4) for name, axis in axes.items()), meaning="groups of channels"),
        Group(
            4,
            tuple(Place(f"params/{name}", axis, outer=3, sets=(Sets(3, axis, inner=4),)) for name, axis in axes.items()),
            3,
            "channels of a group",
        ),
    )
    every = Group(12, tuple(Place(f"params/{name}", axis) for name, axis in axes.items()), meaning="all channels")
    return of(GroupNormalised(), (draw(2, 5, 5, 2),), groups, draw, rigid=(every,))


class Gated(nn.Module):
    """A stream with a gated hidden layer (SwiGLU) behind a root mean square."""

    @nn.compact
    def __call__(self, x):
        x = nn.Dense(6, use_bias=False, name="enter")(x)
        y = nn.RMSNorm(name="norm")(x)
        y = nn.silu(nn.Dense(9, use_bias=False, name="gate")(y)) * nn.Dense(9, use_bias=False, name="up")(y)
        x = nn.RMSNorm(name="last")(x + nn.Dense(6, use_bias=False, name="down")(y))
        return nn.Dense(3, name="head")(x)


@counted
def swiglu() -> Case:
    """A hidden unit has a gate and a value; a root mean square over the stream does not depend on its order."""
    draw = Draw()
    stream = places(enter__kernel=1, norm__scale=0, gate__kernel=0, up__kernel=0, down__kernel=1, last__scale=0, head__kernel=0)
    groups = (
        Group(6, stream, meaning="stream"),
        Group(9, places(gate__kernel=1, up__kernel=1, down__kernel=0), meaning="hidden"),
    )
    return of(Gated(), (draw(2, 5),), groups, draw)


CASES = [
    mlp,
    dropout_off,
    cnn_batch_norm,
    cnn_batch_norm_trained,
    resnet,
    transformer_encoder,
    transformer_decoder,
    vision_transformer,
    scanned_transformer,
    remat_block,
    grouped_query_attention,
    experts_weighed,
    experts_chosen,
    lstm,
    lstm_optimized,
    gru,
    depthwise_separable,
    grouped_convolution,
    unet,
    unet_resized,
    group_norm,
    swiglu,
]
