"""Figure of units that arithmetic parts: loss and number of distinct units against width, and distances over steps."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt

from symmetry_jax.reports.arithmetic import followed, forecast, left_alone, most_distinct
from symmetry_jax.reports.figures import QUARTILES
from symmetry_jax.sweeps.study import Picture, Results

CAPTION = (
    "Perceptrons whose hidden units all start with equal weights. Left: test loss at the end against the number of hidden "
    "units, median over seeds; the colour says how many distinct units there are then, in the seed with the most (open: "
    "one); all others are equal to one of those in every bit. Right: largest distance of a unit from the first, in "
    "float64, medians and quartiles over seeds; dashed: what the transverse exponent of the same network with its ties held "
    "makes of kicks as large as the first, one at each step. A width that is named there as equal in every bit has distance 0 "
    "at every step, which a logarithmic axis cannot show. Widths are those of one processor and one version of XLA."
)


def arithmetic_picture(results: Results) -> Picture:
    """Loss against width, and distances over steps beside what is expected."""
    runs = left_alone(results)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.4), layout="constrained")
    _draw_losses(left, runs)
    if followed(results):
        _draw_distances(right, runs.sel(floats="float64"), forecast(results))
    right.set(yscale="log", xlabel="step", ylabel="distance between units")
    for panel in (left, right):  # above the panel, where no data are
        panel.legend(fontsize=7, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return Picture("arithmetic", figure, CAPTION)


def _draw_losses(panel: plt.Axes, runs: xr.Dataset) -> None:
    """A shape for each precision, and a colour for each number of distinct units."""
    counts = most_distinct(runs)
    for place, floats in enumerate(map(str, runs.floats.values)):
        loss, here = runs.test_loss.sel(floats=floats).median("seed"), counts.sel(floats=floats)
        for number in map(int, np.unique(here.values[np.isfinite(here.values)])):
            color, fill = (f"C{number - 1}", f"C{number - 1}") if number > 1 else ("0.4", "none")
            edge = "black" if place and number > 1 else color  # so that one is seen on another
            style: dict[str, Any] = {"marker": "os"[place % 2], "markersize": 5 - 2 * place, "mfc": fill, "mec": edge}
            label = f"{floats}, {number} unit{'s' if number > 1 else ''}"
            panel.plot(loss.width, loss.where(here == number), linestyle="", **style, label=label)
    panel.set(xlabel="hidden units", ylabel="test loss (nats)")


def _draw_distances(panel: plt.Axes, runs: xr.Dataset, expected: xr.DataArray) -> None:
    for number, width in enumerate(expected.width.values):
        apart = runs.spread.sel(width=width)
        apart = apart.where(apart > 0).dropna("step", how="all")
        color = f"C{number}"
        if not apart.size:
            panel.plot([], [], color=color, label=f"{width} units: equal in every bit")
            continue
        low, middle, high = apart.quantile(QUARTILES, "seed").transpose("quantile", "step").values
        panel.plot(apart.step, middle, color=color, label=f"{width} units", linewidth=1.2)
        panel.fill_between(apart.step, low, high, color=color, alpha=0.2, linewidth=0)
        told = expected.sel(width=width).median("seed")
        told = told.where(told < 1)
        panel.plot(told.step, told, color="black", linestyle="--", linewidth=0.8)
