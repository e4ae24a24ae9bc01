"""Whether the twins of a tied student attract: transverse exponents, phases and fates, from labelled results.

A sweep whose tie is held has `log_growth`, `gradient_norm` and `curvature`; the one that goes on from its end with twins apart
is called the same with `_apart` behind it, and has their `separation`.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from symmetry_jax.reports.growth import settled
from symmetry_jax.sweeps.study import Results

RESTING = 1e-5  # a gradient norm: a student with no more of it rests, and one with more drifts
TOLD = 1.5  # of a logarithm over half the steps: what the exponent is told apart from 0 by
CLOSE = 1e-2  # a distance at which twins still go by the exponent
MERGED = 1e-12  # a distance at which what is left of it may be rounding
SLACK = 10 * RESTING  # a curvature: what the gradient that a student at rest may have, times its weights, does to that of erf
ROUNDING = 1e4  # in units of the last place: what rounding may do to a mean of order 1 over a sample
APART = "_apart"


def judged(results: Results) -> dict[str, xr.Dataset]:
    """Every sweep without its non-finite runs, lengths in their order; one whose tie is held has these too, for each run:

    `exponent`, the transverse exponent over the last half of the steps; `lowest`, the lowest curvature between two units at the
    end; `rests`, 1 if the gradient is as good as zero there; `phase`, -1 if the student rests and attracts, 1 if it repels, 0
    if that cannot be told, nan if it does not rest.
    """
    kept = {name: _in_order(settled(sweep).squeeze("group", drop=True)) for name, sweep in results.items()}
    return {name: sweep if name.endswith(APART) else _with_phase(sweep) for name, sweep in kept.items()}


def _in_order(sweep: xr.Dataset) -> xr.Dataset:
    """The axes that are lines and not lists, from the least to the greatest."""
    return sweep.sortby([name for name in ("length", "epsilon") if name in sweep.dims])


def _with_phase(sweep: xr.Dataset) -> xr.Dataset:
    growth, half = sweep.log_growth.sel(direction=1, drop=True), sweep.sizes["step"] // 2
    grown = growth.isel(step=-1, drop=True) - growth.isel(step=half, drop=True)
    finite = grown.notnull()
    rests = (sweep.gradient_norm.isel(step=-1, drop=True) <= RESTING).where(finite).astype(float)
    return sweep.assign(
        exponent=grown / float(sweep.step[-1] - sweep.step[half]),
        lowest=sweep.curvature.sel(end="last", hessian="residual", bound="lowest", drop=True),
        rests=rests,
        phase=(np.sign(grown) * (abs(grown) > TOLD)).where(rests == 1),
    )


def each_pair(results: Results, sweep: str, static: Sequence[str]) -> Iterator[tuple[dict, xr.Dataset, xr.Dataset]]:
    """Each program of a sweep whose tie is held, with those that go on from it: the settings, and the results of both."""
    if sweep not in results:
        return
    tied, apart = results[sweep], results[f"{sweep}{APART}"]
    for index in np.ndindex(*(tied.sizes[name] for name in static)):
        setting = {name: tied[name].values.tolist()[place] for name, place in zip(static, index, strict=True)}
        if bool(tied.valid.sel(setting).any()):
            yield setting, tied.sel(setting), apart.sel(setting)


def growths(apart: xr.Dataset) -> xr.DataArray:
    """Log of the factor by which the distance between twins grew from the first step to the last; -inf if it is 0."""
    distance = apart.separation.sel(part="orbit", drop=True)
    with np.errstate(divide="ignore"):
        return np.log(distance.isel(step=-1, drop=True) / distance.isel(step=0, drop=True))


def tendencies(apart: xr.Dataset) -> xr.DataArray:
    """Log growth of the distance between twins over the last half of the steps, or over all once they have parted or merged.

    At first twins lose what shrinks of the direction in which they were set apart, whatever becomes of them then.
    """
    distance = apart.separation.sel(part="orbit", drop=True)
    half, last = (distance.isel(step=place, drop=True) for place in (distance.sizes["step"] // 2, -1))
    with np.errstate(divide="ignore"):
        grown = np.log(last / half)
    return grown.where((last > MERGED) & (last < CLOSE), growths(apart))


def fates(tied: xr.Dataset, apart: xr.Dataset) -> xr.DataArray:
    """Of twins that start close: 1 if they went as the phase says, 0 if not, nan where the phase is not told."""
    grown = tendencies(apart.sel(epsilon=apart.epsilon <= CLOSE))
    phase = told(tied)
    return (np.sign(grown) == phase).where(phase.notnull() & grown.notnull()).astype(float)


def signs(tied: xr.Dataset) -> xr.DataArray:
    """1 if the lowest curvature has the sign that the phase asks for, 0 if not, nan where the phase is not told."""
    phase = told(tied)
    return (np.sign(tied.lowest) == -phase).where(phase.notnull()).astype(float)


def told(tied: xr.Dataset) -> xr.DataArray:
    """The phases of students that attract or repel; nan for those that cannot be told, and those that do not rest."""
    return tied.phase.where(tied.phase != 0)


def untold(tied: xr.Dataset) -> int:
    """How many students rest of which it cannot be told whether they attract or repel."""
    return int((tied.phase == 0).sum())


def close(apart: xr.Dataset) -> bool:
    """Whether any twins start so close that they go by the exponent at first."""
    return bool((apart.epsilon <= CLOSE).any())


def lowest_at_rest(tied: xr.Dataset) -> float:
    """The largest of the lowest curvatures of students at rest; nan if none rests, or one is missing.

    What theory says of erf holds where the gradient g is 0. The lowest curvature is at most that along the bias, -w . g, so
    that what is left of the gradient lets it be as large as |w| times as much.
    """
    found = tied.lowest.values[(tied.rests == 1).values]
    return float(found.max()) if found.size else float("nan")


def rounding(values: xr.DataArray) -> float:
    """What rounding may do to a number of order 1."""
    return ROUNDING * float(np.finfo(values.dtype).eps)


def worst(values: xr.DataArray) -> float:
    """The number of largest size; nan if any of those that should be there is missing, or there is none."""
    return float(values.values.flat[np.argmax(abs(values.values))]) if values.size else float("nan")


def first(sweep: xr.Dataset, *kept: str) -> xr.Dataset:
    """The first point along each axis that is not kept."""
    return sweep.isel({dim: 0 for dim in sweep.valid.dims if dim not in kept})
