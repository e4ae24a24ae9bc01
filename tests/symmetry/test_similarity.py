"""How alike vectors are, against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax.symmetry.similarity import correlations, cosines, mean_and_largest, pairs, participation_ratio

pytestmark = pytest.mark.usefixtures("float64")

VECTORS = np.random.default_rng(0).normal(size=(5, 7)) * np.geomspace(1e-3, 1e3, 5)[:, None]


def test_cosines_and_correlations_are_those_of_numpy():
    norms = np.linalg.norm(VECTORS, axis=1)
    np.testing.assert_allclose(cosines(jnp.asarray(VECTORS)), VECTORS @ VECTORS.T / np.outer(norms, norms), rtol=1e-12)
    np.testing.assert_allclose(correlations(jnp.asarray(VECTORS)), np.corrcoef(VECTORS), rtol=1e-10)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1.0, 1e20, 1e30])
def test_cosines_of_vectors_of_any_size(scale):
    vectors = VECTORS / np.abs(VECTORS).max(axis=1, keepdims=True)
    norms = np.linalg.norm(vectors, axis=1)
    small = jnp.asarray(vectors * scale, jnp.float32)
    np.testing.assert_allclose(jax.jit(cosines)(small), vectors @ vectors.T / np.outer(norms, norms), rtol=1e-4, atol=1e-6)
    slope = np.asarray(jax.jit(jax.grad(lambda x: jnp.sum(cosines(x) ** 2)))(small), float) * scale
    expected = jax.grad(lambda x: jnp.sum(cosines(x) ** 2))(jnp.asarray(vectors))
    np.testing.assert_allclose(slope, expected, atol=1e-4)


def test_cosines_of_the_largest_vectors_there_are():
    np.testing.assert_allclose(jax.jit(cosines)(jnp.full((2, 3), 3e38, jnp.float32)), np.ones((2, 2)), rtol=1e-6)


def test_a_vector_of_zeros_has_cosine_0_and_a_derivative():
    vectors = jnp.asarray(VECTORS).at[2].set(0)
    assert not np.any(cosines(vectors)[2])
    slope = np.asarray(jax.grad(lambda x: jnp.sum(cosines(x) ** 2))(vectors))
    assert np.all(np.isfinite(slope)) and not slope[2].any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("samples", [3, 100, 1000])
def test_constants_correlate_with_nothing_whatever_their_mean_is_rounded_to(dtype, samples):
    varied = np.linspace(1, 2, samples)
    rows = jnp.asarray(np.stack([np.full(samples, 0.1), np.full(samples, 0.3), varied, -varied]), dtype)
    expected = np.zeros((4, 4))
    expected[2:, 2:] = [[1, -1], [-1, 1]]
    np.testing.assert_allclose(jax.jit(correlations)(rows), expected, atol=1e-5)


def test_the_mean_and_the_largest_of_nothing_are_nan():
    np.testing.assert_array_equal(mean_and_largest(jnp.array([1.0, 4.0])), [2.5, 4])
    assert np.isnan(mean_and_largest(jnp.zeros(0))).all()


def test_pairs_are_told_once_row_by_row():
    assert list(pairs(jnp.arange(9).reshape(3, 3))) == [1, 2, 5]


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e150])
def test_participation_ratio_is_that_of_the_eigenvalues(scale):
    gram = VECTORS @ VECTORS.T
    values = np.linalg.eigvalsh(gram)
    assert participation_ratio(jnp.asarray(scale * gram)) == pytest.approx(values.sum() ** 2 / (values**2).sum(), rel=1e-10)


@pytest.mark.parametrize(
    "gram, filled", [(np.eye(4), 4), (np.ones((4, 4)), 1), (np.diag([1, 1, 0, 0]), 2), (np.zeros((3, 3)), 0)]
)
def test_participation_ratio_counts_directions_that_weigh_the_same(gram, filled):
    assert participation_ratio(jnp.asarray(gram, float)) == filled
