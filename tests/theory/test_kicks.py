"""Kicks of two equal units, against noise that is drawn."""

import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax.theory.kicks import dropout_kick, normal_kick, rounding_kick

DRAWS = 20000


def rms(differences):
    """Root mean square length of vectors in rows, and its standard error."""
    squares = np.sum(differences**2, axis=1)
    middle = np.sqrt(squares.mean())
    return middle, squares.std() / np.sqrt(len(squares)) / (2 * middle)


def test_normal_noise():
    random = np.random.default_rng(0)
    measured, error = rms(0.3 * (random.normal(size=(DRAWS, 7)) - random.normal(size=(DRAWS, 7))))
    assert normal_kick(0.3, 7) == pytest.approx(measured, abs=4 * error)


def test_stochastic_rounding():
    random = np.random.default_rng(1)
    numbers = random.normal(size=(DRAWS, 5))
    both = [np.floor(numbers / 0.01 + random.uniform(size=numbers.shape)) * 0.01 for _ in range(2)]
    measured, error = rms(both[0] - both[1])
    assert rounding_kick(0.01, 5) == pytest.approx(measured, abs=4 * error)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("chance", [0.1, 0.6])
def test_dropout(chance):
    """Gradients of a tanh network with two equal units and three others, by backpropagation written out for each mask."""
    random = np.random.default_rng(2)
    inputs, targets = random.normal(size=(6, 4)), random.normal(size=6)
    weights, bias, head = random.normal(size=(4, 5)), random.normal(size=5), random.normal(size=5)
    weights[:, 1], bias[1], head[1] = weights[:, 0], bias[0], head[0]
    values = np.tanh(inputs @ weights + bias)
    kept = (random.uniform(size=(DRAWS, 6, 5)) >= chance) / (1 - chance)
    residual = np.einsum("dnu,nu,u->dn", kept, values, head) - targets
    slope = 1 - values**2
    fan_in = np.einsum("dn,dnu,nu,u,nx->dux", residual, kept, slope, head, np.c_[inputs, np.ones(6)]) / 6
    fan_out = np.einsum("dn,dnu,nu->du", residual, kept, values) / 6
    found = dropout_kick(
        jnp.asarray(chance),
        jnp.asarray(inputs),
        jnp.asarray(values[:, 0]),
        jnp.asarray(slope[:, 0]),
        jnp.asarray(head[0]),
        jnp.asarray(values @ head - targets),
        jnp.asarray(values[:, 2:] * head[2:]),
    )
    for kick, gradient in zip(found, (fan_in, fan_out[..., None]), strict=True):
        measured, error = rms(gradient[:, 0] - gradient[:, 1])
        assert float(kick) == pytest.approx(measured, abs=4 * error) and error < 0.03 * measured
