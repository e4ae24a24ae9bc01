"""Closed forms of linear filters against convolutions, random kernels and derivatives computed otherwise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate2d

from symmetry_jax.theory.linear_filters import convolution_matrix, first_gain, gain, generic_rank

SIZES = [(8, 3, "SAME"), (8, 3, "VALID"), (7, 3, "VALID"), (9, 5, "VALID"), (5, 5, "SAME"), (8, 5, "VALID")]


def drawn(side, kernel, padding, filters, seed=0):
    random = np.random.default_rng(seed)
    positions = side if padding == "SAME" else side - kernel + 1
    return random.normal(size=(kernel, kernel, filters)), random.normal(size=(filters * positions**2, 4))


@pytest.mark.parametrize("side, kernel, padding", SIZES)
def test_the_matrix_does_what_the_convolution_does(side, kernel, padding):
    kernels, _ = drawn(side, kernel, padding, 3)
    image = np.random.default_rng(1).normal(size=(side, side))
    maps = [correlate2d(image, kernels[:, :, unit], padding.lower()).ravel() for unit in range(3)]
    np.testing.assert_allclose(image.ravel() @ convolution_matrix(kernels, side, padding), np.concatenate(maps), atol=1e-12)


@pytest.mark.parametrize("side, kernel, padding", SIZES)
@pytest.mark.parametrize("filters", [1, 2, 3, 4, 6])
def test_random_kernels_have_the_generic_rank(side, kernel, padding, filters):
    matrix = convolution_matrix(drawn(side, kernel, padding, filters)[0], side, padding)
    assert np.linalg.matrix_rank(matrix) == generic_rank(side, kernel, padding, filters)


def test_ranks_of_the_digits():
    assert [generic_rank(8, 3, "VALID", filters) for filters in (1, 2, 3, 4, 16)] == [36, 56, 64, 64, 64]
    assert generic_rank(8, 3, "SAME", 1) == 64


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("side, kernel, padding", [(5, 3, "SAME"), (6, 3, "VALID")])
def test_gain_is_the_mean_eigenvalue_of_the_map_of_gradients(side, kernel, padding):
    """Trace of J J^T over its size, where J is the derivative of the folded matrix in all weights."""
    weights = drawn(side, kernel, padding, 2)

    def folded(kernels, head):
        return (convolution_matrix(kernels, side, padding) @ head).ravel()

    jacobians = jax.jacobian(folded, (0, 1))(*map(jnp.asarray, weights))
    trace = sum(float(jnp.sum(part**2)) for part in jacobians)
    assert gain(*weights, side, padding) == pytest.approx(trace / (4 * side**2), rel=1e-12)


@pytest.mark.parametrize("filters", [1, 5])
def test_the_first_gain_is_the_mean_of_random_weights(filters):
    """The gain is linear in squares, so that its mean is the gain of weights that are all one standard deviation."""
    for side, kernel, padding in SIZES:
        kernels, head = drawn(side, kernel, padding, filters)
        deviations = np.full_like(kernels, 1 / kernel), np.full_like(head, 1 / np.sqrt(len(head)))
        assert first_gain(side, kernel, padding, filters) == pytest.approx(gain(*deviations, side, padding), rel=1e-12)
