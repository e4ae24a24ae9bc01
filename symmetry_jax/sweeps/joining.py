"""Results that were computed apart, laid side by side on the union of their points."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import xarray as xr

from symmetry_jax.sweeps.axes import Value

Point = tuple[Value, ...]  # on one dimension: its own value, and those of what is zipped with it


def lay_over(parts: Sequence[xr.Dataset], points: Mapping[Hashable, Sequence[Point]]) -> xr.Dataset:
    """Results of runs of which no two parts have the same, on the given points of each dimension.

    What no part has is not valid, and nan: a variable of whole numbers stays one only where none is missing.
    """
    numbers = {dim: {point: number for number, point in enumerate(every)} for dim, every in points.items()}
    places = [{dim: [number[point] for point in _points(dim, part)] for dim, number in numbers.items()} for part in parts]
    sizes = {dim: len(every) for dim, every in points.items()}
    arrays = {name: _spread([part[name] for part in parts], parts, places, sizes) for name in parts[0].data_vars}
    labels = {
        name: (dim, [point[place] for point in every])
        for dim, every in points.items()
        for place, name in enumerate(_labels(dim, parts[0]))
        if name in parts[0].coords
    }
    told = {name: value for name, value in parts[0].attrs.items() if all(part.attrs[name] == value for part in parts)}
    return xr.Dataset(arrays, labels, told)


def union(dim: Hashable, parts: Sequence[xr.Dataset]) -> list[Point]:
    """The points of all parts along one dimension: as they come, but numbers that had to be merged ascending."""
    points = in_order(dim, parts)
    if not points or isinstance(points[0][0], str) or len(points) == parts[0].sizes[dim]:
        return points
    return sorted(points, key=lambda point: point[0])


def in_order(dim: Hashable, parts: Sequence[xr.Dataset]) -> list[Point]:
    """The points of all parts along one dimension, as they come."""
    return list(dict.fromkeys(point for part in parts for point in _points(dim, part)))


def _spread(
    arrays: Sequence[xr.DataArray],
    parts: Sequence[xr.Dataset],
    places: Sequence[Mapping[Hashable, Sequence[int]]],
    sizes: Mapping[Hashable, int],
) -> xr.Variable:
    """One variable of all parts, each part at its places."""
    dims = arrays[0].dims
    values = np.zeros([sizes[dim] for dim in dims], np.result_type(*(array.dtype for array in arrays)))
    there = np.zeros(values.shape, bool)
    for array, part, place in zip(arrays, parts, places, strict=True):
        cells = np.ix_(*(place[dim] for dim in dims))
        valid = part.valid.broadcast_like(array).transpose(*dims).values
        values[cells] = np.where(valid, array.transpose(*dims).values, values[cells])
        there[cells] |= valid
    spread = xr.Variable(dims, values, arrays[0].attrs)
    return spread if there.all() or arrays[0].name == "valid" else spread.where(there)


def _points(dim: Hashable, part: xr.Dataset) -> list[Point]:
    """The points along a dimension, in order."""
    return list(zip(*(part[name].values.tolist() for name in _labels(dim, part)), strict=True))


def _labels(dim: Hashable, part: xr.Dataset) -> list[Hashable]:
    """The dimension's own coordinate, and those of what is zipped with it."""
    return [dim, *(name for name, values in part.coords.items() if values.dims == (dim,) and name != dim)]
