"""The host loop, with a study that has neither a network nor a symmetry."""

import json

import numpy as np
import pytest
from ml_collections import ConfigDict

from symmetry_jax import load_results
from symmetry_jax.errors import InputError
from symmetry_jax.learning.process import Measure, Process, State
from symmetry_jax.sweeps.axes import Axes
from symmetry_jax.sweeps.program import Program
from symmetry_jax.sweeps.runner import run_study
from symmetry_jax.sweeps.study import Study


def init(data, hparams, previous=None):
    del data
    return State(hparams["start"] if previous is None else previous.variables)


def step(state, data, hparams, step):
    del data, step
    return State(state.variables + hparams["push"]), state.variables


WALK = Process(init, step)
POSITION = Measure("position", lambda state, *_: state.variables)


def build(config):
    del config
    axes = {"start": [0.0, 5.0], "push": [1.0, 2.0, 3.0]}
    there = Program("there", WALK, (POSITION,), Axes.of(axes), (), (0, 4, 7))
    back = Program("back", WALK, (POSITION,), Axes.of(axes | {"push": [-1.0, -2.0, -3.0]}), (), (0, 7), after=0)
    return [there, back]


STUDY = Study("Where does it go?", build, lambda results: [], lambda results: [], lambda results, claims: "There and back.")


def config(**changes):
    return ConfigDict({"study": "walk", "precision": "float32", "tile": 0, "segments": 3} | changes)


def test_a_program_goes_on_where_another_ended(tmp_path):
    run_study(STUDY, config(), tmp_path, "", say=lambda line: None)
    there, back = load_results(tmp_path, "there"), load_results(tmp_path, "back")
    np.testing.assert_array_equal(there.position.sel(step=7), there.start + 7 * there.push)
    np.testing.assert_array_equal(back.position.sel(step=0), there.position.sel(step=7))
    np.testing.assert_array_equal(back.position.sel(step=7).T, np.broadcast_to([0.0, 5.0], (3, 2)))


def test_what_is_about_to_be_computed_is_said_before(tmp_path):
    said = []
    run_study(STUDY, config(tile=2), tmp_path, "", say=said.append)
    assert "there: 6 runs of 7 steps, results 72 B, state of a tile of 2 runs" in said[0] and "2 device(s)" in said[-1]
    assert json.loads((tmp_path / "manifest.json").read_text())["tile"] == 2


@pytest.mark.parametrize("wrong", [{"segments": 0}, {"tile": -1}])
def test_settings_of_the_host_that_cannot_be(wrong, tmp_path):
    with pytest.raises(InputError, match="at least 1"):
        run_study(STUDY, config(**wrong), tmp_path / "work", "")
    assert not (tmp_path / "work").exists()


def test_an_unfinished_study_is_not_taken_for_a_finished_one(tmp_path):
    run_study(STUDY, config(), tmp_path, "", say=lambda line: None)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    del manifest["finished"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="unfinished"):
        run_study(STUDY, config(), tmp_path, "")
