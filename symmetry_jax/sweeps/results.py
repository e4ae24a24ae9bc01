"""Results on disk: a zarr group for each program, in which runs lie along one axis, `run`, and a wave is one region.

Arrays are allocated ahead and written a few segments at a time. The group keeps a digest of every region that was written,
and of its labels, so that what was lost or changed afterwards is noticed: zarr by itself reads a missing chunk as a blank.
"""

import errno
import functools
import hashlib
import json
import math
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from symmetry_jax.errors import DamagedError, InputError, damage
from symmetry_jax.sweeps.program import Program
from symmetry_jax.sweeps.segments import RECORDS
from symmetry_jax.sweeps.tracing import Shapes

RECORD, END = "step", "end"
ENDS = ("first", "last")
FOLDER = "results.zarr"
LAYOUT = ("tile", "lowering", "wave")
ORIGIN = {"settings": "other settings", "program": "another program"}  # the digest of the study's, and which of its programs
WRITTEN, LABELS = "written", "labels_sha256"


def result_bytes(program: Program, shapes: Shapes) -> int:
    """Bytes of a program's results, before compression."""
    return sum(math.prod(_shape(program, name, shapes)) * shape.dtype.itemsize for name, shape in shapes.items())


def group_path(workdir: Path, index: int) -> Path:
    """Where the results of a program lie."""
    return workdir / FOLDER / f"{index:03d}"


class Group:
    """The results of one program on disk, as they were written.

    Attributes:
        flat: the labelled arrays, (run, step or end, ...), read when they are used.
        layout: tile, lowering and runs of a wave that it was computed with, as far as it tells.
        wave: runs of a wave.

    Raises:
        DamagedError: if the group or its labels cannot be read, or are not what was written.
        OSError: if that is this machine's fault.
    """

    def __init__(self, path: Path) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # zarr warns of what it does not recognize, which the digest will tell
                flat = xr.open_zarr(path, consolidated=False, chunks=None, mask_and_scale=False)
            self.flat = flat[sorted(flat.variables)]  # which come as the file system lists them
            whole = self.flat.attrs[LABELS] == _digest_labels(self.flat)
            self.layout = {name: self.flat.attrs[name] for name in LAYOUT if name in self.flat.attrs}
            self.wave = int(self.flat.attrs["wave"])
            self._written = [tuple(row) for row in self.flat.attrs[WRITTEN]]
        except Exception as error:  # whatever zarr, xarray or json stumble over
            raise damage(error) from error
        if not whole:
            raise DamagedError("its labels are not what was written")

    def load(self) -> None:
        """Reads everything into memory, once.

        Raises:
            DamagedError: if something cannot be read.
            OSError: if that is this machine's fault.
        """
        try:
            self.flat.load()
        except Exception as error:  # a checksum, a codec, a file that is not there
            raise damage(error) from error

    def reached(self, wave: int, dim: str) -> int:
        """Records (dim `step`) or ends (dim `end`) of a wave that were written, from the first on."""
        reached = 0
        for _, _, first, last, _ in sorted(row for row in self._written if row[:2] == (wave, dim)):
            reached = last if first == reached else reached
        return reached

    def whole(self, wave: int, dim: str) -> int:
        """How many of them are still what was written."""
        reached = 0
        for _, _, first, last, digest in sorted(row for row in self._written if row[:2] == (wave, dim)):
            if first != reached or not self._intact(wave, dim, first, last, digest):
                return reached
            reached = last
        return reached

    def _intact(self, wave: int, dim: str, first: int, last: int, digest: str) -> bool:
        region = self.flat.isel({"run": slice(wave * self.wave, (wave + 1) * self.wave), dim: slice(first, last)})
        try:
            values = {str(name): array.values for name, array in region.data_vars.items() if dim in array.dims}
        except Exception as error:  # a checksum, a codec, a file that is not there
            damage(error)
            return False
        return digest == _digest(values)


