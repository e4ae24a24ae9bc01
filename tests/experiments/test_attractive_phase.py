"""The study of attractive phases from end to end, small; and that its claims can fail."""

import functools
import json

import numpy as np
import pytest
from matplotlib import pyplot as plt

from symmetry_jax.command_line import load_study
from symmetry_jax.errors import InputError
from symmetry_jax.reports.report import write_report
from symmetry_jax.sweeps.loading import load_sweeps
from symmetry_jax.sweeps.runner import run_study
from tests.experiments import presets

pytestmark = pytest.mark.slow  # compiles every program of the study

STUDY = load_study("attractive_phase")


smoke = functools.partial(presets.changed, "attractive_phase")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "work"
    run_study(STUDY, smoke(save_steps=0), path, "python -m symmetry_jax run", say=lambda line: None)
    write_report(STUDY, path)
    return path


@pytest.fixture(scope="module")
def sweeps(workdir):
    return load_sweeps(workdir)


def changed(sweeps, *changes):
    """The results with the numbers of some variables changed where the labels say."""
    copy = {name: sweep.copy(deep=True) for name, sweep in sweeps.items()}
    for sweep, variable, value, where in changes:
        array = copy[sweep][variable]
        array.loc[where] = value(array.loc[where])
    return STUDY.prepare(copy)


def held(sweeps, *changes):
    return {claim.name: claim.holds for claim in STUDY.claims(changed(sweeps, *changes))}


def test_every_claim_is_made_and_holds(workdir, sweeps):
    found = held(sweeps)
    names = {f"{claim}: erf" for claim in ("threshold", "rate", "escape", "sign", "identity", "bound", "never")}
    names |= {f"{claim}: gelu" for claim in ("sign", "majority", "start")}
    names |= {f"{family} fates: {name}" for family, name in (("length", "erf"), ("teacher", "erf"), ("teacher", "gelu"))}
    assert set(found) == {*names, "plateau", "plateau loss"} and all(found.values())
    summary = json.loads((workdir / "claims.json").read_text())
    assert [claim["holds"] for claim in summary["claims"]] == list(found.values())
    assert list(summary["figures"]) == ["exponents", "twins", "shares"]


def test_the_tie_is_held_and_twins_start_where_it_ended(sweeps):
    tied, apart = sweeps["lengths"].squeeze(drop=True), sweeps["lengths_apart"].squeeze(drop=True)
    begun = apart.separation.isel(step=0).sel(part="orbit")
    for epsilon in (1e-6, 2.0):
        np.testing.assert_allclose(begun.sel(epsilon=epsilon), epsilon, rtol=1e-8)
    np.testing.assert_allclose(apart.loss.isel(step=0).sel(epsilon=1e-6), tied.loss.isel(step=-1), rtol=1e-8)
    teachers = sweeps["teachers_apart"].separation.isel(step=0).sel(part="orbit")
    np.testing.assert_allclose(teachers, 1e-6, rtol=1e-8)


ANY = {"step": slice(None)}
LAST = {"end": "last"}


@pytest.mark.parametrize(
    "claim, change",
    [
        ("threshold: erf", ("lengths", "log_growth", lambda old: -old, ANY)),
        ("threshold: erf", ("lengths", "log_growth", lambda old: old * np.nan, ANY)),
        ("rate: erf", ("lengths", "log_growth", lambda old: old + 1e-6, {"step": 1000, "length": 2})),
        ("rate: erf", ("lengths", "log_growth", lambda old: old * np.nan, {"step": 1000, "length": 2})),
        ("length fates: erf", ("lengths_apart", "separation", lambda old: old * 1e9, {"step": 1000, "length": 3})),
        ("length fates: erf", ("lengths_apart", "separation", lambda old: old * 0, {"step": 1000, "length": 1})),
        ("escape: erf", ("lengths_apart", "loss", lambda old: old * 1e4, {"step": 1000, "length": 3, "epsilon": 2})),
        ("sign: erf", ("teachers", "curvature", lambda old: -old, LAST)),
        ("sign: gelu", ("teachers", "curvature", lambda old: -old, LAST)),
        ("identity: erf", ("teachers", "bias_curvature", lambda old: old + 1e-9, {"source": "measured", "end": "last"})),
        ("identity: erf", ("teachers", "bias_curvature", lambda old: old * np.nan, {"source": "measured", "seed": 1})),
        (
            "bound: erf",
            ("teachers", "curvature", lambda old: old * 0 + 1e-3, {"bound": "lowest", "seed": 1}),
        ),
        ("never: erf", ("teachers", "log_growth", lambda old: -old, {"activation": "erf"})),
        ("never: erf", ("teachers", "log_growth", lambda old: old * 1e-9, {"activation": "erf"})),
        ("escape: erf", ("lengths_apart", "first_nonfinite_step", lambda old: old * 0, {"end": "last", "epsilon": 2})),
        ("plateau", ("plateau", "first_nonfinite_step", lambda old: old * 0, {"end": "last"})),
        ("teacher fates: erf", ("teachers_apart", "separation", lambda old: old * 0, {"step": 1000})),
        ("teacher fates: gelu", ("teachers_apart", "separation", lambda old: old * 1e9, {"step": 1000})),
        ("majority: gelu", ("teachers", "log_growth", lambda old: -old, {"activation": "gelu"})),
        ("majority: gelu", ("teachers", "gradient_norm", lambda old: old + 1, {"activation": "gelu"})),
        ("start: gelu", ("teachers", "log_growth", lambda old: -abs(old), {"activation": "gelu"})),
        ("plateau", ("plateau", "log_growth", lambda old: old * 2, ANY)),
        ("plateau loss", ("plateau", "loss", lambda old: old * 2, ANY)),
    ],
)
def test_claims_fail_when_the_results_say_otherwise(sweeps, claim, change):
    assert held(sweeps, change)[claim] is False


