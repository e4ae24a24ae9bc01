"""Figures of niches: overlap during training, and at the end against width."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symmetry_jax.reports.bias_scales import interval
from symmetry_jax.reports.figures import band
from symmetry_jax.reports.niches import (
    correlation,
    fan_in_numbers,
    interaction,
    last,
    mean_overlap,
    settings_of,
    start,
    variants,
)
from symmetry_jax.sweeps.study import Picture, Results
from symmetry_jax.theory.chance_overlap import mean_cosine

SHOWN = (
    ("mean |cosine| of fan-ins", mean_overlap),
    ("effective rank of activations", lambda runs: runs.effective_rank.sel(part="activations", drop=True)),
    ("correlation of contributions", correlation),
)
SMALL = 1e-3  # nats: below, the axis is linear
TIME = (
    "During training at width {width}: mean |cosine| of fan-ins (dotted: independent directions), participation ratio of "
    "activations (0 where all units are silent), and mean correlation of what two units add to the outputs; medians and "
    "quartiles over seeds. Random features train the output alone, so that fan-ins and activations stay. Units that start "
    "alike share all but {spread:g} of their weights; their networks that end with all units silent are left out."
)
WIDTHS = (
    "At the end, against width: the same three, and what two removed units cost beyond the sum of what each does (dashed: "
    "nothing), in test loss, units replaced by their means; with a margin, cross-entropy has two cost more even where "
    "units do not overlap. The last axis is linear between the ticks about 0. Means over seeds, each with its own 95% "
    "interval. Networks that start alike and end with all units silent are left out. Settings are named above the columns."
)


def niche_pictures(results: Results) -> Iterator[Picture]:
    """Overlap over training at one width, and at the end against width."""
    settings = [(name, setting) for name, setting in settings_of(results) if start(setting) is not None]
    if not settings:
        return
    near = start(settings[0][1], near=True)
    width = int(settings[0][1].width.values[-2 if settings[0][1].sizes["width"] > 2 else -1])
    spread = near.spread.item() if near is not None else 0
    yield Picture("overlap", _over_training(settings, width), TIME.format(width=width, spread=spread))
    if any(setting.sizes["width"] > 1 for _, setting in settings):
        yield Picture("widths", _over_widths(settings), WIDTHS)


def _grid(rows: int, columns: int) -> tuple[Figure, np.ndarray]:
    return plt.subplots(
        rows, columns, figsize=(2.7 * columns + 0.9, 1.9 * rows + 0.7), squeeze=False, sharex="col", sharey="row"
    )


def _finish(figure: Figure, panels: np.ndarray, labels: list[str], names: list[str], along: str) -> None:
    for row, label in zip(panels, labels, strict=True):
        row[0].set_ylabel(label, fontsize=8)
    for column, name in zip(panels.T, names, strict=True):
        column[0].set_title(name)
        column[-1].set_xlabel(along)
    handles, told = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, told, loc="outside lower center", ncols=4)


def _over_training(settings: list[tuple[str, xr.Dataset]], width: int) -> Figure:
    figure, panels = _grid(len(SHOWN), len(settings))
    for (_, setting), column in zip(settings, panels.T, strict=True):
        here = width if width in setting.width.values else setting.width.values[-1]
        for number, (label, runs) in enumerate(variants(setting).items()):
            for panel, (_, read) in zip(column, SHOWN, strict=True):
                band(panel, read(runs.sel(width=here)), "step", f"C{number}", label=label)
        _mark_chance(column[0], int(fan_in_numbers(setting.isel(spread=0, hidden_rate=0).sel(width=[here]))[0]))
        column[0].set(xscale="symlog", xlim=(0, float(setting.step[-1])))
    _finish(figure, panels, [label for label, _ in SHOWN], [name for name, _ in settings], "step")
    return figure


def _mark_chance(panel: Axes, numbers: int) -> None:
    panel.axhline(mean_cosine(numbers), color="black", linestyle=":", linewidth=1, label="independent directions")


def _over_widths(settings: list[tuple[str, xr.Dataset]]) -> Figure:
    figure, panels = _grid(len(SHOWN) + 1, len(settings))
    for (_, setting), column in zip(settings, panels.T, strict=True):
        for number, (label, runs) in enumerate(variants(setting).items()):
            widths = runs.width.values * 1.04 ** (number - 1)  # a little apart
            for panel, values in zip(column, (*(last(read(runs)) for _, read in SHOWN), interaction(runs)), strict=True):
                found = [interval(values.sel(width=width)) for width in runs.width.values]
                low, mean, high = np.array(found).T
                panel.errorbar(widths, mean, [mean - low, high - mean], marker="o", markersize=3, linewidth=1, label=label)
        column[-1].axhline(0, color="black", linestyle="--", linewidth=0.8)
        column[-1].set_yscale("symlog", linthresh=SMALL)
        column[0].set(xscale="log")
        column[0].set_xticks(setting.width.values, [str(width) for width in setting.width.values], minor=False)
        column[0].minorticks_off()
    labels = [*(label for label, _ in SHOWN), "two beyond the sum (nats)"]
    _finish(figure, panels, labels, [name for name, _ in settings], "units")
    return figure
