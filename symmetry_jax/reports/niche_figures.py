"""Figures of niches: overlap during training, and what training adds to each sign of niches against width."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symmetry_jax.reports.bias_scales import interval
from symmetry_jax.reports.figures import band
from symmetry_jax.reports.gradient_share_pictures import explained
from symmetry_jax.reports.niche_cases import SIGNS, TENTH, Case, Sign, cases_of
from symmetry_jax.reports.niches import (
    active_rank,
    correlation,
    fan_in_numbers,
    interaction,
    mean_overlap,
    settings_of,
    start,
    variants,
)
from symmetry_jax.sweeps.study import Picture, Results
from symmetry_jax.theory.chance_overlap import even_cosine, mean_cosine

ALIKE = "trained from units alike"
SHOWN = (
    ("mean |cosine| of fan-ins", mean_overlap),
    ("effective rank of activations", active_rank),
    ("correlation of contributions", correlation),
)
MOVED = ("mean |cosine|,\nadded by training", "correlation,\nbeside random features", "effective rank,\nadded by training")
SMALL = 1e-3  # nats: below, the axis is linear
TIME = (
    "During training at width {width}, from independent units: mean |cosine| of fan-ins (dotted: independent directions; "
    "dashed: directions that are spread as evenly as so many can be), participation ratio of activations, and mean correlation "
    "of what two units add to the outputs; medians and quartiles over seeds. Random features train the output alone, so that "
    "fan-ins and activations stay. Below, on an axis of its own: mean |cosine| of units that start alike and share all but "
    "{spread:g} of their weights; their networks that end with all units silent are left out. Other axes differ between "
    "columns."
)
WIDTHS = (
    "At the end, against width, from independent units: what training adds to the three signs in which niches would show, run "
    "by run, in means over seeds with intervals that hold for all cases with 95% confidence. Niches would lower the first two "
    "and raise the third; grey: less than a tenth of what they could. Below: what two removed units cost beyond the sum of "
    "what each does, in test loss, units replaced by their means, with 95% intervals (linear between the ticks about 0); "
    "with a margin, cross-entropy has two cost more even where units do not overlap. Axes differ between columns."
)


def niche_pictures(results: Results) -> Iterator[Picture]:
    """Overlap over training at one width, and what training adds against width."""
    settings = [(name, setting) for name, setting in settings_of(results) if start(setting) is not None]
    if not settings:
        return
    near = start(settings[0][1], near=True)
    width = int(settings[0][1].width.values[-2 if settings[0][1].sizes["width"] > 2 else -1])
    spread = near.spread.item() if near is not None else 0
    yield Picture("overlap", _over_training(settings, width), TIME.format(width=width, spread=spread))
    cases = cases_of(results)
    if cases and any(setting.sizes["width"] > 1 for _, setting in settings):
        yield Picture("widths", _over_widths(settings, cases), WIDTHS)


def _grid(rows: int, columns: int) -> tuple[Figure, np.ndarray]:
    return plt.subplots(rows, columns, figsize=(2.7 * columns + 0.9, 1.9 * rows + 0.7), squeeze=False, sharex="col")


def _finish(figure: Figure, panels: np.ndarray, labels: list[str], names: list[str], along: str) -> None:
    for row, label in zip(panels, labels, strict=True):
        row[0].set_ylabel(label, fontsize=8)
    for column, name in zip(panels.T, names, strict=True):
        column[0].set_title(name)
        column[-1].set_xlabel(along)
    explained(figure)


def _over_training(settings: list[tuple[str, xr.Dataset]], width: int) -> Figure:
    labels = [*(label for label, _ in SHOWN), "mean |cosine|,\nunits alike"]
    figure, panels = _grid(len(labels), len(settings))
    for (_, setting), column in zip(settings, panels.T, strict=True):
        here = int(width if width in setting.width.values else setting.width.values[-1])
        for number, (label, runs) in enumerate(variants(setting).items()):
            rows = [(column[-1], mean_overlap)] if label == ALIKE else zip(column, (read for _, read in SHOWN), strict=False)
            for panel, read in rows:
                band(panel, read(runs.sel(width=here)), "step", f"C{number}", label=label)
        _mark_directions(column[0], int(fan_in_numbers(setting.isel(spread=0, hidden_rate=0).sel(width=[here]))[0]), here)
        column[0].set(xscale="symlog", xlim=(0, float(setting.step[-1])))
        column[-1].set_ylim(0, 1.05)
    _finish(figure, panels, labels, [name for name, _ in settings], "step")
    return figure


def _mark_directions(panel: Axes, numbers: int, units: int) -> None:
    panel.axhline(mean_cosine(numbers), color="black", linestyle=":", linewidth=1, label="independent directions")
    panel.axhline(even_cosine(numbers, units), color="black", linestyle="--", linewidth=0.8, label="spread evenly")


def _over_widths(settings: list[tuple[str, xr.Dataset]], cases: list[Case]) -> Figure:
    figure, panels = _grid(len(SIGNS) + 1, len(settings))
    for (name, setting), column in zip(settings, panels.T, strict=True):
        here = [case for case in cases if case.setting == name]
        for panel, sign in zip(column, SIGNS, strict=False):
            _draw_moved(panel, sign, here, len(cases))
        _draw_excess(column[-1], setting)
        column[0].set(xscale="log")
        column[0].set_xticks(setting.width.values, [str(width) for width in setting.width.values], minor=False)
        column[0].minorticks_off()
    _finish(figure, panels, [*MOVED, "two beyond\nthe sum (nats)"], [name for name, _ in settings], "units")
    return figure


def _draw_moved(panel: Axes, sign: Sign, cases: list[Case], among: int) -> None:
    """What training adds to a sign at each width, and the tenth of what niches could."""
    found = [(case.width, *read) for case in cases if (read := sign.read(case)) is not None]
    panel.axhline(0, color="black", linewidth=0.8)
    if not found:
        return
    widths, moved, rooms = zip(*found, strict=True)
    low, mean, high = np.array([interval(values, among) for values in moved]).T
    least = sign.niches * TENTH * np.array(rooms)
    panel.fill_between(widths, 0, least, color="0.85", label="less than a tenth of what niches could")
    panel.errorbar(widths, mean, [mean - low, high - mean], marker="o", markersize=3, linewidth=1, label="trained")


def _draw_excess(panel: Axes, setting: xr.Dataset) -> None:
    """What two units cost beyond the sum, trained and as random features."""
    shown = ((label, runs) for label, runs in variants(setting).items() if label != ALIKE)
    for number, (label, runs) in enumerate(shown):
        widths = runs.width.values * 1.04 ** (number - 0.5)  # a little apart
        found = [interval(interaction(runs).sel(width=width)) for width in runs.width.values]
        low, mean, high = np.array(found).T
        panel.errorbar(
            widths, mean, [mean - low, high - mean], color=f"C{number}", marker="o", markersize=3, linewidth=1, label=label
        )
    panel.axhline(0, color="black", linestyle="--", linewidth=0.8)
    panel.set_yscale("symlog", linthresh=SMALL)
