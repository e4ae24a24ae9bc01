"""Growth, its dependence on epsilon and what is said of it, on separations made up to have a known answer."""

import numpy as np
import pytest
import xarray as xr

from symmetry_jax.reports.figures import growth_against_epsilon, separation_over_steps
from symmetry_jax.reports.growth import (
    decades,
    deviation,
    each_setting,
    final_growth,
    memory_of_start,
    nearest_epsilon,
    power,
    regime,
    settled,
)
from symmetry_jax.reports.twins import fates_in_words, twin_claims, twin_lines

EPSILONS = [0.0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2]
SEEDS, RATES = 9, [0.1, 0.3]


def made_up(law, activation="tanh", epsilons=EPSILONS, seeds=SEEDS):
    """Results in which the separation at the end is law(epsilon, seed), and that at the start is epsilon."""
    epsilon = np.array(epsilons)[:, None] + np.zeros(seeds)
    apart = np.stack([epsilon, law(epsilon, np.arange(seeds) + 0 * epsilon)], -1)
    shape = (1, len(RATES), len(epsilons), seeds)
    apart = np.broadcast_to(apart[None, None, :, :, :, None, None], (*shape, 2, 2, 3)).astype(float).copy()
    dims = ("activation", "learning_rate", "epsilon", "seed")
    variables = {
        "separation": ((*dims, "step", "group", "part"), apart),
        "angle": ((*dims, "step", "group", "part"), apart / 2),
        "first_nonfinite_step": ((*dims, "end"), np.full((*shape, 2), -1, np.int32)),
        "valid": (dims, np.ones(shape, bool)),
    }
    coords = {"activation": [activation], "learning_rate": RATES, "epsilon": epsilons, "seed": np.arange(seeds)}
    labels = {"step": [0, 100], "group": ["conv_0", "conv_1"], "part": ["fan-in", "fan-out", "orbit"], "end": ["first", "last"]}
    return xr.Dataset(variables, coords | labels | {"bias": 0.0})


def proportional(epsilon, seed):
    return epsilon * (2 + seed)


def bent(epsilon, seed):
    """Proportional between 1e-5 and 1e-3, something else outside."""
    return proportional(epsilon, seed) * np.where((epsilon < 9e-6) | (epsilon > 2e-3), 1.5, 1.0)


def test_growth_is_final_over_initial():
    final = final_growth(made_up(proportional))
    np.testing.assert_allclose(final.sel(epsilon=1e-3, learning_rate=0.1, group="conv_0").squeeze(), 2 + np.arange(SEEDS))
    assert 0 not in final.epsilon
    assert list(final_growth(made_up(proportional), "angle").values.ravel()) == list(final.values.ravel())


def test_a_start_that_rounded_to_zero_has_no_growth():
    results = made_up(proportional)
    results.separation.loc[{"epsilon": 1e-7, "step": 0}] = 0
    final = final_growth(results)
    assert final.sel(epsilon=1e-7).isnull().all() and final.sel(epsilon=1e-6).notnull().all()
    assert memory_of_start(results, [1e-7, 1e-6, 1e-5]) == pytest.approx(1)


LAWS = {1.0: proportional, 0.0: lambda epsilon, seed: 0.1 + 0 * epsilon, 0.5: lambda epsilon, seed: epsilon**0.5}


@pytest.mark.parametrize("slope, law", LAWS.items())
def test_memory_of_the_start_is_the_power_of_epsilon(slope, law):
    assert memory_of_start(made_up(law), EPSILONS[1:]) == pytest.approx(slope)


def test_a_power_needs_two_distances_above_zero():
    first = xr.DataArray([1e-6, 1e-4, 0.0], {"epsilon": [1e-6, 1e-4, 1e-2]})
    assert float(power(first, first**2)) == pytest.approx(2)
    assert np.isnan(float(power(first, first * [0, 1, 1])))


def test_the_regime_is_where_growth_is_that_at_the_reference():
    final = final_growth(made_up(bent))
    assert regime(final, 1e-4, 0.05) == (1e-5, 1e-3) and decades((1e-5, 1e-3)) == pytest.approx(2)
    assert regime(final_growth(made_up(proportional)), 1e-4, 0.05) == (1e-7, 1e-2)
    np.testing.assert_allclose(deviation(final, 1e-4).sel(epsilon=1e-6), 0.5)


