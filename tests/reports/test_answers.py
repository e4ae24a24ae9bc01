"""The page of all answers is made of claims that are kept, and these of default presets."""

import shutil
import sys
from pathlib import Path

import pytest

from symmetry_jax.errors import InputError
from symmetry_jax.reports.answers import keep, main, render
from symmetry_jax.sweeps.sealed import read_sealed, write_sealed
from symmetry_jax.sweeps.workdir import as_json, settings_digest
from tests.test_configs import CONFIGS, load

EXPERIMENTS = Path(__file__).parent.parent.parent / "experiments"


def test_the_page_is_what_the_kept_claims_make_of_it():
    assert (EXPERIMENTS / "README.md").read_text() == render(EXPERIMENTS / "answers")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_what_is_kept_is_of_the_default_preset(path):
    folder = EXPERIMENTS / "answers" / path.stem
    summary, manifest = read_sealed(folder / "claims.json"), read_sealed(folder / "manifest.json")
    assert summary["study"] == path.stem and "finished" in manifest
    assert manifest["settings"] == settings_digest(as_json(load(path)))
    assert all((folder / f"{name}.png").exists() for name in summary["figures"])
    assert all((folder / f"{name}.csv").exists() for name in summary["tables"])
    assert len(summary["answer"].split("\n\n")[0].splitlines()) == 1


def test_what_is_kept_can_be_seen_to_fail(tmp_path):
    workdir = tmp_path / "work"
    (workdir / "report").mkdir(parents=True)
    for name in ("curve.png", "other_one.png", "sums.csv"):
        (workdir / "report" / name).touch()
    claim = {"name": "a", "statement": "x | y", "expected": ">= 1", "measured": 0.5, "tolerance": 0.0, "holds": False}
    summary = {"study": "mine", "question": "Why?", "claims": [claim], "answer": "So. And so.\n\nMore.\n- Still more."}
    summary |= {"figures": {"curve": "How.", "other_one": "What."}, "tables": {"sums": "All."}}
    write_sealed(workdir / "claims.json", summary)
    programs = [{"seconds": 61.2, "runs": 4, "run_steps": 4000}] * 2
    manifest = {"command": "run", "devices": {"count": 2, "kind": "cpu"}, "versions": {"jax": "1"}, "programs": programs}
    write_sealed(workdir / "manifest.json", manifest)
    with pytest.raises(InputError, match="no finished study"):
        keep(workdir, tmp_path / "answers")
    write_sealed(workdir / "manifest.json", manifest | {"finished": "today"})
    keep(workdir, tmp_path / "answers")
    page = render(tmp_path / "answers")
    assert "## mine: Why?\n\nSo. And so.\n\n![curve](answers/mine/curve.png)\n\n*How.*\n" in page
    assert "- [other one](answers/mine/other_one.png): What.\n- [sums](answers/mine/sums.csv): All.\n" in page
    assert "<details><summary>In detail</summary>\n\n- More.\n- Still more.\n\n</details>\n" in page
    assert (tmp_path / "answers" / "mine" / "sums.csv").exists()
    assert "0 of 1 claims hold" in page and "| x \\| y | >= 1 | 0.5 | **fails** |" in page
    assert "8 runs in 2 programs, 8,000 run-steps: 2 min 2 s on 2 x cpu (jax 1)." in page


@pytest.mark.parametrize("file", ["claims.json", "manifest.json"])
@pytest.mark.parametrize("place", ["work", "answers/zero_init"])
def test_what_is_damaged_is_told_in_one_line(file, place, tmp_path, monkeypatch):
    for folder in ("work", "answers/zero_init"):
        shutil.copytree(EXPERIMENTS / "answers" / "zero_init", tmp_path / folder)
    workdirs = [tmp_path / "work"] if place == "work" else []
    monkeypatch.setattr(sys, "argv", ["answers", *map(str, [tmp_path / "answers", tmp_path / "README.md", *workdirs])])
    damaged = tmp_path / place / file
    damaged.write_text(damaged.read_text().replace("0.", "1.", 1))
    with pytest.raises(SystemExit, match=rf"^error: {damaged} is damaged[^\n]*$"):
        main()
    assert not (tmp_path / "README.md").exists()
