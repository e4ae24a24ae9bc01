"""The study of zero and constant starts from end to end, small; and that its claims can fail."""

import functools
import json

import pytest

from symmetry_jax import load_results
from symmetry_jax.command_line import load_study
from symmetry_jax.errors import InputError
from symmetry_jax.reports.report import write_report
from symmetry_jax.reports.standstills import escape_claims
from symmetry_jax.sweeps.loading import load_sweeps
from symmetry_jax.sweeps.runner import run_study
from tests.experiments import presets

pytestmark = pytest.mark.slow  # compiles every program of the study

STUDY = load_study("zero_init")


smoke = functools.partial(presets.changed, "zero_init")


def cell(**changes):
    """Settings of a single network."""
    single = {
        "layers": "2",
        "activation": "tanh",
        "batch": "full",
        "constant": "0.1",
        "steps": 12,
        "records": 13,
        "random_seeds": 0,
    }
    return smoke(**{**single, **changes})


def run(config, path):
    run_study(STUDY, config, path, "python -m symmetry_jax run", say=lambda line: None)
    write_report(STUDY, path)
    return path


def claims(workdir):
    return {claim["name"]: claim for claim in json.loads((workdir / "claims.json").read_text())["claims"]}


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return run(smoke(), tmp_path_factory.mktemp("study") / "work")


def test_everything_that_is_predicted_is_seen(workdir):
    found = claims(workdir)
    exact = ["first moves", "sizes", "ties", "ranks", "bias alone", "standstill", "escape: sigmoid"]
    assert set(found) == {*exact, "cost"}
    assert all(found[name]["holds"] for name in exact), found
    assert 0 < found["sizes"]["measured"] < 1


def test_only_cells_that_are_asked_for_are_there(workdir):
    results = load_results(workdir)
    assert results.valid.sel(layers=2).all() and results.valid.sel(layers=3, activation="tanh").all()
    assert not results.valid.sel(layers=3, activation="sigmoid").any()
    assert load_results(workdir, "random").test_accuracy.sel(end="last").min() > 0.9


def test_the_table_and_the_figures(workdir):
    lines = (workdir / "report" / "first_moves.csv").read_text().splitlines()
    assert lines[0].startswith("batch,layers,activation,constant,W predicted,W measured,b predicted,b measured")
    assert "full,2,sigmoid,0.0,2 1,2 1,2 1,2 1,1 1,1 1," in "\n".join(lines) and len(lines) == 13
    page = (workdir / "report" / "index.html").read_text()
    assert "<h2>Tables</h2>" in page and page.count("<tr><td>") > 12
    figures = list(json.loads((workdir / "claims.json").read_text())["figures"])
    assert figures == ["first_moves", "loss_2_layers", "loss_3_layers", "escape"]
    assert all((workdir / "report" / f"{figure}.png").stat().st_size > 5000 for figure in figures)


def test_the_answer_begins_with_two_sentences(workdir):
    answer = json.loads((workdir / "claims.json").read_text())["answer"]
    first, details = answer.split("\n\n")
    assert first.startswith("56 of 56 arrays first moved as predicted (0 more") and first.count(". ") == 1
    assert first.count("; ") == 3 and "never exceed rank 1" in first
    assert "12 runs of 400 steps" in details and "8 of 8 claims hold" in details


def tampered(workdir, change):
    """Whether each claim holds once the results are changed in place."""
    sweeps = {name: dataset.copy(deep=True) for name, dataset in load_sweeps(workdir).items()}
    change(sweeps["constant"])
    return {claim.name: claim.holds for claim in STUDY.claims(STUDY.prepare(sweeps))}


CELL = {"layers": 2, "activation": "sigmoid", "batch": "full", "constant": 0.0}


@pytest.mark.parametrize(
    "name, variable, where, value",
    [
        ("first moves", "first_move", {**CELL, "end": "last", "layer": 1, "part": "weight"}, 1),
        ("first moves", "first_move", {**CELL, "end": "last", "layer": 2, "part": "bias"}, -1),
        ("sizes", "first_gradient", {**CELL, "end": "last", "layer": 1, "part": "weight"}, 1.0),
        ("ties", "tie_error", {**CELL, "step": 400, "layer": 1}, 1e-16),
        ("ranks", "rank", {**CELL, "step": 400, "layer": 1}, 2),
        ("bias alone", "loss", {**CELL, "activation": "tanh", "step": 400}, 1.3),
        ("standstill", "loss", {**CELL, "activation": "tanh", "batch": "balanced", "step": 1}, 1.3),
        ("cost", "test_accuracy", {**CELL, "end": "last"}, 1.0),
    ],
)
def test_claims_fail_when_the_results_say_otherwise(workdir, name, variable, where, value):
    def change(results):
        results[variable].loc[where] = value

    assert not tampered(workdir, change)[name]


def test_the_escape_is_claimed_at_its_rate(workdir):
    def slower(results):
        norms = results.weight_norm
        results["weight_norm"] = norms**0.9

    assert tampered(workdir, lambda results: None)["escape: sigmoid"] and not tampered(workdir, slower)["escape: sigmoid"]


def test_any_cell_can_be_reached(tmp_path):
    changes = {"layers": "4", "activation": "softplus", "constant": "0.0", "batch": "balanced", "steps": 12}
    results = load_results(run(cell(**changes), tmp_path / "work")).squeeze()
    assert results.layers == 4 and results.activation == "softplus"
    assert (results.first_move.sel(end="last") == -1).all() and (results.first_change.sel(end="last", layer=4) > 0).all()


