"""A study that has neither a network nor a symmetry: runs that walk, there and back, and on to a rest; quick to compile."""

from pathlib import Path
from typing import Any

import jax
from matplotlib.figure import Figure
from ml_collections import ConfigDict

from symmetry_jax.learning.process import Hparams, Measure, Process, PyTree, State
from symmetry_jax.sweeps.axes import Axes
from symmetry_jax.sweeps.program import Program
from symmetry_jax.sweeps.runner import run_study
from symmetry_jax.sweeps.study import Claim, Picture, Results, Study, Table


def _init(data: PyTree, hparams: Hparams, previous: State | None = None) -> State:
    del data
    return State(hparams["start"] if previous is None else previous.variables)


def _step(state: State, data: PyTree, hparams: Hparams, step: jax.Array) -> tuple[State, jax.Array]:
    del data, step
    return State(state.variables + hparams["push"]), state.variables


WALK = Process(_init, _step)
POSITION = Measure("position", lambda state, *_: state.variables)
PLACE = Measure("place", lambda state, *_: state.variables, when="ends")
AXES: dict[str | tuple[str, ...], Any] = {"start": [0.0, 5.0], "push": [1.0, 2.0, 3.0]}


def _build(config: ConfigDict) -> list[Program]:
    there = Program("there", WALK, (POSITION, PLACE), Axes.of(AXES | dict(config.axes)), (), (0, 4, 7, config.steps))
    back = Program("back", WALK, (POSITION,), Axes.of(AXES | {"push": [-1.0, -2.0, -3.0]}), (), (0, 7), after=0)
    rest = Program("rest", WALK, (PLACE,), Axes.of(AXES), (), (0, 7), after=0)  # of which nothing is read but its ends
    return [there, back, rest] if there.axes.size == back.axes.size else [there]


def _claims(results: Results) -> list[Claim]:
    there = results["there"]
    away = abs(there.position - there.start - there.push * there.step).max().item()
    return [Claim.near("pace", "Largest distance from where a steady pace leads", 0.0, away, 0.0)]


def _pictures(results: Results) -> list[Picture]:
    there = results["there"].stack(run=("start", "push"))
    figure = Figure()
    figure.subplots().plot(there.step, there.position.transpose("step", "run"))
    return [Picture("positions", figure, "Where the runs are.")]


def _tables(results: Results) -> list[Table]:
    last = results["there"].position.isel(step=-1).stack(run=("start", "push"))
    rows = tuple(zip(last.start.values.tolist(), last.push.values.tolist(), last.values.tolist(), strict=True))
    return [Table("ends", ("start", "push", "position"), rows, "Where the runs end.")]


STUDY = Study("Where does it go?", _build, _claims, _pictures, lambda results, claims: "There and back.", _tables)


def config(**changes: Any) -> ConfigDict:
    """Settings of the walk, some of them changed."""
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


def run(workdir: Path) -> list[str]:
    """Runs a long walk in two waves, with many checkpoints; returns what was said."""
    said: list[str] = []
    run_study(STUDY, config(steps=400, wave=4, save_steps=50), workdir, "", said.append)
    return said
