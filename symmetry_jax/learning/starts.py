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
from symmetry_jax.symmetry.quotient import quotient
from symmetry_jax.symmetry.units import Symmetry, perturb, tie

Start = Callable[[Hparams, jax.Array], PyTree]  # from the hparams and a batch of inputs, for their shape and dtype
Blocks = Mapping[str, Sequence[Sequence[int]]]  # for each group, the units that are equal
Pairs = Mapping[str, tuple[int, int]]  # for each group, the twins

Draw = Callable[[Hparams], Initializer]

# a distance, a standard deviation, what units have of their own
RANGES = {"epsilon": Interval(0), "bias_scale": Interval(0), "spread": Interval(0, 1, "[]")}

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
        network = model.clone(kernel_init=initializer(hparams), bias_init=biases(hparams))
        variables = network.init(draw_key(hparams["seed"], stream), inputs[:1])
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


def alike(own: Start, common: Start, symmetry: Symmetry) -> Start:
    """A start whose units are alike: theta_u = sqrt(1 - s^2) common + s own_u, with the spread s = hparams["spread"].

    `common` is another start with all units of every group tied. Where both draw normal weights, so does this one, and two
    units have a correlation of 1 - s^2: at 0 all are tied, at 1 each is its own.
    """
    one = tied(common, symmetry, {name: [range(group.size)] for name, group in symmetry.items()})

    def start(hparams: Hparams, inputs: jax.Array) -> PyTree:
        spread = hparams["spread"]
        kept = jnp.sqrt(1 - jnp.square(spread))
        return jax.tree.map(
            lambda shared, leaf: kept.astype(leaf.dtype) * shared + spread.astype(leaf.dtype) * leaf,
            one(hparams, inputs),
            own(hparams, inputs),
        )

    return start


def merged(start: Start, symmetry: Symmetry, blocks: Blocks) -> Start:
    """The start of the quotient network: the start with its blocks tied, then each block as one unit."""
    together = tied(start, symmetry, blocks)
    return lambda hparams, inputs: _merge(together(hparams, inputs), symmetry, blocks)[0]


def merged_rates(shapes: PyTree, symmetry: Symmetry, blocks: Blocks) -> PyTree:
    """The factors on the learning rates with which the quotient network trains like the network with tied units.

    `shapes` is a tree of arrays or their shapes, those of the network with tied units.
    """
    ones = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), shapes)
    return _merge(ones, symmetry, blocks)[1]


def _merge(variables: PyTree, symmetry: Symmetry, blocks: Blocks) -> tuple[PyTree, PyTree]:
    rates = None
    for name, units in blocks.items():
        variables, rates = quotient(variables, symmetry[name], units, rates)
    return variables, rates
