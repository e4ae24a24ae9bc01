"""Figures of networks with one filter and more: accuracy, what is learned by heart, rank and speed."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symmetry_jax.reports.figures import band
from symmetry_jax.reports.filter_counts import (
    LINEAR,
    NETWORKS,
    REACHED,
    RELU,
    SIDE,
    TIED,
    UNPADDED,
    best_regression,
    expected_gains,
    expected_ranks,
    families,
    family,
    long_regression,
    ranks,
    regressions,
    steps_to_loss,
)
from symmetry_jax.sweeps.study import Picture, Results

COLORS = {LINEAR: "C0", UNPADDED: "C9", RELU: "C3", TIED: "C1"}
ACCURACY = (
    "Networks of one convolution against their number of filters; 'tied' has {most} filters of which so many are distinct. "
    "Left and middle: accuracy on the 360 test digits, early and at the end. Right: training loss at the end where labels are "
    "in a random order, which can only be learned by heart. Medians over seeds, bands from the lower to the upper quartile. "
    "Black: softmax regression; after as many steps, median over seeds, dashed at the rate of the networks and dash-dotted at "
    "that of its rates which ends at the least training loss; dotted at the end of one long training on all examples at once. "
    "Which family is ahead early is a matter of speed."
)
SPEED = (
    "Left: rank of the map from pixels to features of linear networks, all seeds at the start and at the end; crosses: what "
    f"kernels in general position have. Middle: step at which the training loss falls to {REACHED} nats, where all runs reach "
    "it. Right: how many times faster than softmax regression's the folded matrix of a linear network moves at the same "
    "learning rate, at the start and at the end. Medians over seeds, bands from the lower to the upper quartile; the closed "
    "form (crosses) is that of the mean at the start (open circles)."
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
            _count_band(panel, 100 * shown, COLORS[name], name)
        each = [100 * runs.test_accuracy.sel(step=when, method="nearest") for runs in _same_length(results, "true")]
        _regression_lines(panel, [*each, 100 * long_regression(results).test_accuracy[-1]])
        panel.set(title=f"after {int(shown.step)} steps", ylabel="test digits right (%)")
    for name, runs in families(results, "random").items():
        _count_band(panels[2], runs.train_loss.isel(step=-1), COLORS[name], name)
    ends = [runs.train_loss.isel(step=-1) for runs in (*_same_length(results, "random"), long_regression(results, "random"))]
    _regression_lines(panels[2], ends)
    panels[2].set(title=f"random labels, after {last:.0f} steps", ylabel="training loss (nats)")
    for panel in panels:
        _count_axis(panel, results)
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
        _count_band(middle, steps.where((steps < np.inf).all("seed")), COLORS[name], name)
    middle.set(ylabel=f"step of training loss {REACHED}")
    middle.legend()
    runs = family(results, LINEAR)
    for place, label, marker in ((0, "at the start", "o"), (-1, "at the end", "s")):
        _count_band(right, runs.gain.isel(step=place), COLORS[LINEAR], label, marker)
    first = runs.gain.isel(step=0).mean("seed")
    right.plot(runs.filters, first, "o", color="black", markerfacecolor="none", markersize=8, label="mean at the start")
    right.plot(runs.filters, expected_gains(runs), "x", color="black", label="closed form of that mean")
    right.set(ylabel="gain on softmax regression", yscale="log")
    right.legend()
    for panel in (left, middle, right):
        _count_axis(panel, results)
    return figure


def _count_band(panel: Axes, values: xr.DataArray, color: str, label: str, marker: str = "o") -> None:
    """Median and quartiles against the number of filters, at those that have a value."""
    values = values.dropna("filters", how="all")
    if values.sizes["filters"]:
        band(panel, values, "filters", color, label, marker)
    else:  # a name in the legend, and nothing to draw
        panel.plot([], [], color=color, label=label, marker=marker, markersize=3)


def _same_length(results: Results, labels: str) -> tuple[xr.Dataset, xr.Dataset]:
    """Softmax regression trained as long as the networks: at their learning rate, or the nearest, and at the best."""
    rate = float(results["filters"].learning_rate[0])
    return regressions(results, labels).sel(learning_rate=rate, method="nearest"), best_regression(results, labels)


def _regression_lines(panel: Axes, values: Sequence[xr.DataArray]) -> None:
    """Softmax regression across a panel: at the rate of the networks, at its best, trained for long; medians over seeds."""
    names = ("softmax regression", "the same at its best rate", "the same trained for long")
    for value, line, name in zip(values, ("--", "-.", ":"), names, strict=True):
        panel.axhline(float(value.median()), color="black", linestyle=line, linewidth=0.9, label=name)


def _count_axis(panel: Axes, results: Results) -> None:
    counts = results["filters"].filters.values
    panel.set(xscale="log", xlabel="filters")
    panel.set_xticks(counts, [f"{count:g}" for count in counts])
    panel.minorticks_off()
