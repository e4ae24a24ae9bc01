"""The study of what gradients differ in from end to end, small; and that its claims can fail."""

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

STUDY = load_study("gradient_sources")


smoke = functools.partial(presets.changed, "gradient_sources")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "work"
    run_study(STUDY, smoke(save_steps=0, steps=30), path, "python -m symmetry_jax run", say=lambda line: None)
    write_report(STUDY, path)
    return path


@pytest.fixture(scope="module")
def sweeps(workdir):
    return load_sweeps(workdir)


def copied(sweeps):
    return {name: dataset.copy(deep=True) for name, dataset in sweeps.items()}


def held(sweeps):
    """Whether each claim holds."""
    return {claim.name: claim.holds for claim in STUDY.claims(STUDY.prepare(sweeps))}


def at(sweep, variable, value, **where):
    """A change of the numbers of one variable where the labels say."""

    def change(sweeps):
        array = sweeps[sweep][variable]
        array.loc[where] = value(array.loc[where])

    return change


def fall_between(sweeps):
    """An example falls between the kinks of the relu twins of layer 2, at one record, and what is local is nearly all."""
    where = {"activation": "relu", "held": 0, "pair": "twins 2", "step": 9}
    at("training", "between", lambda old: old * 0 + 0.1, **where)(sweeps)
    at("training", "sources", lambda old: old * 0 + 0.99, term="local", reading="share", **where)(sweeps)
    at("training", "sources", lambda old: old * 0 + 0.01, term="downstream", reading="share", **where)(sweeps)


EXACT = {
    *("split", "linear", "between no kinks", "held", "held between no kinks", "split in three"),
    *("kick", "kick linear", "even", "even later"),
}
FOUND = {"early: tanh", "late: tanh", "driven apart", "fan-outs", "unlike gradients", "upstream counts"}


def test_exact_claims_hold_and_the_page_shows_all(workdir, sweeps):
    summary = json.loads((workdir / "claims.json").read_text())
    claims = {claim["name"]: claim["holds"] for claim in summary["claims"]}
    assert claims == held(sweeps) and set(claims) == EXACT | FOUND and all(claims[name] for name in EXACT)
    assert list(summary["figures"]) == ["shares", "pushes", "kicks", "layers"]
    assert len(summary["answer"].split("\n\n")[0].splitlines()) == 1 and "nan" not in summary["answer"]
    assert len((workdir / "report" / "shares.csv").read_text().splitlines()) == 1 + 2 * 2 * (2 * 2 + 2)
    assert load_results(workdir).sizes["held"] == 2 and load_results(workdir).sources.dtype == np.float64


def test_kinks_are_told_of_where_there_are_any(sweeps):
    changed = copied(sweeps)
    fall_between(changed)
    assert held(changed)["between kinks"] and held(changed)["between no kinks"]
    told = STUDY.answer(STUDY.prepare(changed), [])
    records = 4 * 2  # seeds and epsilons
    assert f"number of records, is 99%, 99% and 99% ({records})" in told
    assert "started 1e-06 apart 99%, 99% and 99% (4)" in told
    relu = changed["training"].sel(activation="relu", held=0)
    finite = int(relu.sources.sel(term="local", reading="share", pair=["twins 1", "twins 2"]).notnull().sum())
    assert f"between the kinks of relu twins at {records / finite:.0%} of records" in told
    apart = relu.distance.sel(pair="twins 2", step=9)
    for decade in {10.0**power for power in np.ceil(np.log10(apart.values.ravel()))}:
        count = int(((apart > decade / 10) & (apart <= decade)).sum())
        assert f"{decade / 10:g} to {decade:g} apart 99%, 99% and 99% ({count})" in told
    assert "An example falls" not in STUDY.answer(sweeps, [])


def test_records_with_little_that_is_local_are_told(sweeps):
    changed = copied(sweeps)
    fall_between(changed)
    assert "is local, since fan-outs differ" not in STUDY.answer(STUDY.prepare(changed), [])
    where = {"activation": "relu", "held": 0, "pair": "twins 2", "step": 9, "seed": [0, 1]}
    at("training", "sources", lambda old: old * 0 + 0.5, term="local", reading="share", **where)(changed)
    at("training", "distance", lambda old: old * 0 + 0.25, **where)(changed)
    told = STUDY.answer(STUDY.prepare(changed), [])
    assert "In 4 of these 8 records less than 90% is local" in told
    assert "there 0.1 of the points fall between the kinks and the twins are 0.25 apart; in the other records 0.1 of" in told


