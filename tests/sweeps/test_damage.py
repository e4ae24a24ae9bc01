"""The trial of damage, on the files of a report alone."""

import pytest

from symmetry_jax.reports.report import write_report
from trials import damage
from trials.damage import damage_all, prepare, table
from trials.walks import STUDY, run

pytestmark = pytest.mark.slow  # runs a study for each damage to each file


@pytest.fixture
def finished(tmp_path):
    workdir = tmp_path / "finished"
    run(workdir)
    write_report(STUDY, workdir)
    return workdir


def test_what_a_report_is_made_of_is_tried_and_made_again(finished, tmp_path):
    files = [finished / "claims.json", *sorted((finished / "report").iterdir())]
    rows = table(damage_all(finished, finished, files))
    kinds = {"claims.json", "report/ends.csv", "report/index.html", "report/positions.png"}
    assert {row["kind"] for row in rows} == kinds and len(rows) == 4 * len(damage.DAMAGES)
    assert all(row["loaded_wrong"] == 0 and row["repaired"] == row["tried"] == 1 for row in rows)


def test_a_report_that_is_not_made_again_is_seen(finished, monkeypatch):
    monkeypatch.setattr(damage, "write_report", lambda study, workdir: None)
    for file in (finished / "claims.json", finished / "report" / "positions.png"):
        (outcome, *_) = damage_all(finished, finished, [file])
        assert not outcome.repaired and not outcome.loaded_wrong


def test_a_study_that_was_not_killed_half_way_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(damage, "HALF_WAY", "never")
    with pytest.raises(SystemExit, match="was finished before"):
        prepare(tmp_path)
