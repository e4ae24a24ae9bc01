"""Two work directories, compared bit by bit."""

import sys

import numpy as np
import pytest

from symmetry_jax.sweeps.runner import run_study
from trials import compare
from trials.walks import STUDY, config


def walked(path, **changes):
    run_study(STUDY, config(**changes), path, "", say=lambda line: None)
    return path


def test_what_differs_is_told_with_its_size(tmp_path, monkeypatch, capsys):
    same = [walked(tmp_path / str(number)) for number in range(2)]
    assert compare.compare(*same) == {}
    other = walked(tmp_path / "other", axes={"push": [1.0, 2.0, 3.5]})
    found = compare.compare(same[0], other)
    assert found["there position"] == "by up to 4.5" and found["there push"] == "differs"
    assert "back position" in found and any(name.startswith("checkpoints") for name in found)
    shorter = compare.compare(same[0], walked(tmp_path / "shorter", axes={"push": [1.0, 2.0]}))
    assert shorter["there position"] == "differs" and shorter["back position"] == "only in one"
    monkeypatch.setattr(sys, "argv", ["compare", str(same[0]), str(other)])
    with pytest.raises(SystemExit, match=f"{len(found)} arrays differ"):
        compare.main()
    monkeypatch.setattr(sys, "argv", ["compare", *map(str, same)])
    compare.main()
    assert capsys.readouterr().out.endswith("every bit is the same\n")


def test_numbers_that_are_finite_in_one_alone_are_counted():
    a, b = np.array([np.nan, 1.0, np.inf, np.nan]), np.array([5.0, 1.5, np.inf, np.nan])
    assert compare.difference(a, b) == "by up to 0.5, and 1 numbers are finite in one alone"


def test_a_directory_that_holds_no_study_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["compare", str(tmp_path), str(tmp_path)])
    with pytest.raises(SystemExit, match=r"^error: no results in"):
        compare.main()
