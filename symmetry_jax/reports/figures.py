"""Figures of near-tied units, drawn from labelled results."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps, colors
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symmetry_jax.reports.growth import each_setting, growth

QUARTILES = (0.25, 0.5, 0.75)


def separation_over_steps(results: xr.Dataset) -> Figure:
    """Separation of the twins over steps: a line for each epsilon, with its quartiles over seeds."""
    settings = list(each_setting(results))
    groups = results.group.values
    figure, panels = _grid(len(settings), len(groups), sharex=True, sharey=True)
    epsilons = results.epsilon.values[results.epsilon.values > 0]
    shade = colors.LogNorm(epsilons.min(), max(epsilons.max(), 10 * epsilons.min()))
    palette = colormaps["viridis"]
    for row, (name, setting) in zip(panels, settings, strict=True):
        for panel, group in zip(row, groups, strict=True):
            apart = setting.separation.sel(part="orbit", group=group, epsilon=epsilons)
            for epsilon in epsilons:
                band(panel, apart.sel(epsilon=epsilon), "step", palette(shade(epsilon)))
            panel.set(xscale="symlog", yscale="log", title=f"{group}: {name}")
            panel.set_xlim(0, float(results.step[-1]))
    for panel in panels[-1]:
        panel.set_xlabel("step")
    for row in panels:
        row[0].set_ylabel("separation")
    figure.colorbar(plt.cm.ScalarMappable(shade, palette), ax=panels, label="epsilon: separation asked for at step 0")
    return figure


def growth_against_epsilon(results: xr.Dataset) -> Figure:
    """Growth at the last step against epsilon: a line for each setting, with its quartiles over seeds."""
    groups = results.group.values
    figure, panels = _grid(1, len(groups), sharey=True)
    for number, (name, setting) in enumerate(each_setting(results)):
        for panel, group in zip(panels[0], groups, strict=True):
            final = growth(setting).sel(group=group).isel(step=-1)
            band(panel, final, "epsilon", f"C{number % 10}", label=name, marker="o")
    for panel, group in zip(panels[0], groups, strict=True):
        panel.axhline(1, color="black", linewidth=0.8, linestyle=":")
        panel.set(xscale="log", yscale="log", xlabel="epsilon", title=str(group))
    panels[0][0].set_ylabel("separation at the end / at the start")
    panels[0][0].legend()
    return figure


def twin_filters(results: xr.Dataset, epsilon: float) -> Figure:
    """The twins' own weights before and after, and their difference, for the first seed: a row for each setting.

    The twins of a row share one colour scale in each group; the difference has its own, given by its largest entry.
    """
    settings = list(each_setting(results))
    groups = [str(group) for group in results.group.values]
    shape = (len(settings), 5 * len(groups))
    figure, panels = plt.subplots(*shape, figsize=(1.05 * shape[1] + 0.4, 1.25 * shape[0] + 0.5), squeeze=False)
    for row, (name, setting) in zip(panels, settings, strict=True):
        for block, group in enumerate(groups):
            _draw_twins(row[5 * block : 5 * block + 5], group, setting[f"weights_{group}"].isel(seed=0).sel(epsilon=epsilon))
        row[0].set_ylabel(name.replace(", ", "\n"), fontsize=7)
    return figure


def _draw_twins(panels: Sequence[Axes], group: str, weights: xr.DataArray) -> None:
    """Both twins at the start and at the end, and their difference at the end: five panels."""
    images = [weights.isel(end=end, twin=twin).values for end in (0, 1) for twin in (0, 1)]
    difference = images[3] - images[2]
    limits = [float(abs(weights).max())] * 4 + [float(abs(difference).max()) or 1.0]
    titles = ["a, start", "b, start", "a, end", "b, end", f"b - a, end\nup to {abs(difference).max():.1e}"]
    titles[0] = f"{group}, up to {limits[0]:.2g}\n{titles[0]}"
    for panel, image, limit, title in zip(panels, [*images, difference], limits, titles, strict=True):
        panel.imshow(_mosaic(image), cmap="RdBu_r", vmin=-limit, vmax=limit)
        panel.set(xticks=[], yticks=[])
        panel.set_title(title, fontsize=7)
        panel.spines[:].set(visible=True, linewidth=0.4, color="0.6")
        panel.grid(False)


def loss_over_steps(results: xr.Dataset) -> Figure:
    """Minibatch loss over steps at the smallest and the largest epsilon, with its quartiles over seeds."""
    settings = list(each_setting(results))
    figure, panels = _grid(1, len(settings), sharey=True)
    for panel, (name, setting) in zip(panels[0], settings, strict=True):
        for number, epsilon in enumerate((results.epsilon.values.min(), results.epsilon.values.max())):
            band(panel, setting.loss.sel(epsilon=epsilon), "step", f"C{number}", label=f"epsilon {epsilon:g}")
        panel.set(xscale="symlog", yscale="log", xlabel="step", title=name)
        panel.set_xlim(0, float(results.step[-1]))
    panels[0][0].set_ylabel("minibatch loss (nats)")
    panels[0][0].legend()
    return figure


def band(panel: Axes, values: xr.DataArray, along: str, color: Any, label: str | None = None, marker: str = "") -> None:
    """The median over seeds, with the range between quartiles behind it."""
    low, middle, high = values.quantile(QUARTILES, "seed").transpose("quantile", along).values
    panel.plot(values[along], middle, color=color, label=label, marker=marker, markersize=3, linewidth=1.2)
    panel.fill_between(values[along], low, high, color=color, alpha=0.2, linewidth=0)


def nested_width(number: int, count: int) -> float:
    """The width of one of several lines that may lie on each other: of each the edges show beside those drawn after it."""
    return 1.2 + 0.6 * (count - 1 - number)


def _grid(rows: int, columns: int, **sharing: Any) -> tuple[Figure, np.ndarray]:
    return plt.subplots(rows, columns, figsize=(3.2 * columns + 1.4, 2.1 * rows + 0.9), squeeze=False, **sharing)


def _mosaic(weights: np.ndarray) -> np.ndarray:
    """The channels of one filter (row, column, channel) side by side, about as wide as high, with gaps."""
    rows, columns, channels = weights.shape
    across = int(np.ceil(np.sqrt(channels)))
    down = -(-channels // across)
    canvas = np.full((down * (rows + 1) - 1, across * (columns + 1) - 1), np.nan)
    for channel in range(channels):
        top, left = (channel // across) * (rows + 1), (channel % across) * (columns + 1)
        canvas[top : top + rows, left : left + columns] = weights[:, :, channel]
    return canvas
