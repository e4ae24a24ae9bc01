"""The study of freezing from end to end, small; and that its claims can fail."""

import functools
import json
import re

import numpy as np
import pytest

from symmetry_jax import load_results
from symmetry_jax.command_line import load_study
from symmetry_jax.errors import InputError
from symmetry_jax.reports.regimes import REGIMES, by_updates, equal_updates, settings_of
from symmetry_jax.reports.report import write_report
from symmetry_jax.sweeps.loading import load_sweeps
from symmetry_jax.sweeps.runner import run_study
from tests.experiments import presets

pytestmark = pytest.mark.slow  # compiles every program of the study

STUDY = load_study("frozen_filters")


smoke = functools.partial(presets.changed, "frozen_filters")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "work"
    config = smoke(network="deep", seed="0:2", updates=20, twin_seeds=2, save_steps=0)
    run_study(STUDY, config, path, "python -m symmetry_jax run", say=lambda line: None)
    write_report(STUDY, path)
    return path


@pytest.fixture(scope="module")
def sweeps(workdir):
    return load_sweeps(workdir)


def changed(sweeps, sweep, *changes):
    copy = {name: dataset.copy(deep=True) for name, dataset in sweeps.items()}
    for change in changes:
        change(copy[sweep])
    return STUDY.prepare(copy)


def held(results):
    return {claim.name: claim.holds for claim in STUDY.claims(results)}


def at(variable, value, **where):
    """Changes the numbers of one variable where the labels say."""

    def change(dataset):
        array = dataset[variable]
        array.loc[where] = value(array.loc[where])

    return change


def test_results_claims_and_page(workdir, sweeps):
    assert load_results(workdir).sizes["regime"] == 4 and set(sweeps) == {"filters", "twins"}
    summary = json.loads((workdir / "claims.json").read_text())
    names = {claim["name"].removesuffix(": deep") for claim in summary["claims"]}
    assert {"in turn", "redundancy", "equal steps", "one by one", "alone", "equal", "tied", "growth", "first round"} <= names
    assert {"gauss-newton", "not additive", "first step, alone"} <= names
    loose = {f"{regime}: deep" for regime in ("one by one", "alone")}  # so few updates do not tell
    assert all(claim["holds"] for claim in summary["claims"] if claim["name"] not in loose)
    assert list(summary["figures"]) == ["training", "starts", "twins", "interaction"]
    first, details = summary["answer"].split("\n\n")
    assert first.count(". ") == 2 and "Units do interact" in first
    assert "duplicates" in details and "nan" not in summary["answer"]
    assert (workdir / "report" / "regimes.csv").exists()


def test_regimes_are_compared_after_equal_updates(sweeps):
    ((_, setting),) = settings_of(STUDY.prepare(sweeps)["filters"])
    assert list(setting.regime.values) == list(REGIMES)
    ends = equal_updates(setting.test_loss, setting)
    for regime, step in zip(REGIMES, (20, 80, 80, 20), strict=True):
        np.testing.assert_array_equal(ends.sel(regime=regime), setting.test_loss.sel(regime=regime, step=step))
    runs = by_updates(setting, "in turn")
    assert int(runs.step[-1]) == 20
    np.testing.assert_array_equal(runs.test_loss.sel(step=1), setting.test_loss.sel(regime="in turn", step=4))


@pytest.mark.parametrize(
    "claim, sweep, change",
    [
        ("in turn", "filters", at("test_loss", lambda old: old * 1.2, regime=1, spread=1)),
        ("redundancy", "filters", at("redundancy", lambda old: old + 0.1, regime=1, spread=1)),
        ("equal steps", "filters", at("test_loss", lambda old: old * 10, regime=0, spread=1)),
        ("one by one", "filters", at("test_loss", lambda old: old / 10, regime=2, spread=1)),
        ("alone", "filters", at("test_loss", lambda old: old / 10, regime=3, spread=1)),
        ("equal", "filters", at("duplicates", lambda old: old - 1, regime=0, spread=0, step=4)),
        ("equal, in turn", "filters", at("smallest_separation", lambda old: old * 0, regime=1, spread=0)),
        ("equal, one by one", "filters", at("smallest_separation", lambda old: old * 0, regime=2, spread=0)),
        ("tied", "twins", at("separation", lambda old: old + 1e-30, regime=0, epsilon=0)),
        ("first step, alone", "twins", at("separation", lambda old: old * (1 + 1e-8), regime=3, epsilon=0, step=1)),
        ("first step, one by one", "twins", at("separation", lambda old: old * (1 + 1e-8), regime=2, epsilon=0, step=1)),
        ("first round", "twins", at("separation", lambda old: old * 1.5, regime=1, epsilon=0, step=4)),
        ("growth", "twins", at("separation", lambda old: old * 1.001, regime=0, step=1)),
        ("memory, together", "twins", at("separation", lambda old: old * 0 + 0.1, regime=0, step=20)),
        ("memory, in turn", "twins", at("separation", lambda old: old * 9, regime=1, epsilon=1e-6, step=80)),
        ("memory, alone", "twins", at("separation", lambda old: old * 9, regime=3, epsilon=1e-6, step=20)),
        ("gauss-newton", "twins", at("interaction", lambda old: old + 1e-3, regime=0, epsilon=0, block="net", step=2)),
        ("not additive", "twins", at("interaction", lambda old: old * 0, block="cross", hessian="residual")),
    ],
)
def test_every_claim_can_fail(sweeps, claim, sweep, change):
    rest = at("test_loss", lambda old: old * 2, regime=2, spread=1), at("test_loss", lambda old: old * 2, regime=3, spread=1)
    prior = rest if claim in ("one by one", "alone") else ()
    if prior:
        assert held(changed(sweeps, sweep, *prior))[f"{claim}: deep"]
    else:
        assert held(STUDY.prepare(sweeps))[f"{claim}: deep"]
    assert not held(changed(sweeps, sweep, *prior, change))[f"{claim}: deep"]


