"""Equal units of different layers, which read different things: in claims, in words and in a figure, from labelled results."""

from collections.abc import Callable, Iterator

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt

from symmetry_jax.reports.figures import band
from symmetry_jax.reports.gradient_share_pictures import explained
from symmetry_jax.reports.gradient_shares import early, late, read, residue_claim
from symmetry_jax.reports.growth import along
from symmetry_jax.sweeps.study import Claim, Picture, Results
from symmetry_jax.theory.gradient_sources import SOURCES

ORTHOGONAL = float(np.sqrt(2))  # |g_i - g_j| over the root mean square of both norms, if g_i . g_j = 0

CAPTION = (
    "Two units of neighbouring layers with equal fan-in weights and biases at the start. Shares of the three sources in the "
    "difference between their gradients, on the minibatches of recorded steps; they add up to 1 in each run, as medians need "
    "not. Below: distance between their fan-ins. Medians, and quartiles over seeds. Examples, and positions of a CNN, are "
    "paired."
)


def layered(results: Results) -> xr.Dataset | None:
    """The runs with equal units of two layers: (network, activation, seed); None if none is finite."""
    runs = along(results["layers"], "network", "activation", "seed")
    return runs if runs.sources.notnull().any() else None


def layer_claims(results: Results) -> Iterator[Claim]:
    """Whether the split is exact, and how unlike the gradients of such units are from the start."""
    runs = layered(results)
    if runs is None:
        return
    yield from residue_claim(runs, "split in three", "Equal units of two layers, and units of one")
    start = read(runs, "difference", "size", "layers").sel(step=0)
    statement = (
        "Equal units of two layers: difference between their first gradients over their root mean square, median of all runs"
    )
    yield Claim.near("unlike gradients", f"{statement} (orthogonal ones: 1.414)", ORTHOGONAL, float(start.median()), 0.1)
    upstream = read(runs, "upstream", "share", "layers").sel(step=0).median("seed")
    statement = (
        "Equal units of two layers: share of upstream input in the difference between their first gradients, median, least"
    )
    yield Claim.at_least("upstream counts", f"{statement} of all settings", 0.1, float(upstream.min()))


def layer_sentence(results: Results) -> str:
    """What equal units of different layers differ in, in a sentence."""
    runs = layered(results)
    if runs is None:
        return "No runs remained finite to tell what equal units of different layers differ in."
    at_first, rest = _shares(runs, lambda share: share.sel(step=0)), _shares(runs, late)
    size = float(read(runs, "difference", "size", "layers").sel(step=0).median())
    return (
        f"Units with equal weights in two neighbouring layers read different things and part at the first step, with gradients "
        f"a median of {size:.2g} times their own size apart: upstream input and local derivative make {at_first} of the "
        f"difference at the start and {rest} in the second half of training, and downstream error the rest (means over all "
        "runs)."
    )


def _shares(runs: xr.Dataset, part: Callable[[xr.DataArray], xr.DataArray]) -> str:
    """Upstream and local share in words. Means, as these leave the downstream error's to 1, which medians do not."""
    return " and ".join(f"{float(part(read(runs, source, 'share', 'layers')).mean()):.0%}" for source in ("upstream", "local"))


def layer_lines(results: Results) -> Iterator[str]:
    """The same for every setting."""
    runs = layered(results)
    if runs is None:
        return
    for network in runs.network.values.tolist():
        for activation in runs.activation.values.tolist():
            here = runs.sel(network=network, activation=activation)
            apart = here.distance.sel(pair="layers").median("seed")
            yield (
                f"- {network}, {activation}, equal units of two layers: upstream and local share {_shares(here, early)} "
                f"early, {_shares(here, late)} late (means), downstream the rest; "
                f"{float(apart.sel(step=1)):.2g} apart after one step, {float(apart.isel(step=-1)):.2g} in the end."
            )


def layer_pictures(results: Results) -> Iterator[Picture]:
    """Three shares, and the distance, over training."""
    runs = layered(results)
    if runs is None:
        return
    networks, activations = runs.network.values.tolist(), runs.activation.values.tolist()
    shape = (len(networks) + 1, len(activations))
    size = (2.9 * shape[1] + 1, 2.1 * shape[0] + 0.6)
    figure, panels = plt.subplots(*shape, figsize=size, squeeze=False, sharex=True, sharey="row", layout="constrained")
    for activation, column in zip(activations, panels.T, strict=True):
        for number, (network, panel) in enumerate(zip(networks, column[:-1], strict=True)):
            here = runs.sel(network=network, activation=activation)
            for place, source in enumerate(SOURCES):
                share = read(here, source, "share", "layers").squeeze("pair", drop=True)
                band(panel, share, "step", f"C{place}", source)
            panel.set(title=f"{network}: {activation}", ylim=(-0.5, 1.2))
            apart = here.distance.sel(pair="layers", drop=True)
            band(column[-1], apart, "step", f"C{number + len(SOURCES)}", f"{network}, distance")
        column[-1].set(title=activation, xscale="symlog", xlabel="step")
        column[-1].set_xlim(0, float(runs.step[-1]))
    panels[-1][0].set_ylim(bottom=0)
    for row, label in zip(panels, [*len(networks) * ["share of the difference"], "distance"], strict=True):
        row[0].set_ylabel(label)
    yield Picture("layers", explained(figure), CAPTION)
