"""The study of biases from end to end, small; and that its claims can fail."""

import functools
import json

import numpy as np
import pytest
from matplotlib import pyplot as plt

from symmetry_jax import load_results
from symmetry_jax.command_line import load_study
from symmetry_jax.errors import InputError
from symmetry_jax.reports.report import write_report
from symmetry_jax.sweeps.loading import load_sweeps
from symmetry_jax.sweeps.program import record_steps
from symmetry_jax.sweeps.runner import run_study
from tests.experiments import presets
from tests.test_configs import ROOT, load

pytestmark = pytest.mark.slow  # compiles every program of the study

STUDY = load_study("bias_zero")
TANH, RELU = "tanh, 2 layers", "relu, 2 layers"
# as few programs as have every claim among them: random weights with relu alone
SMALL = {"zipped": "activation+initializer", "activation": "tanh,relu,relu", "initializer": "constant,lecun,constant"}


smoke = functools.partial(presets.changed, "bias_zero", activation="tanh,relu")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "work"
    run_study(STUDY, smoke(**SMALL, save_steps=0), path, "python -m symmetry_jax run", say=lambda line: None)
    write_report(STUDY, path)
    return path


@pytest.fixture(scope="module")
def sweeps(workdir):
    return load_sweeps(workdir)


def held(sweeps, sweep="", change=None):
    """Whether each claim holds, once the results of one sweep are changed in place."""
    copy = {name: dataset.copy(deep=True) for name, dataset in sweeps.items()}
    if change:
        change(copy[sweep])
    return {claim.name: claim.holds for claim in STUDY.claims(copy)}


def test_results_are_labelled_by_the_axes(workdir, sweeps):
    assert load_results(workdir).sizes["seed"] == 16 and set(sweeps) == {"random", "constant", "one_unit"}
    assert list(sweeps["random"].bias_scale) == [0, 0.3, 3] and list(sweeps["constant"].constant) == [0, 0.1]
    assert "constant" not in sweeps["random"].dims and sweeps["constant"].sizes["seed"] < 8
    assert float(sweeps["random"].test_accuracy.isel(step=-1).sel(bias_scale=0).min()) > 0.85


def test_exact_claims_hold(workdir, sweeps):
    found = held(sweeps)
    both = ("tied", "still", "order", "shares")
    exact = {f"{claim}: {name}" for claim in both for name in (TANH, RELU)}
    exact |= {f"one line: {RELU}", f"one unit: {RELU}", f"curve: {TANH}"}
    assert set(found) == exact | {f"{claim}: {RELU}" for claim in ("accuracy", "speed", "large", "behind")}
    assert all(found[name] for name in exact)
    assert [claim["holds"] for claim in json.loads((workdir / "claims.json").read_text())["claims"]] == list(found.values())


def test_half_of_the_relu_units_are_dead_for_ever(sweeps):
    zero = sweeps["constant"].sel(activation="relu", constant=0, bias_scale=3)
    assert 0.3 < float(zero.living.mean()) < 0.7
    np.testing.assert_array_equal(zero.living.isel(end=0), zero.living.isel(end=1))


def at(place, **where):
    """Changes the numbers of one variable where the labels say."""
    variable, value = place

    def change(dataset):
        array = dataset[variable]
        array.loc[where] = value(array.loc[where])

    return change


