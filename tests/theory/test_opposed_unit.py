"""Equal units that imitate a teacher with one unit that points the other way, against other ways to the same numbers."""

import numpy as np
import pytest
from scipy.optimize import brentq

from symmetry_jax.theory.opposed_unit import curvature, means, population, quantiles, rest, threshold

UNITS = 3


def erf_correlation(a, b):
    """E[erf(a x / sqrt 2) erf(b x / sqrt 2)] in closed form (Saad & Solla 1995)."""
    return 2 / np.pi * np.arcsin(a * b / np.sqrt((1 + a * a) * (1 + b * b)))


def loss(weights, length):
    """Half the mean squared error of any student on one input, in closed form."""
    signs, all_weights = [1] * UNITS + [-1] * UNITS, [*weights, *[1] * (UNITS - 1), -length]
    terms = zip(signs, all_weights, strict=True)
    return sum(s * t * erf_correlation(a, b) for s, a in terms for t, b in zip(signs, all_weights, strict=True)) / 2


@pytest.mark.parametrize("length", [0.5, 1.5, 2.5, 5.0])
def test_the_population_of_erf_is_that_of_the_closed_form(length):
    weight = rest("erf", UNITS, length, population())
    step = 1e-4
    around = [loss([weight + move] * UNITS, length) for move in (-step, 0, step)]
    assert around[1] < around[0] and around[1] < around[2]  # student rests where the loss of equal units is least
    apart = [loss([weight + move, weight - move, weight], length) for move in (0, step)]
    np.testing.assert_allclose((apart[1] - apart[0]) / step**2, curvature("erf", UNITS, length, population()), atol=1e-6)


@pytest.mark.parametrize("activation, known", [("erf", 1.85242), ("tanh", 2.78730)])
def test_thresholds_of_the_population(activation, known):
    found = threshold(activation, UNITS, 1.0, 5.0)
    np.testing.assert_allclose(found, known, atol=1e-5)
    nodes, chances = np.polynomial.hermite_e.hermegauss(180)
    inputs = type(population())(nodes, chances / chances.sum())
    other = brentq(lambda length: curvature(activation, UNITS, length, inputs), 1, 5)
    np.testing.assert_allclose(other, found, rtol=1e-3)  # quadrature by Hermite polynomials minds the poles of tanh


def test_quantiles_come_near_the_population():
    errors = [
        abs(threshold("erf", UNITS, 1.0, 5.0, examples) - threshold("erf", UNITS, 1.0, 5.0)) for examples in (128, 512, 2048)
    ]
    assert errors[0] > 2 * errors[1] > 4 * errors[2] and errors[2] < 0.02


def test_no_threshold_is_told_as_none():
    assert np.isnan(threshold("erf", UNITS, 3.0, 5.0))


def test_two_units_of_which_one_is_opposed_and_longer_rest_at_no_weight_above_0():
    assert np.isfinite(rest("erf", 2, 0.5, population()))
    assert np.isnan(rest("erf", 2, 2.0, population())) and np.isnan(curvature("erf", 2, 2.0, population()))
    assert np.isnan(threshold("erf", 2, 0.5, 2.0))


def test_the_curvature_is_the_slope_of_the_pull_at_a_fixed_residual():
    inputs, weight, length, step = quantiles(64), 0.7, 2.0, 1e-5
    x = inputs.points
    residual = UNITS * np.tanh(weight * x) - (UNITS - 1) * np.tanh(x) + np.tanh(length * x)

    def pull(moved):
        return np.mean(residual * x / np.cosh(moved * x) ** 2)

    expected = (pull(weight + step) - pull(weight - step)) / (2 * step)
    np.testing.assert_allclose(means("tanh", UNITS, weight, length, inputs), [pull(weight), expected], atol=1e-9)
