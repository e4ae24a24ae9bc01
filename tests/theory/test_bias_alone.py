"""The output bias alone, against gradient descent by autodiff in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from symmetry_jax.theory.bias_alone import bias_loss


def test_it_is_gradient_descent_on_a_bias(float64):
    labels = np.random.default_rng(0).integers(0, 5, 37)

    def loss(bias):
        logits = jnp.broadcast_to(bias, (len(labels), 6))
        return optax.softmax_cross_entropy_with_integer_labels(logits, jnp.asarray(labels)).mean()

    bias = jnp.full((1, 6), 0.3)
    for step in range(30):
        if step in (0, 7, 29):
            np.testing.assert_allclose(bias_loss(labels, 6, 0.3, 0.7, step), float(loss(bias)), rtol=1e-13)
        bias = bias - 0.7 * jax.grad(loss)(bias)


def test_it_ends_at_the_entropy():
    labels = np.array([0] * 5 + [1] * 3 + [2] * 2)
    frequencies = np.array([0.5, 0.3, 0.2])
    np.testing.assert_allclose(bias_loss(labels, 3, 0.0, 1.0, 2000), -(frequencies * np.log(frequencies)).sum(), rtol=1e-12)
    np.testing.assert_allclose(bias_loss(labels, 3, 0.0, 1.0, 0), np.log(3), rtol=1e-15)
