"""Growth of the distance between twins, computed from labelled results."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

VARIED = ("seed", "epsilon")


def settled(results: xr.Dataset) -> xr.Dataset:
    """The results with every number of a run that went non-finite, or of a point without a run, left out."""
    kept = results.valid & (results.first_nonfinite_step.sel(end="last", drop=True) < 0)
    return results.assign({name: array.where(kept) for name, array in results.items() if array.dtype.kind == "f"})


def each_setting(results: xr.Dataset) -> Iterator[tuple[str, xr.Dataset]]:
    """Each point of the sweep apart from seeds and epsilons that has a run: its name, and its results along (seed, epsilon).

    The name says only what varies in the sweep: `relu, learning_rate 0.1`; "all runs" if nothing does.
    """
    dims = [dim for dim in results.valid.dims if dim not in VARIED]
    for index in np.ndindex(*(results.sizes[dim] for dim in dims)):
        setting = results.isel(dict(zip(dims, index, strict=True)))
        words = [setting_word(dim, setting[dim].item()) for dim in dims if results.sizes[dim] > 1]
        if setting.separation.notnull().any():
            yield ", ".join(words) or "all runs", setting


def along(runs: xr.Dataset, *kept: str) -> xr.Dataset:
    """The results along some axes of the sweep, where all others have one value; so for groups and directions."""
    return runs.squeeze(
        [dim for dim in (*runs.valid.dims, "group", "direction") if dim in runs.dims and dim not in kept], drop=True
    )


def setting_word(dim: str, value: object) -> str:
    """A setting in words: a name stands for itself, a number is told with its axis, `learning_rate 0.1`."""
    return value if isinstance(value, str) else f"{dim} {value:g}"


def growth(results: xr.Dataset, variable: str = "separation", part: str = "orbit") -> xr.DataArray:
    """Separation, or angle, over that measured at step 0, for every epsilon above 0.

    Missing where float32 rounded the start to 0.
    """
    apart = results[variable].sel(part=part, drop=True)
    apart = apart.sel(epsilon=apart.epsilon > 0)
    start = apart.isel(step=0, drop=True)
    return apart / start.where(start > 0)


def final_growth(results: xr.Dataset, variable: str = "separation", part: str = "orbit") -> xr.DataArray:
    """Growth at the last record."""
    return growth(results, variable, part).isel(step=-1, drop=True)


def nearest_epsilon(results: xr.Dataset, epsilon: float) -> float:
    """The epsilon above 0 of the sweep that is nearest to `epsilon`, in ratio."""
    values = results.epsilon.values[results.epsilon.values > 0]
    return float(values[np.argmin(np.abs(np.log(values / epsilon)))])


def deviation(final: xr.DataArray, reference: float) -> xr.DataArray:
    """How far growth is from that of the same run at the reference epsilon, as a fraction: its 0.9 quantile over seeds."""
    return abs(final / final.sel(epsilon=reference) - 1).quantile(0.9, "seed").drop_vars("quantile")


def regime(final: xr.DataArray, reference: float, tolerance: float) -> tuple[float, float]:
    """The epsilons around the reference between which the deviation stays within the tolerance."""
    inside = deviation(final, reference) <= tolerance
    inside = inside.all([dim for dim in inside.dims if dim != "epsilon"])
    start = list(inside.epsilon.values).index(reference)
    low = high = start
    while low > 0 and inside[low - 1]:
        low -= 1
    while high < len(inside) - 1 and inside[high + 1]:
        high += 1
    return float(inside.epsilon[low]), float(inside.epsilon[high])


def decades(bounds: tuple[float, float]) -> float:
    """log10 of the ratio of two epsilons."""
    return float(np.log10(bounds[1] / bounds[0]))


def memory_of_start(results: xr.Dataset, epsilons: Sequence[float]) -> float:
    """Slope of log final separation against log initial separation: the median over seeds and groups.

    1 if the final distance is proportional to the initial one; 0 if it does not depend on it.
    """
    apart = results.separation.sel(part="orbit", epsilon=list(epsilons))
    return float(power(apart.isel(step=0, drop=True), apart.isel(step=-1, drop=True)).median())


def power(first: xr.DataArray, last: xr.DataArray) -> xr.DataArray:
    """Slope of log last against log first along `epsilon`; missing where both are above 0 at fewer than 2."""
    both = (first > 0) & (last > 0)
    first, last = (xr.apply_ufunc(np.log, apart.where(both)) for apart in (first, last))
    centred = first - first.mean("epsilon")
    return (centred * last).sum("epsilon", min_count=2) / (centred**2).sum("epsilon", min_count=2)