def test_layers_with_less_downstream_are_named(sweeps):
    changed, twins = copied(sweeps), {"term": "downstream", "reading": "share", "held": 0}
    at("training", "sources", lambda old: old * 0 + 0.9, **twins)(changed)
    at("training", "sources", lambda old: old * 0 + 0.3, **twins, pair="twins 2", step=slice(0, 3))(changed)
    at("training", "sources", lambda old: old * 0 + 0.2, **twins, pair="twins 1", step=slice(15, 30))(changed)
    at("training", "sources", lambda old: old * 0 + 0.7, term="local", reading="share", held=0, step=slice(0, 3))(changed)
    at("training", "sources", lambda old: old * 0 + 0.1, term="local", reading="share", held=0, step=slice(15, 30))(changed)
    paragraph, details = STUDY.answer(STUDY.prepare(changed), []).split("\n\n")
    assert "at first (in the first 10% of the steps) in 1 of 2 layers (30% to 90%; less in mlp, tanh, layer 2 30%)" in paragraph
    assert "and later (from 50% on) in 1 of 2 layers (20% to 90%; less in mlp, tanh, layer 1 20%)" in paragraph
    assert (
        "between units that start at random at first (in the first 10% of the steps) in 2 of 2 layers (90% to 90%)" in paragraph
    )
    told = "less than half at first in 1 of 2 layers: mlp, tanh, layer 2 (30%); the local derivative's share is less later than"
    assert told in details and "in 2 of 2 layers: mlp, tanh, layer 1 (70% to 10%)" in details


def test_what_is_local_between_no_kinks_is_computed(sweeps):
    changed = copied(sweeps)
    told = "Where no example falls between the kinks of relu twins, the local derivative's share is at most"
    assert f"{told} 0." in STUDY.answer(STUDY.prepare(changed), [])
    at("training", "sources", lambda old: old * 0 - 0.2, term="local", reading="share", held=0, **RELU)(changed)
    assert f"{told} 0.2." in STUDY.answer(STUDY.prepare(changed), [])


def test_shares_of_units_of_two_layers_add_up(sweeps):
    """Their medians, 10%, 20% and 50%, do not."""
    changed = copied(sweeps)
    for term, shares in (
        ("upstream", (0.1, 0.1, 0.5, 0.1)),
        ("local", (0.2, 0.2, 0.2, 0.6)),
        ("downstream", (0.7, 0.7, 0.3, 0.3)),
    ):
        for seed, share in enumerate(shares):
            changed["layers"].sources.loc[{"term": term, "reading": "share", "seed": seed}] = share
    told = STUDY.answer(STUDY.prepare(changed), [])
    assert "make 20% and 30% of the difference at the start and 20% and 30% in the second half" in told
    assert told.count("upstream and local share 20% and 30% early, 20% and 30% late (means), downstream the rest") == 2


RELU = {"activation": "relu", "pair": "twins 1", "step": 9}
SPLIT = {"term": "residue", "reading": "size"}
LAYERS = {"pair": "layers", "step": 0}


@pytest.mark.parametrize(
    "claim, change",
    [
        ("split", at("training", "sources", lambda old: old + 1e-10, seed=1, step=9, **SPLIT)),
        ("linear", at("training", "sources", lambda old: old + 0.05, term="downstream", reading="share", epsilon=1e-4)),
        (
            "between no kinks",
            at("training", "sources", lambda old: old - 0.1, term="downstream", reading="share", held=0, **RELU),
        ),
        (
            "between kinks",
            at("training", "sources", lambda old: old * 0 + 0.5, term="local", reading="share", activation="relu"),
        ),
        (
            "between kinks",  # in half of the records
            at("training", "sources", lambda old: old * 0 + 0.3, term="local", reading="share", activation="relu", seed=[2, 3]),
        ),
        (
            "early: tanh",
            at("training", "sources", lambda old: old * 0 + 0.4, term="downstream", reading="share", step=slice(0, 3)),
        ),
        ("late: tanh", at("training", "sources", lambda old: old - 1, term="local", reading="share", step=slice(15, 30))),
        ("driven apart", at("training", "sources", lambda old: -abs(old), term="downstream", reading="push")),
        ("fan-outs", at("training", "distance", lambda old: 1e3 * old, held=1, step=30)),
        ("held", at("training", "sources", lambda old: old - 1e-5, term="local", reading="share", held=1, seed=2, step=9)),
        (
            "held between no kinks",
            at("training", "sources", lambda old: old + 1e-9, term="difference", reading="size", held=1, **RELU),
        ),
        ("kick", at("kicks", "distance", lambda old: 1.01 * old, pair="random", step=1)),
        ("kick linear", at("kicks", "distance", lambda old: 1.01 * old, pair="random", step=1, epsilon=1.0)),
        ("even", at("kicks", "distance", lambda old: old + 1e-6, pair="even", step=1)),
        ("even later", at("kicks", "distance", lambda old: old + 1e-6, pair="even", step=20)),
        ("split in three", at("layers", "sources", lambda old: old + 1e-10, seed=1, step=9, **SPLIT)),
        ("unlike gradients", at("layers", "sources", lambda old: old * 0 + 1.2, term="difference", reading="size", **LAYERS)),
        ("upstream counts", at("layers", "sources", lambda old: old * 0, term="upstream", reading="share", **LAYERS)),
    ],
)
def test_claims_fail_when_the_results_say_otherwise(sweeps, claim, change):
    changed = copied(sweeps)
    fall_between(changed)
    change(changed)
    assert held(changed)[claim] is False


