"""Results as labelled arrays: zarr on disk, xarray in the hand.

On disk every program is a group in which runs lie along one axis, `run`, in the order of the product of the axes: a segment of
any set of runs is then one region. In the hand the runs are unfolded into the sweep's axes, and the programs of a sweep, which
differ in static settings, are joined along those.
"""

import json
import math
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from symmetry_jax.errors import InputError, listing
from symmetry_jax.sweeps.axes import Axes, Axis
from symmetry_jax.sweeps.program import Program
from symmetry_jax.sweeps.tracing import Shapes

RECORD, END = "step", "end"
ENDS = ("first", "last")
FOLDER = "results.zarr"


def result_bytes(program: Program, shapes: Shapes) -> int:
    """Bytes of a program's results, before compression."""
    return sum(math.prod(_shape(program, name, shapes)) * shape.dtype.itemsize for name, shape in shapes.items())


class Writer:
    """Writes the results of one program, segment by segment, into a zarr group allocated ahead.

    Every chunk has a checksum of its own and is replaced in one stroke.

    Args:
        workdir: the work directory.
        index: the program's place in the study.
        program: the program.
        shapes: shape and dtype of every measure, for one run and one record.
        chunk: records in a chunk.
    """

    def __init__(self, workdir: Path, index: int, program: Program, shapes: Shapes, chunk: int) -> None:
        path = workdir / FOLDER / f"{index:03d}"
        labels = xr.Dataset(coords=_coordinates(program), attrs=_attributes(program) | {"records_done": 0, "ends_done": 0})
        for name in [name for name, values in labels.coords.items() if values.dtype.kind == "U"]:
            labels[name] = labels[name].astype(object)  # zarr stores these as text of any length
        labels.to_zarr(path, mode="w-", zarr_format=3, consolidated=False)
        self._group = zarr.open_group(path, mode="r+")
        for measure in program.measures:
            shape = _shape(program, measure.name, shapes)
            self._group.create_array(
                measure.name,
                shape=shape,
                dtype=shapes[measure.name].dtype,
                chunks=(shape[0], min(chunk, shape[1]), *shape[2:]),
                compressors=[ZstdCodec(level=3), Crc32cCodec()],
                dimension_names=_dims(program, measure.name),
                attributes={"units": measure.unit},
            )

    def write_records(self, readings: Mapping[str, np.ndarray]) -> None:
        """Writes the records that follow those written so far: name -> (runs, records, ...)."""
        first = self._group.attrs["records_done"]
        done = first
        for name, values in readings.items():
            done = first + values.shape[1]
            self._array(name)[:, first:done] = values
        self._group.attrs["records_done"] = done

    def write_ends(self, end: int, readings: Mapping[str, np.ndarray]) -> None:
        """Writes the readings of the first (0) or last (1) states: name -> (runs, ...)."""
        for name, values in readings.items():
            self._array(name)[:, end] = values
        self._group.attrs["ends_done"] = end + 1

    def _array(self, name: str) -> Any:
        return self._group[name]


def label(program: Program, variables: Mapping[str, np.ndarray]) -> xr.Dataset:
    """The results of one program in memory, name -> (runs, records or ends, ...), as labelled arrays."""
    units = {measure.name: {"units": measure.unit} for measure in program.measures}
    arrays = {name: (_dims(program, name), values, units[name]) for name, values in variables.items()}
    flat = xr.Dataset(arrays, _coordinates(program), _attributes(program))
    return _unfold(flat)


def load_results(workdir: str | Path, sweep: str | None = None) -> xr.Dataset:
    """The results of a study, finished or not: a Dataset whose dimensions are the axes of the sweep, `step` and `end`.

    Args:
        workdir: a work directory.
        sweep: which of the study's sweeps; the first, which is its main one, by default.

    Returns:
        Programs of the sweep joined along their static settings, padded where their shapes differ; `valid` is False where
        there is no run. Records and ends that were not reached yet are left out.

    Raises:
        InputError: if there are no results there, or no such sweep.
    """
    every = load_sweeps(workdir)
    if sweep is not None and sweep not in every:
        raise InputError(f"{workdir} has no sweep {sweep!r}: choose from {listing(every)}")
    return every[sweep] if sweep is not None else next(iter(every.values()))