class Writer:
    """Writes the results of one program, region by region. Every chunk has a checksum of its own and is replaced in one stroke.

    Args:
        path: of the group. If it holds what this program wrote, that is kept; what is damaged is replaced.
        program: the program.
        shapes: shape and dtype of every measure, for one run and one record.
        layout: tile, lowering and runs of a wave, as `Engine.layout` tells them; and, in a study, the `settings` and the
            `program` that it is of.

    Attributes:
        replaced: why what was there was replaced; none if nothing was.
        is_new: whether this writer makes the group, which then holds nothing of a wave that has not begun.

    Raises:
        InputError: if there are whole results of another program.
    """

    def __init__(self, path: Path, program: Program, shapes: Shapes, layout: Mapping[str, Any]) -> None:
        self._path, self._program, self._wave = path, program, layout["wave"]
        self._labels, self._shapes = _labels(program, shapes, layout), shapes
        for left in path.rglob("*.partial"):  # by a process that was killed while it wrote
            left.unlink()
        self.replaced = _damage(path, self._labels) if path.exists() else None
        if self.replaced:
            shutil.rmtree(path)
        self.is_new = not path.exists()

    def make(self) -> None:
        """Makes the group, if it is new, ahead of what is first written: it takes a while."""
        _ = self._group

    def read(self) -> Group:
        """What was written so far."""
        return Group(self._path)

    def rewind(self, wave: int, records: int, ends: int) -> None:
        """Forgets what a wave wrote beyond its first records and ends, which may be damaged."""
        kept = {RECORD: records, END: ends}
        rows = self._group.attrs[WRITTEN]
        self._group.attrs[WRITTEN] = [row for row in rows if row[0] != wave or row[3] <= kept[row[1]]]
        for measure in self._program.measures:
            array = self._group[measure.name]
            chunk = array.chunks[1]
            blank = math.ceil(kept[dims(self._program, measure.name)[1]] / chunk) * chunk
            array[self._runs(wave), blank:] = array.fill_value  # whole chunks: what is damaged need not be read

    def write_records(self, wave: int, first: int, count: int, readings: Mapping[str, np.ndarray]) -> None:
        """Writes records of a wave from the first on: name -> (runs, records, ...)."""
        self._write(wave, RECORD, first, first + count, readings)

    def write_ends(self, wave: int, end: int, readings: Mapping[str, np.ndarray]) -> None:
        """Writes the readings of the first (0) or last (1) states of a wave: name -> (runs, ...)."""
        self._write(wave, END, end, end + 1, {name: values[:, None] for name, values in readings.items()})

    def _write(self, wave: int, dim: str, first: int, last: int, values: Mapping[str, np.ndarray]) -> None:
        group = self._group
        if not (self._path / "zarr.json").exists():  # zarr would make the folders again, around nothing but this
            raise FileNotFoundError(errno.ENOENT, "its results are gone")
        # a chunk that equals the fill value is stored too: a nan with another sign would come back with other bits
        with zarr.config.set({"array.write_empty_chunks": True}):
            for name, block in values.items():
                group[name][self._runs(wave), first:last] = block
        rows = group.attrs[WRITTEN]
        group.attrs[WRITTEN] = [*rows, [wave, dim, first, last, _digest(values)]]

    @functools.cached_property
    def _group(self) -> Any:
        if self.is_new:
            _create(self._path, self._program, self._shapes, self._wave, self._labels)
        return zarr.open_group(self._path, mode="r+")

    def _runs(self, wave: int) -> slice:
        return slice(wave * self._wave, min((wave + 1) * self._wave, self._program.axes.size))


def _damage(path: Path, labels: xr.Dataset) -> str | None:
    """What is wrong with a group, or none; raises InputError if it is whole, and holds other results than those labelled so."""
    try:
        group = Group(path)
    except DamagedError as error:
        return str(error)
    there = group.flat.attrs
    other = [name for name in ORIGIN if name in there and name in labels.attrs and there[name] != labels.attrs[name]]
    if other:
        raise InputError(f"{path} holds results of {ORIGIN[other[0]]}: remove it, and they are computed again")
    # groups of earlier versions do not tell all of these
    told = {name: value for name, value in labels.attrs.items() if name not in (*LAYOUT, *ORIGIN) or name in there}
    if there[LABELS] == _digest_labels(labels.drop_attrs(deep=False).assign_attrs(told)):
        return None
    raise InputError(f"{path} holds other measures or runs than this code computes: name a new directory")