def test_the_answer_is_two_sentences_and_details_from_the_results(sweeps):
    prepared = STUDY.prepare(sweeps)
    text = STUDY.answer(prepared, STUDY.claims(prepared))
    paragraph, details = text.split("\n\n")
    assert paragraph.count(". ") == 1 and paragraph.endswith(".") and "nan" not in text
    assert "erf never attracts" in paragraph and "gelu attracts in" in paragraph and "Not to be concluded" in details
    other = changed(sweeps, ("teachers", "log_growth", lambda old: -old, {"activation": "erf"}))
    assert "erf never attracts" not in STUDY.answer(other, STUDY.claims(other))
    drifting = changed(sweeps, ("teachers", "gradient_norm", lambda old: old + 1, ANY))
    assert "no student of a random teacher came to rest" in STUDY.answer(drifting, STUDY.claims(drifting))


def words(prepared):
    """All that is said about results: the answer and the captions."""
    captions = [picture.caption for picture in STUDY.pictures(prepared)]
    plt.close("all")
    STUDY.tables(prepared)
    return "\n".join([STUDY.answer(prepared, STUDY.claims(prepared)), *captions])


def diverge(*sweeps):
    return [(sweep, "first_nonfinite_step", lambda old: old * 0, {"end": "last"}) for sweep in sweeps]


@pytest.mark.parametrize(
    "lost, said",
    [
        (["lengths"], "erf, one input, biases fixed: every student diverged."),
        (["lengths"], "where equal units diverged"),
        (["lengths_apart"], "told to attract. All twins diverged there."),
        (["teachers"], "gelu, random teachers: every student diverged."),
        (["teachers"], "no student of a random teacher came to rest"),
        (["teachers_apart"], "still drift at the end.\n"),
        (["plateau"], "orthonormal teacher: every student diverged."),
        (["lengths", "lengths_apart", "teachers", "teachers_apart", "plateau"], "no length was found"),
    ],
)
def test_what_diverged_is_told_in_words(sweeps, lost, said):
    text = words(changed(sweeps, *diverge(*lost)))
    assert said in text and "nan" not in text and "repel at" not in text


def test_a_sample_that_diverged_is_left_out_and_counted(sweeps):
    one = changed(sweeps, ("plateau", "first_nonfinite_step", lambda old: old * 0, {"end": "last", "seed": 0}))
    assert "the mean over 3 of 4 samples, since the others diverged" in words(one)
    assert {claim.name: claim.measured for claim in STUDY.claims(one)}["plateau"] is not None


def test_the_order_of_lengths_makes_no_difference(sweeps):
    turned = {
        name: sweep.isel(length=slice(None, None, -1)) if "length" in sweep.dims else sweep for name, sweep in sweeps.items()
    }
    expected, found = (STUDY.prepare(results) for results in (sweeps, turned))
    assert STUDY.claims(found) == STUDY.claims(expected) and words(found) == words(expected)
    assert STUDY.tables(found) == STUDY.tables(expected)


def test_captions_tell_of_what_was_tried(sweeps):
    text = words(STUDY.prepare(sweeps))
    assert "start 1e-06 apart come closer" in text and "start 2 apart do not come closer" in text
    assert "adjustable (open)" not in text and "the dotted length, 1.85 for erf" in text
    close = {name: sweep.sel(epsilon=[1e-6]) if name == "lengths_apart" else sweep for name, sweep in sweeps.items()}
    assert "do not come closer" not in words(STUDY.prepare(close)) and "2 apart" not in words(STUDY.prepare(close))
    short = {name: sweep.sel(length=[1, 1.5]) if "length" in sweep.dims else sweep for name, sweep in sweeps.items()}
    text = words(STUDY.prepare(short))
    assert "at length 1.5, biases fixed, where equal units repel" in text and "come closer, and" not in text.replace(
        "not come", ""
    )
    assert "dotted" not in text and "no length is told to attract" in text and "no length was found" in text
    free = {name: sweep.assign_coords(biases=["free"]) if "length" in sweep.dims else sweep for name, sweep in sweeps.items()}
    text = words(STUDY.prepare(free))
    assert "adjustable (open) 2 of 5 points are told to attract" in text and "Line: " not in text
    assert {claim.name: claim.holds for claim in STUDY.claims(STUDY.prepare(free))}["adjustable: erf"] is False


