"""Predictions from the transverse exponent, against twins that are trained."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symmetry_jax import noise_for, sweep, transverse
from symmetry_jax.learning.data.digits import digits
from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.starts import INITIALIZERS, draw, near_tied
from symmetry_jax.learning.tasks import classification
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.separation import twin_separation
from symmetry_jax.measures.transverse import log_growth
from symmetry_jax.theory.twin_separation import LINEAR, trusted_epsilons

STEPS = np.array([0, 10, 20, 40])
GROWTH = np.array([0.0, -1.0, 2.0, 5.0])


@given(st.floats(1e-9, 1.0), st.floats(-20, 20))
def test_the_noise_for_a_separation_leads_to_it(separation, growth):
    assert noise_for(separation, growth) * np.exp(growth) == pytest.approx(separation)


def test_trust_ends_where_kicks_and_where_curvature_count():
    low, high = trusted_epsilons(STEPS, GROWTH, 3.0, "float32", 0.02)
    kick = 3.0 * np.finfo(np.float32).eps / np.sqrt(6)
    climb = np.interp(np.arange(1, 41), STEPS, GROWTH)
    grown = np.sqrt(sum((kick * np.exp(GROWTH[-1] - one)) ** 2 for one in climb))  # each step's kick, grown until the end
    assert low * np.exp(GROWTH[-1]) * 0.02 == pytest.approx(grown)
    assert high * np.exp(5.0) == pytest.approx(LINEAR * 3.0)
    narrow = trusted_epsilons(STEPS, GROWTH, 3.0, "float64", 0.02)
    assert narrow[0] < 1e-8 * low and narrow[1] == high


def test_within_trust_twins_are_where_they_are_predicted():
    """Float32 training of a tanh network, from inside the range, at its ends, and far below it."""
    model, data, pairs, tolerance = MLP((8,), 10), digits(), {"hidden_0": (0, 1)}, 0.02
    symmetry = model.symmetry(data.shape)
    start = near_tied(draw(model, INITIALIZERS["lecun"]), symmetry, pairs)
    process = descend(classification(model, 16, "shared"), OPTIMIZERS["sgd"], start)
    axes = {"seed": range(8), "learning_rate": [0.2], "weight_decay": [0.0]}
    follow, measures = transverse(process, symmetry, pairs), [log_growth(pairs)]
    growth = sweep(follow, measures, {**axes, "epsilon": [0.0]}, 200, data=data, records=21).log_growth.squeeze(drop=True)
    ends = [trusted_epsilons(growth.step, one, 1.0, "float32", tolerance) for one in growth.transpose("seed", "step").values]
    low, high = max(end[0] for end in ends), min(end[1] for end in ends)
    assert 3 * low < high
    starts = [1e-3 * low, low, np.sqrt(low * high), high]
    found = sweep(process, [twin_separation(symmetry, pairs)], {**axes, "epsilon": starts}, 200, data=data, records=2)
    apart = found.separation.sel(part="orbit").squeeze(drop=True)
    error = abs(apart.isel(step=-1) / (apart.isel(step=0) * np.exp(growth.isel(step=-1))) - 1)
    assert float(error.isel(epsilon=[1, 2, 3]).max()) < tolerance < float(error.isel(epsilon=0).min())
