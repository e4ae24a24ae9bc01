"""The study of softmax rows from end to end, small; that its claims can fail; and what it cannot do."""

import json

import numpy as np
import pytest
from matplotlib import pyplot as plt

from symmetry_jax.command_line import load_study
from symmetry_jax.errors import InputError
from symmetry_jax.reports.report import write_report
from symmetry_jax.sweeps.loading import load_sweeps
from symmetry_jax.sweeps.runner import run_study
from tests.test_configs import ROOT, load

pytestmark = pytest.mark.slow  # compiles every program of the study

STUDY = load_study("softmax_rows")


def small(sweep=None, **changes):
    config = load(ROOT / "configs" / "softmax_rows.py", "smoke")
    for name, value in changes.items():
        config[name] = value
    for name, value in (sweep or {}).items():
        config.sweep[name] = value
    return config


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "work"
    # all batches, and momentum, whose decayed constant is a formula of its own
    sweep = {"batch": "example,minibatch,balanced,full", "optimizer": "sgd,momentum,adam"}
    run_study(STUDY, small(sweep), path, "python -m symmetry_jax run", say=lambda line: None)
    write_report(STUDY, path)
    return path


@pytest.fixture(name="sweeps", scope="module")
def loaded(workdir):
    return load_sweeps(workdir)


def held(sweeps):
    return {claim.name: claim.holds for claim in STUDY.claims(sweeps)}


def test_claims_hold(sweeps):
    found = held(sweeps)
    assert all(found.values())
    assert {"example", "norms", "directions", "ratio: 2 classes", "ratio: 4 classes", "still", "two classes"} <= set(found)
    assert {"rows: minibatch", "rows: full", "rows: balanced", "drop: full", "drop: balanced", "adam", "adam: sum"} <= set(
        found
    )
    assert {"sum: sgd", "sum: momentum", "sum: adam, 2 classes", "sum: adam, 4 classes", "shift: adam"} <= set(found)
    assert {"shift: sgd", "shift: momentum", "rank: zero", "rank: constant", "rank: adam"} <= set(found)


def scale(name, factor, **where):
    """Multiplies a variable at some coordinates."""

    def change(dataset):
        dataset[name] = dataset[name].astype(float)
        dataset[name].loc[where] = dataset[name].loc[where] * factor

    return change


def add(name, number, **where):
    def change(dataset):
        dataset[name] = dataset[name].astype(float)
        dataset[name].loc[where] = dataset[name].loc[where] + number

    return change


ONE = {"batch": "example", "seed": 1, "classes": 4}
TAMPERED = [
    ("rows", add("row_error", 1e-12, **ONE), ["example"]),
    ("rows", scale("row_norm", 1 + 1e-12, **ONE), ["norms"]),
    ("rows", scale("row_norm", 1 + 1e-9, **ONE, **{"class": 0}), ["norms", "ratio: 4 classes"]),
    (
        "rows",
        scale("row_norm", 1 + 1e-9, batch="example", classes=2, **{"class": 1}),
        ["norms", "ratio: 2 classes", "two classes"],
    ),
    ("rows", scale("row_norm", 1 + 1e-9, batch="full", classes=2, **{"class": 1}), ["two classes"]),
    ("rows", scale("row_norm", np.nan, **ONE, **{"class": 0}), ["norms", "ratio: 4 classes"]),
    ("rows", scale("row_cosine", -1, **ONE), ["directions"]),
    ("rows", add("still_weights", 1 / 256, **ONE), ["still"]),
    ("rows", add("row_error", 1e-12, batch="minibatch"), ["rows: minibatch"]),
    ("rows", add("row_error", np.nan, batch="full"), ["rows: full"]),
    ("rows", add("row_error", 1e-12, batch="balanced"), ["rows: balanced"]),
    ("rows", scale("predicted_drop", 1.0001, batch="full"), ["drop: full"]),
    ("rows", scale("predicted_drop", 0.5, batch="balanced", classes=2), ["drop: balanced"]),
    ("steps", scale("moved", 1 + 1e-9, classes=4, seed=0), ["adam"]),
    ("steps", scale("class_mean", 1.001, classes=4, seed=0), ["adam: sum"]),
    ("long", add("class_mean", 1e-12, optimizer="sgd", step=60), ["sum: sgd"]),
    ("long", add("class_mean", 1e-12, optimizer="momentum", constant=0.5), ["sum: momentum"]),
    ("long", add("class_mean", 1e-3, optimizer="adam", classes=2, constant=0), ["sum: adam, 2 classes"]),
    ("long", scale("class_mean", 1e-9, optimizer="adam", classes=4, constant=0), ["sum: adam, 4 classes"]),
    ("long", add("weights", 1e-11, optimizer="sgd", constant=0.5, weight_decay=0.1), ["shift: sgd"]),
    ("long", add("weights", 1e-11, optimizer="momentum", constant=0.5), ["shift: momentum"]),
    ("long", add("weights", 1e-3, optimizer="adam", constant=0.5, weight_decay=0), ["shift: adam"]),
    ("long", add("rank", 1, optimizer="sgd", constant=0), ["rank: zero"]),
    ("long", add("rank", -2, constant=0.5), ["rank: constant"]),
    ("long", add("rank", -1, optimizer="adam", constant=0), ["rank: adam"]),
]