def _create(path: Path, program: Program, shapes: Shapes, wave: int, labels: xr.Dataset) -> None:
    """An empty group: labels, and arrays allocated ahead."""
    coordinates = labels.drop_vars([measure.name for measure in program.measures])
    for name in [name for name, values in coordinates.coords.items() if values.dtype.kind == "U"]:
        coordinates[name] = coordinates[name].astype(object)  # zarr stores these as text of any length
    coordinates.to_zarr(path, mode="w-", zarr_format=3, consolidated=False)
    group = zarr.open_group(path, mode="r+")
    for measure in program.measures:
        shape, dtype = _shape(program, measure.name, shapes), shapes[measure.name].dtype
        along = dims(program, measure.name)
        group.create_array(
            measure.name,
            shape=shape,
            dtype=dtype,
            chunks=(min(wave, shape[0]), min(RECORDS, shape[1]) if along[1] == RECORD else 1, *shape[2:]),
            compressors=[ZstdCodec(level=3), Crc32cCodec()],
            fill_value=np.nan if dtype.kind == "f" else 0,
            dimension_names=along,
            attributes={"units": measure.unit},
        )


def _labels(program: Program, shapes: Shapes, layout: Mapping[str, Any]) -> xr.Dataset:
    """What the group of a program holds before anything is written, with the digest of it."""
    arrays = {}
    for measure in program.measures:
        blank = np.broadcast_to(np.zeros((), shapes[measure.name].dtype), _shape(program, measure.name, shapes))
        arrays[measure.name] = xr.Variable(dims(program, measure.name), blank, {"units": measure.unit})
    labels = xr.Dataset(arrays, coordinates(program), {**attributes(program), **layout, WRITTEN: []})
    return labels.assign_attrs({LABELS: _digest_labels(labels)})


def _digest_labels(flat: xr.Dataset) -> str:
    """Of everything in a group but the values of measures and what is kept of them."""
    labels = {
        "attributes": {name: value for name, value in flat.attrs.items() if name not in (WRITTEN, LABELS)},
        "measures": {
            str(name): [array.dims, array.shape, array.dtype.str, array.attrs] for name, array in flat.data_vars.items()
        },
        "coordinates": {str(name): [array.dims, _content(array.values)] for name, array in flat.coords.items()},
    }
    return hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()


def _content(values: np.ndarray) -> Any:
    # numbers are many, one for each run; text is stored as objects and comes back as another dtype
    return _digest({"": values}) if values.dtype.kind in "iufb" else values.tolist()


def _digest(values: Mapping[str, np.ndarray]) -> str:
    total = hashlib.sha256()
    for name in sorted(values):
        block = np.ascontiguousarray(values[name])
        total.update(f"{name} {block.dtype.str} {block.shape} ".encode())
        total.update(block.data)
    return total.hexdigest()


def coordinates(program: Program) -> dict[str, xr.DataArray]:
    """The labels of a program's results, with each setting of its runs along `run`."""
    labels = {name: xr.DataArray(values, dims="run") for name, values in program.axes.runs().items()}
    labels[RECORD] = xr.DataArray(list(program.records), dims=RECORD)
    labels[END] = xr.DataArray(list(ENDS), dims=END)
    for measure in program.measures:
        for name, values in measure.coords.items():
            known = labels.setdefault(name, xr.DataArray(list(values), dims=name))
            if list(known.values) != list(values):
                raise ValueError(f"measure {measure.name!r} labels dimension {name!r} otherwise than an earlier measure")
    return labels


def attributes(program: Program) -> dict[str, Any]:
    """What tells a program and its axes: `sweep`, and `axes` and `static` as JSON."""
    axes = [[axis.names, axis.points] for axis in program.axes.axes]
    return {"sweep": program.sweep, "axes": json.dumps(axes), "static": json.dumps(dict(program.static))}


def dims(program: Program, name: str) -> tuple[str, ...]:
    """The dimensions of a measure's results."""
    measure = next(measure for measure in program.measures if measure.name == name)
    return ("run", RECORD if measure.when == "records" else END, *measure.dims)


def _shape(program: Program, name: str, shapes: Shapes) -> tuple[int, ...]:
    length = len(program.records) if dims(program, name)[1] == RECORD else len(ENDS)
    return (program.axes.size, length, *shapes[name].shape)
