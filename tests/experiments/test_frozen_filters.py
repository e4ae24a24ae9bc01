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
    assert {"gauss-newton", "not additive", "attract, 0-1", "repel, 0-2", "repel, 2-3"} <= names
    exact = (
        "equal,",
        "equal:",
        "tied",
        "growth",
        "first round",
        "gauss-newton",
        "not additive",
        "memory",
    )  # whatever the seeds
    assert [claim["name"] for claim in summary["claims"] if claim["name"].startswith(exact) and not claim["holds"]] == []
    assert list(summary["figures"]) == ["training", "starts", "twins", "interaction"]
    first, details = summary["answer"].split("\n\n")
    assert first.count(". ") == 4 and "Units do interact" in first and "after equally many steps it differs" in first
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


TOLD = {"in turn": 1.0, "one by one": 2.0, "alone": 3.0}  # test losses over those together, by regime


def clear(dataset):
    """Test losses and overlaps that differ between regimes by the same in both seeds, so that intervals have no width."""
    for number, regime in enumerate(REGIMES):
        where, together = {"regime": number, "spread": 1}, {"regime": 0, "spread": 1}
        last = {"step": dataset.step.values[-1]}
        at_the_end = dataset.test_loss.loc[{**together, "step": 20}].drop_vars(["regime", "step"])
        dataset.test_loss.loc[where] = at_the_end * TOLD.get(regime, 1.0)
        dataset.test_loss.loc[{**where, **last}] = at_the_end * (0.5 if regime == "together" else TOLD[regime])
        dataset.redundancy.loc[where] = dataset.redundancy.loc[{**together, "step": 20}].drop_vars(["regime", "step"])


def seed_apart(dataset):
    """In one seed training in turn ends at twice the loss, in the other at half of it: the mean is the same."""
    loss = dataset.test_loss
    for seed, factor in enumerate((2.0, 0.5)):
        loss.loc[{"regime": 1, "spread": 1, "seed": seed}] = loss.loc[{"regime": 1, "spread": 1, "seed": seed}] * factor


def drawn(pair, sign):
    """One unit of a pair is drawn to the other at all records of both seeds, or pushed away."""
    where = {"regime": 0, "pair": pair, "block": "cross", "reading": "along"}
    return at("interaction", lambda old: old * 0 + sign, **where)


@pytest.mark.parametrize(
    "claim, sweep, prior, change",
    [
        ("in turn", "filters", clear, at("test_loss", lambda old: old * 1.2, regime=1, spread=1)),
        ("in turn", "filters", clear, seed_apart),
        ("redundancy", "filters", clear, at("redundancy", lambda old: old + 0.1, regime=1, spread=1)),
        ("redundancy", "filters", clear, at("redundancy", lambda old: old + 0.03, regime=1, spread=1, seed=1)),
        ("equal steps", "filters", clear, at("test_loss", lambda old: old * 10, regime=0, spread=1)),
        ("equal steps", "filters", clear, at("test_loss", lambda old: old / 1.9, regime=1, spread=1, seed=0)),
        ("one by one", "filters", clear, at("test_loss", lambda old: old / 10, regime=2, spread=1)),
        ("one by one", "filters", clear, at("test_loss", lambda old: old * 10, regime=2, spread=1, seed=0)),
        ("alone", "filters", clear, at("test_loss", lambda old: old / 10, regime=3, spread=1)),
        ("equal", "filters", None, at("duplicates", lambda old: old - 1, regime=0, spread=0, step=4)),
        ("equal, in turn", "filters", None, at("smallest_separation", lambda old: old * 0, regime=1, spread=0)),
        ("equal, one by one", "filters", None, at("smallest_separation", lambda old: old * 0, regime=2, spread=0)),
        ("tied", "twins", None, at("separation", lambda old: old + 1e-30, regime=0, epsilon=0)),
        ("first round", "twins", None, at("separation", lambda old: old * 1.5, regime=1, epsilon=0, step=4)),
        ("growth", "twins", None, at("separation", lambda old: old * 1.001, regime=0, step=1)),
        ("memory, together", "twins", None, at("separation", lambda old: old * 0 + 0.1, regime=0, step=20)),
        ("memory, in turn", "twins", None, at("separation", lambda old: old * 9, regime=1, epsilon=1e-6, step=80)),
        ("gauss-newton", "twins", None, at("interaction", lambda old: old + 1e-3, regime=0, epsilon=0, block="net", step=2)),
        ("not additive", "twins", None, at("interaction", lambda old: old * 0, block="cross", hessian="residual")),
        ("attract, 0-1", "twins", drawn("0-1", 1.0), drawn("0-1", -1.0)),
        ("repel, 0-2", "twins", drawn("0-2", -1.0), drawn("0-2", 1.0)),
        ("repel, 2-3", "twins", drawn("2-3", -1.0), at("interaction", abs, pair="2-3", block="cross", seed=1)),
    ],
)
def test_every_claim_can_fail(sweeps, claim, sweep, prior, change):
    first = [prior] if prior else []
    assert held(changed(sweeps, sweep, *first))[f"{claim}: deep"]
    assert not held(changed(sweeps, sweep, *first, change))[f"{claim}: deep"]


def test_what_follows_from_freezing_alone_is_no_claim(sweeps):
    names = {name.removesuffix(": deep") for name in held(STUDY.prepare(sweeps))}
    assert not names & {"first step, alone", "first step, one by one", "memory, alone", "memory, one by one"}


def test_units_of_a_last_layer_have_no_residual_part(sweeps):
    """The same numbers under the name of a network whose units are additive."""
    renamed = {name: dataset.assign_coords(network=["mlp"]) for name, dataset in sweeps.items()}
    assert not held(STUDY.prepare(renamed))["additive: mlp"]
    without = changed(renamed, "twins", at("interaction", lambda old: old * 0, block="cross", hessian="residual"))
    assert held(without)["additive: mlp"]


def test_the_answer_follows_the_results(sweeps):
    same, apart = changed(sweeps, "filters", clear), changed(sweeps, "filters", clear, seed_apart)
    assert "do not end like" in STUDY.answer(apart, []) and "do not end like" not in STUDY.answer(same, [])
    words = STUDY.answer(same, [])
    assert "their test loss differs by deep +0.0% (+0.0% to +0.0%)" in words
    assert "after equally many steps it differs by deep +100.0% (+100.0% to" in words


def test_nearly_equal_starts_are_told_beside_training_together(sweeps):
    right = [
        at("test_accuracy", lambda old, n=n: old * 0 + n, regime=r, spread=1e-3) for r, n in ((0, 0.6), (1, 0.7), (2, 0.8))
    ]
    told = STUDY.answer(changed(sweeps, "filters", *right), [])
    assert "(spread 0.001), after equal updates, together 60.0% are right; in turn 70.0%, +10.0 points (+10.0 to" in told
    assert "one by one 80.0%, +20.0 points" in told
    none = {**sweeps, "filters": sweeps["filters"].sel(spread=[0, 1])}
    assert "nearly equal" not in STUDY.answer(STUDY.prepare(none), [])


def test_distances_are_told_over_the_norm_of_a_unit(sweeps):
    ends = (at("separation", lambda old: old * 0 + 0.5, regime=1), at("size", lambda old: old * 0 + 2.0))
    assert "is deep 0.5 (0.25)." in STUDY.answer(changed(sweeps, "twins", *ends), [])


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
    assert {claim.split(":")[0] for claim in held(results)} == {
        "growth",
        "not additive",
        "attract, 0-1",
        "repel, 0-2",
        "repel, 2-3",
    }
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
