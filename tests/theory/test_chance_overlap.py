"""Overlap by chance, against directions that are drawn."""

import numpy as np
import pytest

from symmetry_jax.theory.chance_overlap import effective_rank, largest_cosine, mean_cosine


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
