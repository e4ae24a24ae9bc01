"""What a study left on disk, in the hand: results unfolded into the axes of the sweep, and the parameters of single runs.

The programs of a sweep, which differ in static settings, are joined along those; work directories of one study along the axes
in which they differ.
"""

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from symmetry_jax.errors import DamagedError, InputError, listing
from symmetry_jax.learning.process import PyTree
from symmetry_jax.sweeps.axes import Axes, Axis, Value
from symmetry_jax.sweeps.checkpoints import Checkpoints
from symmetry_jax.sweeps.joining import in_order, lay_over, union
from symmetry_jax.sweeps.precision import numerics
from symmetry_jax.sweeps.program import Program
from symmetry_jax.sweeps.results import END, FOLDER, RECORD, Group, attributes, coordinates, dims
from symmetry_jax.sweeps.workdir import checkpoint_folder, differences, read_config

Workdirs = str | Path | Sequence[str | Path]


def label(program: Program, variables: Mapping[str, np.ndarray]) -> xr.Dataset:
    """The results of one program in memory, name -> (runs, records or ends, ...), as labelled arrays."""
    units = {measure.name: {"units": measure.unit} for measure in program.measures}
    arrays = {name: (dims(program, name), values, units[name]) for name, values in variables.items()}
    return _unfold(xr.Dataset(arrays, coordinates(program), attributes(program)))


def load_results(workdirs: Workdirs, sweep: str | None = None) -> xr.Dataset:
    """The results of a study, finished or not: a Dataset whose dimensions are the axes of the sweep, `step` and `end`.

    Args:
        workdirs: a work directory, or several of one study whose axes differ: seeds run apart, say.
        sweep: which of the study's sweeps; the first, which is its main one, by default.

    Returns:
        Programs of the sweep joined along their static settings, padded where their shapes differ; `valid` is False where
        there is no run. What is missing is nan: a measure of whole numbers stays one only where none is missing. Of a study
        that is not finished: the runs of the waves that are through, all others not valid; while the first wave is on its
        way its runs, up to the record that was reached.

    Raises:
        InputError: if there are no results there, or no such sweep; if they are damaged; if directories are of different
            studies, or have runs in common.
    """
    folders = [workdirs] if isinstance(workdirs, str | Path) else list(workdirs)
    if not folders:
        raise InputError("load_results: name a work directory")
    loaded = [_pick(load_sweeps(folder), sweep, folder) for folder in folders]
    _check_one_study(folders)
    return loaded[0] if len(loaded) == 1 else _merge(loaded, folders)


def load_sweeps(workdir: str | Path) -> dict[str, xr.Dataset]:
    """The results of every sweep of a study by name, in the order of its programs: see `load_results`."""
    sweeps: dict[str, list[xr.Dataset]] = {}
    for path in group_paths(workdir):
        flat = _reached(path)
        if flat.sizes["run"]:
            sweeps.setdefault(flat.attrs["sweep"], []).append(_unfold(flat))
    return {name: _join(programs) for name, programs in sweeps.items()}


