"""Random networks whose unit groups are known by construction.

Each position along an axis of a parameter is written down as the units that it belongs to: pairs (label, index), none where
the position is rigid. Nothing here uses the package that is tested.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Word = tuple[tuple[int, int], ...]  # the units of one position
Words = list[Word]
Params = dict[str, jax.Array]
TOKENS, INPUTS, OUTPUTS = 3, 4, 2


def flattened(*axes: Words) -> Words:
    """The words of axes flattened into one, the first slowest."""
    words: Words = [()]
    for axis in axes:
        words = [before + own for before in words for own in axis]
    return words


@jax.custom_jvp
def bent(h: jax.Array) -> jax.Array:
    """An activation with a derivative of its own."""
    return jnp.sin(h)


bent.defjvp(lambda given, tangents: (bent(given[0]), jnp.cos(given[0]) * tangents[0]))


def branched(h: jax.Array) -> jax.Array:
    """An activation that depends on the sum of all units."""
    return lax.cond(jnp.sum(h) > 0, jnp.tanh, lambda a: jnp.sin(a) + 1, h)


ACTIVATIONS: tuple[Callable[[jax.Array], jax.Array], ...] = (
    *(jnp.tanh, jnp.sin, jax.nn.relu, jax.nn.gelu, jax.jit(jnp.sin), jax.checkpoint(jnp.tanh), bent, branched),
)


@dataclasses.dataclass(eq=False)
class Network:
    """A network under construction; its hidden array is (tokens, units) after each step.

    Attributes:
        random: draws structure and parameters.
        params: the parameters.
        words: the words of each axis of each parameter.
        sizes: the number of units of each label.
        inside: of each label, those whose units its own lie in.
        steps: what is done, from the parameters and the hidden arrays after each step before.
        states: the words of the hidden array after each step.
        touched: words of arrays to which something was done that depends on position.
    """

    random: np.random.Generator
    params: Params = dataclasses.field(default_factory=dict)
    words: dict[str, tuple[Words, ...]] = dataclasses.field(default_factory=dict)
    sizes: list[int] = dataclasses.field(default_factory=list)
    inside: list[tuple[int, ...]] = dataclasses.field(default_factory=list)
    steps: list[Callable[[Params, list[jax.Array]], jax.Array]] = dataclasses.field(default_factory=list)
    states: list[Words] = dataclasses.field(default_factory=list)
    touched: list[Words] = dataclasses.field(default_factory=list)

    def __call__(self, params: Params, x: jax.Array) -> jax.Array:
        """The outputs: (tokens, outputs)."""
        states = [x]
        for step in self.steps:
            states.append(step(params, states))
        return states[-1]

    @property
    def now(self) -> Words:
        """The words of the hidden array."""
        return self.states[-1]

    def chance(self, probability: float = 0.5) -> bool:
        return bool(self.random.random() < probability)

    def new(self, *inside: int) -> tuple[int, Words]:
        """A label and the words of an axis on which its units lie one by one."""
        self.sizes.append(int(self.random.integers(2, 6)))
        self.inside.append(inside)
        label = len(self.sizes) - 1
        return label, [((label, unit),) for unit in range(self.sizes[label])]

    def param(self, *axes: Words) -> Callable[[Params], jax.Array]:
        """A parameter with these axes, kept in any order; gives it in this one."""
        name, shape = f"p{len(self.params)}", tuple(map(len, axes))
        order = [int(axis) for axis in self.random.permutation(len(axes))] if self.chance(0.3) else list(range(len(axes)))
        values = self.random.normal(size=shape) / np.sqrt(shape[0] if len(shape) > 1 else 1)
        self.params[name] = jnp.asarray(values.transpose(order))
        self.words[name] = tuple(axes[axis] for axis in order)
        back = [order.index(axis) for axis in range(len(axes))]
        return lambda params: jnp.transpose(params[name], back)

    def linear(self, axes: Words, out: Words) -> Callable[[Params, jax.Array], jax.Array]:
        """A matrix, or the product of two, with or without a bias."""
        if self.chance(0.2):
            _, rank = self.new()
            first, second = self.param(axes, rank), self.param(rank, out)
            return lambda params, h: h @ (first(params) @ second(params))
        weight, bias = self.param(axes, out), self.param(out) if self.chance() else None
        return lambda params, h: h @ weight(params) + (0.0 if bias is None else bias(params)[None])

    def activation(self) -> Callable[[jax.Array], jax.Array]:
        return ACTIVATIONS[self.random.integers(len(ACTIVATIONS))]

    def add(self, words: Words, step: Callable[[Params, list[jax.Array]], jax.Array]) -> None:
        self.steps.append(step)
        self.states.append(words)

    # layers

    def dense(self) -> None:
        out = self.new()[1]
        linear, act = self.linear(self.now, out), self.activation()
        self.add(out, lambda params, states: act(linear(params, states[-1])))

    def product(self) -> None:
        """Units that lie in others, flattened; each set has a softmax of its own."""
        outer, first = self.new()
        out = flattened(first, self.new(outer)[1])
        linear = self.linear(self.now, out)

        def step(params: Params, states: list[jax.Array]) -> jax.Array:
            sets = linear(params, states[-1]).reshape(TOKENS, len(first), -1)
            return jax.nn.softmax(sets, axis=-1).reshape(TOKENS, -1)

        self.add(out, step)

    def residual(self) -> None:
        hidden = self.new()[1]
        up, act, down = self.linear(self.now, hidden), self.activation(), self.linear(hidden, self.now)
        self.add(self.now, lambda params, states: states[-1] + down(params, act(up(params, states[-1]))))

    def transposed(self) -> None:
        """Back by the same matrix."""
        hidden = self.new()[1]
        weight, act = self.param(self.now, hidden), self.activation()
        self.add(self.now, lambda params, states: act(states[-1] @ weight(params)) @ weight(params).T)

    def shared(self) -> None:
        """The same matrix twice. It holds units twice, in sets of their own: that they are apart there is not discovered."""
        for label in {label for word in self.now for label, _ in word}:
            self.inside[label] = ()
        weight, act = self.param(self.now, self.now), self.activation()
        self.add(self.now, lambda params, states: act(act(states[-1] @ weight(params)) @ weight(params)))

    def concatenated(self) -> None:
        sides = [self.new()[1] for _ in range(self.random.integers(2, 4))]
        linears = [(self.linear(self.now, side), self.activation()) for side in sides]

        def step(params: Params, states: list[jax.Array]) -> jax.Array:
            return jnp.concatenate([act(linear(params, states[-1])) for linear, act in linears], axis=-1)

        self.add([word for side in sides for word in side], step)

    def skip(self) -> None:
        """Beside an earlier hidden array."""
        earlier = int(self.random.integers(len(self.states)))
        words = self.states[earlier] + self.now
        self.add(words, lambda params, states: jnp.concatenate([states[earlier], states[-1]], axis=-1))

    def gate(self) -> None:
        """Values and gates side by side."""
        out = self.new()[1]
        linear, apart = self.linear(self.now, out + out), self.chance()

        def step(params: Params, states: list[jax.Array]) -> jax.Array:
            both = linear(params, states[-1])
            if apart:
                both = both.reshape(TOKENS, 2, len(out))
                return jnp.sin(both[:, 0]) * jax.nn.sigmoid(both[:, 1])
            value, gate = jnp.split(both, 2, axis=-1)
            return jnp.sin(value) * jax.nn.sigmoid(gate)

        self.add(out, step)

    def norm(self) -> None:
        scale = self.param(self.now)
        if self.chance():
            shift = self.param(self.now)
            self.add(
                self.now,
                lambda params, states: jax.nn.standardize(states[-1], axis=-1) * scale(params)[None] + shift(params)[None],
            )
        else:
            self.add(
                self.now,
                lambda params, states: (
                    states[-1] * lax.rsqrt(jnp.square(states[-1]).mean(-1, keepdims=True) + 0.1) * scale(params)[None]
                ),
            )

    def attention(self) -> None:
        head, heads = self.new()
        between, passed = self.new(head)[1], self.new(head)[1]
        into, kind = self.now, int(self.random.integers(3))

        def projection(dims: Words) -> Callable[[Params], jax.Array]:
            shape = (len(into), len(heads), len(dims))
            if kind == 0:
                return self.param(into, heads, dims)
            if kind == 1:
                weight = self.param(into, flattened(heads, dims))
                return lambda params: weight(params).reshape(shape)
            weight = self.param(into, flattened(dims, heads))
            return lambda params: weight(params).reshape(shape[0], shape[2], shape[1]).transpose(0, 2, 1)

        query, key, value = projection(between), projection(between), projection(passed)
        out = self.new()[1]
        back = self.param(flattened(heads, passed), out)

        def step(params: Params, states: list[jax.Array]) -> jax.Array:
            q, k, v = (jnp.einsum("tu,uhd->thd", states[-1], one(params)) for one in (query, key, value))
            weights = jax.nn.softmax(jnp.einsum("thd,shd->hts", q, k), axis=-1)
            return jnp.einsum("hts,shd->thd", weights, v).reshape(TOKENS, -1) @ back(params)

        self.add(out, step)

    def convolution(self) -> None:
        """Along the tokens; by all channels, one, or groups of them."""
        window: Words = [()] * int(self.random.integers(1, 4))
        kind = int(self.random.integers(3))
        if kind == 0:
            out = self.new()[1]
            kernel, count = self.param(window, self.now, out), 1
        elif kind == 1:
            out, count = self.now, len(self.now)
            kernel = self.param(window, [()], out)
        else:
            group, groups = self.new()
            into = self.new(group)[1]
            linear = self.linear(self.now, flattened(groups, into))
            self.add(flattened(groups, into), lambda params, states: jnp.sin(linear(params, states[-1])))
            out, count = flattened(groups, self.new(group)[1]), len(groups)
            kernel = self.param(window, into, out)

        def step(params: Params, states: list[jax.Array]) -> jax.Array:
            dims = ("NWC", "WIO", "NWC")
            given = (states[-1][None], kernel(params), (1,), "SAME")
            return jnp.sin(lax.conv_general_dilated(*given, dimension_numbers=dims, feature_group_count=count)[0])

        self.add(out, step)

    def recurrence(self) -> None:
        out = self.new()[1]
        read, loop, bias = self.param(self.now, out), self.param(out, out), self.param(out)

        def step(params: Params, states: list[jax.Array]) -> jax.Array:
            def one(h: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
                h = jnp.tanh(x @ read(params) + h @ loop(params) + bias(params))
                return h, h

            return lax.scan(one, jnp.zeros(len(out), states[-1].dtype), states[-1])[1]

        self.add(out, step)

    def experts(self) -> None:
        expert, experts = self.new()
        hidden, out = self.new(expert)[1], self.new()[1]
        choose, up = self.param(self.now, experts), self.param(experts, self.now, hidden)
        down, mapped = self.param(experts, hidden, out), self.chance()

        def step(params: Params, states: list[jax.Array]) -> jax.Array:
            h = states[-1]
            if mapped:
                each = lax.map(lambda both: jnp.sin(h @ both[0]) @ both[1], (up(params), down(params)))
            else:
                each = jnp.einsum("xth,xho->xto", jnp.sin(jnp.einsum("tu,xuh->xth", h, up(params))), down(params))
            return jnp.einsum("xto,tx->to", each, jax.nn.softmax(h @ choose(params), axis=-1))

        self.add(out, step)

    def disturbed(self, change: Callable[[jax.Array], jax.Array]) -> None:
        """Something that depends on the positions of the units, read by a new layer."""
        self.touched.append(self.now)
        width = jax.eval_shape(change, jnp.zeros((TOKENS, len(self.now)))).shape[-1]
        self.add([()] * width, lambda params, states: change(states[-1]))
        self.dense()


LAYERS: tuple[Callable[[Network], None], ...] = (
    *(Network.dense, Network.product, Network.residual, Network.transposed, Network.shared, Network.concatenated),
    *(Network.skip, Network.gate, Network.norm, Network.attention, Network.convolution, Network.recurrence, Network.experts),
)


def network(seed: int, change: Callable[[jax.Array], jax.Array] | None = None, layers: int = 4) -> Network:
    """A random network, with something in it that depends on position, if any."""
    made = Network(np.random.default_rng(seed))
    made.states.append([()] * INPUTS)
    made.dense()
    where = int(made.random.integers(layers))
    for number in range(layers):
        if change is not None and number == where:
            made.disturbed(change)
        LAYERS[made.random.integers(len(LAYERS))](made)
    last = made.linear(made.now, [()] * OUTPUTS)
    made.add([()] * OUTPUTS, lambda params, states: last(params, states[-1]))
    return made


Places = dict[tuple[str, int], tuple[frozenset[int], ...]]


def places(made: Network, label: int, only: Sequence[str] = ()) -> Places:
    """The positions of each unit of a label, by path and axis."""
    found: dict[Any, Any] = {}
    for path, axes in made.words.items():
        for axis, words in enumerate(axes):
            units = tuple(
                frozenset(position for position, word in enumerate(words) if (label, unit) in word)
                for unit in range(made.sizes[label])
            )
            if any(units) and (not only or path in only):
                found[path, axis] = units
    return found


def touched(made: Network) -> set[int]:
    """The labels of units to which, or to what they lie in, something was done that depends on position."""
    found = {label for words in made.touched for word in words for label, _ in word}
    return found | {label for label, inside in enumerate(made.inside) if found & set(inside)}
