"""How alike vectors are, one for each unit: cosines, pairs, and how many directions they fill."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

ROUNDING = 16  # units in the last place by which numbers may differ that are the same


def normalised(vectors: jax.Array) -> jax.Array:
    """Vectors (units, numbers) at norm 1; a vector of 0 stays, and its derivative is 0."""
    squares = jnp.sum(jnp.square(vectors), axis=1, keepdims=True)
    some = squares > 0
    return jnp.where(some, vectors / jnp.sqrt(jnp.where(some, squares, 1)), 0)


def cosines(vectors: jax.Array) -> jax.Array:
    """The cosine of the angle between every two vectors (units, numbers): (units, units); 0 where one of them is 0."""
    sizes = _powers_of_two(jnp.max(jnp.abs(vectors), axis=1, keepdims=True))
    # times the inverse: XLA may join two divisions in a row into one by a product, which overflows
    return plain_cosines(vectors * lax.stop_gradient(1 / sizes))


def plain_cosines(vectors: jax.Array) -> jax.Array:
    """The same of vectors whose squares neither underflow nor overflow, such as those that a penalty is taken of."""
    directions = normalised(vectors)
    return directions @ directions.T


def _powers_of_two(sizes: jax.Array) -> jax.Array:
    """The power of two nearest to each size: to divide by it changes no digit."""
    kind = jnp.finfo(sizes.dtype)
    nearest = lax.reduce_precision(sizes, exponent_bits=int(kind.nexp), mantissa_bits=0)
    return jnp.clip(nearest, kind.tiny, jnp.asarray(2.0 ** (kind.maxexp - 2), sizes.dtype))  # whose inverse is normal


def correlations(samples: jax.Array) -> jax.Array:
    """Correlation over samples of every two rows of (units, samples): (units, units); 0 where one of them is constant.

    Constant but for rounding is constant: the mean of equal numbers may be off by their last bit.
    """
    centred = samples - jnp.mean(samples, axis=1, keepdims=True)
    rounding = ROUNDING * jnp.finfo(samples.dtype).eps.astype(samples.dtype)
    varying = jnp.max(jnp.abs(centred), axis=1, keepdims=True) > rounding * jnp.max(jnp.abs(samples), axis=1, keepdims=True)
    return plain_cosines(jnp.where(varying, centred, 0))


def pairs(matrix: jax.Array) -> jax.Array:
    """The entries of (units, units) above the diagonal, row by row: (units (units - 1) / 2,)."""
    return matrix[np.triu_indices(len(matrix), 1)]


def mean_and_largest(values: jax.Array) -> jax.Array:
    """The mean and the largest of some numbers (pairs,): (2,); nan if there are none."""
    return jnp.stack([jnp.mean(values), jnp.max(values)]) if len(values) else jnp.full(2, jnp.nan, values.dtype)


def participation_ratio(gram: jax.Array) -> jax.Array:
    """How many directions a Gram or covariance matrix (units, units) fills: (tr C)^2 / tr C^2, from 1 to the rank.

    With eigenvalues l_i it is (sum l)^2 / sum l^2, their number if all weigh the same, and needs none of them (P. Gao et al.,
    "A theory of multineuronal dimensionality, dynamics and measurement", bioRxiv 214262, 2017). 0 where C is.
    """
    trace = jnp.trace(gram)
    shares = gram / jnp.where(trace > 0, trace, 1)  # so that no square underflows
    return jnp.where(trace > 0, 1 / jnp.sum(jnp.square(jnp.where(trace > 0, shares, 1))), 0)
