"""Models in plain JAX. The sizes within a case all differ, so that a group is known by its size."""

import jax
import jax.numpy as jnp
from jax import lax

from tests.symmetry.discovery.zoo.attention import attention_flattened
from tests.symmetry.discovery.zoo.case import Case, Draw, Group, Place, Sets, counted


def perceptron(draw: Draw, inputs: int, hidden: int, outputs: int) -> dict[str, jax.Array]:
    """The parameters of one hidden layer."""
    return {"w1": draw(inputs, hidden), "b1": draw(hidden), "w2": draw(hidden, outputs), "b2": draw(outputs)}


def hidden_of(params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    """The hidden units of `perceptron`."""
    return jnp.tanh(x @ params["w1"] + params["b1"])


def hidden_group(size: int, meaning: str = "hidden") -> Group:
    """The hidden units of `perceptron`, where nothing is between them and the output."""
    return Group(size, (Place("w1", 1), Place("b1", 0), Place("w2", 0)), meaning=meaning)


def attend(query: jax.Array, key: jax.Array, value: jax.Array, bias: jax.Array | float = 0.0) -> jax.Array:
    """Attention of (batch, time, heads, dimensions), the heads side by side in the result."""
    scores = jnp.einsum("bthd,bshd->bhts", query, key) / jnp.sqrt(query.shape[-1]) + bias
    mixed = jnp.einsum("bhts,bshd->bthd", jax.nn.softmax(scores, axis=-1), value)
    return mixed.reshape(*mixed.shape[:2], -1)


@counted
def mlp() -> Case:
    """Two hidden layers; a bias and a nonlinearity keep each apart from the other and from the inputs and outputs."""
    draw = Draw()
    params = [(draw(5, 8), draw(8)), (draw(8, 6), draw(6)), (draw(6, 3), draw(3))]

    def function(params, x):
        *hidden, (weight, bias) = params
        for w, b in hidden:
            x = jax.nn.relu(x @ w + b)
        return x @ weight + bias

    groups = (
        Group(8, (Place("0/0", 1), Place("0/1", 0), Place("1/0", 0)), meaning="first hidden layer"),
        Group(6, (Place("1/0", 1), Place("1/1", 0), Place("2/0", 0)), meaning="second hidden layer"),
    )
    return Case(function, params, (draw(2, 5),), groups)


@counted
def shared_matrix() -> Case:
    """One matrix maps units to units twice, so that the units of all three layers are the same; rows and columns tie."""
    draw = Draw()
    params = {"first": draw(5, 7), "shared": draw(7, 7), "bias": draw(7), "last": draw(7, 3)}

    def function(params, x):
        h = jnp.tanh(x @ params["first"])
        for _ in range(2):
            h = jnp.tanh(h @ params["shared"] + params["bias"])
        return h @ params["last"]

    places = (Place("first", 1), Place("shared", 0), Place("shared", 1), Place("bias", 0), Place("last", 0))
    one_side = Group(7, (Place("first", 1), Place("shared", 0)), meaning="the first layer alone")
    return Case(function, params, (draw(2, 5),), (Group(7, places, meaning="hidden"),), rigid=(one_side,))


@counted
def siamese() -> Case:
    """One matrix reads two inputs; its units are read by a matrix for each, and both must follow."""
    draw = Draw()
    params = {"w": draw(5, 7), "left": draw(7, 3), "right": draw(7, 3)}

    def function(params, x, z):
        return jnp.tanh(x @ params["w"]) @ params["left"] + jnp.tanh(z @ params["w"]) @ params["right"]

    places = (Place("w", 1), Place("left", 0), Place("right", 0))
    return Case(function, params, (draw(2, 5), draw(2, 5)), (Group(7, places, meaning="hidden"),))


@counted
def tied_autoencoder() -> Case:
    """The decoder is the encoder transposed: the units lie on one axis of one matrix, and on their bias."""
    draw = Draw()
    params = {"w": draw(5, 7), "b": draw(7), "c": draw(5)}

    def function(params, x):
        return jnp.tanh(x @ params["w"] + params["b"]) @ params["w"].T + params["c"]

    return Case(function, params, (draw(2, 5),), (Group(7, (Place("w", 1), Place("b", 0)), meaning="hidden"),))


@counted
def recurrent() -> Case:
    """A recurrent network: the hidden-to-hidden matrix maps units to themselves; time steps are inputs."""
    draw = Draw()
    params = {"read": draw(4, 7), "loop": draw(7, 7), "bias": draw(7), "write": draw(7, 3)}

    def function(params, x):
        def step(h, now):
            h = jnp.tanh(now @ params["read"] + h @ params["loop"] + params["bias"])
            return h, h @ params["write"]

        start = jnp.zeros((x.shape[0], params["bias"].shape[0]), x.dtype)
        return lax.scan(step, start, jnp.moveaxis(x, 1, 0))[1]

    places = (Place("read", 1), Place("loop", 0), Place("loop", 1), Place("bias", 0), Place("write", 0))
    return Case(function, params, (draw(2, 5, 4),), (Group(7, places, meaning="hidden"),))


@counted
def gated_recurrent() -> Case:
    """A GRU by hand: three gates of every unit side by side in each matrix; a unit takes its gates along, gates are rigid."""
    draw = Draw()
    params = {"read": draw(4, 18), "loop": draw(6, 18), "bias": draw(18), "write": draw(6, 2)}

    def function(params, x):
        def step(h, now):
            reset, update, new = jnp.split(now @ params["read"] + params["bias"], 3, axis=-1)
            loops = jnp.split(h @ params["loop"], 3, axis=-1)
            update = jax.nn.sigmoid(update + loops[1])
            new = jnp.tanh(new + jax.nn.sigmoid(reset + loops[0]) * loops[2])
            return (1 - update) * new + update * h, None

        start = jnp.zeros((x.shape[0], 6), x.dtype)
        return lax.scan(step, start, jnp.moveaxis(x, 1, 0))[0] @ params["write"]

    places = (
        Place("read", 1, outer=3),
        Place("loop", 1, outer=3),
        Place("loop", 0),
        Place("bias", 0, outer=3),
        Place("write", 0),
    )
    return Case(function, params, (draw(2, 5, 4),), (Group(6, places, meaning="hidden"),))


@counted
def fused_attention_split() -> Case:
    """One matrix makes queries, keys and values, split and then cut into heads; the inputs are no stream, so rigid."""
    draw = Draw()
    heads, between, passed = 3, 4, 5
    params = {"qkv": draw(7, heads * (2 * between + passed)), "out": draw(heads * passed, 2)}

    def function(params, x):
        parts = jnp.split(x @ params["qkv"], [heads * between, 2 * heads * between], axis=-1)
        return attend(*(part.reshape(*x.shape[:2], heads, -1) for part in parts)) @ params["out"]

    values = 2 * heads * between
    by_query, by_value = (Sets(heads, 1, between),), Sets(heads, 1, passed, start=values)
    groups = (
        Group(
            heads,
            (
                Place("qkv", 1, outer=2, inner=between),
                Place("qkv", 1, inner=passed, start=values),
                Place("out", 0, inner=passed),
            ),
            meaning="heads",
        ),
        Group(
            between,
            (
                Place("qkv", 1, outer=heads, sets=by_query),
                Place("qkv", 1, outer=heads, start=heads * between, sets=by_query),
            ),
            apart=heads,
            meaning="dimensions between query and key",
        ),
        Group(
            passed,
            (
                Place("qkv", 1, outer=heads, start=values, sets=(by_value,)),
                Place("out", 0, outer=heads, sets=(Sets(heads, 0, passed),)),
            ),
            apart=heads,
            meaning="dimensions of values",
        ),
    )
    return Case(function, params, (draw(2, 6, 7),), groups)


@counted
def fused_attention_reshaped() -> Case:
    """One matrix whose columns are (query key value, heads, dimensions); query, key and value are different things."""
    draw = Draw()
    heads, dims = 4, 5
    params = {"qkv": draw(7, 3 * heads * dims), "out": draw(heads * dims, 2)}

    def function(params, x):
        query, key, value = jnp.moveaxis((x @ params["qkv"]).reshape(*x.shape[:2], 3, heads, dims), 2, 0)
        return attend(query, key, value) @ params["out"]

    third, within = heads * dims, (Sets(heads, 1, dims),)
    groups = (
        Group(heads, (Place("qkv", 1, outer=3, inner=dims), Place("out", 0, inner=dims)), meaning="heads"),
        Group(
            dims,
            tuple(Place("qkv", 1, outer=heads, start=start, sets=within) for start in (0, third)),
            apart=heads,
            meaning="dimensions between query and key",
        ),
        Group(
            dims,
            (
                Place("qkv", 1, outer=heads, start=2 * third, sets=within),
                Place("out", 0, outer=heads, sets=(Sets(heads, 0, dims),)),
            ),
            apart=heads,
            meaning="dimensions of values",
        ),
    )
    return Case(function, params, (draw(2, 6, 7),), groups)


@counted
def fused_attention_by_head() -> Case:
    """One matrix whose columns are (heads, query key value, dimensions): those of a head lie together, in three ranges."""
    draw = Draw()
    heads, dims = 4, 5
    params = {"qkv": draw(7, 3 * heads * dims), "out": draw(heads * dims, 2)}

    def function(params, x):
        query, key, value = jnp.moveaxis((x @ params["qkv"]).reshape(*x.shape[:2], heads, 3, dims), 3, 0)
        return attend(query, key, value) @ params["out"]

    within = (Sets(heads, 1, 3 * dims),)

    def ranges(*parts):
        return tuple(Place("qkv", 1, start=(3 * head + part) * dims, sets=within) for head in range(heads) for part in parts)

    groups = (
        Group(heads, (Place("qkv", 1, inner=3 * dims), Place("out", 0, inner=dims)), meaning="heads"),
        Group(dims, ranges(0, 1), apart=heads, meaning="dimensions between query and key"),
        Group(
            dims,
            (*ranges(2), Place("out", 0, outer=heads, sets=(Sets(heads, 0, dims),))),
            apart=heads,
            meaning="dimensions of values",
        ),
    )
    return Case(function, params, (draw(2, 6, 7),), groups)


def attention_params(draw: Draw, heads: int, between: int, passed: int) -> dict[str, jax.Array]:
    """Separate matrices for queries, keys, values and the way out."""
    widths = {"q": heads * between, "k": heads * between, "v": heads * passed}
    return {**{name: draw(7, width) for name, width in widths.items()}, "out": draw(heads * passed, 2)}


def attention_groups(heads: int, between: int, passed: int) -> tuple[Group, Group, Group]:
    """The groups of `attention_params`: heads, dimensions between query and key, dimensions of values."""
    return attention_flattened((("q", 1), ("k", 1)), (("v", 1), ("out", 0)), heads, (between, passed))


@counted
def rotary_attention() -> Case:
    """Rotary positions turn each pair of query and key dimensions at its own frequency, which makes them rigid."""
    draw = Draw()
    heads, between, passed = 3, 4, 5

    def rotate(x):
        angles = jnp.arange(x.shape[1])[:, None] * 10.0 ** -jnp.arange(between // 2)[None, :]
        cos, sin = jnp.cos(angles)[:, None, :], jnp.sin(angles)[:, None, :]
        first, second = jnp.split(x, 2, axis=-1)
        return jnp.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1)

    def function(params, x):
        query, key, value = ((x @ params[name]).reshape(*x.shape[:2], heads, -1) for name in "qkv")
        return attend(rotate(query), rotate(key), value) @ params["out"]

    whole, turned, values = attention_groups(heads, between, passed)
    params = attention_params(draw, heads, between, passed)
    return Case(function, params, (draw(2, 6, 7),), (whole, values), rigid=(turned,))


@counted
def sloped_attention() -> Case:
    """Each head sees distance through a slope of its own (ALiBi), which makes the heads rigid; dimensions inside are not."""
    draw = Draw()
    heads, between, passed = 3, 4, 5

    def function(params, x):
        query, key, value = ((x @ params[name]).reshape(*x.shape[:2], heads, -1) for name in "qkv")
        steps = jnp.arange(x.shape[1])
        distances = jnp.abs(steps[:, None] - steps[None, :])
        slopes = 2.0 ** -jnp.arange(heads)
        return attend(query, key, value, -slopes[:, None, None] * distances) @ params["out"]

    whole, keys, values = attention_groups(heads, between, passed)
    params = attention_params(draw, heads, between, passed)
    return Case(function, params, (draw(2, 6, 7),), (keys, values), rigid=(whole,))


@counted
def concatenated() -> Case:
    """Two hidden layers side by side are read by one matrix; a relu and a tanh are different units and do not mix."""
    draw = Draw()
    params = {"a": draw(5, 4), "b": draw(5, 7), "bias": draw(7), "read": draw(11, 3)}

    def function(params, x):
        sides = [jax.nn.relu(x @ params["a"]), jnp.tanh(x @ params["b"] + params["bias"])]
        return jnp.concatenate(sides, axis=-1) @ params["read"]

    groups = (
        Group(4, (Place("a", 1), Place("read", 0)), meaning="relu units"),
        Group(7, (Place("b", 1), Place("bias", 0), Place("read", 0, start=4)), meaning="tanh units"),
    )
    return Case(function, params, (draw(2, 5),), groups)


@counted
def added() -> Case:
    """Two layers are added before they are read, so that their units are tied into one group."""
    draw = Draw()
    params = {"a": draw(5, 7), "b": draw(4, 7), "read": draw(7, 3)}

    def function(params, x, z):
        return (jnp.tanh(x @ params["a"]) + jax.nn.relu(z @ params["b"])) @ params["read"]

    group = Group(7, (Place("a", 1), Place("b", 1), Place("read", 0)), meaning="hidden")
    return Case(function, params, (draw(2, 5), draw(2, 4)), (group,))


@counted
def read_apart() -> Case:
    """The first 3 of 7 hidden units are read by another matrix than the last 4: two groups, which do not mix."""
    draw = Draw()
    params = {"w1": draw(5, 7), "b1": draw(7), "low": draw(3, 2), "high": draw(4, 2)}

    def function(params, x):
        h = hidden_of(params, x)
        return h[:, :3] @ params["low"] + jnp.square(h[:, 3:] @ params["high"])

    groups = (
        Group(3, (Place("w1", 1), Place("b1", 0), Place("low", 0)), meaning="the first units"),
        Group(4, (Place("w1", 1, start=3), Place("b1", 0, start=3), Place("high", 0)), meaning="the last units"),
    )
    return Case(function, params, (draw(2, 5),), groups)


@counted
def residual_mlp() -> Case:
    """Blocks add to a stream, which ties every array that reads or writes it; the units inside each block are their own."""
    draw = Draw()
    params = {
        "enter": draw(5, 9),
        "blocks": [{"up": draw(9, m), "bias": draw(m), "down": draw(m, 9), "shift": draw(9)} for m in (6, 7)],
        "leave": draw(9, 3),
    }

    def function(params, x):
        x = x @ params["enter"]
        for block in params["blocks"]:
            x = x + jax.nn.gelu(x @ block["up"] + block["bias"]) @ block["down"] + block["shift"]
        return x @ params["leave"]

    def inside(k, m):
        return Group(
            m, (Place(f"blocks/{k}/up", 1), Place(f"blocks/{k}/bias", 0), Place(f"blocks/{k}/down", 0)), meaning="hidden"
        )

    stream = [Place("enter", 1), Place("leave", 0)]
    for k in range(2):
        stream += [Place(f"blocks/{k}/up", 0), Place(f"blocks/{k}/down", 1), Place(f"blocks/{k}/shift", 0)]
    groups = (Group(9, tuple(stream), meaning="stream"), inside(0, 6), inside(1, 7))
    return Case(function, params, (draw(2, 5),), groups)


@counted
def weight_normalised() -> Case:
    """Each unit's weights are divided by their norm and multiplied by a gain, which belongs to the unit."""
    draw = Draw()
    params = {**perceptron(draw, 5, 7, 3), "gain": draw(7)}

    def function(params, x):
        weight = params["w1"] / jnp.linalg.norm(params["w1"], axis=0) * params["gain"]
        return jnp.tanh(x @ weight + params["b1"]) @ params["w2"] + params["b2"]

    group = Group(7, (Place("w1", 1), Place("b1", 0), Place("gain", 0), Place("w2", 0)), meaning="hidden")
    return Case(function, params, (draw(2, 5),), (group,))


@counted
def normalised_by_hand() -> Case:
    """Mean and variance over the hidden units do not depend on their order; gain and shift belong to the units."""
    draw = Draw()
    params = {**perceptron(draw, 5, 7, 3), "gain": draw(7), "shift": draw(7)}

    def function(params, x):
        h = x @ params["w1"] + params["b1"]
        h = (h - h.mean(-1, keepdims=True)) / jnp.sqrt(h.var(-1, keepdims=True) + 1e-5)
        return jax.nn.relu(h * params["gain"] + params["shift"]) @ params["w2"] + params["b2"]

    names = {"w1": 1, "b1": 0, "gain": 0, "shift": 0, "w2": 0}
    group = Group(7, tuple(Place(name, axis) for name, axis in names.items()), meaning="hidden")
    return Case(function, params, (draw(2, 5),), (group,))


@counted
def softmax_units() -> Case:
    """A softmax over the hidden units treats them all alike."""
    draw = Draw()

    def function(params, x):
        return jax.nn.softmax(x @ params["w1"] + params["b1"], axis=-1) @ params["w2"] + params["b2"]

    return Case(function, perceptron(draw, 5, 7, 3), (draw(2, 5),), (hidden_group(7),))


@counted
def mapped_experts() -> Case:
    """Experts are computed one after the other by lax.map; hidden units are permuted inside each expert separately."""
    draw = Draw()
    params = {"router": draw(5, 4), "up": draw(4, 5, 7), "bias": draw(4, 7), "down": draw(4, 7, 3)}

    def function(params, x):
        def expert(weights):
            up, bias, down = weights
            return jax.nn.gelu(x @ up + bias) @ down

        answers = lax.map(expert, (params["up"], params["bias"], params["down"]))
        return jnp.einsum("be,ebo->bo", jax.nn.softmax(x @ params["router"]), answers)

    stacked = (Sets(4, 0),)
    groups = (
        Group(4, (Place("router", 1), Place("up", 0), Place("bias", 0), Place("down", 0)), meaning="experts"),
        Group(
            7,
            (Place("up", 2, sets=stacked), Place("bias", 1, sets=stacked), Place("down", 1, sets=stacked)),
            apart=4,
            meaning="hidden units of an expert",
        ),
    )
    return Case(function, params, (draw(2, 5),), groups)


@counted
def branches() -> Case:
    """Two branches of a cond read the same hidden units, and one has units of its own; only one branch runs at a time."""
    draw = Draw()
    params = {"w1": draw(5, 7), "b1": draw(7), "plain": draw(7, 3), "up": draw(7, 6), "down": draw(6, 3)}

    def function(params, x):
        h = hidden_of(params, x)
        return lax.cond(jnp.sum(x) > 0, lambda: h @ params["plain"], lambda: jax.nn.relu(h @ params["up"]) @ params["down"])

    groups = (
        Group(7, (Place("w1", 1), Place("b1", 0), Place("plain", 0), Place("up", 0)), meaning="hidden"),
        Group(6, (Place("up", 1), Place("down", 0)), meaning="hidden units of one branch"),
    )
    return Case(function, params, (draw(2, 5),), groups)


@counted
def iterated() -> Case:
    """A while loop iterates a recurrent map until it hardly moves; the measure of motion sums over the units."""
    draw = Draw()
    params = {"read": draw(5, 7), "loop": draw(7, 7), "bias": draw(7), "write": draw(7, 3)}

    def function(params, x):
        drive = x @ params["read"] + params["bias"]

        def moving(state):
            count, h, before = state
            return (count < 6) & (jnp.sum(jnp.square(h - before)) > 1e-4)

        def step(state):
            count, h, _ = state
            return count + 1, jnp.tanh(h @ params["loop"] + drive), h

        return lax.while_loop(moving, step, (0, jnp.tanh(drive), jnp.zeros_like(drive)))[1] @ params["write"]

    places = (Place("read", 1), Place("loop", 0), Place("loop", 1), Place("bias", 0), Place("write", 0))
    return Case(function, params, (draw(2, 5),), (Group(7, places, meaning="hidden"),))


@jax.custom_jvp
def softsign(x):
    """An activation with a rule for its tangents."""
    return x / (1 + jnp.abs(x))


@softsign.defjvp
def _softsign_jvp(primals, tangents):
    return softsign(primals[0]), tangents[0] / jnp.square(1 + jnp.abs(primals[0]))


@jax.custom_vjp
def clipped(x):
    """A clip whose gradient passes straight through."""
    return jnp.clip(x, -1, 1)


clipped.defvjp(lambda x: (clipped(x), None), lambda _, cotangent: (cotangent,))


@counted
def custom_jvp() -> Case:
    """An activation of one's own with a rule for tangents acts on each unit alike."""
    draw = Draw()

    def function(params, x):
        return softsign(x @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]

    return Case(function, perceptron(draw, 5, 7, 3), (draw(2, 5),), (hidden_group(7),))


@counted
def custom_vjp() -> Case:
    """An activation of one's own with a rule for gradients acts on each unit alike."""
    draw = Draw()

    def function(params, x):
        return clipped(x @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]

    return Case(function, perceptron(draw, 5, 7, 3), (draw(2, 5),), (hidden_group(7),))


@counted
def scanned_layers() -> Case:
    """Two layers stacked in one array share a stream; each has hidden units of its own; layers act in turn, so are rigid."""
    draw = Draw()
    params = {"enter": draw(5, 6), "up": draw(2, 6, 7), "bias": draw(2, 7), "down": draw(2, 7, 6), "leave": draw(6, 3)}

    def function(params, x):
        def layer(x, weights):
            up, bias, down = weights
            return x + jnp.tanh(x @ up + bias) @ down, None

        stack = (params["up"], params["bias"], params["down"])
        return lax.scan(layer, x @ params["enter"], stack)[0] @ params["leave"]

    layers = (Sets(2, 0),)
    groups = (
        Group(6, (Place("enter", 1), Place("up", 1), Place("down", 2), Place("leave", 0)), meaning="stream"),
        Group(
            7,
            (Place("up", 2, sets=layers), Place("bias", 1, sets=layers), Place("down", 1, sets=layers)),
            apart=2,
            meaning="hidden units of a layer",
        ),
    )
    in_turn = Group(2, (Place("up", 0), Place("bias", 0), Place("down", 0)), meaning="layers")
    return Case(function, params, (draw(2, 5),), groups, rigid=(in_turn,))


@counted
def outer_product() -> Case:
    """All products of two layers' units, flattened: the matrix that reads them has both groups on one axis."""
    draw = Draw()
    params = {"a": draw(5, 4), "b": draw(5, 6), "read": draw(24, 3)}

    def function(params, x):
        products = jax.vmap(jnp.outer)(jnp.tanh(x @ params["a"]), jnp.tanh(x @ params["b"]))
        return products.reshape(x.shape[0], -1) @ params["read"]

    groups = (
        Group(4, (Place("a", 1), Place("read", 0, inner=6)), meaning="slow factor"),
        Group(6, (Place("b", 1), Place("read", 0, outer=4)), meaning="fast factor"),
    )
    return Case(function, params, (draw(2, 5),), groups)


@counted
def bilinear() -> Case:
    """A bilinear form in two layers: each lies on an axis of the tensor, whose third axis is the outputs."""
    draw = Draw()
    params = {"a": draw(5, 4), "b": draw(5, 6), "form": draw(3, 4, 6)}

    def function(params, x):
        return jnp.einsum("bi,oij,bj->bo", jnp.tanh(x @ params["a"]), params["form"], jax.nn.relu(x @ params["b"]))

    groups = (
        Group(4, (Place("a", 1), Place("form", 1)), meaning="left"),
        Group(6, (Place("b", 1), Place("form", 2)), meaning="right"),
    )
    return Case(function, params, (draw(2, 5),), groups)


@counted
def three_operands() -> Case:
    """One einsum contracts hidden units and a linear bottleneck at once; both are interchangeable, linear or not."""
    draw = Draw()
    params = {"w": draw(5, 7), "into": draw(7, 4), "out_of": draw(4, 3)}

    def function(params, x):
        return jnp.einsum("bi,ij,jo->bo", jax.nn.relu(x @ params["w"]), params["into"], params["out_of"])

    groups = (
        Group(7, (Place("w", 1), Place("into", 0)), meaning="hidden"),
        Group(4, (Place("into", 1), Place("out_of", 0)), meaning="bottleneck"),
    )
    return Case(function, params, (draw(2, 5),), groups)


@counted
def low_rank_product() -> Case:
    """The units of two layers are multiplied one by one and summed: the index of the rank lies in three matrices."""
    draw = Draw()
    params = {"a": draw(5, 6), "b": draw(4, 6), "read": draw(6, 3)}

    def function(params, x, z):
        return jnp.einsum("br,br,ro->bo", x @ params["a"], z @ params["b"], params["read"])

    group = Group(6, (Place("a", 1), Place("b", 1), Place("read", 0)), meaning="rank")
    return Case(function, params, (draw(2, 5), draw(2, 4)), (group,))


@counted
def factored_hidden() -> Case:
    """Hidden units reshaped to 3 x 5: a matrix shared by the 3 reads the 5, so that each factor is permuted as one.

    The 5 may not be permuted separately for each of the 3, since one matrix reads them all.
    """
    draw = Draw()
    params = {"w": draw(6, 15), "b": draw(15), "shared": draw(5, 7), "read": draw(3, 7, 2)}

    def function(params, x):
        h = jnp.tanh(x @ params["w"] + params["b"]).reshape(-1, 3, 5)
        return jnp.einsum("bik,iko->bo", jnp.tanh(h @ params["shared"]), params["read"])

    groups = (
        Group(3, (Place("w", 1, inner=5), Place("b", 0, inner=5), Place("read", 0)), meaning="slow factor"),
        Group(5, (Place("w", 1, outer=3), Place("b", 0, outer=3), Place("shared", 0)), meaning="fast factor"),
        Group(7, (Place("shared", 1), Place("read", 1)), meaning="units behind the shared matrix"),
    )
    return Case(function, params, (draw(2, 6),), groups)


@counted
def sorted_units() -> Case:
    """The hidden units are sorted before they are read: their order is forgotten, and the reading weights are rigid."""
    draw = Draw()

    def function(params, x):
        return jnp.sort(hidden_of(params, x), axis=-1) @ params["w2"] + params["b2"]

    group = Group(7, (Place("w1", 1), Place("b1", 0)), meaning="hidden")
    return Case(function, perceptron(draw, 5, 7, 3), (draw(2, 5),), (group,), rigid=(hidden_group(7, "with their readers"),))


@counted
def maxout() -> Case:
    """Each unit is the largest of 4 pieces: pieces inside each unit, and units as a whole."""
    draw = Draw()
    params = {"w": draw(5, 24), "b": draw(24), "read": draw(6, 3)}

    def function(params, x):
        return (x @ params["w"] + params["b"]).reshape(-1, 6, 4).max(-1) @ params["read"]

    units = {axis: (Sets(6, axis, inner=4),) for axis in (0, 1)}
    groups = (
        Group(6, (Place("w", 1, inner=4), Place("b", 0, inner=4), Place("read", 0)), meaning="units"),
        Group(
            4,
            (Place("w", 1, outer=6, sets=units[1]), Place("b", 0, outer=6, sets=units[0])),
            apart=6,
            meaning="pieces of a unit",
        ),
    )
    return Case(function, params, (draw(2, 5),), groups)


@counted
def pooled_set() -> Case:
    """A network on the mean over a set; the members of the set are inputs, not units."""
    draw = Draw()
    params = {"each": perceptron(draw, 4, 7, 5), "pooled": perceptron(draw, 5, 8, 3)}

    def function(params, x):
        each, pooled = params["each"], params["pooled"]
        mean = (hidden_of(each, x) @ each["w2"] + each["b2"]).mean(1)
        return hidden_of(pooled, mean) @ pooled["w2"] + pooled["b2"]

    groups = (
        Group(7, (Place("each/w1", 1), Place("each/b1", 0), Place("each/w2", 0)), meaning="hidden units of a member"),
        Group(5, (Place("each/w2", 1), Place("each/b2", 0), Place("pooled/w1", 0)), meaning="pooled features"),
        Group(8, (Place("pooled/w1", 1), Place("pooled/b1", 0), Place("pooled/w2", 0)), meaning="hidden"),
    )
    return Case(function, params, (draw(2, 6, 4),), groups)


@counted
def cumulative() -> Case:
    """A running sum over the hidden units gives each a place; permuted reading weights cannot undo that."""
    draw = Draw()

    def function(params, x):
        return jnp.cumsum(hidden_of(params, x), axis=-1) @ params["w2"] + params["b2"]

    return Case(function, perceptron(draw, 5, 7, 3), (draw(2, 5),), (), rigid=(hidden_group(7),))


@counted
def scaled_by_position() -> Case:
    """Each hidden unit is multiplied by its number, so that no two are alike; the first is multiplied by zero."""
    draw = Draw()

    def function(params, x):
        return (hidden_of(params, x) * jnp.arange(7)) @ params["w2"] + params["b2"]

    return Case(function, perceptron(draw, 5, 7, 3), (draw(2, 5),), (), rigid=(hidden_group(7),))


@counted
def rolled() -> Case:
    """The hidden units move on by one before they are read, and the last becomes the first.

    Unit u is read by row u + 1: six units keep their order and are interchangeable. The seventh could join them only if the
    places of a unit could be any positions; at equal distances they cannot be given.
    """
    draw = Draw()

    def function(params, x):
        return jnp.roll(hidden_of(params, x), 1, axis=-1) @ params["w2"] + params["b2"]

    group = Group(6, (Place("w1", 1), Place("b1", 0), Place("w2", 0, start=1)), meaning="all hidden units but the last")
    return Case(function, perceptron(draw, 5, 7, 3), (draw(2, 5),), (group,), rigid=(hidden_group(7, "without moving on"),))


@counted
def rolled_product() -> Case:
    """Each hidden unit is multiplied by its neighbour: they form a ring, which only turns."""
    draw = Draw()

    def function(params, x):
        h = hidden_of(params, x)
        return (h * jnp.roll(h, 1, axis=-1)) @ params["w2"] + params["b2"]

    return Case(function, perceptron(draw, 5, 7, 3), (draw(2, 5),), (), rigid=(hidden_group(7),))


@counted
def strided() -> Case:
    """Of 5 hidden units, every second one is read by one matrix and the first three by another.

    Units 0 and 2 are read by both and could be exchanged, but their places are at no equal distances in both matrices:
    (0, 2) and (0, 1). Each of the others is read in a way of its own, unit 3 not at all.
    """
    draw = Draw()
    params = {"w1": draw(6, 5), "b1": draw(5), "even": draw(3, 2), "low": draw(3, 2)}

    def function(params, x):
        h = hidden_of(params, x)
        return h[:, ::2] @ params["even"] + h[:, :3] @ params["low"]

    hidden = (Place("w1", 1), Place("b1", 0))
    rigid = (
        Group(3, (*hidden, Place("low", 0)), meaning="the first three"),
        Group(2, (*(Place(p.path, p.axis, inner=2) for p in hidden), Place("even", 0)), meaning="pairs"),
    )
    return Case(function, params, (draw(2, 6),), (), rigid=rigid)


@counted
def largest_named() -> Case:
    """Which hidden unit is the largest is an output, so that the units have names."""
    draw = Draw()

    def function(params, x):
        h = hidden_of(params, x)
        return h @ params["w2"] + params["b2"], jnp.argmax(h, axis=-1)

    return Case(function, perceptron(draw, 5, 7, 3), (draw(8, 5),), (), rigid=(hidden_group(7),))


@counted
def fourier() -> Case:
    """A Fourier transform over the hidden units makes each a frequency's phase; real and imaginary parts are both read."""
    draw = Draw()
    params = {"w1": draw(5, 7), "b1": draw(7), "w2": draw(8, 3)}

    def function(params, x):
        waves = jnp.fft.rfft(hidden_of(params, x), axis=-1)
        return jnp.concatenate([waves.real, waves.imag], axis=-1) @ params["w2"]

    rigid = (
        Group(7, (Place("w1", 1), Place("b1", 0)), meaning="hidden"),
        Group(4, (Place("w2", 0, outer=2),), meaning="frequencies"),
    )
    return Case(function, params, (draw(2, 5),), (), rigid=rigid)


@counted
def dropped() -> Case:
    """A dropout mask is drawn for each unit by its place: with the key given, the places are told apart."""
    draw = Draw()

    def function(params, x, key):
        h = hidden_of(params, x)
        h = jnp.where(jax.random.bernoulli(key, 0.5, h.shape), h / 0.5, 0)
        return h @ params["w2"] + params["b2"]

    return Case(function, perceptron(draw, 5, 7, 3), (draw(4, 5), jax.random.key(0)), (), rigid=(hidden_group(7),))


@counted
def triangular() -> Case:
    """Hidden units are read through a triangular mask, each by the units before it: an order."""
    draw = Draw()
    params = {"w1": draw(5, 7), "b1": draw(7), "loop": draw(7, 7), "w2": draw(7, 3)}

    def function(params, x):
        return jnp.tanh(hidden_of(params, x) @ jnp.tril(params["loop"])) @ params["w2"]

    before = (Place("w1", 1), Place("b1", 0), Place("loop", 0))
    after = (Place("loop", 1), Place("w2", 0))
    rigid = tuple(Group(7, places, meaning="hidden") for places in (before, after, (*before, *after)))
    return Case(function, params, (draw(2, 5),), (), rigid=rigid)


@counted
def convolved() -> Case:
    """A convolution runs across the hidden units, which makes neighbours of them."""
    draw = Draw()
    params = {**perceptron(draw, 5, 7, 2), "kernel": draw(3)}

    def function(params, x):
        smooth = jax.vmap(lambda h: jnp.convolve(h, params["kernel"], mode="same"))(hidden_of(params, x))
        return smooth @ params["w2"] + params["b2"]

    rigid = (hidden_group(7), Group(3, (Place("kernel", 0),), meaning="taps"))
    return Case(function, params, (draw(2, 5),), (), rigid=rigid)


CASES = [
    mlp,
    shared_matrix,
    siamese,
    tied_autoencoder,
    recurrent,
    gated_recurrent,
    fused_attention_split,
    fused_attention_reshaped,
    fused_attention_by_head,
    rotary_attention,
    sloped_attention,
    concatenated,
    added,
    read_apart,
    residual_mlp,
    weight_normalised,
    normalised_by_hand,
    softmax_units,
    mapped_experts,
    branches,
    iterated,
    custom_jvp,
    custom_vjp,
    scanned_layers,
    outer_product,
    bilinear,
    three_operands,
    low_rank_product,
    factored_hidden,
    sorted_units,
    maxout,
    pooled_set,
    cumulative,
    scaled_by_position,
    rolled,
    rolled_product,
    strided,
    largest_named,
    fourier,
    dropped,
    triangular,
    convolved,
]
