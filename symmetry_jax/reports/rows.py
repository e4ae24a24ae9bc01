"""Figures of the rows of a softmax classifier, drawn from labelled results."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

DASHES: list[dict[str, Any]] = [  # lines that coincide stay visible
    {"linewidth": 3, "alpha": 0.5},
    {"linewidth": 1.8, "linestyle": "--"},
    {"linewidth": 1.2, "linestyle": ":"},
]
LEAST = 1e-18  # where a logarithmic axis shows an exact 0


def norms_against_classes(shares: xr.Dataset, spreads: xr.DataArray) -> Figure:
    """Norms of gradient rows against the number of classes.

    Args:
        shares: `true` and `other`, norms over that of the one example: (classes,).
        spreads: the longest row over the shortest: (classes, batch).
    """
    figure, panels = plt.subplots(1, 2, figsize=(8.4, 3.3))
    counts = np.linspace(2, max(float(shares.classes.max()), 3), 200)
    for name, curve, color in (("true", 1 - 1 / counts, "C3"), ("other", 1 / counts, "C0")):
        label = {"true": "row of the true class, along -x", "other": "each other row, along +x"}[name]
        panels[0].plot(counts, curve, color=color, linewidth=1)
        panels[0].plot(shares.classes, shares[name], "o", color=color, label=label)
    panels[0].set(
        xlabel="classes K", ylabel="norm of the row / ||x||", title="one example: measured (o), 1 - 1/K and 1/K (lines)"
    )
    panels[0].set_ylim(0, 1.25)
    panels[0].legend(loc="upper left")
    panels[1].plot(counts, counts - 1, color="black", linewidth=0.8, linestyle=":", label="K - 1", zorder=3)
    for number, batch in enumerate(spreads.batch.values):
        panels[1].plot(spreads.classes, spreads.sel(batch=batch), marker="o", color=f"C{number}", label=str(batch), linewidth=1)
    panels[1].set(xlabel="classes K", ylabel="longest row / shortest row", title="any batch")
    panels[1].legend()
    for panel in panels:
        panel.set_xticks([int(classes) for classes in shares.classes])
    return figure


def update_images(moves: Mapping[str, xr.DataArray]) -> Figure:
    """What a first step adds to the weights: a line of images (class, row, column) for each name, on its own colour scale."""
    classes = max(len(move) for move in moves.values())
    figure, panels = plt.subplots(len(moves), classes, figsize=(0.95 * classes + 1.6, 1.3 * len(moves) + 0.3), squeeze=False)
    for line, (name, move) in zip(panels, moves.items(), strict=True):
        limit = float(abs(move).max()) or 1.0
        for number, panel in enumerate(line):
            image = panel.imshow(move.isel({"class": number}), cmap="RdBu_r", vmin=-limit, vmax=limit)
            panel.set(xticks=[], yticks=[])
            panel.set_title(f"row {number}", fontsize=8)
            panel.grid(False)
        line[0].set_ylabel(name, fontsize=8)
        figure.colorbar(image, ax=list(line), shrink=0.9, label="change / lr")
    return figure


def drop_against_rate(shortfalls: xr.DataArray, doubts: xr.DataArray) -> Figure:
    """How much of the predicted drop of the loss is missing, (batch, classes, learning_rate), and how much may be: shaded."""
    batches = shortfalls.batch.values
    figure, panels = plt.subplots(1, len(batches), figsize=(3.9 * len(batches) + 0.6, 3.2), squeeze=False, sharey=True)
    for panel, batch in zip(panels[0], batches, strict=True):
        for number, classes in enumerate(shortfalls.classes.values):
            color = plt.get_cmap("viridis")(number / max(shortfalls.sizes["classes"] - 1, 1) * 0.9)
            values = shortfalls.sel(batch=batch, classes=classes)
            panel.plot(values.learning_rate, values, marker="o", markersize=4, color=color, label=f"K = {classes}")
        most = doubts.sel(batch=batch).max("classes")
        panel.plot(most.learning_rate, most, color="black", linewidth=0.8, linestyle=":", label="largest bound")
        panel.set(xscale="log", yscale="log", xlabel="learning rate", title=f"{batch} batch")
    panels[0][0].set_ylabel("|1 - drop / predicted drop|")
    panels[0][0].legend()
    return figure


def sums_over_steps(errors: xr.DataArray) -> Figure:
    """The mean of the rows over the largest weight, the worst of all runs from zero: (classes, optimizer, step)."""
    counts = errors.classes.values
    figure, panels = plt.subplots(1, len(counts), figsize=(3.9 * len(counts) + 0.6, 3.2), squeeze=False, sharey=True)
    for panel, classes in zip(panels[0], counts, strict=True):
        for number, optimizer in enumerate(errors.optimizer.values):
            values = errors.sel(classes=classes, optimizer=optimizer)
            panel.plot(
                values.step, values.clip(LEAST), color=f"C{number}", label=str(optimizer), **DASHES[number % len(DASHES)]
            )
        panel.set(xscale="symlog", yscale="log", xlabel="step", title=f"K = {classes}", ylim=(LEAST / 2, 10))
        panel.set_xlim(0, float(errors.step[-1]))
    panels[0][0].set_ylabel("|mean of the rows| / largest weight")
    panels[0][-1].legend()
    return figure
