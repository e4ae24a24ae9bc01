"""Optimizers against their update rules written out in numpy, with every number traced."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from symmetry_jax.learning.optimizers import OPTIMIZERS

pytestmark = pytest.mark.usefixtures("float64")

HPARAMS = {"weight_decay": 0.03, "momentum": 0.7, "beta1": 0.8, "beta2": 0.9, "adam_eps": 1e-3}


def by_hand(name, theta, gradients, wd, momentum, b1, b2, eps):
    """The parameters after each step of lr 0.1."""
    m, v, path = np.zeros_like(theta), np.zeros_like(theta), []
    for t, g in enumerate(gradients, start=1):
        g = g if name == "adamw" else g + wd * theta
        if name.startswith("adam"):
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
            update = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
            update = update + wd * theta if name == "adamw" else update
        elif name == "sgd":
            update = g
        else:
            m = momentum * m + g
            update = g + momentum * m if name == "nesterov" else m
        theta = theta - 0.1 * update
        path.append(theta)
    return np.array(path)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_update_rule(name):
    random = np.random.default_rng(0)
    start, gradients = random.normal(size=5), random.normal(size=(6, 5))

    @jax.jit
    def ours(theta, hparams):
        optimizer = OPTIMIZERS[name](hparams)
        memory, path = optimizer.init(theta), []
        for gradient in jnp.asarray(gradients):
            with jax.numpy_dtype_promotion("standard"):
                direction, memory = optimizer.update(gradient, memory, theta)
            theta = optax.apply_updates(theta, -0.1 * direction)
            path.append(theta)
        return jnp.stack(path)

    path = ours(jnp.asarray(start), {key: jnp.asarray(value) for key, value in HPARAMS.items()})
    np.testing.assert_allclose(path, by_hand(name, start, gradients, *HPARAMS.values()), rtol=1e-12)