def test_one_seed_in_ten_may_deviate():
    results = made_up(proportional, seeds=21)
    results.separation.loc[{"epsilon": 1e-3, "seed": 3, "step": 100}] *= 2
    assert regime(final_growth(results), 1e-4, 0.05) == (1e-7, 1e-2)
    results.separation.loc[{"epsilon": 1e-3, "seed": [4, 5, 6], "step": 100}] *= 2
    assert regime(final_growth(results), 1e-4, 0.05) == (1e-7, 1e-4)


def test_nearest_epsilon_is_nearest_in_ratio_and_never_zero():
    results = made_up(proportional, epsilons=[0.0, 1e-6, 2e-3])
    assert nearest_epsilon(results, 1e-9) == 1e-6 and nearest_epsilon(results, 1e-4) == 2e-3


def test_runs_that_diverged_and_points_without_a_run_are_left_out():
    results = made_up(proportional)
    results.first_nonfinite_step.loc[{"seed": 2, "end": "last"}] = 7
    results.valid.loc[{"learning_rate": 0.3}] = False
    kept = settled(results)
    assert kept.separation.sel(seed=2).isnull().all() and kept.separation.sel(seed=1, learning_rate=0.1).notnull().all()
    assert [name for name, _ in each_setting(kept)] == ["learning_rate 0.1"]
    assert kept.first_nonfinite_step.dtype == np.int32


@pytest.mark.parametrize(
    "factor, words",
    [(2.0, "100% end further apart by more than 10%, 0% as close, 0% closer"), (1.05, "100% as close"), (0.5, "100% closer")],
)
def test_fates(factor, words):
    assert words in fates_in_words(final_growth(made_up(lambda epsilon, seed: factor * epsilon)))


def test_claims_of_smooth_and_of_kinked_activations():
    def held(law, activation, exact=None):
        _, setting = next(each_setting(settled(made_up(law, activation))))
        return {claim.name.split(":")[0]: claim.holds for claim in twin_claims("x", setting, exact)}

    _, exact = next(each_setting(settled(made_up(proportional))))
    _, inexact = next(each_setting(settled(made_up(bent))))
    assert held(proportional, "tanh", exact) == {"linear": True, "rounding": True, "apart": True}
    assert held(lambda epsilon, seed: 0.1 + 0 * epsilon, "tanh", inexact) == {"linear": False, "rounding": False, "apart": True}
    assert held(lambda epsilon, seed: 0.1 + 0 * epsilon, "relu") == {"kinks": True, "apart": True}
    assert held(lambda epsilon, seed: epsilon / 2, "relu") == {"kinks": False, "apart": False}


def test_what_is_said_of_the_dependence_on_epsilon():
    def last_line(law, exact=None, **made):
        _, setting = next(each_setting(settled(made_up(law, **made))))
        return list(twin_lines("x", setting, exact))[-1]

    _, exact = next(each_setting(settled(made_up(lambda epsilon, seed: proportional(epsilon, seed) * (1 + (epsilon > 2e-3))))))
    words = last_line(bent, exact)
    assert "from 1e-05 to 0.001" in words and "in float64 it is the same from 1e-07" in words and "ends at 0.001" in words
    _, endless = next(each_setting(settled(made_up(proportional))))
    assert "float32 rounds" in last_line(bent, endless) and "saturate" not in last_line(bent, endless)
    assert "power 0.00 (median over seeds), and 100% of twins" in last_line(lambda epsilon, seed: 0.1 + 0 * epsilon)
    assert "Growth" not in last_line(proportional, epsilons=[0.0, 1e-4])


@pytest.mark.parametrize("made", [{}, {"epsilons": [1e-4]}, {"seeds": 1}])
def test_figures_have_a_panel_for_each_setting_and_group(made):
    results = made_up(proportional, **made)
    assert len(separation_over_steps(results).axes) == 2 * 2 + 1
    assert len(growth_against_epsilon(results).axes) == 2
