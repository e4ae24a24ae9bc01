"""A program: what compiles once, and the runs it is compiled for."""

import dataclasses
from collections.abc import Mapping
from typing import Literal

import numpy as np

from symmetry_jax.errors import InputError
from symmetry_jax.learning.process import Measure, Process, PyTree
from symmetry_jax.sweeps.axes import Axes, Value
from symmetry_jax.sweeps.precision import Precision

Spacing = Literal["even", "log"]

SPACINGS: dict[str, Spacing] = {"even": "even", "log": "log"}


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
        names = [measure.name for measure in self.measures] + ["valid", *self.axes.runs(), *self.static]
        if len(set(names)) < len(names):
            raise ValueError(f"{self.sweep}: measures and axes need names of their own, and `valid` is taken: {names}")

    @property
    def steps(self) -> int:
        """Steps of each run."""
        return self.records[-1]

    @property
    def label(self) -> str:
        """The sweep and the static settings, in one line."""
        return " ".join([self.sweep, *(f"{name}={value}" for name, value in self.static.items())])

    def hparams(self) -> dict[str, np.ndarray]:
        """Every swept number of every run: name -> (runs,); seeds as int32, all others in the program's precision.

        Raises:
            InputError: for a name where a number is needed, or a seed that is not a whole number from 0.
        """
        runs = self.axes.runs()
        for name, values in runs.items():
            _check_hparam(name, values)
        return {name: values.astype(np.int32 if name == "seed" else self.precision) for name, values in runs.items()}


def record_steps(steps: int, count: int, spacing: Spacing) -> tuple[int, ...]:
    """About `count` record steps from 0 to `steps` inclusive; log-spaced ones are fewer, since steps are whole."""
    if steps < 1 or count < 2:
        raise InputError(f"steps={steps} and records={count}: at least 1 step and 2 records are needed")
    if spacing == "even":
        points = np.linspace(0, steps, min(count, steps + 1))
    else:
        points = np.concatenate([[0], np.geomspace(1, steps, count - 1)[: count - 2], [steps]])
    return tuple(int(step) for step in np.unique(np.rint(points)))


def _check_hparam(name: str, values: np.ndarray) -> None:
    if values.dtype.kind not in "iuf":
        raise InputError(f"axis {name}: {values[0].item()!r} is a name, but {name} is a number")
    if name == "seed" and (values.dtype.kind == "f" or values.min() < 0 or values.max() >= 2**31):
        raise InputError("axis seed: seeds are whole numbers from 0 to 2147483647")
