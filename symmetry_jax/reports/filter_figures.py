"""Figures of networks with one filter and more: accuracy, what is learned by heart, rank and speed."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symmetry_jax.reports.figures import QUARTILES
from symmetry_jax.reports.filter_counts import (
    LINEAR,
    NETWORKS,
    REACHED,
    RELU,
    SIDE,
    TIED,
    UNPADDED,
    best_accuracy,
    expected_gains,
    expected_ranks,
    families,
    family,
    least_loss,
    ranks,
    steps_to_loss,
)
from symmetry_jax.reports.growth import settled
from symmetry_jax.sweeps.study import Picture, Results

COLORS = {LINEAR: "C0", UNPADDED: "C9", RELU: "C3", TIED: "C1"}
ACCURACY = (
    "Networks of one convolution against their number of filters; 'tied' has {most} filters of which so many are distinct. "
    "Left and middle: accuracy on the 360 test digits, early and at the end. Right: training loss at the end where labels are "
    "in a random order, which can only be learned by heart. Medians over seeds, bands from the lower to the upper quartile. "
    "Black: softmax regression, dashed after as many steps at the rate of the networks, dotted trained for long on all "
    "examples at once (its best accuracy at any record, and its loss at the end). Which family is ahead early is a matter of "
    "speed."
)
SPEED = (
    "Left: rank of the map from pixels to features of linear networks, all seeds at the start and at the end; crosses: what "
    f"kernels in general position have. Middle: step at which the training loss falls to {REACHED} nats, where all runs reach "
    "it. Right: how many times faster than softmax regression's the folded matrix of a linear network moves at the same "
    "learning rate, at the start (crosses: its closed form) and at the end. Means over seeds, bands from the lower to the "
    "upper quartile."
)
EARLY = 20  # the first of so many parts of training


def capacity_pictures(results: Results) -> Iterator[Picture]:
    """Accuracy and loss against the number of filters; then what is behind them in linear networks."""
    most = int(results["filters"].filters.max())
    yield Picture("accuracy", _draw_accuracy(results), ACCURACY.format(most=most))
    yield Picture("speed", _draw_speed(results), SPEED)


def _draw_accuracy(results: Results) -> Figure:
    figure, panels = plt.subplots(1, 3, figsize=(11.5, 3.6))
    last = float(results["filters"].step[-1])
    for panel, when in zip(panels, (last / EARLY, last), strict=False):
        for name, runs in families(results, "true").items():
            shown = runs.test_accuracy.sel(step=when, method="nearest")
            band(panel, 100 * shown, COLORS[name], name)
        regression = _regression(results, "true").test_accuracy.sel(step=when, method="nearest")
        panel.axhline(100 * float(regression.mean()), color="black", linestyle="--", linewidth=0.9)
        panel.axhline(100 * best_accuracy(results), color="black", linestyle=":", linewidth=0.9)
        panel.set(title=f"after {int(shown.step)} steps", ylabel="test digits right (%)")
    for name, runs in families(results, "random").items():
        band(panels[2], runs.train_loss.isel(step=-1), COLORS[name], name)
    as_long = float(_regression(results, "random").train_loss.isel(step=-1).mean())
    panels[2].axhline(as_long, color="black", linestyle="--", linewidth=0.9)
    panels[2].axhline(least_loss(results, "random"), color="black", linestyle=":", linewidth=0.9)
    panels[2].set(title=f"random labels, after {last:.0f} steps", ylabel="training loss (nats)")
    for panel in panels:
        _count_axis(panel, results)
    panels[0].plot([], [], color="black", linestyle="--", linewidth=0.9, label="softmax regression")
    panels[0].plot([], [], color="black", linestyle=":", linewidth=0.9, label="the same, trained for long")
    panels[2].legend(*panels[0].get_legend_handles_labels(), fontsize=8)
    return figure


def _draw_speed(results: Results) -> Figure:
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11.5, 3.4))
    for name in (LINEAR, UNPADDED):
        runs, padding = family(results, name), NETWORKS[name][1]
        found, expected = ranks(runs, padding), expected_ranks(runs, padding)
        for count in runs.filters.values:
            told = np.unique(found.sel(filters=count).values)
            left.plot([count] * len(told), told, "o", color=COLORS[name])
        left.plot([], [], "o", color=COLORS[name], label=name)
        left.plot(runs.filters, expected, "x", color="black", markersize=8)
    left.set(ylabel="rank", ylim=(0, SIDE**2 + 4))
    left.legend(loc="lower right")
    for name, runs in families(results, "true").items():
        steps = steps_to_loss(runs)
        band(middle, steps.where((steps < np.inf).all("seed")), COLORS[name], name)
    middle.set(ylabel=f"step of training loss {REACHED}")
    middle.legend()
    runs = family(results, LINEAR)
    for place, label in ((0, "at the start"), (-1, "at the end")):
        band(right, runs.gain.isel(step=place), COLORS[LINEAR], label, "--" if place else "-")
    right.plot(runs.filters, expected_gains(runs), "x", color="black", label="closed form")
    right.set(ylabel="gain on softmax regression", yscale="log")
    right.legend()
    for panel in (left, middle, right):
        _count_axis(panel, results)
    return figure


def band(panel: Axes, values: xr.DataArray, color: str, label: str, line: str = "-") -> None:
    """The median over seeds against the number of filters, with the range between quartiles behind it."""
    values = values.dropna("filters", how="all")
    if not values.sizes["filters"]:
        panel.plot([], [], line, color=color, label=label)
        return
    low, middle, high = values.quantile(QUARTILES, "seed").transpose("quantile", "filters").values
    panel.plot(values.filters, middle, line, color=color, marker="o", markersize=3, linewidth=1.2, label=label)
    panel.fill_between(values.filters, low, high, color=color, alpha=0.2, linewidth=0)


def _regression(results: Results, labels: str) -> xr.Dataset:
    """Softmax regression at the learning rate of the networks, or the nearest."""
    runs = settled(results["softmax"]).sel(labels=labels)
    return runs.sel(learning_rate=float(results["filters"].learning_rate[0]), method="nearest")


def _count_axis(panel: Axes, results: Results) -> None:
    counts = results["filters"].filters.values
    panel.set(xscale="log", xlabel="filters")
    panel.set_xticks(counts, [f"{count:g}" for count in counts])
    panel.minorticks_off()
