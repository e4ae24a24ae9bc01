"""A whole sweep in memory, for a notebook."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from symmetry_jax.errors import InputError
from symmetry_jax.learning.process import Measure, Process, PyTree
from symmetry_jax.sweeps.axes import Axes, Value
from symmetry_jax.sweeps.engine import Engine, default_tile
from symmetry_jax.sweeps.loading import label
from symmetry_jax.sweeps.precision import Precision
from symmetry_jax.sweeps.program import Program, Spacing, record_steps
from symmetry_jax.sweeps.segments import whole


def sweep(
    process: Process,
    measures: Sequence[Measure],
    axes: Mapping[str | tuple[str, ...], Sequence[Value | tuple[Value, ...]]],
    steps: int,
    *,
    data: PyTree = (),
    records: int = 101,
    spacing: Spacing = "even",
    precision: Precision = "float32",
    tile: int | None = None,
) -> xr.Dataset:
    """Runs a process at every point of the product of axes, all of it in memory.

    Calling it again with the same process and measures, and as many records and padded runs, does not compile again.

    Args:
        process: what is run.
        measures: what is read.
        axes: values by name; a tuple of names with tuples of values makes one zipped axis. `seed` takes whole numbers.
        steps: steps of each run.
        data: given to the process besides hparams.
        records: about how many times measures are read, the first and the last state among them.
        spacing: "even" or "log" spacing of records in steps.
        precision: "float32" or "float64".
        tile: runs computed side by side in a device; 0 or none for as many as suit it.

    Warns:
        If runs went non-finite: they are frozen at their last finite state, of which all later readings are.

    Returns:
        A Dataset whose dimensions are the axes by name, `step` for measures of records and `end` for measures of ends.

    Raises:
        InputError: for axes, names or numbers that cannot be.
    """
    if tile is not None and tile < 0:
        raise InputError(f"tile={tile}: 0 (automatic) or more")
    points = record_steps(steps, records, spacing)
    program = Program("sweep", process, tuple(measures), Axes.of(axes), data, points, precision=precision)
    engine = Engine(program, tile or default_tile())
    states = engine.start()
    first = engine.read_ends(states, 0)
    states, readings = engine.advance(states, whole(program.records))
    last = engine.read_ends(states, program.steps)
    if stopped := engine.count_stopped(states):
        told = f"{stopped} of {program.axes.size} runs went non-finite and were frozen at their last finite state"
        warnings.warn(f"{told}, of which all later readings are", stacklevel=2)
    ends = {name: np.stack([first[name], last[name]], axis=1) for name in first}
    return label(program, {**readings, **ends})
