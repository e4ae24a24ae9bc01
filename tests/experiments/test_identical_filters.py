"""The study of equal filters and of how many there are, from end to end, small; and that its claims can fail."""

import functools
import json
import re

import numpy as np
import pytest
from matplotlib import pyplot as plt

from symmetry_jax import load_results
from symmetry_jax.command_line import load_study
from symmetry_jax.errors import InputError
from symmetry_jax.reports.report import write_report
from symmetry_jax.sweeps.loading import load_sweeps
from symmetry_jax.sweeps.runner import run_study
from tests.experiments import presets

pytestmark = pytest.mark.slow  # compiles every program of the study

STUDY = load_study("identical_filters")


smoke = functools.partial(presets.changed, "identical_filters")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "work"
    run_study(STUDY, smoke(save_steps=0), path, "python -m symmetry_jax run", say=lambda line: None)
    write_report(STUDY, path)
    return path


@pytest.fixture(scope="module")
def sweeps(workdir):
    return load_sweeps(workdir)


@pytest.fixture(scope="module")
def learned(sweeps):
    """The same results, as if training had gone far enough to tell accuracy: only then is anything claimed about it."""
    copy = {name: dataset.copy(deep=True) for name, dataset in sweeps.items()}
    filters = copy["filters"]
    filters.train_loss.loc[{"labels": "true", "step": 60}] *= 0.1
    filters.train_loss.loc[{"labels": "true", "filters": 4, "step": 26}] *= 0.1
    filters.test_accuracy.loc[{"activation": "relu", "filters": 1}] = 0.8
    filters.test_accuracy.loc[{"activation": "relu", "filters": 4}] = 0.99
    filters.train_loss.loc[{"activation": "relu", "labels": "random"}] -= 1
    copy["softmax"].test_accuracy.loc[{"labels": "true"}] = 0.97
    return copy


def held(sweeps, sweep="", change=None):
    """Whether each claim holds, once the results of one sweep are changed in place."""
    copy = {name: dataset.copy(deep=True) for name, dataset in sweeps.items()}
    if change:
        change(copy[sweep])
    return {claim.name: claim.holds for claim in STUDY.claims(copy)}


def at(variable, value, **where):
    """Changes the numbers of one variable where the labels say."""

    def change(dataset):
        dataset[variable].loc[where] = value(dataset[variable].loc[where])

    return change


def test_exact_claims_hold_and_nothing_is_claimed_about_accuracy_too_early(workdir, sweeps):
    found = held(sweeps)
    assert all(found.values())
    exact = {"tied: adamw", "quotient: adamw", "fold: linear", "fold: ReLU", "rank: linear", "rank: linear, unpadded"}
    assert set(found) == exact | {"gain: linear", "tied: width", "by heart: linear"}
    summary = json.loads((workdir / "claims.json").read_text())
    assert list(summary["figures"]) == ["accuracy", "speed", "quotients"] and (workdir / "report" / "filters.csv").exists()
    paragraph, details = summary["answer"].split("\n\n")
    assert paragraph.count(". ") == 3 and "exactly equal at every record in 3 of 3 runs" in paragraph
    assert "nan" not in summary["answer"] and "never" in details
    random = sweeps["softmax"].train_loss.sel(labels="random", step=60).mean("seed").min()
    long = sweeps["optimum"].sel(labels="random", step=60).squeeze()
    assert f"to {float(random):.2f} in as many steps and to {float(long.train_loss):.2f} trained for long" in paragraph
    assert "at that of 3 learning rates which ends at the least training loss, where networks have one rate" in paragraph
    assert f"gradient of norm {float(long.gradient_norm):.1e} left" in details


def test_results_are_labelled_by_the_axes(workdir, sweeps):
    assert load_results(workdir).sizes["seed"] == 3
    assert set(sweeps) == {"ties", "quotient", "filters", "tied_width", "softmax", "optimum"}
    filters = sweeps["filters"]
    assert bool(filters.valid.sel(activation="relu", padding="SAME", labels="random", filters=4).all())
    assert not bool(filters.valid.sel(activation="relu", padding="VALID").any())
    # labels share a compiled program, and still are not the same
    true, random = (filters.sel(activation="identity", padding="SAME", labels=name, filters=4) for name in ("true", "random"))
    assert float(true.train_loss.isel(step=-1).max()) < float(random.train_loss.isel(step=-1).min())


