"""A program: what compiles once, and the runs it is compiled for."""

import dataclasses
from collections.abc import Mapping
from typing import Literal

import numpy as np

from symmetry_jax.errors import InputError, choose, listing
from symmetry_jax.learning.process import Measure, Process, PyTree
from symmetry_jax.sweeps.axes import Axes, Value
from symmetry_jax.sweeps.precision import PRECISIONS, Precision
from symmetry_jax.sweeps.ranges import check_numbers

Spacing = Literal["even", "log"]

SPACINGS: dict[str, Spacing] = {"even": "even", "log": "log"}

RESERVED = ("valid", "run", "step", "end")  # names that results have for themselves

MOST_STEPS = 2**31 - 2  # they are counted in int32, one beyond the last
MOST_RECORDS = 1_000_000


@dataclasses.dataclass(frozen=True)
class Program:
    """A process with its static settings, its runs, and what is read of them.

    Attributes:
        sweep: the sweep it belongs to; programs of one sweep differ in their static settings and make one labelled result.
        process: the dynamics.
        measures: what is read.
        axes: the traced axes, whose product are the runs.
        data: what the process is given besides hparams; floating arrays are cast to the program's precision.
        records: the steps at which measures are read, ascending, from 0 to the last step inclusive.
        static: the static settings that tell this program from the others of its sweep.
        precision: "float32" or "float64".
        after: index, in the study, of the earlier program in whose final states the runs start; they must be as many.

    Raises:
        InputError: if a value on a traced axis is not one that the process can have, or there is no such axis; for more steps
            than are possible, a name that is taken, or an unknown precision.
    """

    sweep: str
    process: Process
    measures: tuple[Measure, ...]
    axes: Axes
    data: PyTree
    records: tuple[int, ...]
    static: Mapping[str, Value] = dataclasses.field(default_factory=dict)
    precision: Precision = "float32"
    after: int | None = None

    def __post_init__(self) -> None:
        choose("precision", self.precision, PRECISIONS)
        labels = {dim for measure in self.measures for dim in measure.dims}
        names = [*(measure.name for measure in self.measures), *self.axes.names, *self.static, *labels, *RESERVED]
        twice = dict.fromkeys(name for name in names if names.count(name) > 1)
        if twice:
            allowed = f"measures, their dimensions and axes need names of their own, other than {listing(RESERVED)}"
            raise InputError(f"{self.sweep}: the name {listing(twice)} is taken: {allowed}")
        if not self.axes.axes:
            raise InputError(f"{self.sweep}: no axes: one is needed, of one value if it is to be one run")
        if self.steps > MOST_STEPS:
            raise InputError(f"{self.sweep}: {self.steps:,} steps: at most {MOST_STEPS:,} are possible")
        check_numbers(self.axes, self.process.ranges, self.precision)

    @property
    def steps(self) -> int:
        """Steps of each run."""
        return self.records[-1]

    @property
    def label(self) -> str:
        """The sweep and the static settings, in one line."""
        return " ".join([self.sweep, *(f"{name}={value}" for name, value in self.static.items())])

    def hparams(self) -> dict[str, np.ndarray]:
        """Every swept number of every run: name -> (runs,); seeds as int32, all others in the program's precision."""
        runs = self.axes.runs()
        return {name: values.astype(np.int32 if name == "seed" else self.precision) for name, values in runs.items()}


def record_steps(steps: int, count: int, spacing: Spacing) -> tuple[int, ...]:
    """About `count` record steps from 0 to `steps` inclusive; log-spaced ones are fewer, since steps are whole.

    Raises:
        InputError: for fewer steps or records than are needed, or more than are possible; for an unknown spacing.
    """
    choose("spacing", spacing, SPACINGS)
    if not (1 <= steps <= MOST_STEPS and 2 <= count <= MOST_RECORDS):
        allowed = f"at least 1 step and 2 records are needed, at most {MOST_STEPS:,} and {MOST_RECORDS:,} are possible"
        raise InputError(f"steps={steps} and records={count}: {allowed}")
    if spacing == "even":
        points = np.linspace(0, steps, min(count, steps + 1))
    else:
        points = np.concatenate([[0], np.geomspace(1, steps, count - 1)[: count - 2], [steps]])
    return tuple(int(step) for step in np.unique(np.rint(points)))
