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
    # units that arithmetic parts are a few units, not as many as the layer has
    assert [claim["name"] for claim in summary["claims"] if not claim["holds"]] == ["fully split: float64"]
    assert len(summary["claims"]) == 16
    assert list(summary["figures"]) == ["kicks", "arithmetic"] and "nan" not in summary["answer"]
    assert (
        "equal in every bit of 4 runs under label noise, and were taken apart by gradient noise, rounding" in summary["answer"]
    )
    assert "for dropout in 512 regressions of one step alone" in summary["answer"]
    assert len(summary["answer"].split("\n\n")[0].splitlines()) == 1
    rows = (workdir / "report" / "sources.csv").read_text().splitlines()
    assert len(rows) == 7 and rows[1].startswith("label_noise,0.0,4,0,,,,0.0,")


def test_a_picture_without_anything_that_parts_has_no_legend(results):
    quiet = results | {"sources": results["sources"].sel(source=["label_noise"])}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = next(picture for picture in STUDY.pictures(quiet) if picture.name == "kicks")
    assert [panel.get_legend() for panel in picture.figure.axes] == [None, None]


def test_the_figure_names_widths_whose_distance_is_never_above_0(results):
    picture = next(picture for picture in STUDY.pictures(results) if picture.name == "arithmetic")
    losses, distances = ([text.get_text() for text in panel.get_legend().get_texts()] for panel in picture.figure.axes)
    assert distances == ["7 units", "8 units: equal in every bit"]
    parted = int(results["arithmetic"].distinct.sel(end="last", width=7).max())
    assert losses == ["float64, 1 unit", f"float64, {parted} units"]


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
        ("held", "held", set_last("test_loss", 1.0, width=8, seed=1)),
        ("held", "held", set_last("test_loss", float("nan"), width=8, seed=1)),
        ("learns more", "held", set_last("test_loss", 0.0, width=7, seed=1)),
        ("learns more", "arithmetic", set_last("test_loss", float("nan"), width=7, seed=1)),
        ("told", "arithmetic", lambda sweep: sweep.kick.__imul__(1e4)),
        ("foretold", "arithmetic", lambda sweep: sweep.kick.__imul__(1e-30)),
    ],
)
def test_every_claim_can_fail(results, held, claim, sweep, change):
    assert held[claim] and not holding(changed(results, sweep, change))[claim]


def changed(results, sweep, change):
    copy = {**results, sweep: results[sweep].copy(deep=True)}
    change(copy[sweep])
    return copy


def test_a_start_that_splits_into_all_its_units_is_told(results):
    split = changed(results, "arithmetic", set_last("distinct", 7, width=7, seed=1))
    assert holding(split)["fully split: float64"]
    assert "split into 7 distinct units by step 1,000" in STUDY.answer(split, STUDY.claims(split))
    assert "distinct units there at the end, in the seed with the most: 7 at 7." in STUDY.answer(split, [])


def test_widths_that_keep_the_tie_neither_split_nor_foretell_anything(results):
    names = {claim.name: claim for claim in STUDY.claims(results)}
    assert "of 2 runs that lost the tie" in names["foretold"].statement
    alike = changed(results, "arithmetic", set_last("parted_after", -1))
    assert not {"foretold", "told", "fully split: float64"} & set(holding(alike))
    assert "they split into" not in STUDY.answer(alike, [])


def test_runs_without_their_source_are_not_counted(results, held):
    off = changed(results, "sources", set_last("parted_after", 3, source="label_noise", strength=0.0))
    assert holding(off) == held


def test_unequal_fan_out_is_held_against_the_fan_in_alone(results):
    """Noise on gradients stands for it: its twins are equal at the start, and not after a step."""
    names = ["label_noise", "fan_out", "rounding"]
    moved = {**results, "sources": results["sources"].assign_coords(source=names)}
    assert holding(moved)["apart: fan_out"]
    step = int(moved["sources"].step[1])

    def set_fan_in(value, **where):
        return lambda sweep: sweep.separation.loc.__setitem__({"source": "fan_out", "part": "fan-in", **where}, value)

    assert not holding(changed(moved, "sources", set_fan_in(0.0, step=step, seed=1)))["apart: fan_out"]
    assert not holding(changed(moved, "sources", set_fan_in(1e-3, step=0, seed=1)))["apart: fan_out"]


@pytest.mark.parametrize(
    "changes, line",
    [
        ({"sweep__source": "dropout,dust"}, "unknown source 'dust': choose from minibatches, momentum"),
        ({"sweep__learning_rate": "0.1,0.2"}, "config.sweep.learning_rate has several values: all but"),
        ({"sweep__strength": "0,1.5"}, r"axis strength: 1.5 is outside of \[0, 1\]"),
        ({"arithmetic__width": "1,7,8"}, "width=1: whole numbers of units, at least 2"),
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
