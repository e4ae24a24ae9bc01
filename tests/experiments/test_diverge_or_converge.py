"""The study of the transverse exponent from end to end, small; and that its claims can fail."""

import functools
import json
import re

import numpy as np
import pytest

from symmetry_jax import load_results
from symmetry_jax.command_line import load_study
from symmetry_jax.errors import InputError
from symmetry_jax.reports.exponents import fates
from symmetry_jax.reports.report import write_report
from symmetry_jax.sweeps.loading import load_sweeps
from symmetry_jax.sweeps.runner import run_study
from tests.experiments import presets

pytestmark = pytest.mark.slow  # compiles every program of the study

STUDY = load_study("diverge_or_converge")


smoke = functools.partial(presets.changed, "diverge_or_converge")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "work"
    config = smoke(around__setting="default,relu_frozen", save_steps=0)
    run_study(STUDY, config, path, "python -m symmetry_jax run", say=lambda line: None)
    write_report(STUDY, path)
    return path


def held(workdir, sweep="", change=None):
    """Whether each claim holds, once the results of one sweep are changed in place."""
    sweeps = {name: dataset.copy(deep=True) for name, dataset in load_sweeps(workdir).items()}
    if change:
        change(sweeps[sweep])
    return {claim.name: claim.holds for claim in STUDY.claims(sweeps)}


def test_claims_hold_and_the_page_shows_all(workdir):
    summary = json.loads((workdir / "claims.json").read_text())
    assert all(claim["holds"] for claim in summary["claims"] if claim["name"] != "after kinks")  # few kinks are crossed here
    assert list(summary["figures"]) == ["map", "forecasts", "thresholds", "curvature", "kinks"]
    assert len(summary["answer"].split("\n\n")[0].splitlines()) == 1 and "nan" not in summary["answer"]
    assert (workdir / "report" / "settings.csv").exists()
    assert load_results(workdir).sizes["learning_rate"] == 2 and "setting" not in load_results(workdir).dims


def set_all(name, value, **where):
    def change(sweep):
        sweep[name].loc[where] = value

    return change


@pytest.mark.parametrize(
    "claim, sweep, change",
    [
        ("tied", "map", set_all("separation", 1e-30, label_noise=0.0)),
        ("parting", "map", lambda sweep: sweep.log_growth.__imul__(-1)),
        ("merging", "map", lambda sweep: sweep.__setitem__("log_growth", sweep.log_growth * 0 + sweep.step)),
        ("forecast: default hidden_0", "twins", lambda sweep: sweep.separation[{"step": -1}].__imul__(1.05)),
        ("threshold", "thresholds", lambda sweep: sweep.epsilon_threshold[{"end": -1}].__imul__(1.05)),
        ("gauss-newton", "curvature", set_all("twins", 1e-3, hessian="gauss_newton")),
        ("indefinite", "curvature", set_all("twins", 1e-3, hessian="residual", fan_out="trained")),
        ("bound: trained", "curvature", lambda sweep: sweep.log_growth[{"step": -1}].__iadd__(2.0)),
        ("bound: frozen", "curvature", lambda sweep: sweep.log_growth[{"step": -1}].__iadd__(2.0)),
        ("relu frozen", "tangents", lambda sweep: sweep.log_growth[{"step": -1}].__imul__(2)),
        ("before kinks", "kinks", lambda sweep: sweep.separation[{"step": 0}].__imul__(1.05)),
    ],
)
def test_every_claim_can_fail(workdir, claim, sweep, change):
    assert held(workdir)[claim] and not held(workdir, sweep, change)[claim]


def test_regions_of_the_map(workdir):
    """Fates are told by the growth of the second half; seeds that do not agree make no region."""
    mapped = load_sweeps(workdir)["map"].copy(deep=True)
    steps = mapped.step / mapped.step[-1]
    mapped["log_growth"] = mapped.log_growth * 0 + steps
    assert (fates(mapped) == 1).all()
    mapped["log_growth"] = mapped.log_growth * -1
    assert (fates(mapped) == -1).all()
    mapped["log_growth"] = mapped.log_growth * 0.01
    assert (fates(mapped) == 0).all()
    mapped["log_growth"] = mapped.log_growth.where(mapped.seed > 0, steps)
    assert (fates(mapped) == 2).all()
    mapped["log_growth"] = mapped.log_growth.where(mapped.step < mapped.step[-1], -np.inf)
    assert (fates(mapped) == -1).all()  # twins that met
    mapped["first_nonfinite_step"] = mapped.first_nonfinite_step * 0 + 3
    assert fates(mapped).isnull().all()


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"around__setting": "wider"}, "unknown setting 'wider': choose from default, gelu"),
        ({"around__epsilon": "0,1e-3"}, "config.around.epsilon: distances above 0"),
        ({"around__learning_rate": "0.1,0.3"}, "config.around.learning_rate has several values"),
        ({"rounds": 0}, "rounds=0: at least 1"),
        ({"records": 2}, "records=2: at least 3"),
        ({"around__weight_decay": "-1"}, "axis weight_decay: -1 is outside of"),
        ({"sweep__label_noise": "2"}, "axis label_noise: 2 is outside of"),
    ],
)
def test_settings_that_cannot_be(changes, words):
    with pytest.raises(InputError, match=re.escape(words)):
        STUDY.build(smoke(**changes))


def test_an_axis_that_the_study_needs():
    config = smoke()
    del config.around["epsilon"]
    with pytest.raises(InputError, match=r"config\.around needs an axis for epsilon"):
        STUDY.build(config)


def test_a_study_of_which_nothing_is_left_says_so(workdir):
    sweeps = {name: dataset.copy(deep=True) for name, dataset in load_sweeps(workdir).items()}
    for dataset in sweeps.values():
        dataset["first_nonfinite_step"] = dataset.first_nonfinite_step * 0 + 5
    words = STUDY.answer(sweeps, STUDY.claims(sweeps))
    assert "All runs went non-finite: default, relu_frozen" in words and "nan" not in words
    STUDY.pictures(sweeps)
    STUDY.tables(sweeps)


def test_thresholds_that_were_never_reached_are_left_out(workdir):
    sweeps = {name: dataset.copy(deep=True) for name, dataset in load_sweeps(workdir).items()}
    bounds = sweeps["thresholds"].epsilon_threshold
    bounds.loc[{"seed": 0, "side": "high", "end": "last"}] = bounds.sel(seed=0, side="high", end="first")
    words = STUDY.answer(sweeps, [])
    assert "in 2 seeds the prediction" in words
    del sweeps["thresholds"]
    assert "bisection" not in STUDY.answer(sweeps, [])


def test_twins_that_start_too_far_apart_say_nothing_of_kinks(workdir):
    sweeps = {name: dataset.copy(deep=True) for name, dataset in load_sweeps(workdir).items()}
    sweeps["kinks"] = sweeps["kinks"].assign_coords(epsilon=sweeps["kinks"].epsilon + 0.1)
    assert not any("kinks" in claim.name for claim in STUDY.claims(sweeps))
    assert "relu twins" not in STUDY.answer(sweeps, [])
