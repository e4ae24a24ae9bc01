"""What fan-outs that alone differ do at the first step: in claims, in words and in a figure, from labelled results."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt

from symmetry_jax.reports.figures import QUARTILES
from symmetry_jax.reports.growth import along
from symmetry_jax.sweeps.study import Claim, Picture, Results

KICK = 1e-6  # as a fraction
EXACT = 1e-12  # of weights of order 1, in float64, which the study asks for

CAPTION = (
    "Units that are equal but for their fan-outs: distance between their fan-ins after the first step, and the line that "
    "theory predicts for the median seed, lr |G (a_i - a_j)|. Points: medians, bars between quartiles over seeds; "
    "activations are set a little apart along the axis. Fan-outs that differ by the same number in all classes put units "
    "nowhere apart under softmax; what is left of that is rounding, below the axis where it is exactly 0."
)


def kicks(results: Results) -> xr.Dataset:
    """Distances after one step, what was `predicted` of them, and what they are `later`, at the last record.

    Of (network, activation, seed, epsilon, pair).
    """
    runs = along(results["kicks"], "network", "activation", "seed", "epsilon")
    found = {
        "distance": runs.distance.sel(step=1, drop=True),
        "predicted": runs.predicted_kick.sel(step=0, drop=True),
        "later": runs.distance.isel(step=-1, drop=True),
    }
    return xr.Dataset(found)


def kick_claims(results: Results) -> Iterator[Claim]:
    """Whether kicks are those predicted, linear in what differs, and none where it differs evenly over classes."""
    found = kicks(results)
    random, even = (found.sel(pair=pair, drop=True) for pair in ("random", "even"))
    if not (random.predicted > 0).any():
        return
    ratio = random.distance / random.predicted
    statement = "Different fan-outs alone: distance of fan-ins after one step over lr |G (a_i - a_j)|, less 1: largest"
    yield Claim.near("kick", statement, 0, float(abs(ratio - 1).max()), KICK)
    if random.sizes["epsilon"] > 1:
        ends = random.sortby("epsilon").isel(epsilon=[0, -1])
        alive = np.log(ends.distance.where(ends.distance > 0))  # no error passes a dead relu
        slope = (alive.diff("epsilon") / np.log(ends.epsilon).diff("epsilon")).values.ravel()
        farthest = slope[np.isfinite(slope)]
        statement = (
            "Different fan-outs alone: power of their distance with which that of fan-ins goes after one step, farthest from 1"
        )
        yield Claim.near("kick linear", statement, 1, float(farthest[np.argmax(abs(farthest - 1))]), KICK)
    steps = int(results["kicks"].step[-1])
    for name, values, when in (("even", even.distance, "one step"), ("even later", even.later, f"{steps} steps")):
        statement = f"Fan-outs that differ by the same number in all classes: distance of fan-ins after {when}, largest"
        yield Claim.near(name, statement, 0, float(values.max()), EXACT)


def kick_lines(results: Results) -> Iterator[str]:
    """How far apart different fan-outs put units at the first step."""
    found = kicks(results)
    random, even = (found.sel(pair=pair, drop=True) for pair in ("random", "even"))
    if not (random.predicted > 0).any():
        return
    share = (random.distance / random.epsilon).median(["seed", "epsilon"])
    off = float(abs(random.distance / random.predicted - 1).max())
    yield (
        f"Units that differ in their fan-outs alone are apart after one step by {float(share.min()):.2g} to "
        f"{float(share.max()):.2g} of the distance between these (medians of settings), at most {off:.1g} off what G (a_i - "
        "a_j) predicts; fan-outs that differ by the same number in all classes put them at most "
        f"{float(even.distance.max()):.1g} apart, and {float(even.later.max()):.1g} after {int(results['kicks'].step[-1])} "
        "steps."
    )


def kick_pictures(results: Results) -> Iterator[Picture]:
    """Distance after one step against that of the fan-outs."""
    found = kicks(results)
    if not (found.predicted.sel(pair="random") > 0).any():
        return
    networks, activations = found.network.values.tolist(), found.activation.values.tolist()
    shape = (1, len(networks))
    figure, panels = plt.subplots(*shape, figsize=(3.6 * shape[1] + 0.6, 3.2), squeeze=False, sharey=True, layout="constrained")
    for network, panel in zip(networks, panels[0], strict=True):
        for number, activation in enumerate(activations):
            here, color = found.sel(network=network, activation=activation), f"C{number}"
            shifted = here.epsilon * 1.1 ** (number - (len(activations) - 1) / 2)
            for pair, marker, label in (("random", "o", activation), ("even", "x", None)):
                least, middle, most = here.distance.sel(pair=pair).quantile(QUARTILES, "seed").values
                panel.errorbar(
                    shifted, middle, [middle - least, most - middle], color=color, fmt=marker, markersize=4, label=label
                )
            line = here.predicted.sel(pair="random").median("seed")
            panel.plot(here.epsilon, line, color=color, linewidth=0.8)
        panel.plot([], [], "x", color="0.4", label="same in all classes")
        panel.plot([], [], color="0.4", linewidth=0.8, label="predicted")
        panel.set(xscale="log", yscale="log", title=network, xlabel="distance of the fan-outs")
    panels[0][0].set_ylabel("distance of the fan-ins after one step")
    panels[0][0].legend()
    yield Picture("kicks", figure, CAPTION)
