"""Activations and their derivatives: each is the derivative of the one before, and the same as the networks'."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax.learning import models
from symmetry_jax.theory.activations import ACTIVATIONS

POINTS = np.linspace(-4, 4, 80)  # 0, a kink of relu, is not among them


def test_theory_knows_every_activation_of_the_networks():
    assert list(ACTIVATIONS) == list(models.ACTIVATIONS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives_are_those_of_the_networks(name, float64):
    phi, network = ACTIVATIONS[name], models.ACTIVATIONS[name]
    points = jnp.asarray(POINTS)
    slope = jax.grad(lambda z: network(z).sum())
    bend = jax.grad(lambda z: slope(z).sum())
    np.testing.assert_allclose(phi.value(POINTS), network(points), atol=1e-14)
    np.testing.assert_allclose(phi.slope(POINTS), slope(points), atol=1e-14)
    np.testing.assert_allclose(phi.bend(POINTS), bend(points), atol=1e-13)


def test_erf_bends_by_minus_its_argument_times_its_slope():
    erf = ACTIVATIONS["erf"]
    np.testing.assert_allclose(erf.bend(POINTS), -POINTS * erf.slope(POINTS), rtol=1e-15)
