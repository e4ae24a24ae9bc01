"""The contestant that the others are compared with: the engine, tile by tile on all devices; and what following twins costs."""

import dataclasses
import math

import jax
import numpy as np

from benchmarks.contestants import Contestant
from benchmarks.works import Assignment, Work
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.process import Hparams, Measure, Process, PyTree, State
from symmetry_jax.learning.tasks import Dataset, Task
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.training import minibatch_loss
from symmetry_jax.measures.transverse import transverse
from symmetry_jax.sweeps.axes import Axes
from symmetry_jax.sweeps.calibration import calibrated
from symmetry_jax.sweeps.engine import Engine, default_tile
from symmetry_jax.sweeps.program import Program, record_steps
from symmetry_jax.sweeps.segments import whole

RECORDS = 11
STUDY_STEPS = 1_000_000  # that a tile is chosen for: as many as make trying others worth while


def ours(assignment: Assignment) -> Contestant:
    """All runs as one program in one segment; minibatches are drawn, and losses recorded, within what is timed."""
    return _contestant("symmetry_jax", assignment, _process(assignment.work))


def following(assignment: Assignment) -> Contestant:
    """The same, with two units of the first hidden layer tied and the difference between them followed: a transverse exponent.

    Tied units make another network of it, so that its losses are its own.
    """
    work = assignment.work
    symmetry = work.model.symmetry(assignment.data.shape)
    process = transverse(_process(work), symmetry, {next(iter(symmetry)): (0, 1)})
    return _contestant("twins followed", assignment, process)


def program_of(assignment: Assignment) -> Program:
    """All runs of a work as one program, of which the losses of minibatches are recorded."""
    return _program(assignment, _process(assignment.work))


def _contestant(name: str, assignment: Assignment, process: Process) -> Contestant:
    program = _program(assignment, process)
    engine = Engine(program, _tile(program))
    segment = whole(program.records)

    def train(states: State) -> State:
        return jax.block_until_ready(engine.advance(states, segment)[0])

    def losses(states: State) -> np.ndarray:
        return engine.read_ends(states, program.steps)["training_loss"]

    return Contestant(name, assignment.runs, lambda: jax.block_until_ready(engine.start()), train, losses)


def _tile(program: Program) -> int:
    """The tile that a long study of these runs takes, having tried others."""
    most = math.ceil(program.axes.size / jax.local_device_count())
    long = dataclasses.replace(program, records=record_steps(STUDY_STEPS, RECORDS, "even"))
    (engine,), _ = calibrated([Engine(long, min(default_tile(), most))], tiles=True, lowerings=False, say=lambda line: None)
    return engine.tile


def _process(work: Work) -> Process:
    return descend(work.task, OPTIMIZERS[work.optimizer], work.start)


def _program(assignment: Assignment, process: Process) -> Program:
    work = assignment.work
    adam = {"beta1": 0.9, "beta2": 0.999, "adam_eps": 1e-8} if work.optimizer == "adam" else {}
    rates = {"learning_rate": work.learning_rate, "weight_decay": 0.0} | adam
    axes = Axes.of({"seed": range(assignment.runs), **{name: (rate,) for name, rate in rates.items()}})
    measures = (minibatch_loss(), _training_loss(work.task))
    return Program(work.name, process, measures, axes, assignment.data, record_steps(work.steps, RECORDS, "even"))


def _training_loss(task: Task) -> Measure:
    """Mean loss over the training set, at ends."""

    def read(state: State, aux: PyTree, data: Dataset, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, hparams, step
        return task.loss(task.predict(state.variables, data.train.inputs), data.train.targets)

    return Measure("training_loss", read, when="ends", unit="nats")
