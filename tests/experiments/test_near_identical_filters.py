"""The first study from end to end, small; and that its claims can fail."""

import json
import re
import shutil

import numpy as np
import pytest

from symmetry_jax import load_results
from symmetry_jax.command_line import load_study
from symmetry_jax.errors import InputError
from symmetry_jax.reports.report import write_report
from symmetry_jax.sweeps.loading import load_sweeps
from symmetry_jax.sweeps.runner import run_study
from symmetry_jax.sweeps.sealed import read_sealed, write_sealed
from tests.test_configs import near_identical

STUDY = load_study("near_identical_filters")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "work"
    run_study(STUDY, near_identical(), path, "python -m symmetry_jax run", say=lambda line: None)
    write_report(STUDY, path)
    return path


def claims(workdir):
    return {claim["name"]: claim for claim in json.loads((workdir / "claims.json").read_text())["claims"]}


def test_results_are_labelled_by_the_axes(workdir):
    results = load_results(workdir)
    assert results.separation.sizes["seed"] == 3 and list(results.epsilon) == [0, 1e-6, 1e-4, 1e-2]
    assert list(results.group) == ["conv_0", "conv_1"] and list(results.part) == ["fan-in", "fan-out", "orbit"]
    first = results.separation.sel(part="orbit").isel(step=0)
    for epsilon in (1e-4, 1e-2):
        np.testing.assert_allclose(first.sel(epsilon=epsilon), epsilon, rtol=1e-3)
    assert (results.separation.sel(epsilon=0) == 0).all()
    assert results.loss.isel(step=-1).mean() < results.loss.isel(step=0).mean()
    assert results.test_accuracy.sel(end="last").mean() > 0.8


def test_exact_claims_hold(workdir):
    found = claims(workdir)
    assert found["tied"]["holds"] and found["tied"]["measured"] == 0
    assert found["quotient"]["holds"] and 0 < found["quotient"]["measured"] < 1e-12


def test_the_work_directory_explains_itself(workdir):
    manifest = json.loads((workdir / "manifest.json").read_text())
    assert manifest["precision"] == "float32" and manifest["tile"] >= 1 and manifest["versions"]["jax"]
    assert [program["runs"] for program in manifest["programs"]] == [24, 16, 4, 4] and "finished" in manifest
    assert json.loads((workdir / "config.json").read_text())["study"] == "near_identical_filters"


def test_the_page_needs_no_network_and_has_every_figure(workdir):
    page = (workdir / "report" / "index.html").read_text()
    assert not re.search(r"""(src|href)=["'](?!data:)""", page) and "http" not in page.split("<body>")[0]
    figures = {path.stem for path in (workdir / "report").glob("*.png")}
    assert figures == {"separation", "growth", "filters", "loss"} and page.count("<img") == len(figures)
    assert STUDY.question in page and "python -m symmetry_jax run" in page


def test_the_report_is_made_again_from_results_alone(workdir):
    before = (workdir / "claims.json").read_bytes(), (workdir / "report" / "index.html").read_text()
    (workdir / "claims.json").unlink()
    (workdir / "report" / "index.html").unlink()
    write_report(STUDY, workdir)
    assert ((workdir / "claims.json").read_bytes(), (workdir / "report" / "index.html").read_text()) == before


def test_running_again_computes_nothing_and_other_settings_are_refused(workdir):
    stamp = (workdir / "manifest.json").read_bytes()
    said = []
    run_study(STUDY, near_identical(), workdir, "", say=said.append)
    assert "finished and whole" in said[-1] and (workdir / "manifest.json").read_bytes() == stamp
    with pytest.raises(InputError, match="other settings"):
        run_study(STUDY, near_identical(batch_size=16), workdir, "")
    assert (workdir / "manifest.json").read_bytes() == stamp


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="something else"):
        run_study(STUDY, near_identical(), tmp_path, "")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def tampered(sweeps, sweep, change):
    """Whether each claim holds once the results of one sweep are changed in place."""
    copy = {name: dataset.copy(deep=True) for name, dataset in sweeps.items()}
    change(copy[sweep])
    return {claim.name: claim.holds for claim in STUDY.claims(copy)}


def test_claims_hold_and_fail_when_the_results_say_otherwise(workdir):
    sweeps = load_sweeps(workdir)
    untouched = {claim.name: claim.holds for claim in STUDY.claims(sweeps)}
    settings = [f"{name}: learning_rate {rate}" for name in ("linear", "rounding") for rate in (0.1, 0.3)]
    assert set(untouched) == {"tied", "quotient", *settings}
    assert all(untouched.values())

    def separate(twins):
        twins.separation.loc[{"epsilon": 0, "seed": 1}] = 1e-12

    def bend(twins):
        twins.separation.loc[{"epsilon": 1e-6}] *= np.linspace(1, 2, twins.sizes["step"])[:, None, None]
        twins.separation.loc[{"epsilon": 1e-2}] *= np.linspace(1, 2, twins.sizes["step"])[:, None, None]

    def shift(losses):
        losses.loss.loc[{"network": "tied", "step": 7}] += 1e-9

    def lose(losses):
        losses.loss.loc[{"network": "tied", "step": 7}] = np.nan

    assert not tampered(sweeps, "twins", separate)["tied"]
    assert not tampered(sweeps, "twins", bend)["linear: learning_rate 0.1"]
    assert not tampered(sweeps, "exact", bend)["rounding: learning_rate 0.3"]
    assert not tampered(sweeps, "quotient", shift)["quotient"]
    assert not tampered(sweeps, "quotient", lose)["quotient"]


def test_a_study_in_which_every_run_diverged_says_so(workdir):
    sweeps = load_sweeps(workdir)
    twins = sweeps["twins"].copy(deep=True)
    twins["first_nonfinite_step"] = twins.first_nonfinite_step * 0 + 5
    lost = {**sweeps, "twins": twins}
    assert "24 of which went non-finite" in STUDY.answer(lost, STUDY.claims(lost))
    assert "nan" not in STUDY.answer(lost, STUDY.claims(lost)) and not STUDY.pictures(lost)


def test_a_report_waits_for_the_end(workdir, tmp_path):
    shutil.copytree(workdir, tmp_path / "copy")
    manifest = read_sealed(tmp_path / "copy" / "manifest.json")
    del manifest["finished"]
    write_sealed(tmp_path / "copy" / "manifest.json", manifest)
    with pytest.raises(InputError, match="not finished"):
        write_report(STUDY, tmp_path / "copy")


def test_the_answer_follows_the_results(workdir):
    sweeps = load_sweeps(workdir)
    found = STUDY.claims(sweeps)
    shrunk = sweeps["twins"].copy(deep=True)
    shrunk["separation"] = shrunk.separation * np.linspace(1, 0.1, shrunk.sizes["step"])[:, None, None]
    assert "exactly equal in 6 of 6 runs" in STUDY.answer(sweeps, found)
    assert "0% as close, 100% closer" in STUDY.answer({**sweeps, "twins": shrunk}, found)