@pytest.fixture(scope="module")
def found(learned):
    return held(learned)


def test_claims_about_what_was_learned_hold_where_it_was(found):
    accuracy = {"accuracy: linear", "accuracy: ReLU", "accuracy: ReLU, softmax", "accuracy: more filters"}
    assert accuracy | {"by heart: ReLU", "by heart: distinct"} < set(found)
    assert all(found.values())


@pytest.mark.parametrize(
    "claim, sweep, change",
    [
        ("tied: adamw", "ties", at("block_spread", lambda old: old + 1e-30, seed=1, step=40)),
        ("tied: adamw", "ties", at("block_spread", lambda old: old * np.nan, seed=1, step=40)),
        ("quotient: adamw", "quotient", at("loss", lambda old: old + 1e-11, network="tied", step=7)),
        ("quotient: adamw", "quotient", at("loss", lambda old: old * np.nan, network="quotient", step=7)),
        ("fold: linear", "filters", at("fold_gap", lambda old: old + 1e-4, activation="identity", seed=2, filters=4)),
        ("fold: ReLU", "filters", at("fold_gap", lambda old: old * 0, activation="relu", seed=2, filters=4)),
        ("rank: linear", "filters", at("kernels", lambda old: old * 0, activation="identity", filters=1, seed=0)),
        ("rank: linear, unpadded", "filters", at("kernels", lambda old: old * 0, padding="VALID", seed=0)),
        ("gain: linear", "filters", at("gain", lambda old: old + 2, activation="identity", filters=4)),
        ("tied: width", "tied_width", at("block_spread", lambda old: old + 1e-30, labels="random", seed=1)),
        ("by heart: linear", "filters", at("train_loss", lambda old: old - 1, activation="identity", labels="random", seed=1)),
        ("by heart: ReLU", "filters", at("train_loss", lambda old: old + 1, activation="relu", labels="random", seed=1)),
        ("by heart: ReLU", "filters", at("train_loss", lambda old: old * np.nan, activation="relu", labels="random", seed=1)),
        ("by heart: distinct", "tied_width", at("train_loss", lambda old: old - 2, labels="random")),
        ("by heart: distinct", "tied_width", at("train_loss", lambda old: old * np.nan, labels="random")),
        ("accuracy: linear", "filters", at("test_accuracy", lambda old: old * 0 + 1, activation="identity", filters=4)),
        ("accuracy: linear", "softmax", at("test_accuracy", lambda old: old * 0, labels="true", step=60)),
        ("accuracy: linear", "softmax", at("test_accuracy", lambda old: old * np.nan, labels="true", seed=[0, 1, 2])),
        ("accuracy: ReLU, softmax", "softmax", at("test_accuracy", lambda old: old + 0.025, labels="true", step=60)),
        ("accuracy: ReLU, softmax", "softmax", at("test_accuracy", lambda old: old * 0 + 1, labels="true", seed=[0, 1])),
        (
            "accuracy: ReLU, softmax",
            "filters",
            at("test_accuracy", lambda old: old - 0.1, activation="relu", filters=4, seed=1),
        ),
        ("accuracy: ReLU", "filters", at("test_accuracy", lambda old: old - 0.2, activation="relu", filters=4)),
        ("accuracy: more filters", "filters", at("test_accuracy", lambda old: old * 0 + 0.99, activation="relu", filters=1)),
        ("speed: linear", "filters", at("train_loss", lambda old: old / 1e3, activation="identity", filters=1, labels="true")),
    ],
)
def test_claims_fail_when_the_results_say_otherwise(learned, found, claim, sweep, change):
    assert found[claim] and not held(learned, sweep, change)[claim]