def load_run(workdir: str | Path, sweep: str | None = None, **settings: Value) -> PyTree:
    """The variables of one run, such as its parameters, as they were at its last checkpoint: at its end, if it was finished.

    Args:
        workdir: a work directory.
        sweep: which of the study's sweeps; the first by default.
        settings: values on the sweep's axes (`seed=3, epsilon=1e-4, activation="tanh"`); an axis of one value may be left out.

    Returns:
        Dicts and lists of numpy arrays, in the shapes that one run has.

    Raises:
        InputError: if there is no such run, or more than one; if it has no checkpoint yet, or a damaged one.
    """
    index, run, wave = _find_run(workdir, sweep, settings)
    states = _last_states(checkpoint_folder(Path(workdir), index, run // wave))
    return jax.tree.map(lambda leaf: np.asarray(leaf[run % wave]), states["variables"])


def group_paths(workdir: str | Path) -> list[Path]:
    """The results of each program that a work directory holds, in order."""
    groups = [path for path in (Path(workdir) / FOLDER).glob("[0-9]*") if path.name.isdecimal()]
    if not groups:
        raise InputError(f"no results in {workdir}")
    return sorted(groups, key=lambda path: int(path.name))


def open_group(path: Path) -> Group:
    """The results of a program; if they are damaged, an InputError that says what to do."""
    try:
        return Group(path)
    except DamagedError as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, wrong: str) -> InputError:
    return InputError(f"{path} is damaged ({wrong}): run the study again to compute what is lost")


def _last_states(folder: Path) -> PyTree:
    """The states of a wave at its last checkpoint, in dicts and lists, on one device of this host."""
    if not folder.exists():
        raise InputError(f"{folder}: no checkpoint yet")
    here = jax.sharding.SingleDeviceSharding(jax.local_devices(backend="cpu")[0])
    while True:
        # both precisions are restored as they are where float64 is allowed
        with contextlib.closing(Checkpoints(folder, read_only=True)) as checkpoints, numerics("float64"):
            step = max(checkpoints.steps(), default=None)
            if step is None:
                raise InputError(f"{folder}: no checkpoint yet")
            try:
                shapes = checkpoints.shapes(step)
                target = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here), shapes)
                return checkpoints.restore(step, target)
            except DamagedError as error:
                with contextlib.closing(Checkpoints(folder, read_only=True)) as now:
                    gone = now.steps() and step != now.steps()[-1]  # a study under way saves others, and removes this one
                if not gone:
                    raise InputError(f"{folder / str(step)} is damaged ({error}): run the study again") from error


def _find_run(workdir: str | Path, sweep: str | None, settings: Mapping[str, Value]) -> tuple[int, int, int]:
    """The program, the run in it, and the runs of a wave there."""
    groups = {int(path.name): open_group(path) for path in group_paths(workdir)}
    sweeps = dict.fromkeys(group.flat.attrs["sweep"] for group in groups.values())
    sweep = sweep if sweep is not None else next(iter(sweeps))
    if sweep not in sweeps:
        raise _no_sweep(workdir, sweep, sweeps)
    found: list[tuple[int, int, int]] = []
    known: dict[str, None] = {}
    for index, group in groups.items():
        static = json.loads(group.flat.attrs["static"])
        runs = axes_of(group.flat).runs()
        if group.flat.attrs["sweep"] == sweep:
            known |= dict.fromkeys([*static, *runs])
            chosen = np.ones(group.flat.sizes["run"], bool)
            for name, value in settings.items():
                chosen &= _equal(runs[name] if name in runs else np.array(static.get(name)), value)
            found += [(index, int(run), group.wave) for run in np.flatnonzero(chosen)]
    wrong = [name for name in settings if name not in known]
    if wrong:
        raise InputError(f"{workdir}: no axis {listing(wrong)} in sweep {sweep!r}: choose from {listing(known)}")
    if len(found) != 1:
        raise InputError(f"{workdir}: {len(found)} runs with {dict(settings)}: one is wanted, of the axes {listing(known)}")
    return found[0]


def _equal(values: np.ndarray, value: Value) -> np.ndarray:
    inexact = values.dtype.kind == "f" and not isinstance(value, str)  # 0.1 + 0.2 is meant by 0.3
    return np.isclose(values, value, 1e-9, 0) if inexact else values == value