def load_sweeps(workdir: str | Path) -> dict[str, xr.Dataset]:
    """The results of every sweep of a study by name, in the order of its programs: see `load_results`."""
    groups = sorted((Path(workdir) / FOLDER).glob("[0-9]*"))
    if not groups:
        raise InputError(f"no results in {workdir}")
    sweeps: dict[str, list[xr.Dataset]] = {}
    for group in groups:
        flat = xr.open_zarr(group, consolidated=False, chunks=None).load()
        reached = flat.isel({RECORD: slice(flat.attrs["records_done"]), END: slice(flat.attrs["ends_done"])})
        sweeps.setdefault(flat.attrs["sweep"], []).append(_unfold(reached))
    return {name: _join(programs) for name, programs in sweeps.items()}


def _join(programs: Sequence[xr.Dataset]) -> xr.Dataset:
    """Programs padded to the union of their coordinates, side by side along their static settings."""
    static = json.loads(programs[0].attrs["static"])
    union = {dim: _union(dim, programs) for dim in programs[0].dims if dim not in static}
    padded = [program.reindex(union, fill_value={"valid": False}) for program in programs]
    joined = xr.combine_by_coords(
        padded, compat="no_conflicts", coords="minimal", data_vars="all", combine_attrs="drop_conflicts"
    )
    assert isinstance(joined, xr.Dataset)
    # static settings in the order of the programs, not of the alphabet
    return joined.reindex({name: list(dict.fromkeys(program[name].item() for program in programs)) for name in static})


def _union(dim: Hashable, programs: Sequence[xr.Dataset]) -> list[Any]:
    """The values of all programs along one dimension: as they come, but numbers that had to be merged ascending."""
    values = list(dict.fromkeys(value for program in programs for value in program[dim].values.tolist()))
    return values if not values or isinstance(values[0], str) or len(values) == programs[0].sizes[dim] else sorted(values)


def _unfold(flat: xr.Dataset) -> xr.Dataset:
    """From one axis of runs to the sweep's axes, with the static settings as axes of one point in front."""
    axes = Axes(tuple(Axis(tuple(names), tuple(map(tuple, points))) for names, points in json.loads(flat.attrs["axes"])))
    flat = flat.drop_vars([name for name, values in flat.coords.items() if values.dims == ("run",)])
    arrays = {}
    for name, array in flat.data_vars.items():
        shape = (*axes.shape, *array.shape[1:])
        arrays[name] = ((*axes.dims, *array.dims[1:]), array.values.reshape(shape), array.attrs)
    arrays["valid"] = (axes.dims, np.ones(axes.shape, bool), {})
    coordinates = {name: (axis.names[0], axis.column(name)) for axis in axes.axes for name in axis.names}
    unfolded = xr.Dataset(arrays, {**flat.coords, **coordinates}, flat.attrs)
    return unfolded.expand_dims({name: [value] for name, value in json.loads(flat.attrs["static"]).items()})


def _dims(program: Program, name: str) -> tuple[str, ...]:
    measure = next(measure for measure in program.measures if measure.name == name)
    return ("run", RECORD if measure.when == "records" else END, *measure.dims)


def _shape(program: Program, name: str, shapes: Shapes) -> tuple[int, ...]:
    length = len(program.records) if _dims(program, name)[1] == RECORD else len(ENDS)
    return (program.axes.size, length, *shapes[name].shape)


def _coordinates(program: Program) -> dict[str, xr.DataArray]:
    coordinates = {name: xr.DataArray(values, dims="run") for name, values in program.axes.runs().items()}
    coordinates[RECORD] = xr.DataArray(list(program.records), dims=RECORD)
    coordinates[END] = xr.DataArray(list(ENDS), dims=END)
    for measure in program.measures:
        for name, values in measure.coords.items():
            known = coordinates.setdefault(name, xr.DataArray(list(values), dims=name))
            if list(known.values) != list(values):
                raise ValueError(f"measure {measure.name!r} labels dimension {name!r} otherwise than an earlier measure")
    return coordinates


def _attributes(program: Program) -> dict[str, Any]:
    axes = [[axis.names, axis.points] for axis in program.axes.axes]
    return {"sweep": program.sweep, "axes": json.dumps(axes), "static": json.dumps(dict(program.static))}