def test_findings_can_hold(sweeps):
    """What is found of shares and pushes is claimed of the numbers, whatever they are."""
    changed = copied(sweeps)
    for change in (
        at("training", "sources", lambda old: old * 0 + 0.9, term="downstream", reading="share"),
        at("training", "sources", lambda old: old * 0 + 0.2, term="local", reading="share"),
        at("training", "sources", lambda old: old + 1, term="local", reading="share", step=slice(15, 30)),
        at("training", "sources", lambda old: old * 0 + 0.1, term="downstream", reading="push"),
        at("training", "distance", lambda old: 1e3 * old, held=0, step=30),
        at("layers", "sources", lambda old: old * 0 + 2**0.5, term="difference", reading="size"),
        at("layers", "sources", lambda old: old * 0 + 0.3, term="upstream", reading="share"),
    ):
        change(changed)
    assert all(held(changed)[name] for name in FOUND)
    at("training", "sources", lambda old: old - 2, term="local", reading="share", step=slice(15, 30))(changed)
    assert not held(changed)["late: tanh"]


def test_a_study_of_which_nothing_is_left_says_so(sweeps):
    changed = copied(sweeps)
    for dataset in changed.values():
        dataset["first_nonfinite_step"] = dataset.first_nonfinite_step * 0 + 5
    changed = STUDY.prepare(changed)
    claims = STUDY.claims(changed)
    words = STUDY.answer(changed, claims)
    assert not claims and "No runs" in words and "nan" not in words
    assert not STUDY.pictures(changed) and not STUDY.tables(changed)[0].rows


@pytest.mark.parametrize(
    "left", [{"activation": ["relu"]}, {"activation": ["tanh"]}, {"held": [0]}, {"held": [1]}, {"epsilon": [1e-6]}]
)
def test_other_axes_leave_claims_out(sweeps, left):
    kept = {name: left if name == "training" or "activation" in left else {} for name in sweeps}
    fewer = {name: runs.sel(kept[name]) for name, runs in sweeps.items()}
    fewer = STUDY.prepare(fewer)
    claims = STUDY.claims(fewer)
    assert 0 < len(claims) < len(EXACT | FOUND) and all(claim.holds for claim in claims if claim.name in EXACT)
    assert "nan" not in STUDY.answer(fewer, claims) and STUDY.pictures(fewer) and STUDY.tables(fewer)
    plt.close("all")


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"sweep__network": "rnn"}, "unknown network 'rnn': choose from mlp, cnn"),
        ({"sweep__activation": "elu"}, "unknown activation 'elu'"),
        ({"sweep__epsilon": "0,1e-3"}, "config.sweep.epsilon: distances above 0"),
        ({"kicks__epsilon": "0"}, "config.kicks.epsilon: distances above 0"),
        ({"sweep__held": "0,0.5"}, "config.sweep.held=0,0.5: 0, 1 or both"),
        ({"sweep__learning_rate": "0.1,0.3"}, "config.sweep.learning_rate has several values: all but network"),
        ({"width": 3}, "width=3: at least 4"),
        ({"filters": 2}, "filters=2: at least 4"),
        ({"kick_steps": 0}, "kick_steps=0: at least 1"),
        ({"minibatches": "own"}, "unknown minibatches 'own'"),
        ({"precision": "float32"}, "precision=float32: float64, since rounding in float32 hides"),
        ({"precision": "float16"}, "unknown precision 'float16'"),
    ],
)
def test_settings_that_cannot_be(changes, words):
    with pytest.raises(InputError, match=re.escape(words)) as told:
        STUDY.build(smoke(**changes))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("part, name", [("sweep", "held"), ("kicks", "epsilon")])
def test_an_axis_that_the_study_needs(part, name):
    config = smoke()
    del config[part][name]
    with pytest.raises(InputError, match=f"this study needs an axis for {name}"):
        STUDY.build(config)


@pytest.mark.parametrize("least", [1, 10])
def test_runs_that_are_lost_on_the_way_leave_an_answer(sweeps, least):
    changed = copied(sweeps)
    training = changed["training"]
    lost = {
        name: array.where(array.step < least)
        for name, array in training.items()
        if "step" in array.dims and array.dtype.kind == "f"
    }
    changed["training"] = training.assign(lost)
    prepared = STUDY.prepare(changed)
    assert STUDY.answer(prepared, STUDY.claims(prepared))
