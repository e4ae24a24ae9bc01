"""The study of what takes equal filters apart, from end to end, small; and that its claims can fail."""

import functools
import json
import warnings

import pytest

from symmetry_jax.command_line import load_study
from symmetry_jax.errors import InputError
from symmetry_jax.reports.report import write_report
from symmetry_jax.sweeps.loading import load_sweeps
from symmetry_jax.sweeps.runner import run_study
from tests.experiments import presets
from tests.test_configs import ROOT, load

pytestmark = pytest.mark.slow  # compiles every program of the study

STUDY = load_study("symmetry_breakers")


smoke = functools.partial(presets.changed, "symmetry_breakers")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "work"
    run_study(STUDY, smoke(save_steps=0), path, "python -m symmetry_jax run", say=lambda line: None)
    write_report(STUDY, path)
    return path


@pytest.fixture(scope="module")
def results(workdir):
    return {name: dataset.load() for name, dataset in load_sweeps(workdir).items()}


@pytest.fixture(scope="module")
def held(results):
    """Whether each claim holds."""
    return holding(results)


def holding(results):
    return {claim.name: claim.holds for claim in STUDY.claims(results)}


def test_claims_hold_and_the_page_shows_all(workdir):
    summary = json.loads((workdir / "claims.json").read_text())
    assert all(claim["holds"] for claim in summary["claims"]) and len(summary["claims"]) == 14
    assert list(summary["figures"]) == ["kicks", "arithmetic"] and "nan" not in summary["answer"]
    assert (
        "equal in every bit of 8 runs under label noise, and were taken apart by gradient noise, rounding" in summary["answer"]
    )
    assert len(summary["answer"].split("\n\n")[0].splitlines()) == 1
    rows = (workdir / "report" / "sources.csv").read_text().splitlines()
    assert len(rows) == 7 and rows[1].startswith("label_noise,0.0,4,0,,,,0.0,")


def test_a_picture_without_anything_that_parts_has_no_legend(results):
    quiet = results | {"sources": results["sources"].sel(source=["label_noise"])}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = next(picture for picture in STUDY.pictures(quiet) if picture.name == "kicks")
    assert [panel.get_legend() for panel in picture.figure.axes] == [None, None]


def set_last(name, value, **where):
    return lambda sweep: sweep[name].loc.__setitem__({"end": "last", **where}, value)


@pytest.mark.parametrize(
    "claim, sweep, change",
    [
        ("equal: label_noise", "sources", set_last("parted_after", 3, source="label_noise", seed=1)),
        ("apart: rounding", "sources", set_last("parted_after", -1, source="rounding", seed=0)),
        ("off: gradient_noise", "sources", set_last("parted_after", 3, source="gradient_noise", strength=0.0)),
        ("kick: gradient_noise", "sources", lambda sweep: sweep.kick.__imul__(1.2)),
        ("kick: rounding", "sources", lambda sweep: sweep.kick.__imul__(1.3)),
        ("kick: dropout, fan-in", "dropout", lambda sweep: sweep.separation.__imul__(1.3)),
        ("kick: dropout, fan-out", "dropout", lambda sweep: sweep.separation.__imul__(1.5)),
        ("kept: float64", "arithmetic", set_last("parted_after", 7, width=8)),
        ("lost", "arithmetic", set_last("parted_after", -1)),
        ("held", "held", lambda sweep: sweep.spread[{"step": 3}].__iadd__(1e-300)),
        ("told", "arithmetic", lambda sweep: sweep.kick.__imul__(1e4)),
        ("foretold", "arithmetic", lambda sweep: sweep.kick.__imul__(1e-30)),
    ],
)
def test_every_claim_can_fail(results, held, claim, sweep, change):
    changed = {**results, sweep: results[sweep].copy(deep=True)}
    change(changed[sweep])
    assert held[claim] and not holding(changed)[claim]


@pytest.mark.parametrize(
    "changes, line",
    [
        ({"sweep__source": "dropout,dust"}, "unknown source 'dust': choose from minibatches, momentum"),
        ({"sweep__learning_rate": "0.1,0.2"}, "config.sweep.learning_rate has several values: all but"),
        ({"sweep__strength": "0,1.5"}, r"axis strength: 1.5 is outside of \[0, 1\]"),
        ({"arithmetic__width": "1,7"}, "width=1: whole numbers of units, at least 2"),
        ({"arithmetic__floats": "float16"}, "unknown floats 'float16': choose from float32, float64"),
        ({"followed": "half"}, "followed=half: half not among the widths 7,8"),
        ({"followed": "7,9"}, "followed=7,9: 9 not among the widths 7,8"),
        ({"sweep__strength": "0"}, r"config\.sweep\.strength=0: at least one strength above 0"),
    ],
)
def test_settings_that_cannot_be(changes, line):
    with pytest.raises(InputError, match=line):
        STUDY.build(smoke(**changes))


def test_an_axis_that_is_missing():
    config = smoke()
    del config.sweep.strength
    with pytest.raises(InputError, match=r"config\.sweep needs an axis for strength"):
        STUDY.build(config)


def test_every_source_makes_a_program():
    config = smoke(sweep__source=load(ROOT / "configs" / "symmetry_breakers.py", "").sweep.source)
    programs = [program for program in STUDY.build(config) if program.sweep == "sources"]
    assert len(programs) == 13
    points = {program.static["source"]: program.axes.columns()["strength"] for program in programs}
    assert {name for name, strengths in points.items() if strengths == [1.0]} == {"minibatches", "adam", "batch_norm"}
    assert all(strengths in ([1.0], [0.0, 1e-3]) for strengths in points.values())
