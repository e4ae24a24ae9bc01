"""What the difference between the gradients of two units of a layer is made of, over training: a table and figures."""

from collections.abc import Iterator

import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes as Panel
from matplotlib.figure import Figure

from symmetry_jax.reports.figures import band
from symmetry_jax.reports.gradient_shares import EARLY, LATE, WITHIN, closest, early, late, read, settings, training
from symmetry_jax.sweeps.study import Picture, Results, Table

COLUMNS = (
    "network",
    "activation",
    "fan-out",
    "pair",
    "epsilon",
    "downstream early",
    "downstream late",
    "push local",
    "push downstream",
    "difference early",
    "difference late",
)
CAPTION = (
    "Medians over seeds. Downstream: share of the downstream error in the difference between the gradients of two units of a "
    f"layer, in the first {EARLY:.0%} of the steps and from {LATE:.0%} on; what is left of 1 is local derivative. Push: rate "
    "at which each drives the two apart (negative: together), per step and learning rate, as a fraction of their distance; "
    "mean over records of the first part. Difference: its size over the root mean square of both gradients."
)
SHARES = (
    "Share of the downstream error in the difference between the gradients of two units of a layer, on the minibatches of "
    "recorded steps; what is left of 1 is local derivative, since nothing is upstream. Medians, and quartiles over seeds. "
    "Coloured: twins, by their distance at the start; the closest wide and pale, others dashed upon them, since lines may "
    "coincide. Grey: two units that start at random. Below 0 downstream error works against the difference, above 1 the local "
    "derivative does. A line that stays at 1 has its quartiles there as well."
)
LABEL = 1.9  # inches that a label of a legend may take
CLOSEST = {"linewidth": 4, "alpha": 0.45}
OTHERS = {"linestyle": "--", "linewidth": 1.3}
PUSHES = (
    "Rate at which each source drives twins apart (above 0) or together (below), per step and learning rate, as a fraction "
    "of their distance, on the minibatch of each recorded step; the closest twins. Medians, and quartiles over seeds. A "
    "minibatch is small, and so rates of single steps say less than their sign over many. Linear up to 0.01."
)


def share_table(results: Results) -> Table:
    """A row for each setting, pair and distance, with fan-outs trained freely and held equal."""
    kinds = ((fan_out, training(results, held)) for held, fan_out in enumerate(("trained", "held equal")))
    rows = (row for fan_out, runs in kinds if runs is not None for row in _rows(fan_out, runs))
    return Table("shares", COLUMNS, tuple(rows), CAPTION)


def _rows(fan_out: str, runs: xr.Dataset) -> Iterator[tuple]:
    for network, activation in settings(runs):
        for pair in runs.pair.values.tolist():
            for epsilon in runs.epsilon.values if pair.startswith("twins") else runs.epsilon.values[:1]:
                here = runs.sel(network=network, activation=activation, epsilon=epsilon)
                yield (network, activation, fan_out, pair, float(epsilon), *_row(here, pair))


def _row(runs: xr.Dataset, pair: str) -> Iterator[float]:
    share = read(runs, "downstream", "share", pair)
    yield from (float(part(share).median()) for part in (early, late))
    yield from (float(early(read(runs, source, "push", pair)).mean("step").median()) for source in WITHIN)
    yield from (float(part(read(runs, "difference", "size", pair)).median()) for part in (early, late))


def share_pictures(results: Results) -> Iterator[Picture]:
    """Shares and pushes over training."""
    runs = training(results)
    if runs is not None:
        yield Picture("shares", _draw_shares(runs), SHARES)
        yield Picture("pushes", _draw_pushes(closest(runs)), PUSHES)


def _draw_shares(runs: xr.Dataset) -> Figure:
    figure, panels = _panels(runs)
    for panel, here, number in panels:
        unlike = read(closest(here), "downstream", "share", f"unlike {number}").squeeze("pair", drop=True)
        band(panel, unlike, "step", "0.55", "unlike")
        for place, epsilon in enumerate(here.epsilon.values):
            share = read(here.sel(epsilon=epsilon), "downstream", "share", f"twins {number}").squeeze("pair", drop=True)
            band(panel, share, "step", f"C{place}", f"twins {epsilon:g} apart")
            panel.lines[-1].set(**(OTHERS if place else CLOSEST))
        panel.set_ylim(-0.35, 1.35)
    figure.supylabel("share of downstream error in the difference between gradients")
    return explained(figure)


def _draw_pushes(runs: xr.Dataset) -> Figure:
    figure, panels = _panels(runs)
    for panel, here, number in panels:
        for color, source in zip(("C1", "C0"), WITHIN, strict=True):
            push = read(here, source, "push", f"twins {number}").squeeze("pair", drop=True)
            band(panel, push, "step", color, source)
        panel.axhline(0, color="black", linewidth=0.7)
        panel.set_yscale("symlog", linthresh=0.01)
    figure.supylabel("push per step and learning rate")
    return explained(figure)


def explained(figure: Figure) -> Figure:
    """The figure with one legend, in which each label of any panel stands once, below all."""
    told: dict[str, Artist] = {}
    for panel in figure.axes:
        told |= {label: handle for handle, label in zip(*panel.get_legend_handles_labels(), strict=True) if label not in told}
    across = min(len(told), max(1, int(figure.get_figwidth() / LABEL)))
    figure.legend(list(told.values()), list(told), loc="outside lower center", ncols=across)
    return figure


def _panels(runs: xr.Dataset) -> tuple[Figure, list[tuple[Panel, xr.Dataset, int]]]:
    """A row for each network and layer, a column for each activation; each panel with its runs and the layer's number."""
    numbers = sorted({int(pair.split()[1]) for pair in runs.pair.values.tolist()})
    rows = [(network, number) for network in runs.network.values.tolist() for number in numbers]
    activations = runs.activation.values.tolist()
    shape = (len(rows), len(activations))
    size = (2.6 * shape[1] + 1.6, 1.7 * shape[0] + 0.7)
    figure, axes = plt.subplots(*shape, figsize=size, squeeze=False, sharex=True, sharey=True, layout="constrained")
    panels = []
    for (network, number), row in zip(rows, axes, strict=True):
        for activation, panel in zip(activations, row, strict=True):
            panels.append((panel, runs.sel(network=network, activation=activation), number))
            panel.set_title(f"{network}, layer {number}: {activation}")
            panel.set_xscale("symlog")
            panel.set_xlim(0, float(runs.step[-1]))
    for panel in axes[-1]:
        panel.set_xlabel("step")
    return figure, panels
