"""How many directions the weights of a perceptron's units span, without singular values.

Vectors are taken in the order of Gram and Schmidt with pivots: the longest first, then the one that is farthest from the line
of the first, then from the plane of the first two, and so on. Distances r_1 >= r_2 >= ... tell the rank: r_{k+1} = 0 exactly
where the rank is at most k. Nothing is squared and subtracted, so that r_2 / r_1 is resolved down to rounding.

No decomposition of LAPACK is used inside a sweep: XLA on CPU splits a batch of them over the threads that its devices run on,
and with two devices all of them may wait for each other for ever.
"""

import jax
import jax.numpy as jnp
from jax import lax

from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.process import Measure
from symmetry_jax.measures.layers import of_kernels

NEGLIGIBLE = 1e-8  # of the longest vector: what a rank does not count, nor what rounding may leave where that is more


def weight_rank(model: MLP) -> Measure:
    """Numerical rank of each weight matrix; (layer,) int32."""
    return of_kernels("rank", model, rank)


def off_line(model: MLP) -> Measure:
    """r_2 / r_1 of each layer's fan-in: how far the units are from lying on one line; (layer,).

    0 where there is one unit or one input; nan where all weights are 0.
    """

    def ratio(kernel: jax.Array) -> jax.Array:
        found = distances(kernel.T)
        second = found[1] if len(found) > 1 else jnp.zeros_like(found[0])
        return second / found[0]

    return of_kernels("off_line", model, ratio)


def rank(matrix: jax.Array) -> jax.Array:
    """Distances above max(`NEGLIGIBLE`, max(d, n) eps) times the first, of the columns of (d, n): () int32."""
    found = distances(matrix.T)
    negligible = max(NEGLIGIBLE, max(matrix.shape) * float(jnp.finfo(matrix.dtype).eps))
    return jnp.sum((found > negligible * found[0]) & (found > 0), dtype=jnp.int32)


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
