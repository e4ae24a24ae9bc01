"""The contestant that the peers are compared with: the engine, tile by tile on all devices."""

import math

import jax
import numpy as np

from benchmarks.contestants import Contestant
from benchmarks.works import LEARNING_RATE, Assignment
from symmetry_jax.learning.optimizers import sgd
from symmetry_jax.learning.process import Hparams, Measure, PyTree, State
from symmetry_jax.learning.tasks import Dataset, Task
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.training import minibatch_loss
from symmetry_jax.sweeps.axes import Axes
from symmetry_jax.sweeps.engine import Engine, default_tile
from symmetry_jax.sweeps.program import Program, record_steps
from symmetry_jax.sweeps.segments import whole

RECORDS = 11


def ours(assignment: Assignment) -> Contestant:
    """All runs as one program in one segment; minibatches are drawn, and losses recorded, within what is timed."""
    program = _program(assignment)
    engine = Engine(program, min(default_tile(), math.ceil(assignment.runs / jax.local_device_count())))
    segment = whole(program.records)

    def train(states: State) -> State:
        return jax.block_until_ready(engine.advance(states, segment)[0])

    def losses(states: State) -> np.ndarray:
        return engine.read_ends(states, program.steps)["training_loss"]

    return Contestant("symmetry_jax", assignment.runs, lambda: jax.block_until_ready(engine.start()), train, losses)


def _program(assignment: Assignment) -> Program:
    work = assignment.work
    process = descend(work.task, sgd, work.start)
    axes = Axes.of({"seed": range(assignment.runs), "learning_rate": [LEARNING_RATE], "weight_decay": [0.0]})
    measures = (minibatch_loss(), _training_loss(work.task))
    return Program(work.name, process, measures, axes, assignment.data, record_steps(work.steps, RECORDS, "even"))


def _training_loss(task: Task) -> Measure:
    """Mean loss over the training set, at ends."""

    def read(state: State, aux: PyTree, data: Dataset, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, hparams, step
        return task.loss(task.predict(state.variables, data.train.inputs), data.train.targets)

    return Measure("training_loss", read, when="ends", unit="nats")
