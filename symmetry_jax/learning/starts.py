"""Where training starts: a start draws the variables of one run from its hparams."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from symmetry_jax.learning.intervals import Interval
from symmetry_jax.learning.models import Initializer
from symmetry_jax.learning.process import Hparams, PyTree
from symmetry_jax.learning.streams import Stream, draw_key
from symmetry_jax.symmetry.units import Symmetry, copy_units, perturb, tie

Start = Callable[[Hparams, jax.Array], PyTree]  # from the hparams and a batch of inputs, for their shape and dtype
Blocks = Mapping[str, Sequence[Sequence[int]]]  # for each group, the units that are equal
Pairs = Mapping[str, tuple[int, int]]  # for each group, the twins
Address = tuple[str, int]  # a layer, and the place of a unit in it

Draw = Callable[[Hparams], Initializer]

RANGES = {
    "epsilon": Interval(0),  # a distance
    "bias_scale": Interval(0),  # a standard deviation
    "spread": Interval(0, 1, "[]"),  # a share
    "copies": Interval(1, whole=True),  # units in a block
    "tied_layers": Interval(0, whole=True),
}

INITIALIZERS: dict[str, Draw] = {
    "he": lambda hparams: nn.initializers.he_normal(),
    "lecun": lambda hparams: nn.initializers.lecun_normal(),
    "zero": lambda hparams: nn.initializers.zeros,
    "constant": lambda hparams: nn.initializers.constant(hparams["constant"]),
}


def biased(hparams: Hparams) -> Initializer:
    """Every entry at hparams["bias"]."""
    return nn.initializers.constant(hparams["bias"])


def scattered(hparams: Hparams) -> Initializer:
    """Normal numbers around 0 of standard deviation hparams["bias_scale"]."""
    return nn.initializers.normal(hparams["bias_scale"])


def draw(model: Any, initializer: Draw, biases: Draw = INITIALIZERS["zero"], stream: Stream = Stream.WEIGHTS) -> Start:
    """All weights from one initializer and all biases from another, drawn from the seed alone, in a stream of its own."""

    def start(hparams: Hparams, inputs: jax.Array) -> PyTree:
        return drawn(model.clone(kernel_init=initializer(hparams), bias_init=biases(hparams)), stream)(hparams, inputs)

    return start


def drawn(model: Any, stream: Stream = Stream.WEIGHTS) -> Start:
    """The model's own start, drawn from the seed alone, in a stream of its own."""

    def start(hparams: Hparams, inputs: jax.Array) -> PyTree:
        variables = model.init(draw_key(hparams["seed"], stream), inputs[:1])
        return jax.tree.map(lambda leaf: leaf.astype(inputs.dtype), variables)  # running means are made in float32

    return start


def tied(start: Start, symmetry: Symmetry, blocks: Blocks) -> Start:
    """A start whose units are equal within each block."""

    def begin(hparams: Hparams, inputs: jax.Array) -> PyTree:
        variables = start(hparams, inputs)
        for name, units in blocks.items():
            variables = tie(variables, symmetry[name], units)
        return variables

    return begin


def gathered(start: Start, symmetry: Symmetry, blocks: Blocks) -> Start:
    """A start with the units of each block near the first: what differs from it is multiplied by hparams["spread"].

    At 1 the start is as it was, but for rounding; at 0 units are tied.
    """
    together = tied(start, symmetry, blocks)

    def begin(hparams: Hparams, inputs: jax.Array) -> PyTree:
        apart, common = start(hparams, inputs), together(hparams, inputs)
        return jax.tree.map(lambda far, near: near + hparams["spread"].astype(near.dtype) * (far - near), apart, common)

    return begin


def block_starts(size: int, copies: jax.Array | int) -> jax.Array:
    """For each of `size` units, the first of its block of so many neighbours: (size,); those left over stay alone."""
    units = jnp.arange(size, dtype=jnp.int32)
    first = units - units % copies
    return jnp.where(first + copies <= size, first, units)


def even_blocks(size: int, copies: int) -> list[range]:
    """The blocks of `block_starts`."""
    return [range(first, first + copies) for first in range(0, size - copies + 1, copies)]


def evenly_tied(start: Start, symmetry: Symmetry) -> Start:
    """A start whose units are equal within blocks of hparams["copies"], in the first hparams["tied_layers"] groups."""

    def begin(hparams: Hparams, inputs: jax.Array) -> PyTree:
        variables = start(hparams, inputs)
        for group, copies in zip(symmetry.values(), copies_of(symmetry, hparams), strict=True):
            variables = copy_units(variables, group, block_starts(group.size, copies))
        return variables

    return begin


def copies_of(symmetry: Symmetry, hparams: Hparams) -> list[jax.Array]:
    """How many units are equal in a block of each group, () int32: hparams["copies"] in the tied layers, 1 in all others."""
    copies, layers = (hparams[name].astype(jnp.int32) for name in ("copies", "tied_layers"))
    return [jnp.where(number < layers, copies, 1) for number in range(len(symmetry))]


def near_tied(start: Start, symmetry: Symmetry, pairs: Pairs) -> Start:
    """A start with one pair of twins in each named group, `epsilon` apart in a direction drawn from the seed alone."""
    together = tied(start, symmetry, {name: [pair] for name, pair in pairs.items()})
    return lambda hparams, inputs: move_apart(together(hparams, inputs), symmetry, pairs, hparams)


def move_apart(variables: PyTree, symmetry: Symmetry, pairs: Pairs, hparams: Hparams) -> PyTree:
    """The variables with the twins of each group moved apart by hparams["epsilon"], as in a near-tied start."""
    for number, (name, pair) in enumerate(pairs.items()):
        key = draw_key(hparams["seed"], Stream.TWINS, number)
        others = [(symmetry[other], twins) for other, twins in pairs.items() if other != name]
        variables = perturb(variables, symmetry[name], pair, hparams["epsilon"], key, others)
    return variables


def copied(start: Start, first: Address, second: Address) -> Start:
    """A start in which a unit has the fan-in weights and the bias of another, of its own layer or of another as wide below."""

    def begin(hparams: Hparams, inputs: jax.Array) -> PyTree:
        variables = start(hparams, inputs)
        (source, from_unit), (target, to_unit) = first, second
        params = variables["params"]
        own = {name: array.at[..., to_unit].set(params[source][name][..., from_unit]) for name, array in params[target].items()}
        return {**variables, "params": {**params, target: own}}

    return begin