def test_twins_that_merge_at_some_lengths_are_told_apart_from_those_that_never_do(sweeps):
    place = {"step": 1000, "length": 3, "epsilon": 2}
    some = changed(sweeps, ("lengths_apart", "separation", lambda old: old * 0, place))
    assert "start 1e-06 apart at all of them; 2 apart at 1 of 2." in words(some)
    lost = changed(sweeps, ("lengths_apart", "first_nonfinite_step", lambda old: old * 0, {"end": "last", "length": 3}))
    assert "1e-06 apart at 1 of 2, while 1 diverge" in words(lost)


def test_shares_are_of_what_is_told(sweeps):
    untold = changed(sweeps, ("teachers", "log_growth", lambda old: old * 1e-9, {"activation": "erf"}))
    assert "erf is not told to attract or to repel (6 students at rest)" in words(untold)
    some = changed(sweeps, ("teachers", "log_growth", lambda old: old * 1e-9, {"activation": "erf", "start_bias": 0}))
    assert "more cannot be told, as theory says)" in words(some)
    one = {name: sweep.sel(start_bias=[-2]) if "teachers" in name else sweep for name, sweep in sweeps.items()}
    assert words(STUDY.prepare(one)).count("from a start bias of -2") == 1
    drifting = changed(sweeps, ("teachers", "gradient_norm", lambda old: old + 1, {"activation": "gelu", "start_bias": 0}))
    text = words(drifting)
    assert "gelu attracts in 100% from a start bias of -2, of the students at rest that are told" in text and "nan" not in text


def test_what_drifts_is_counted_apart(sweeps):
    drifting = changed(sweeps, ("teachers", "gradient_norm", lambda old: old + 1, {"seed": 0}))
    assert bool(drifting["teachers"].phase.sel(seed=0).isnull().all())
    rows = {row[:3]: row for row in STUDY.tables(drifting)[1].rows}
    assert rows["gelu", 0.5, -2.0][3] == 4 and rows["gelu", 0.5, -2.0][4] <= 3
    STUDY.pictures(drifting)
    plt.close("all")


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"units": 1}, "units=1: a whole number from 2"),
        ({"opposed_units": 2}, "opposed_units=2: a whole number from 3, one of them opposed"),
        ({"records": 2}, "records=2: at least 3 records at different steps"),
        ({"steps": 1}, "steps=1 and records=11: at least 3 records at different steps"),
        ({"activation": "erff"}, "unknown activation 'erff': choose from tanh, erf, relu"),
        ({"biases": "loose"}, "unknown biases 'loose': choose from fixed, free"),
        ({"precision": "float16"}, "unknown precision 'float16'"),
        ({"examples": 3}, "examples=3: an even number from 2"),
        ({"inputs": 0}, "inputs=0: a whole number, at least 1"),
        ({"plateau_examples": 0}, "batch_size=0: at least 1 example"),
        ({"bias_scale": "-1"}, "axis bias_scale: -1 is outside of [0, inf)"),
        ({"epsilon": "-1"}, "axis epsilon: -1 cannot be: a distance above 0"),
        ({"epsilon": "1e-6,0"}, "axis epsilon: 0 cannot be: a distance above 0"),
        ({"epsilon": "near"}, "axis epsilon: near cannot be: a distance above 0"),
        ({"zipped": "length+epsilon", "length": "1,2"}, "each axis of this study is one of its own"),
    ],
)
def test_a_setting_that_cannot_be_is_told_in_one_line(changes, words):
    with pytest.raises(InputError) as caught:
        STUDY.build(smoke(**changes))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_twins_of_random_teachers_start_at_the_smallest_distance():
    programs = STUDY.build(smoke(epsilon="2,1e-6"))
    assert {tuple(each.axes.columns()["epsilon"]) for each in programs if each.sweep == "teachers_apart"} == {(1e-6,)}


@pytest.mark.parametrize("axis", ["activation", "biases", "length", "epsilon", "start_bias"])
def test_an_axis_that_the_study_needs(axis):
    config = smoke()
    del config.sweep[axis]
    with pytest.raises(InputError, match=f"this study needs an axis for {axis}"):
        STUDY.build(config)
