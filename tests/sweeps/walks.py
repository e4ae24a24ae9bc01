"""A study that has neither a network nor a symmetry: runs that walk, there and back; quick to compile."""

from ml_collections import ConfigDict

from symmetry_jax.learning.process import Measure, Process, State
from symmetry_jax.sweeps.axes import Axes
from symmetry_jax.sweeps.program import Program
from symmetry_jax.sweeps.study import Study


def _init(data, hparams, previous=None):
    del data
    return State(hparams["start"] if previous is None else previous.variables)


def _step(state, data, hparams, step):
    del data, step
    return State(state.variables + hparams["push"]), state.variables


WALK = Process(_init, _step)
POSITION = Measure("position", lambda state, *_: state.variables)
PLACE = Measure("place", lambda state, *_: state.variables, when="ends")
AXES = {"start": [0.0, 5.0], "push": [1.0, 2.0, 3.0]}


def _build(config):
    there = Program("there", WALK, (POSITION, PLACE), Axes.of(AXES | dict(config.axes)), (), (0, 4, 7, config.steps))
    back = Program("back", WALK, (POSITION,), Axes.of(AXES | {"push": [-1.0, -2.0, -3.0]}), (), (0, 7), after=0)
    return [there, back] if there.axes.size == back.axes.size else [there]


STUDY = Study("Where does it go?", _build, lambda results: [], lambda results: [], lambda results, claims: "There and back.")


def config(**changes):
    settings = {
        "study": "walk",
        "precision": "float32",
        "axes": {},
        "steps": 9,
        "tile": 2,
        "wave": 0,
        "save_steps": 3,
        "save_seconds": 60.0,
    }
    return ConfigDict(settings | changes)