@pytest.mark.parametrize("layers, batch", [("1", "minibatch"), ("3", "minibatch")])
def test_minibatches_are_those_that_were_trained_on(layers, batch, tmp_path):
    found = claims(run(cell(layers=layers, batch=batch, constant="0.0,0.1", activation="sigmoid"), tmp_path / "work"))
    assert found["first moves"]["holds"] and found["sizes"]["holds"]
    assert int(found["first moves"]["statement"].split()[2].rstrip(",")) == 2 * 2 * 2 * int(
        layers
    )  # seeds, constants, weight and bias


def test_in_float32_and_under_other_optimizers(tmp_path):
    found = claims(run(cell(precision="float32", activation="sigmoid", layers="3"), tmp_path / "single"))
    assert found["first moves"]["holds"] and found["sizes"]["holds"]
    found = claims(run(cell(optimizer="adam", learning_rate="0.01"), tmp_path / "adam"))
    assert "first moves" not in found and "ties" not in found


def test_ties_can_be_held_at_any_width(tmp_path):
    held = load_results(run(cell(width="5", hold_ties=True, constant="0.1", layers="3", steps=300), tmp_path / "held"))
    assert float(held.tie_error.max()) == 0
    assert float(held.loss.isel(step=-1).max()) < float(held.loss.isel(step=0).max())


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"layers": "0"}, "axis layers: 0: whole numbers, at least 1"),
        ({"layers": "2.5"}, "axis layers: 2.5: whole numbers, at least 1"),
        ({"layers": "two"}, "axis layers: 'two': whole numbers, at least 1"),
        ({"layers": "65"}, "axis layers: 65: at most 10"),
        ({"width": "0"}, "widths=(0,): whole numbers, at least 1"),
        ({"classes": "1"}, "classes=1: a whole number from 2 to 10"),
        ({"classes": "ten"}, "classes='ten': a whole number from 2 to 10"),
        ({"batch": "half"}, "unknown batch 'half': choose from full, balanced, minibatch"),
        ({"batch_size": "0.5", "batch": "minibatch"}, "axis batch_size: 0.5: whole numbers, at least 1"),
        ({"batch_size": "9999", "batch": "minibatch"}, "batch_size=9999: at most"),
        ({"activation": "elu"}, "unknown activation 'elu': choose from tanh"),
        ({"activation": "3"}, "unknown activation 3: choose from tanh"),
        ({"dataset": "mnits"}, "unknown dataset 'mnits': choose from digits"),
        ({"optimizer": "sgdd"}, "unknown optimizer 'sgdd': choose from sgd"),
        ({"constant": "tiny"}, "axis constant: 'tiny' is a name, but constant is a number"),
        ({"precision": "float16"}, "unknown precision 'float16'"),
        ({"zipped": "seed+constant", "seed": "0:2"}, "seed and constant are axes of their own in this study"),
        ({"crossed": -1}, "crossed=-1: 0 (the whole product) or more"),
        ({"random_seeds": -1}, "random_seeds=-1: 0 (none) or more"),
        ({"steps": 5}, "steps=5: at least 10, over which first moves are predicted"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(changes, words, tmp_path):
    def compiling(line):
        raise AssertionError(f"about to be computed: {line}")

    with pytest.raises(InputError) as caught:
        run_study(STUDY, smoke(**changes), tmp_path / "new", "", say=compiling)
    assert words in str(caught.value) and "\n" not in str(caught.value) and not (tmp_path / "new").exists()


def test_an_axis_that_the_study_needs():
    config = smoke()
    del config.sweep["constant"]
    with pytest.raises(InputError, match="this study needs an axis for constant"):
        STUDY.build(config)


def test_a_study_in_which_every_run_diverged_says_so(workdir):
    sweeps = load_sweeps(workdir)
    lost = sweeps["constant"].copy(deep=True)
    lost["first_nonfinite_step"] = lost.first_nonfinite_step * 0 + 5
    prepared = STUDY.prepare({**sweeps, "constant": lost})
    answer = STUDY.answer(prepared, [])
    assert "12 of which went non-finite" in answer and "no finite run here" in answer and "nan" not in answer
    assert not STUDY.claims(prepared)
    STUDY.tables(prepared)


def test_units_that_die_and_moves_that_drown(tmp_path):
    path = run(cell(activation="relu", constant="1.0", learning_rate="3.0"), tmp_path / "dying")
    assert claims(path)["deaths"]["holds"] and "Runs, of 1 in which" in claims(path)["deaths"]["statement"]

    def revive(results):
        results["passing"] = results.passing * 0 + 1

    assert not tampered(path, revive)["deaths"]
    path = run(cell(constant="1.0", layers="3"), tmp_path / "saturated")
    assert claims(path)["hidden moves"]["holds"] and claims(path)["first moves"]["holds"] and "deaths" not in claims(path)

    def move(results):
        results["first_move"].loc[{"layer": 1, "end": "last"}] = 2

    assert not tampered(path, move)["hidden moves"]


def test_a_sentence_goes_when_its_runs_do_not_bear_it_out(workdir):
    sweeps = {name: dataset.copy(deep=True) for name, dataset in load_sweeps(workdir).items()}
    assert "L - l + 1" in STUDY.answer(STUDY.prepare(sweeps), [])
    sweeps["constant"]["first_move"].loc[{**CELL, "end": "last", "layer": 1, "part": "weight"}] = 1
    assert "L - l + 1" not in STUDY.answer(STUDY.prepare(sweeps), [])


def test_a_rate_at_which_the_escape_overflows_is_reported(workdir):
    compared = STUDY.prepare(load_sweeps(workdir))["compared"]
    (claim,) = escape_claims(compared.assign(escape_factor=compared.escape_factor * 1e3))
    assert claim.name == "escape: sigmoid" and not claim.holds
