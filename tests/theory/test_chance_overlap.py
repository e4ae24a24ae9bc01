"""Overlap by chance, against directions that are drawn."""

import numpy as np
import pytest

from symmetry_jax.theory.chance_overlap import (
    effective_rank,
    even_cosine,
    largest_cosine,
    least_correlation,
    mean_cosine,
    welch_bound,
)


@pytest.mark.parametrize("numbers, expected", [(1, 1), (2, 2 / np.pi), (3, 1 / 2), (5, 3 / 8)])
def test_mean_cosine_is_what_integrals_give(numbers, expected):
    assert mean_cosine(numbers) == pytest.approx(expected, rel=1e-12)


def test_many_numbers_leave_little_overlap():
    assert mean_cosine(10**6) == pytest.approx(np.sqrt(2 / (np.pi * 10**6)), rel=1e-6)


@pytest.mark.parametrize("numbers, units", [(9, 4), (9, 32), (64, 8)])
def test_drawn_directions_overlap_as_told(numbers, units):
    vectors = np.random.default_rng(0).normal(size=(2000, units, numbers))
    gram = vectors @ vectors.transpose(0, 2, 1)
    norms = np.sqrt(np.diagonal(gram, axis1=1, axis2=2))
    sizes = np.abs(gram / (norms[:, :, None] * norms[:, None, :]))[:, *np.triu_indices(units, 1)]
    assert mean_cosine(numbers) == pytest.approx(sizes.mean(), rel=0.01)
    assert largest_cosine(numbers, units) == pytest.approx(sizes.max(1).mean(), rel=0.02)
    filled = np.trace(gram, axis1=1, axis2=2) ** 2 / (gram**2).sum((1, 2))
    assert effective_rank(numbers, units) == pytest.approx(filled.mean(), rel=0.03)


def test_one_number_leaves_no_other_direction():
    assert largest_cosine(1, 5) == 1 == pytest.approx(mean_cosine(1))


def upper(gram):
    return gram[np.triu_indices(len(gram), 1)]


def descended(numbers, units, seed=0):
    """Cosines of directions that descend, from independent ones, on the sum of the squares of their cosines."""
    vectors = np.random.default_rng(seed).normal(size=(units, numbers))
    for _ in range(1000):
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors -= 0.1 * min(1, numbers / units) * vectors @ (vectors.T @ vectors)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return upper(vectors @ vectors.T)


@pytest.mark.parametrize("numbers, units", [(9, 4), (9, 9), (9, 10), (9, 16), (9, 32), (2, 3), (64, 80)])
def test_what_descends_ends_at_the_bound_of_welch(numbers, units):
    assert np.sqrt(np.mean(descended(numbers, units) ** 2)) == pytest.approx(welch_bound(numbers, units), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("numbers, units", [(9, 12), (9, 16), (9, 32), (64, 80)])
def test_directions_that_are_spread_evenly_overlap_as_told(numbers, units):
    found = np.mean([np.abs(descended(numbers, units, seed)).mean() for seed in range(4)])
    assert even_cosine(numbers, units) == pytest.approx(found, rel=0.05)


def test_three_directions_of_a_plane():
    """At angles of 120 degrees: no three have less."""
    angles = 2 * np.pi * np.arange(3) / 3
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert np.abs(upper(directions @ directions.T)) == pytest.approx(welch_bound(2, 3))


def test_copies_of_orthogonal_directions_overlap_least_in_the_mean():
    directions = np.tile(np.eye(9), (2, 1))
    mean = upper(directions @ directions.T).mean()
    assert mean == pytest.approx(welch_bound(9, 18) ** 2) and mean < even_cosine(9, 18) < mean_cosine(9)


@pytest.mark.parametrize("units", [2, 3, 10])
def test_correlation_is_least_where_the_sum_does_not_vary(units):
    assert upper(np.corrcoef(np.eye(units) - 1 / units)).mean() == pytest.approx(least_correlation(units))
