"""The distance at the start from which twins end just apart: predicted, and found by bisection."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib import ticker

from symmetry_jax.reports.growth import along, settled
from symmetry_jax.sweeps.study import Claim, Picture, Results
from symmetry_jax.theory.twin_separation import LINEAR, noise_for

TOLERANCE = 0.02

CAPTION = (
    f"The distance at the start from which twins of the default network end {LINEAR:g} apart: predicted from the exponent "
    "alone, and found by bisection over whole trainings; a point for each seed. Line: equal."
)


def thresholds(results: Results) -> xr.Dataset | None:
    """For each seed the bracket found, `low` to `high`, and the `predicted` distance; None without the default network.

    Left out are seeds whose bracket still ends at one of the bounds between which it was looked for: those were never tried.
    """
    if "thresholds" not in results:
        return None
    bounds = along(settled(results["thresholds"]), "seed").epsilon_threshold
    sides = {side: bounds.sel(side=side, end="last", drop=True) for side in ("low", "high")}
    tried = [bounds.sel(side=side, end="first", drop=True) != sides[side] for side in sides]
    tangents = settled(results["tangents"]).sel(setting="default", group="hidden_0")
    climb = along(tangents, "seed").log_growth.isel(step=-1, drop=True)
    both = xr.Dataset({**sides, "climb": climb}).where(tried[0] & tried[1]).dropna("seed")
    return both.assign(predicted=("seed", noise_for(LINEAR, both.climb))) if both.sizes["seed"] else None


def outside(both: xr.Dataset) -> xr.DataArray:
    """How far the predicted distance is outside of the bracket that was found, in its logarithm: (seed,), 0 inside."""
    return np.maximum(np.log(both.low / both.predicted), np.log(both.predicted / both.high)).clip(0)


def threshold_claims(results: Results) -> Iterator[Claim]:
    """Whether the distance needed is the one predicted; too wide a bracket says nothing."""
    both = thresholds(results)
    if both is not None and float(np.log(both.high / both.low).max()) <= TOLERANCE:
        statement = (
            f"Distance from which twins end {LINEAR:g} apart: log of how far the predicted one is outside of the bracket that "
            f"bisection found, in nine of ten of {both.sizes['seed']} seeds"
        )
        yield Claim.near("threshold", statement, 0, float(outside(both).quantile(0.9)), TOLERANCE)


def threshold_lines(results: Results) -> Iterator[str]:
    """The distances, in a line."""
    both = thresholds(results)
    if both is not None:
        low, high = float(both.predicted.min()), float(both.predicted.max())
        off, width = float(np.expm1(outside(both).max())), float((both.high / both.low).max() - 1)
        yield (
            f"To end {LINEAR:g} apart twins of the default network must start {low:.2g} to {high:.2g} apart, depending on the "
            f"seed; in {both.sizes['seed']} seeds the prediction is at most {off:.1%} outside of what bisection found, "
            f"which is {width:.1%} wide."
        )


def threshold_pictures(results: Results) -> Iterator[Picture]:
    """Found against predicted."""
    both = thresholds(results)
    if both is None:
        return
    figure, panel = plt.subplots(figsize=(3.4, 3.2), layout="constrained")
    panel.loglog(both.predicted, np.sqrt(both.low * both.high), "o", markersize=4)
    ends = [float(both.predicted.min()) / 1.3, float(both.predicted.max()) * 1.3]
    panel.plot(ends, ends, color="black", linewidth=0.8)
    for axis in (panel.xaxis, panel.yaxis):  # few enough to stand side by side
        axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(ticker.NullFormatter())
    panel.set(xlabel="predicted from the exponent", ylabel="found by bisection")
    yield Picture("thresholds", figure, CAPTION)
