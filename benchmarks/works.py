"""The works of the benchmark, and what every contestant is given: the same data, initial weights and minibatches."""

import dataclasses
import itertools
import math
from collections.abc import Mapping
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from symmetry_jax.learning.data.digits import CLASSES, digits
from symmetry_jax.learning.models import CNN, MLP
from symmetry_jax.learning.starts import INITIALIZERS, Start, draw
from symmetry_jax.learning.tasks import Batch, Dataset, Minibatches, Task, classification
from symmetry_jax.sweeps.precision import cast

RUNS = 64  # at which a work's steps are meant
RATES = {"sgd": 0.1, "adam": 0.003}
STRIDES = (1, 2)

Layers = Mapping[str, Mapping[str, np.ndarray]]  # of each layer its kernel (runs, ..., in, out) and its bias (runs, out)


@dataclasses.dataclass(frozen=True)
class Work:
    """A network trained on digits.

    Attributes:
        name: a short handle, unique.
        model: the network, with tanh.
        steps: steps of each of 64 runs, for about a second of ours on two cores.
        batch_size: examples in a minibatch, drawn with replacement.
        image: height, width and channels to which the digits are enlarged.
        minibatches: "per_seed" for examples of each run's own, "shared" for the same in all runs.
        optimizer: "sgd" or "adam".
    """

    name: str
    model: CNN | MLP
    steps: int
    batch_size: int
    image: tuple[int, int, int] = (8, 8, 1)
    minibatches: Minibatches = "per_seed"
    optimizer: Literal["sgd", "adam"] = "sgd"

    @property
    def summary(self) -> str:
        """The work in a few words."""
        sides = "x".join(map(str, self.image))
        if isinstance(self.model, CNN):
            network = f"3x3 convolutions of {' and '.join(map(str, self.model.filters))} filters on {sides}, strides 1 and 2"
        else:
            network = "-".join(map(str, (math.prod(self.image), *self.model.widths, CLASSES)))
        batches = "of each seed" if self.minibatches == "per_seed" else "shared"
        return f"{network}; tanh, {self.optimizer}, minibatches of {self.batch_size} {batches}"

    @property
    def task(self) -> Task:
        """Classification of digits."""
        return classification(self.model, self.batch_size, self.minibatches)

    @property
    def start(self) -> Start:
        """LeCun-normal kernels, biases zero."""
        return draw(self.model, INITIALIZERS["lecun"])

    @property
    def learning_rate(self) -> float:
        """That of its optimizer."""
        return RATES[self.optimizer]

    def of_runs(self, runs: int) -> "Work":
        """The work with steps for about as long, whatever the number of runs, but at least 10 and at most 8 times as many."""
        return dataclasses.replace(self, steps=max(10, min(8 * self.steps, self.steps * RUNS // runs)))

    def products(self) -> list[int]:
        """Multiplications in each layer's product of a step forward, of one run."""
        if isinstance(self.model, MLP):
            sizes = [math.prod(self.image), *self.model.widths, CLASSES]
            return [self.batch_size * into * out for into, out in itertools.pairwise(sizes)]
        height, width, channels = self.image
        found = []
        for filters, stride in zip(self.model.filters, STRIDES, strict=True):
            height, width = -(-height // stride), -(-width // stride)
            found.append(self.batch_size * height * width * 9 * channels * filters)
            channels = filters
        return [*found, self.batch_size * height * width * channels * CLASSES]

    def flops(self) -> int:
        """Arithmetic of the products of a step of one run: forward, by weights, and by inputs but for the first layer."""
        products = self.products()
        return 2 * (3 * sum(products) - products[0])


def _cnn(filters: int, steps: int, side: int = 8, channels: int = 1, name: str = "") -> Work:
    model = CNN((filters, filters), CLASSES, STRIDES)
    return Work(name or f"cnn {side}x{side}, {filters} filters", model, steps, 32, (side, side, channels))


MLP16 = Work("mlp, 16 wide", MLP((16, 16), CLASSES), 1000, 64)
MLP64 = Work("mlp, 64 wide", MLP((64, 64), CLASSES), 500, 64)
CNN8, CNN16, CNN32 = _cnn(8, 200), _cnn(16, 100), _cnn(32, 40)
CNN28 = _cnn(8, 20, 28)
CNN32X32 = _cnn(8, 10, 32, 3)
SHARED = tuple(
    dataclasses.replace(work, name=f"{work.name}, shared minibatches", minibatches="shared") for work in (MLP64, CNN8)
)
ADAM = tuple(dataclasses.replace(work, name=f"{work.name}, adam", optimizer="adam") for work in (MLP64, CNN8))
QUICK = (MLP16, MLP64, CNN8, CNN16, CNN28)
WHOLE = (MLP16, MLP64, CNN8, CNN16, CNN32, CNN28, CNN32X32, *SHARED, *ADAM)
MANY = (MLP16, MLP64, CNN8)  # also with other numbers of runs
NUMBERS = (1, 8, 512, 4096)


@dataclasses.dataclass(frozen=True)
class Assignment:
    """A work with all that is drawn at random in it, so that every contestant computes the same numbers but for rounding.

    Attributes:
        work: what is to be done.
        data: digits; inputs (n, height, width, channels) float32, targets (n,) int32.
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
    small = digits()
    data = cast(Dataset(_enlarged(small.train, work.image), _enlarged(small.test, work.image)), "float32")
    seeds = np.arange(runs, dtype=np.int32)
    variables = jax.jit(jax.vmap(lambda seed: work.start({"seed": seed}, data.train.inputs)))(seeds)
    return Assignment(work, data, jax.device_get(variables["params"]), _batches(work, seeds, len(data.train.targets)))


def _enlarged(batch: Batch, image: tuple[int, int, int]) -> Batch:
    height, width, channels = image
    inputs = jax.image.resize(batch.inputs, (len(batch.inputs), height, width, 1), "linear")
    return Batch(jnp.repeat(inputs, channels, axis=-1), batch.targets)


def _batches(work: Work, seeds: np.ndarray, examples: int) -> np.ndarray:
    """The places in the training set of every minibatch's examples: (steps, runs, batch)."""
    places = Batch(jnp.arange(examples), jnp.arange(examples))
    task = work.task

    def chosen(step: jax.Array, seed: jax.Array) -> jax.Array:
        return task.batch(Dataset(places, places), {"seed": seed}, step).inputs

    every = jax.jit(jax.vmap(jax.vmap(chosen, (None, 0)), (0, None)))
    return np.asarray(every(np.arange(work.steps, dtype=np.int32), seeds))
