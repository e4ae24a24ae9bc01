"""How many directions the weights of a perceptron's units span, without singular values.

The units' weight vectors of a layer are taken in the order of Gram and Schmidt with pivots: the longest vector first, then the
one that is farthest from the line of the first, then from the plane of the first two, and so on. Distances r_1 >= r_2 >= ...
tell the rank: r_{k+1} = 0 exactly where the rank is at most k. Vectors are stripped of each direction, never squared sums of
one another, so that r_2 / r_1 is resolved down to rounding, where a share of squared singular values is lost below its root.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax

from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.process import Hparams, Measure, PyTree, State
from symmetry_jax.measures.layers import NEGLIGIBLE


def span(model: MLP) -> Measure:
    """Directions that the fan-in of each layer's units spans: distances above `NEGLIGIBLE` of the first; (layer,) int32."""

    def count(kernel: jax.Array) -> jax.Array:
        found = distances(kernel.T)
        return jnp.sum((found > NEGLIGIBLE * found[0]) & (found > 0), dtype=jnp.int32)

    return _of_kernels("span", model, count)


def off_line(model: MLP) -> Measure:
    """r_2 / r_1 of each layer's fan-in: how far the units are from lying on one line; (layer,), nan where all weights are 0."""

    def ratio(kernel: jax.Array) -> jax.Array:
        found = distances(kernel.T)
        return found[1] / found[0]

    return _of_kernels("off_line", model, ratio)


def distances(vectors: jax.Array) -> jax.Array:
    """Distances r_1 >= r_2 >= ... of the rows of (n, d) from the span of those before them: (min(n, d),)."""

    def strip(left: jax.Array, nothing: None) -> tuple[jax.Array, jax.Array]:
        del nothing
        largest = jnp.max(jnp.abs(left))
        scaled = left / jnp.where(largest > 0, largest, jnp.ones_like(largest))  # so that no square underflows
        lengths = jnp.sqrt(jnp.sum(jnp.square(scaled), axis=1))
        place = jnp.argmax(lengths)
        length = lengths[place]
        direction = scaled[place] / jnp.where(length > 0, length, jnp.ones_like(length))
        for _ in range(2):  # once leaves an error of rounding over the distance, twice leaves rounding
            left = left - (left @ direction)[:, None] * direction[None, :]
        return left.at[place].set(0), length * largest

    return lax.scan(strip, vectors, None, min(vectors.shape))[1]


def _of_kernels(name: str, model: MLP, reduce: Callable[[jax.Array], jax.Array]) -> Measure:
    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return jnp.stack([reduce(state.variables["params"][layer]["kernel"]) for layer in model.layers])

    layers: Sequence[int] = range(1, len(model.layers) + 1)
    return Measure(name, read, dims=("layer",), coords={"layer": layers})