def test_units_of_a_last_layer_have_no_residual_part(sweeps):
    """The same numbers under the name of a network whose units are additive."""
    renamed = {name: dataset.assign_coords(network=["mlp"]) for name, dataset in sweeps.items()}
    assert not held(STUDY.prepare(renamed))["additive: mlp"]
    without = changed(renamed, "twins", at("interaction", lambda old: old * 0, block="cross", hessian="residual"))
    assert held(without)["additive: mlp"]


def test_the_answer_follows_the_results(sweeps):
    worse = changed(sweeps, "filters", at("test_loss", lambda old: old * 1.2, regime=1, spread=1))
    assert "do not end like" in STUDY.answer(worse, []) and "do not end like" not in STUDY.answer(STUDY.prepare(sweeps), [])


def test_equal_twins_in_turn_decide_whether_units_interact(sweeps):
    """One that walks away from a frozen copy does not."""
    rounding = at("separation", lambda old: old * 0 + 1e-16, regime=1, epsilon=0)
    still = changed(sweeps, "twins", rounding)
    assert "No interaction is seen" in STUDY.answer(still, []) and not held(still)["first round: deep"]
    one_seed = changed(sweeps, "twins", at("separation", lambda old: old * 0, regime=1, epsilon=0, seed=1))
    assert "Units interact in some runs only" in STUDY.answer(one_seed, [])
    near = changed(sweeps, "twins", at("separation", lambda old: old * 0 + 1e-4, regime=3))
    assert "Units do interact" in STUDY.answer(near, [])
    for rest in ({"regime": [0, 3]}, {"epsilon": [1, 2]}):
        untold = STUDY.prepare(sweeps | {"twins": sweeps["twins"].isel(rest)})
        assert "Nothing is told of whether units interact" in STUDY.answer(untold, [])


def test_equal_twins_are_enough(sweeps):
    results = STUDY.prepare(sweeps | {"twins": sweeps["twins"].sel(epsilon=[0])})
    assert {"tied: deep", "first round: deep", "gauss-newton: deep"} <= set(held(results))
    words = STUDY.answer(results, []).split("\n\n")[0]
    assert "Units do interact" in words and "apart end" not in words and list(STUDY.pictures(results))


def test_seeds_with_a_run_that_diverged_are_left_out(sweeps):
    def stop(dataset):
        dataset.first_nonfinite_step.loc[{"seed": 1, "regime": 2, "end": "last"}] = 3

    ((_, setting),) = settings_of(changed(sweeps, "filters", stop)["filters"])
    assert list(setting.seed) == [0]

    def stop_all(dataset):
        dataset["first_nonfinite_step"] = dataset.first_nonfinite_step * 0 + 3

    nothing = changed(changed_raw(sweeps, stop_all), "twins", stop_all)
    assert not STUDY.claims(nothing) and not STUDY.pictures(nothing) and not STUDY.tables(nothing)[0].rows
    assert "Nothing is told" in STUDY.answer(nothing, [])


def changed_raw(sweeps, change):
    copy = {name: dataset.copy(deep=True) for name, dataset in sweeps.items()}
    change(copy["filters"])
    return copy


def test_some_regimes_and_starts_are_enough(sweeps):
    few = {name: dataset.isel(regime=[0]) for name, dataset in sweeps.items()}
    few["filters"], few["twins"] = few["filters"].isel(spread=[1]), few["twins"].isel(epsilon=[1])
    results = STUDY.prepare(few)
    assert {claim.split(":")[0] for claim in held(results)} == {"growth", "not additive"}
    first = STUDY.answer(results, []).split("\n\n")[0]
    assert "Nothing is told of random starts" in first and "Nothing is told of whether units interact" in first
    assert "frozen copy" not in first and STUDY.pictures(results)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"network": "rnn"}, "unknown network 'rnn': choose from cnn, mlp, deep"),
        ({"units": "3"}, "units=3: a whole number from 4"),
        ({"units": "many"}, "units='many': a whole number from 4"),
        ({"regime": "0,4"}, "axis regime: 0, 4: choose from 0 (together), 1 (in turn), 2 (one by one), 3 (alone)"),
        ({"regime": "0.5"}, "axis regime: 0.5: choose from 0 (together)"),
        ({"spread": "-1"}, "axis spread: -1 is outside of [0, 1]"),
        ({"epsilon": "-1"}, "axis epsilon: -1 is outside of [0, inf)"),
        ({"updates": 0}, "updates=0: at least 1"),
        ({"twin_seeds": 0}, "twin_seeds=0: at least 1"),
        ({"activation": "step"}, "unknown activation 'step': choose from tanh"),
        ({"zipped": "seed+epsilon", "seed": "0:4"}, "are axes of their own in this study"),
    ],
)
def test_settings_that_cannot_be(changes, words):
    with pytest.raises(InputError, match=re.escape(words)):
        STUDY.build(smoke(**changes))


def test_an_axis_that_the_study_needs():
    config = smoke()
    del config.sweep["spread"]
    with pytest.raises(InputError, match="this study needs an axis for spread"):
        STUDY.build(config)
