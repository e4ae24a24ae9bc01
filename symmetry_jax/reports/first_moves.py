"""First moves from constant starts: predicted beside measured, in claims, a table and figures.

`compared` is a Dataset of results with, along (layer, part), `measured` and `predicted` steps of the first move (nan for
never), the `size` and `doubt` of the first gradient, whether it is `visible` and the `largest_rank`; and along the runs the
step after which a layer is `dead`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps, colors
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symmetry_jax.sweeps.study import Claim, Picture, Table
from symmetry_jax.theory.first_moves import HORIZON

PARTS = {"weight": "W", "bias": "b"}
SATURATING = ("tanh", "sigmoid")
SETTINGS = ("batch", "layers", "activation", "constant")  # what tells the rows of the table apart

_MAP = (
    "The step at which weights W and biases b of each layer first move, measured; a row for each network. White within a "
    "network's frame: it never moved in this run, or by no more than rounding; grey: no such layer. Red: only later, out of "
    "a standstill, or once a move had grown that rounding hid. A red cross marks a first move that was predicted otherwise. "
    "Of every other setting the first value is shown; runs that went non-finite are left out."
)


def plain(compared: xr.Dataset) -> xr.Dataset:
    """The runs of plain gradient descent that stayed finite; of all others every number is left out."""
    kept = compared.valid & (compared.first_nonfinite_step.sel(end="last", drop=True) < 0) & (compared.optimizer == "sgd")
    if "weight_decay" in compared:
        kept = kept & (compared.weight_decay == 0)
    return compared.assign({name: array.where(kept) for name, array in compared.items() if array.dtype.kind in "fi"})


def agreement(compared: xr.Dataset) -> xr.DataArray:
    """1 where an array first moved as predicted within the horizon, 0 where it did not; nan where rounding hides the move."""
    told = compared.first_move.sel(end="last", drop=True).notnull() & (compared.predicted.isnull() | (compared.visible == 1))
    early = compared.measured.where(compared.measured <= HORIZON)
    same = (early == compared.predicted) | (early.isnull() & compared.predicted.isnull())
    return same.where(told)


def move_claims(compared: xr.Dataset) -> Iterator[Claim]:
    """Whether first moves, their sizes, ties and ranks are those predicted; of runs as `plain` gives them, if there are any."""
    if not compared.loss.notnull().any():
        return
    same, last = agreement(compared), compared.sel(end="last")
    statement = f"Arrays, of {int(same.notnull().sum()):,}, whose first move in {HORIZON} steps is not at the predicted step"
    yield Claim.near("first moves", statement, 0, float((same == 0).sum()), 0)
    hidden = (compared.visible == 0) & compared.predicted.notnull()
    if hidden.any():
        drowned = int(hidden.sum())
        statement = (
            f"Arrays, of {drowned:,} whose first move is to drown in rounding, that are seen to move by the predicted step"
        )
        yield Claim.near("hidden moves", statement, 0, float((hidden & (compared.measured <= compared.predicted)).sum()), 0)
    moved = (same == 1) & compared.predicted.notnull()
    apart = abs(last.first_gradient / compared["size"] - 1) / compared.doubt
    if moved.any():
        statement = "Size of the first gradient: largest difference from the predicted one, in units of what rounding allows"
        yield Claim.at_most("sizes", statement, 1, float(apart.values[moved.transpose(*apart.dims).values].max()))
    if (compared.layers > 1).any():
        statement = "Units of a layer are equal, bit for bit, at every record: largest difference"
        yield Claim.near("ties", statement, 0, float(compared.tie_error.max()), 0)
    matrices = compared.largest_rank.sel(part="weight", drop=True)
    above = (compared["rank"] > matrices) & matrices.notnull()
    statement = "Weight matrices and records at which the rank is larger than it can be"
    yield Claim.near("ranks", statement, 0, float(above.sum()), 0)
    yield from _death_claims(compared)


def _death_claims(compared: xr.Dataset) -> Iterator[Claim]:
    predicted, low, high = deaths(compared)
    either = predicted.notnull() | (high <= HORIZON)
    if either.any():
        wrong = either & ~((low < predicted) & (predicted <= high))
        statement = (
            f"Runs, of {int(either.sum())} in which a layer lets no error pass within {HORIZON} steps (predicted or seen), in "
            "which it does so at another step than predicted"
        )
        yield Claim.near("deaths", statement, 0, float(wrong.sum()), 0)


def deaths(compared: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """The predicted steps to death, the last record before it and the first at which a layer lets no error pass, or inf.

    Not of activations that saturate on both sides: whether their slope is rounded to 0 is up to how it is computed.
    """
    dying = ~compared.activation.isin(SATURATING) & compared.loss.notnull().any("step")
    shut = (compared.passing == 0).any("layer") & dying
    high = xr.where(shut, compared.step, np.inf).min("step")
    low = xr.where(compared.step < high, compared.step, -1).max("step")
    return compared.dead.where(dying), low, high


def move_table(compared: xr.Dataset) -> Table:
    """A row for each run of the first seed: steps of first moves, layer by layer, ranks and sizes, predicted and measured."""
    runs = compared.sel(seed=compared.seed[0])
    settings = [*SETTINGS, *(dim for dim in runs.valid.dims if runs.sizes[dim] > 1 and dim not in SETTINGS)]
    moves = (f"{part} {what}" for part in PARTS.values() for what in ("predicted", "measured"))
    columns = (*map(str, settings), *moves, "ranks predicted", "ranks measured", "sizes differ by")
    rows = tuple((*(run[name].item() for name in settings), *_row(run)) for run in each_run(runs))
    caption = (
        "First moves of weights W and biases b, from the first layer to the last: the step, or a dot for never; in brackets "
        f"where the step is predicted to change less than rounding does. What moved only after {HORIZON} steps left a "
        "standstill, or had been hidden by rounding. Ranks are the largest over all records. Sizes are norms of the first "
        "gradients: the largest relative difference."
    )
    return Table("first_moves", columns, rows, caption)


def _row(run: xr.Dataset) -> Iterator[str]:
    layers = int(run.layers)
    for part in PARTS:
        expected, seen = (run[name].sel(part=part).values[:layers] for name in ("predicted", "measured"))
        shown = run.visible.sel(part=part).values[:layers]
        pairs = zip(expected, shown, strict=True)
        marks = (_step(step) if sure or np.isnan(step) else f"({_step(step)})" for step, sure in pairs)
        yield from (" ".join(marks), " ".join(map(_step, seen)))
    for ranks in (run.largest_rank.sel(part="weight"), run["rank"].max("step")):
        yield " ".join(map(_step, ranks.values[:layers]))
    seen = (run.visible == 1) & (run.measured == run.predicted)
    apart = abs(run.first_gradient.sel(end="last") / run["size"] - 1).where(seen)
    yield f"{float(apart.max()):.1g}" if apart.notnull().any() else ""


def _step(value: float) -> str:
    return "." if np.isnan(value) else f"{value:.0f}"


def each_run(results: xr.Dataset) -> Iterator[xr.Dataset]:
    """Every run that has a loss, with its coordinates as scalars."""
    for index in np.argwhere(results.loss.notnull().any("step").transpose(*results.valid.dims).values):
        yield results.isel(dict(zip(results.valid.dims, index, strict=True)))


def move_picture(compared: xr.Dataset) -> Picture:
    """The map of first moves."""
    return Picture("first_moves", first_move_map(compared), _MAP)


def first_move_map(compared: xr.Dataset) -> Figure:
    """Steps of first moves, array by array: a panel for each batch, at zero and at the smallest other constant.

    Of every other setting the first value is shown.
    """
    constants = [value for value in (0.0, *sorted(compared.constant.values, key=abs)) if value in compared.constant]
    chosen, batches = list(dict.fromkeys(constants))[:2], list(compared.batch.values)
    runs = [_networks(compared.sel(batch=batch, constant=value)) for value in chosen for batch in batches]
    shape = (len(chosen), len(batches))
    height = 0.17 * max(map(len, runs)) + 0.9
    figure, panels = plt.subplots(*shape, figsize=(4.3 * shape[1], height * shape[0] + 0.6), squeeze=False)
    for panel, networks, index in zip(panels.flat, runs, np.ndindex(shape), strict=True):
        _draw_moves(panel, networks)
        panel.set_title(f"all weights {chosen[index[0]]:g}, batch: {batches[index[1]]}")
    palette, shade = _palette()
    bar = figure.colorbar(plt.cm.ScalarMappable(shade, palette), ax=panels, ticks=[*range(1, HORIZON + 1), HORIZON + 1])
    bar.ax.set_yticklabels([*map(str, range(1, HORIZON + 1)), "later"])
    bar.set_label("step of the first move")
    return figure


def _networks(results: xr.Dataset) -> list[xr.Dataset]:
    """A run of every network, activation by activation, each from few layers to many."""
    others = [dim for dim in results.valid.dims if dim not in ("layers", "activation")]
    order = list(results.activation.values)
    runs = each_run(results.isel(dict.fromkeys(others, 0)))
    return sorted(runs, key=lambda run: (order.index(run.activation.item()), run.layers.item()))


def _palette() -> tuple[Any, Any]:
    shades = [*colormaps["viridis_r"](np.linspace(0, 0.6, HORIZON)), (0.9, 0.5, 0.45, 1)]
    return colors.ListedColormap(shades), colors.BoundaryNorm(np.arange(0.5, HORIZON + 2), HORIZON + 1)


def _draw_moves(panel: Axes, runs: list[xr.Dataset]) -> None:
    """A row for each network, a column for each array, with its step; a red cross where another was predicted."""
    most = max((int(run.layers) for run in runs), default=1)
    image = np.full((len(runs), 2 * most), np.nan)
    for row, run in enumerate(runs):
        panel.add_patch(
            plt.Rectangle((-0.5, row - 0.5), 2 * int(run.layers), 1, facecolor="white", edgecolor="0.6", linewidth=0.4)
        )
        steps, same = (array.transpose("layer", "part").values for array in (run.measured, agreement(run)))
        for column, (layer, part) in enumerate(np.ndindex(int(run.layers), 2)):
            step, wrong = float(steps[layer, part]), same[layer, part] == 0
            image[row, column] = np.minimum(step, HORIZON + 1)  # which keeps a nan
            mark = "x" if wrong else _step(step)
            panel.text(column, row, mark, ha="center", va="center", fontsize=5.5, zorder=3, color="red" if wrong else "black")
    palette, shade = _palette()
    panel.imshow(image, cmap=palette, norm=shade, aspect="auto", zorder=2)
    panel.set_xticks(range(2 * most), [f"{part}{layer}" for layer in range(1, most + 1) for part in PARTS.values()], fontsize=7)
    panel.set_yticks(range(len(runs)), [f"{run.activation.item()}, {_layers(run)}" for run in runs], fontsize=6)
    panel.set_facecolor("0.92")
    panel.grid(False)


def _layers(run: xr.Dataset) -> str:
    return f"{run.layers.item()} layer" + ("s" if run.layers.item() > 1 else "")
