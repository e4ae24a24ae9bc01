"""Relu twins before and after an example fell between their kinks: in claims, in words and in a figure."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt

from symmetry_jax.reports.figures import band
from symmetry_jax.reports.growth import along, growth, settled
from symmetry_jax.sweeps.study import Claim, Picture, Results
from symmetry_jax.theory.twin_separation import LINEAR

TOLERANCE = 0.02

CAPTION = (
    "Relu twins, in float64. Left: step at which an example of the minibatch first falls between their kinks, so that one of "
    "them moves and the other does not; medians and quartiles over seeds, and the last step where it never happened. Right: "
    "growth of their distance over the predicted one, until that step and until the end. Grey: 2%."
)


def kinked(results: Results) -> xr.Dataset:
    """Along (seed, epsilon): the step `crossed` (or the last); growth over the predicted one `before` it, and at the `end`."""
    twins, alone = along(settled(results["kinks"]), "seed", "epsilon"), along(settled(results["relu"]), "seed")
    crossed = along(results["kinks"], "seed", "epsilon").crossed.sel(end="last", drop=True)
    then = twins.separation_then.sel(end="last", drop=True).where(
        crossed >= 0, twins.separation.sel(part="orbit").isel(step=-1)
    )
    crossed = xr.where(crossed < 0, float(alone.step[-1]), crossed).where(twins.loss.isel(step=0).notnull())
    apart = twins.separation.sel(part="orbit", drop=True)
    until = np.log(then / apart.isel(step=0, drop=True))
    predicted = alone.log_growth.sel(step=crossed.fillna(0).astype(int), drop=True)
    end = np.log(growth(twins).isel(step=-1, drop=True)) - alone.log_growth.isel(step=-1, drop=True)
    found = {"crossed": crossed, "before": np.exp(until - predicted), "end": np.exp(end)}
    return xr.Dataset({name: array.reset_coords(drop=True) for name, array in found.items()})


def kink_claims(results: Results) -> Iterator[Claim]:
    """Whether relu twins move as one linear map tells until a kink is crossed, and most of them not after."""
    runs, steps = _linear(kinked(results)), int(results["relu"].step[-1])
    before = _values(abs(runs.before - 1))
    if before.size:
        statement = "relu: growth over the predicted one, less 1, until an example falls between the kinks: nine of ten pairs"
        yield Claim.near("before kinks", statement, 0, float(np.quantile(before, 0.9)), TOLERANCE)
    parted = _values(abs(runs.end - 1).where(runs.crossed < steps))
    if parted.size:
        statement = "relu: fraction of pairs more than 2% off their prediction in the end, of those with a kink crossed"
        yield Claim.at_least("after kinks", statement, 0.5, float(np.mean(parted > TOLERANCE)))


def kink_lines(results: Results) -> Iterator[str]:
    """When kinks are crossed, and what comes of it."""
    runs, steps = _linear(kinked(results)), int(results["relu"].step[-1])
    for epsilon in runs.epsilon.values:
        here = runs.sel(epsilon=epsilon)
        crossed, before = _values(here.crossed), _values(abs(here.before - 1))
        early = crossed[crossed < steps]
        if not crossed.size:
            continue
        line = (
            f"relu twins {epsilon:.2g} apart: an example falls between their kinks in {len(early) / len(crossed):.0%} of seeds"
        )
        when = f", at step {np.median(early):.0f} in the median of these" if early.size else ""
        after = _values(here.end.where(here.crossed < steps))
        what = f"; they end x {np.median(after):.3g} of the predicted growth (median)" if after.size else ""
        yield f"{line}{when}; until then growth is {before.max():.1e} off the predicted one at most{what}."


def _linear(runs: xr.Dataset) -> xr.Dataset:
    """The pairs that start so close that smooth networks would be in their linear range."""
    return runs.sel(epsilon=runs.epsilon <= LINEAR / 10)


def _values(array: xr.DataArray) -> np.ndarray:
    """What is there of an array, in one row."""
    return array.values[array.notnull().values]


def kink_picture(results: Results) -> Picture:
    """Steps of the first crossing, and growth over the predicted one before and after."""
    runs = kinked(results)
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3), layout="constrained")
    band(left, runs.crossed + 1, "epsilon", "C0", marker="o")
    left.set(xscale="log", yscale="log", xlabel="distance at the start", ylabel="step of the first crossing, from 1")
    for number, (name, label) in enumerate((("before", "until the crossing"), ("end", "until the end"))):
        band(right, runs[name], "epsilon", f"C{number}", label=label, marker="o")
    right.axhspan(1 - TOLERANCE, 1 + TOLERANCE, color="0.8")
    right.set(xscale="log", yscale="log", xlabel="distance at the start", ylabel="growth / predicted growth")
    right.legend()
    return Picture("kinks", figure, CAPTION)