@pytest.mark.parametrize("sweep, change, broken", TAMPERED, ids=lambda value: str(value) if isinstance(value, list) else "")
def test_claims_fail_when_the_results_say_otherwise(sweeps, sweep, change, broken):
    copy = {**sweeps, sweep: sweeps[sweep].copy(deep=True)}
    change(copy[sweep])
    assert [name for name, holds in held(copy).items() if not holds] == broken


def test_momentum_does_not_decay_like_gradient_descent(sweeps):
    long = sweeps["long"].sel(optimizer="momentum", classes=4, constant=0.5, weight_decay=0.1, step=60)
    plain = 0.5 * (1 - 0.1 * 0.1) ** 60
    assert abs(long.class_mean - plain).min() > 0.1


def test_the_answer_begins_with_two_sentences_from_the_results(sweeps):
    text = STUDY.answer(sweeps, STUDY.claims(sweeps))
    first, rest = text.split("\n\n", 1)
    assert first.count(". ") == 1 and "right for K = 2" in first and "wrong for K = 4" in first and "3 times at K = 4" in first
    assert "nan" not in text and "0.75 of the norm" in rest
    even = sweeps["rows"].copy(deep=True)
    even["row_norm"] = even.row_norm * 0 + 1
    changed = {**sweeps, "rows": even}
    assert "right for K = 2, 4" in STUDY.answer(changed, STUDY.claims(changed)).split("\n\n")[0]


def test_sentences_go_with_their_claims(sweeps):
    names = ("sum: adam, 2 classes", "sum: adam, 4 classes", "rows: balanced", "two classes", "norms", "example", "adam")
    broken = {name: dataset.copy(deep=True) for name, dataset in sweeps.items()}
    for sweep, change, fallen in TAMPERED:
        if set(fallen) & {*names, "directions", "adam: sum"}:
            change(broken[sweep])
    claims = STUDY.claims(broken)
    assert not {claim.name for claim in claims if claim.holds} & set(names)
    text = STUDY.answer(broken, claims) + " ".join(picture.caption for picture in STUDY.pictures(broken))
    whole = STUDY.answer(sweeps, STUDY.claims(sweeps)) + " ".join(picture.caption for picture in STUDY.pictures(sweeps))
    plt.close("all")
    for words in (
        "opposite",
        "as for any batch",
        "toward",
        "in proportion to its",
        "signs",
        "meet at",
        "adds itself",
        "Adam they",
    ):
        assert words in whole and words not in text


def test_what_rounding_may_hide_is_not_claimed(sweeps):
    single = {
        name: dataset.map(lambda values: values.astype("float32") if values.dtype == np.float64 else values)
        for name, dataset in sweeps.items()
    }
    found, names = STUDY.claims(single), set(held(sweeps))
    assert all(claim.tolerance <= 0.01 for claim in found)
    assert names - {claim.name for claim in found} >= {"sum: adam, 2 classes", "sum: adam, 4 classes", "shift: adam"}
    assert {"example", "sum: sgd", "shift: momentum"} <= {claim.name for claim in found} and STUDY.answer(single, found)


def test_the_report_has_every_figure_and_table(workdir):
    folder = workdir / "report"
    assert {path.stem for path in folder.glob("*.png")} == {"norms", "updates", "drop", "sums"}
    assert {path.stem for path in folder.glob("*.csv")} == {"norms", "long"}
    assert json.loads((workdir / "claims.json").read_text())["study"] == "softmax_rows"


@pytest.mark.parametrize(
    "sweep, changes, words",
    [
        ({"classes": "1"}, {}, "classes=1: a whole number from 2 to 10"),
        ({"classes": "11"}, {}, "classes=11: a whole number from 2 to 10"),
        ({"classes": "2.5"}, {}, "classes=2.5: a whole number from 2 to 10"),
        ({"classes": "ten"}, {}, "classes='ten': a whole number from 2 to 10"),
        ({"batch": "example,half"}, {}, "unknown batch 'half': choose from example, minibatch, full, balanced"),
        ({"batch": "full"}, {}, "axis batch='full': example among them"),
        ({"optimizer": "sgdd"}, {}, "unknown optimizer 'sgdd': choose from sgd"),
        ({"constant": "0.5,1"}, {}, "axis constant='0.5,1': 0 among them"),
        ({"learning_rate": "0"}, {}, "axis learning_rate: 0 moves nothing"),
        ({"seed": "-1"}, {}, "seeds are whole numbers"),
        ({"momentum": "0.5,0.9"}, {}, "axis momentum has several values, but 'long optimizer=sgd classes=2' does not read it"),
        ({}, {"few_seeds": 0}, "few_seeds=0: at least 1"),
        ({}, {"batch_size": 0}, "batch_size=0: at least 1"),
        ({}, {"steps": 0}, "steps=0"),
        ({}, {"precision": "float16"}, "unknown precision 'float16'"),
        ({}, {"spacing": "square"}, "unknown spacing 'square'"),
        ({}, {"dataset": "letters"}, "unknown dataset 'letters'"),
    ],
)
def test_a_setting_that_cannot_be_is_told_in_one_line(sweep, changes, words, tmp_path):
    with pytest.raises(InputError) as caught:
        run_study(STUDY, small(sweep, **changes), tmp_path / "new", "", say=lambda line: None)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_an_axis_that_the_study_needs():
    config = small()
    del config.sweep["constant"]
    with pytest.raises(InputError, match="this study needs an axis for constant"):
        STUDY.build(config)
