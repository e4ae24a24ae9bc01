"""The plateau of erf: known numbers, and the loss of equal units in closed form."""

import numpy as np

from symmetry_jax.theory.erf_plateau import escape_rate, plateau_loss


def test_two_units():
    np.testing.assert_allclose([escape_rate(2), plateau_loss(2)], [0.0657498, 0.0116108], atol=1e-7)


def test_the_loss_is_that_of_the_overlaps_on_the_plateau():
    for units in (2, 3, 5):
        student = 2 / np.pi * np.arcsin((1 / (2 * units - 1)) / (1 + 1 / (2 * units - 1)))  # Q = C = 1 / (2K - 1)
        teacher = 2 / np.pi * np.arcsin(1 / 2)
        across = 2 / np.pi * np.arcsin(units**-0.5 * (2 * units - 1) ** -0.5 / np.sqrt(2 * (1 + 1 / (2 * units - 1))))
        expected = (units**2 * student + units * teacher - 2 * units**2 * across) / 2
        np.testing.assert_allclose(plateau_loss(units), expected, rtol=1e-12)