def _reached(path: Path) -> xr.Dataset:
    """The runs and records of a program that were computed, verified, in memory."""
    group = open_group(path)
    waves = -(-group.flat.sizes["run"] // group.wave)
    try:
        group.load()
    except DamagedError as error:
        raise _damaged(path, str(error)) from error
    for wave in range(waves):
        if any(group.whole(wave, dim) < group.reached(wave, dim) for dim in (RECORD, END)):
            raise _damaged(path, f"in wave {wave}")
    flat = group.flat
    through = [
        group.reached(wave, RECORD) == flat.sizes[RECORD] and group.reached(wave, END) == flat.sizes[END]
        for wave in range(waves)
    ]
    if any(through):
        valid = np.repeat(through, group.wave)[: flat.sizes["run"]]
        return _masked(flat, valid)
    records, ends = group.reached(0, RECORD), group.reached(0, END)
    valid = np.arange(flat.sizes["run"]) < (group.wave if records else 0)
    return _masked(flat.isel({RECORD: slice(records), END: slice(ends)}), valid)


def _masked(flat: xr.Dataset, valid: np.ndarray) -> xr.Dataset:
    if valid.all():
        return flat
    mask = xr.DataArray(valid, dims="run")
    return flat.where(mask).assign(valid=mask) if valid.any() else flat.isel(run=slice(0))


def _pick(sweeps: Mapping[str, xr.Dataset], sweep: str | None, workdir: str | Path) -> xr.Dataset:
    if sweep is None and sweeps:
        return next(iter(sweeps.values()))
    if sweep is None:
        raise InputError(f"{workdir} has no results yet")
    if sweep not in sweeps:
        raise _no_sweep(workdir, sweep, sweeps)
    return sweeps[sweep]


def _no_sweep(workdir: str | Path, sweep: str, sweeps: Iterable[str]) -> InputError:
    return InputError(f"{workdir} has no sweep {sweep!r}: choose from {listing(sweeps)}")


def _check_one_study(workdirs: Sequence[str | Path]) -> None:
    if len(workdirs) == 1:
        return
    first = read_config(Path(workdirs[0]))
    for workdir in workdirs[1:]:
        apart = [line for line in differences(first, read_config(Path(workdir))) if not line.startswith("sweep.")]
        if apart:
            raise InputError(f"{workdirs[0]} and {workdir} are not of one study: {'; '.join(apart)}")


def _merge(parts: Sequence[xr.Dataset], workdirs: Sequence[str | Path]) -> xr.Dataset:
    """Results of the same measures for runs that were computed apart, as one."""
    for part, workdir in zip(parts[1:], workdirs[1:], strict=True):
        if any(list(part[dim].values) != list(parts[0][dim].values) for dim in (RECORD, END)):
            raise InputError(f"{workdirs[0]} and {workdir} have other records: join studies that are finished")
    merged = lay_over(parts, {dim: union(dim, parts) for dim in parts[0].dims})
    if int(merged.valid.sum()) < sum(int(part.valid.sum()) for part in parts):
        raise InputError(f"{', '.join(map(str, workdirs))} have runs in common")
    return merged


def _join(programs: Sequence[xr.Dataset]) -> xr.Dataset:
    """Programs padded to the union of their coordinates, side by side along their static settings."""
    # static settings in the order of the programs, not of the alphabet; not every combination of them needs to be there
    every = {name: in_order(name, programs) for name in json.loads(programs[0].attrs["static"])}
    return lay_over(programs, {dim: every.get(str(dim)) or union(dim, programs) for dim in programs[0].dims})


def _unfold(flat: xr.Dataset) -> xr.Dataset:
    """From one axis of runs to the sweep's axes, with the static settings as axes of one point in front."""
    axes = axes_of(flat)
    valid = flat["valid"].values if "valid" in flat else np.ones(axes.size, bool)
    arrays: dict[str, Any] = {"valid": (axes.dims, valid.reshape(axes.shape), {})}
    for name, array in flat.data_vars.items():
        if name != "valid":
            shape = (*axes.shape, *array.shape[1:])
            arrays[str(name)] = ((*axes.dims, *array.dims[1:]), array.values.reshape(shape), array.attrs)
    labels = {name: values for name, values in flat.coords.items() if values.dims != ("run",)}
    points = {name: (axis.names[0], axis.column(name)) for axis in axes.axes for name in axis.names}
    told = {name: flat.attrs[name] for name in ("sweep", "axes", "static")}
    unfolded = xr.Dataset(arrays, {**labels, **points}, told)
    return unfolded.expand_dims({name: [value] for name, value in json.loads(flat.attrs["static"]).items()})


def axes_of(flat: xr.Dataset) -> Axes:
    """The axes of a program's results, which lie along `run`."""
    return Axes(tuple(Axis(tuple(names), tuple(map(tuple, points))) for names, points in json.loads(flat.attrs["axes"])))
