"""The works of the benchmark, and what every contestant is given: the same data, initial weights and minibatches."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from symmetry_jax.learning.data.digits import CLASSES, digits
from symmetry_jax.learning.models import CNN, MLP
from symmetry_jax.learning.starts import INITIALIZERS, Start, draw
from symmetry_jax.learning.tasks import Batch, Dataset, Task, classification
from symmetry_jax.sweeps.precision import cast

LEARNING_RATE = 0.1

Layers = Mapping[str, Mapping[str, np.ndarray]]  # of each layer its kernel (runs, ..., in, out) and its bias (runs, out)


@dataclasses.dataclass(frozen=True)
class Work:
    """A network trained on digits by stochastic gradient descent.

    Attributes:
        name: by which the peers know which network to build.
        summary: the network in a few words.
        model: the network.
        batch_size: examples in a minibatch, drawn with replacement from each run's seed.
        steps: steps of each run.
    """

    name: str
    summary: str
    model: CNN | MLP
    batch_size: int
    steps: int

    @property
    def task(self) -> Task:
        """Classification of digits."""
        return classification(self.model, self.batch_size, "per_seed")

    @property
    def start(self) -> Start:
        """LeCun-normal kernels, biases zero."""
        return draw(self.model, INITIALIZERS["lecun"])


# Steps are chosen so that each contestant trains for about a second or more at a time on two cores.
WORKS = (
    Work("cnn", "3x3 convolutions of 8 and 8 filters, strides 1 and 2, tanh", CNN((8, 8), CLASSES, (1, 2)), 32, 200),
    Work("mlp", "64-64-64-10, tanh", MLP((64, 64), CLASSES), 64, 1000),
)


@dataclasses.dataclass(frozen=True)
class Assignment:
    """A work with all that is drawn at random in it, so that every contestant computes the same numbers but for rounding.

    Attributes:
        work: what is to be done.
        data: digits; inputs (n, 8, 8, 1) float32, targets (n,) int32.
        layers: the initial weights of every run, as `symmetry_jax.learning.models` lays them out.
        batches: the examples of every minibatch, (steps, runs, batch) int32.
    """

    work: Work
    data: Dataset
    layers: Layers
    batches: np.ndarray

    @property
    def runs(self) -> int:
        """Number of runs; run i has seed i."""
        return self.batches.shape[1]


def assign(work: Work, runs: int) -> Assignment:
    """Draws a work's initial weights and minibatches for seeds from 0 to `runs`, as `symmetry_jax` draws them."""
    data = cast(digits(), "float32")
    seeds = np.arange(runs, dtype=np.int32)
    variables = jax.jit(jax.vmap(lambda seed: work.start({"seed": seed}, data.train.inputs)))(seeds)
    return Assignment(work, data, jax.device_get(variables["params"]), _batches(work, seeds, len(data.train.targets)))


def _batches(work: Work, seeds: np.ndarray, examples: int) -> np.ndarray:
    """The places in the training set of every minibatch's examples: (steps, runs, batch)."""
    places = Batch(jnp.arange(examples), jnp.arange(examples))
    task = work.task

    def chosen(step: jax.Array, seed: jax.Array) -> jax.Array:
        return task.batch(Dataset(places, places), {"seed": seed}, step).inputs

    every = jax.jit(jax.vmap(jax.vmap(chosen, (None, 0)), (0, None)))
    return np.asarray(every(np.arange(work.steps, dtype=np.int32), seeds))