def test_softmax_regression_is_read_at_its_end_and_at_the_rate_that_fits_training_digits_best(learned):
    def holds(rate, **where):
        changed = {**learned, "softmax": learned["softmax"].copy(deep=True)}
        at("train_loss", lambda old: old * 0, labels="true", learning_rate=rate)(changed["softmax"])
        at("test_accuracy", lambda old: old * 0, labels="true", learning_rate=0.4, **where)(changed["softmax"])
        return held(changed)["accuracy: linear"]

    last = int(learned["softmax"].step[-1])
    assert holds(0.1) and not holds(0.4)
    assert holds(0.4, step=0) and not holds(0.4, step=last)


def test_one_seed_claims_nothing_that_takes_a_spread(learned):
    alone = {name: dataset.isel(seed=[0]) for name, dataset in learned.items()}
    claims = list(STUDY.claims(alone))
    accuracy = {"accuracy: linear", "accuracy: ReLU", "accuracy: ReLU, softmax", "accuracy: more filters"}
    left_out = accuracy | {"gain: linear", "by heart: distinct"}
    assert {claim.name for claim in STUDY.claims(learned)} - {claim.name for claim in claims} == left_out | {"speed: linear"}
    assert all(claim.holds for claim in claims) and STUDY.answer(alone, claims)


def test_a_tie_that_was_lost_is_told(sweeps):
    lost = {**sweeps, "ties": sweeps["ties"].copy(deep=True)}
    at("block_spread", lambda old: old + 1e-7, seed=1)(lost["ties"])
    assert "exactly equal at every record in 2 of 3 runs" in STUDY.answer(lost, STUDY.claims(lost))


def test_figures_and_tables_of_what_went_non_finite(learned):
    diverged = {**learned, "filters": learned["filters"].copy(deep=True)}
    at("first_nonfinite_step", lambda old: old * 0 + 5, activation="identity", filters=4, seed=1)(diverged["filters"])
    assert STUDY.pictures(diverged) and STUDY.tables(diverged)
    plt.close("all")


def test_every_optimizer_and_way_to_tie_has_its_quotient():
    programs = [program for program in STUDY.build(smoke("")) if program.sweep == "quotient"]
    assert len(programs) == 5 * (1 + 3 * 2)
    assert {program.precision for program in programs} == {"float64"}


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"sweep__optimizer": "adamm"}, "unknown optimizer 'adamm'"),
        ({"sweep__copies": "1"}, "config.sweep.copies=1: whole numbers from 2 to 8"),
        ({"sweep__copies": "9"}, "config.sweep.copies=9: whole numbers from 2 to 8"),
        ({"sweep__copies": "2.5"}, "config.sweep.copies=2.5: whole numbers from 2 to 8"),
        ({"sweep__tied_layers": "3"}, "config.sweep.tied_layers=3: whole numbers from 1 to 2"),
        ({"activation": "elu"}, "unknown activation 'elu'"),
        ({"width__filters": "0,4"}, "width.filters=0, 4: whole numbers, at least 1"),
        ({"width__filters": "tanh"}, "width.filters=tanh: whole numbers, at least 1"),
        ({"width__filters": "4"}, "width.filters=4: at least two numbers"),
        ({"width__learning_rate": "0.1,0.2"}, "config.width.learning_rate has several values"),
        ({"scrambled_filters": "3"}, "scrambled_filters=3: choose from width.filters=1,4"),
        ({"scrambled_filters": "1"}, "scrambled_filters=1: 4, the most of width.filters, is needed"),
        ({"unpadded_filters": "-1"}, "unpadded_filters=-1: whole numbers, at least 1"),
        ({"quotient_seeds": 0}, "quotient_seeds=0: at least 1"),
        ({"quotient_steps": 0}, "quotient_steps=0: 1 to 999,999"),
        ({"optimum_steps": 0}, "at least 1 step"),
        ({"optimum_rate": -1.0}, "axis learning_rate: -1.0 is outside of"),
    ],
)
def test_settings_that_cannot_be(changes, words):
    with pytest.raises(InputError, match=re.escape(words)) as told:
        STUDY.build(smoke(**changes))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("part, name", [("sweep", "copies"), ("width", "filters")])
def test_an_axis_that_the_study_needs(part, name):
    config = smoke()
    del config[part][name]
    with pytest.raises(InputError, match=rf"config\.{part} needs an axis for {name}"):
        STUDY.build(config)
