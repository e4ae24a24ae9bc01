"""Schedules against optax's, and traced."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from symmetry_jax.learning.schedules import SCHEDULES

pytestmark = pytest.mark.usefixtures("float64")


def factors(name, steps, **hparams):
    traced = {key: jnp.asarray(float(value)) for key, value in {"learning_rate": 0.3, **hparams}.items()}
    return jax.jit(jax.vmap(SCHEDULES[name], (None, 0)))(traced, jnp.arange(steps, dtype=jnp.int32))


def test_constant():
    np.testing.assert_array_equal(factors("constant", 5), np.ones(5))


@pytest.mark.parametrize("warmup, total, final", [(10, 60, 0.1), (0, 30, 0.0), (1, 20, 0.5)])
def test_warmup_and_cosine(warmup, total, final):
    found = factors("warmup_cosine", 80, warmup_steps=warmup, decay_steps=total, final_factor=final)
    cosine = optax.cosine_decay_schedule(1.0, total - warmup, alpha=final)
    # ours ends its warm-up one step earlier than optax's, which spends its first step at a learning rate of 0
    expected = [(step + 1) / warmup if step < warmup else float(cosine(step - warmup)) for step in range(80)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_step_decay():
    found = factors("step", 10, drop_every=4, drop_factor=0.5)
    np.testing.assert_allclose(found, [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25])