@pytest.mark.parametrize(
    "claim, sweep, change",
    [
        ("accuracy", "random", at(("test_accuracy", lambda old: old + 0.02), bias_scale=0.3)),
        ("speed", "random", at(("test_loss", lambda old: old / 2), bias_scale=0.3)),
        ("accuracy", "random", at(("test_accuracy", lambda old: old * np.nan), bias_scale=3)),
        ("speed", "random", at(("test_loss", lambda old: old * np.nan), bias_scale=3)),
        ("large", "random", at(("test_accuracy", lambda old: old + 0.1), bias_scale=3)),
        ("tied", "constant", at(("tie_error", lambda old: old + 1e-15), bias_scale=0, constant=0.1, step=5)),
        ("tied", "constant", at(("tie_error", lambda old: old * np.nan), bias_scale=0, constant=0.1, step=5)),
        ("still", "constant", at(("rank", lambda old: old + 1), bias_scale=0, constant=0, step=200)),
        ("order", "constant", at(("rank", lambda old: old + 1), bias_scale=3, constant=0, step=1)),
        ("order", "constant", at(("rank", lambda old: old * 0), bias_scale=3, constant=0, step=2)),
        ("shares", "constant", at(("share_error", lambda old: old + 1e-8), bias_scale=3, constant=0, step=1)),
        ("shares", "constant", at(("share_error", lambda old: old * np.nan), bias_scale=3, constant=0, step=1)),
        ("shares", "constant", at(("share_error", lambda old: old * np.nan), bias_scale=3, constant=0, step=0)),
        ("one line", "constant", at(("off_line", lambda old: old + 1e-8), bias_scale=3, constant=0, step=5)),
        ("one unit", "one_unit", at(("loss", lambda old: old + 1e-8), bias_scale=3, step=5)),
        ("one unit", "one_unit", at(("loss", lambda old: old * np.nan), bias_scale=3, step=5)),
        ("curve", "constant", at(("off_line", lambda old: old * 0), bias_scale=3, constant=0, step=200)),
        ("behind", "constant", at(("test_loss", lambda old: old * 0), bias_scale=3, constant=0, step=200)),
    ],
)
def test_claims_fail_when_the_results_say_otherwise(sweeps, claim, sweep, change):
    found = {name: holds for name, holds in held(sweeps, sweep, change).items() if name.startswith(f"{claim}:")}
    assert found and not any(found.values())


def test_the_answer_is_two_sentences_and_details_from_the_results(sweeps):
    text = STUDY.answer(sweeps, STUDY.claims(sweeps))
    paragraph, details = text.split("\n\n")
    assert paragraph.count(". ") == 1 and "copies of one unit" in paragraph and paragraph.endswith(".") and "nan" not in text
    assert all(name in details for name in (TANH, RELU))
    worse = {**sweeps, "random": sweeps["random"].copy(deep=True)}
    at(("test_accuracy", lambda old: old + 0.02), bias_scale=0.3)(worse["random"])
    assert "have a price" in STUDY.answer(worse, STUDY.claims(worse)) and "have a price" not in text


def changed(sweeps, sweep, *changes):
    copy = {**sweeps, sweep: sweeps[sweep].copy(deep=True)}
    for change in changes:
        change(copy[sweep])
    return copy


def test_nothing_is_said_of_speed_where_zero_biases_never_learn(sweeps):
    never = changed(sweeps, "random", at(("test_loss", lambda old: old * 0 + 2.3)))
    claims = STUDY.claims(never)
    assert f"speed: {RELU}" not in {claim.name for claim in claims} and f"accuracy: {RELU}" in {claim.name for claim in claims}
    text = STUDY.answer(never, claims)
    assert "speed is not told" in text and "not reached by all runs" in text and "sooner" not in text and "nan" not in text
    assert STUDY.pictures(never) and STUDY.tables(never)


def test_runs_that_never_reach_the_loss_are_bounds(sweeps):
    late = changed(sweeps, "random", at(("test_loss", lambda old: old * 0 + 2.3), bias_scale=3))
    claims = {claim.name: claim for claim in STUDY.claims(late)}
    assert claims[f"speed: {RELU}"].holds == held(sweeps)[f"speed: {RELU}"]
    assert "% or more of the steps to that loss, which some runs do not reach" in STUDY.answer(late, [*claims.values()])
    (row,) = [row for row in STUDY.tables(late)[0].rows if row[1] == 3]
    assert row[6] == 0 and row[7] == 200


