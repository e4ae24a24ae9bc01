"""Random arrays for tests, drawn by numpy: compiling jax's own random bits for every shape would take most of the time."""

import jax
import jax.numpy as jnp
import numpy as np


def drawn(tree, seed=0):
    """A tree of normal numbers, of the shapes and dtypes of another."""
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: jnp.asarray(random.normal(size=leaf.shape), leaf.dtype), tree)


def inputs_of(shape, batch=3, seed=1):
    """A batch of examples of a shape, in the precision that is on."""
    return drawn(jax.eval_shape(lambda: jnp.zeros((batch, *shape))), seed)


def variables_of(model, inputs, seed=0):
    """Random variables of a flax model."""
    return drawn(jax.eval_shape(model.init, jax.random.key(0), inputs), seed)


def normalising(variables):
    """Random variables of a model with batch norm, with running means that can be: variances of at least 0."""
    statistics = jax.tree.map(lambda leaf: jnp.square(leaf).astype(jnp.zeros(()).dtype), variables["batch_stats"])
    return {**variables, "batch_stats": statistics}
