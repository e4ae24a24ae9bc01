"""Growth of the distance between twins, computed from labelled results."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

VARIED = ("seed", "epsilon")


def each_setting(results: xr.Dataset) -> Iterator[tuple[str, xr.Dataset]]:
    """Each point of the sweep apart from seeds and epsilons: its name, and its results along (seed, epsilon).

    The name says only what varies in the sweep: `relu, learning_rate 0.1`; "all runs" if nothing does.
    """
    dims = [dim for dim in results.valid.dims if dim not in VARIED]
    for index in np.ndindex(*(results.sizes[dim] for dim in dims)):
        setting = results.isel(dict(zip(dims, index, strict=True)))
        words = [_word(dim, setting[dim].item()) for dim in dims if results.sizes[dim] > 1]
        yield ", ".join(words) or "all runs", setting


def growth(results: xr.Dataset, part: str = "orbit") -> xr.DataArray:
    """Separation over the separation measured at step 0, for every epsilon above 0."""
    apart = results.separation.sel(part=part, drop=True)
    apart = apart.sel(epsilon=apart.epsilon > 0)
    return apart / apart.isel(step=0)


def final_growth(results: xr.Dataset, part: str = "orbit") -> xr.DataArray:
    """Growth at the last record, of the runs that stayed finite."""
    finite = results.first_nonfinite_step.sel(end="last", drop=True) < 0
    return growth(results, part).isel(step=-1, drop=True).where(finite)


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
    """Slope of log final separation against log initial separation, mean over seeds and groups.

    1 if the final distance is proportional to the initial one; 0 if it does not depend on it.
    """
    apart = results.separation.sel(part="orbit", epsilon=list(epsilons))
    first, last = np.log(apart.isel(step=0, drop=True)), np.log(apart.isel(step=-1, drop=True))
    centred = first - first.mean("epsilon")
    return float(((centred * last).sum("epsilon") / (centred**2).sum("epsilon")).mean())


def _word(dim: str, value: object) -> str:
    return value if isinstance(value, str) else f"{dim} {value:g}"