def test_layers_without_a_living_unit_are_left_out(sweeps):
    dead = changed(
        sweeps,
        "constant",
        at(("living", lambda old: old * 0), activation="relu", constant=0, seed=1),
        at(("rank", lambda old: old * 0), activation="relu", constant=0, seed=1),
        at(("share_error", lambda old: old * np.nan), activation="relu", constant=0, seed=1),
    )
    found = held(dead)
    assert found[f"order: {RELU}"] and found[f"shares: {RELU}"]
    at(("living", lambda old: old * 0), activation="relu", constant=0)(dead["constant"])
    assert not {f"order: {RELU}", f"shares: {RELU}", f"one line: {RELU}"} & set(held(dead))


def test_sentences_go_with_their_claims(sweeps):
    apart = changed(sweeps, "one_unit", at(("loss", lambda old: old + 1), step=5))
    text = STUDY.answer(apart, STUDY.claims(apart))
    assert "copies of one unit" not in text and "amount to" not in text
    told = [" ".join(picture.caption for picture in STUDY.pictures(results)) for results in (sweeps, apart)]
    plt.close("all")
    assert "on one line over" in told[0] and "on one line over" not in told[1]


def test_every_first_move_is_recorded():
    steps = {program.records for program in STUDY.build(smoke(records=3, layers="2,4"))}
    assert steps == {(0, 1, 2, 3, 4, 200)}
    for preset in ("", "smoke", "full"):
        config = load(ROOT / "configs" / "bias_zero.py", preset)
        for program in STUDY.build(config):
            assert program.records == record_steps(config.steps, config.records, "log")


def test_no_first_moves_without_their_records(sweeps):
    few = {**sweeps, "constant": sweeps["constant"].drop_sel(step=[2])}
    assert not {f"order: {RELU}", f"shares: {RELU}"} & set(held(few))


def test_figures_and_tables(workdir, sweeps):
    folder = workdir / "report"
    assert {path.stem for path in folder.glob("*.png")} == {"cost", "line", "how_far"}
    assert len((folder / "costs.csv").read_text().splitlines()) == 1 + 3
    assert len((folder / "constants.csv").read_text().splitlines()) == 1 + 2 * 2 * 3


@pytest.mark.parametrize("changes", [{"bias_scale": "0.3"}, {"constant": "0.1"}, {"initializer": "lecun"}, {"bias_scale": "0"}])
def test_other_axes_build_and_leave_claims_out(sweeps, changes):
    assert STUDY.build(smoke(**changes))
    if "initializer" in changes:
        left = {"random": sweeps["random"]}
    elif "constant" in changes:
        left = {"random": sweeps["random"], "constant": sweeps["constant"].sel(constant=[0.1])}
    else:
        scale = [float(changes["bias_scale"])]
        left = {name: sweeps[name].sel(bias_scale=scale) for name in ("random", "constant")}
    found = STUDY.claims(left)
    assert len(found) < len(STUDY.claims(sweeps)) and STUDY.answer(left, found)
    assert STUDY.pictures(left) and STUDY.tables(left)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"initializer": "zero"}, "unknown initializer 'zero': choose from lecun, he, constant"),
        ({"activation": "elu"}, "unknown activation 'elu'"),
        ({"layers": "1"}, "layers=1: a whole number from 2"),
        ({"layers": "tanh"}, "layers='tanh': a whole number from 2"),
        ({"bias_scale": "-1"}, "bias_scale"),
        ({"zipped": "bias_scale+learning_rate", "learning_rate": "0.1,0.2,0.3"}, "axes of their own"),
        ({"constant_seeds": 0}, "constant_seeds=0: at least 1"),
        ({"steps": 1}, "steps=1: at least 2"),
        ({"width": 0}, "whole numbers, at least 1"),
        ({"dataset": "letters"}, "unknown dataset 'letters'"),
    ],
)
def test_impossible_settings_are_told_in_one_line(changes, message):
    with pytest.raises(InputError, match=message) as told:
        STUDY.build(smoke(**changes))
    assert "\n" not in str(told.value)


def test_an_axis_that_the_study_needs():
    config = smoke()
    del config.sweep["bias_scale"]
    with pytest.raises(InputError, match="this study needs an axis for bias_scale"):
        STUDY.build(config)
