"""Filters that are tied once: whether they stay so, and whether their quotient network learns the same."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from symmetry_jax.sweeps.study import Claim, Picture, Results

SAME_LOSS = 1e-12  # nats, in float64
# one after the other, the latter above the former, so that a line that lies on another lets it be seen
STYLES: tuple[dict[str, Any], ...] = (
    {"linestyle": "-", "linewidth": 2.4, "zorder": 2, "alpha": 0.5},
    {"linestyle": "--", "linewidth": 1.2, "zorder": 3},
)

CAPTION = (
    "Left: minibatch loss of networks whose filters are tied in blocks (lines) and of their quotient networks, which have one "
    "filter for each block (dots), mean over seeds, copies and layers. Right: the largest difference between the two in any "
    "run, in float64; where it is exactly 0 a logarithmic axis cannot show it; dotted: the most that is claimed. Where "
    "training enlarges rounding, over more steps or at larger rates, the two may part. A dashed line may lie on a solid one; "
    "dots of each optimizer are at steps of their own."
)


def tie_claims(results: Results) -> Iterator[Claim]:
    """Whether ties are kept, and whether quotients learn the same, for each optimizer."""
    ties, gaps = results["ties"], quotient_gaps(results)
    copies = _listed([f"{count:g}" for count in ties.copies.values])
    for optimizer in ties.optimizer.values:
        statement = (
            f"{optimizer}: filters tied in blocks of {copies}, largest difference in a block, moments of the rule included"
        )
        yield Claim.near(f"tied: {optimizer}", statement, 0, _largest(ties.sel(optimizer=optimizer)), 0)
    for optimizer in gaps.optimizer.values:
        steps = int(gaps.step[-1])
        statement = f"{optimizer}: loss of tied filters less that of their quotient network, at any of {steps} steps in float64"
        apart = float(gaps.sel(optimizer=optimizer).max(skipna=False))
        yield Claim.near(f"quotient: {optimizer}", statement, 0, apart, SAME_LOSS)


def quotient_gaps(results: Results) -> xr.DataArray:
    """|loss of tied filters - loss of their quotient| in nats: (optimizer, run, step), of the runs that there are."""
    losses = results["quotient"]
    both = losses.valid.all("network")
    apart = abs(losses.loss.sel(network="tied") - losses.loss.sel(network="quotient"))
    runs = [dim for dim in both.dims if dim != "optimizer"]
    return apart.stack(run=runs).isel(run=np.flatnonzero(both.stack(run=runs).all("optimizer"))).drop_vars(["run", *runs])


def tie_sentence(results: Results) -> str:
    """One sentence: whether tied filters stayed tied, and what they amount to."""
    ties, gaps = results["ties"], quotient_gaps(results)
    kept = (_spread(ties) == 0) & ties.valid
    largest = float(gaps.max(skipna=False))
    return (
        f"Filters that start exactly equal were exactly equal at every record in {int(kept.sum())} of {int(ties.valid.sum())} "
        f"runs, under {_listed(ties.optimizer.values)}, and learned what one filter in place of each block learns at rates of "
        f"its own, to within {largest:.0e} nats of the loss over {int(gaps.step[-1])} steps."
    )


def tie_lines(results: Results) -> Iterator[str]:
    """What happened to ties under each optimizer."""
    ties, gaps = results["ties"], quotient_gaps(results)
    for optimizer in ties.optimizer.values:
        runs = ties.sel(optimizer=optimizer)
        kept = int(((_spread(runs) == 0) & runs.valid).sum())
        stopped = int((runs.first_nonfinite_step.sel(end="last") >= 0).where(runs.valid, False).sum())
        lost = f", {stopped} of which went non-finite" if stopped else ""
        accuracy = float(runs.test_accuracy.sel(end="last").where(runs.valid).mean())
        apart = float(gaps.sel(optimizer=optimizer).max(skipna=False))
        yield (
            f"- {optimizer}: {kept} of {int(runs.valid.sum())} runs of {int(ties.step[-1])} steps kept all ties in every "
            f"bit{lost}; {accuracy:.1%} of the test digits right; quotient network {apart:.1e} nats apart at most."
        )


def tie_pictures(results: Results) -> Iterator[Picture]:
    """Loss curves of tied filters and of their quotients."""
    yield Picture("quotients", _draw(results), CAPTION)


def _draw(results: Results) -> Figure:
    losses, gaps = results["quotient"], quotient_gaps(results)
    both = losses.valid.all("network")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.6), layout="constrained")
    shown = np.unique(np.linspace(0, gaps.sizes["step"] - 1, 21).astype(int))
    for number, optimizer in enumerate(gaps.optimizer.values):
        runs, where = losses.loss.sel(optimizer=optimizer), both.sel(optimizer=optimizer)
        curves = runs.where(where).mean([dim for dim in where.dims])
        style = STYLES[number % len(STYLES)]
        left.plot(curves.step, curves.sel(network="tied"), color=f"C{number}", label=optimizer, **style)
        dots = np.minimum(shown + 2 * number, len(curves.step) - 1)
        left.plot(curves.step[dots], curves.sel(network="quotient")[dots], "o", color=f"C{number}", markersize=3, zorder=4)
        apart = gaps.sel(optimizer=optimizer).max("run")
        right.plot(apart.step, apart.where(apart > 0), color=f"C{number}", linewidth=1)
    right.axhline(SAME_LOSS, color="black", linestyle=":", linewidth=0.8)
    left.set(xlabel="step", ylabel="minibatch loss (nats)", yscale="log")
    right.set(xlabel="step", ylabel="largest difference (nats)", yscale="log")
    left.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))  # above the panel, where no data are
    return figure


def _largest(ties: xr.Dataset) -> float:
    """The largest spread of the runs that there are; nan if one of theirs is nan."""
    return float(_spread(ties).where(ties.valid, 0).max(skipna=False))


def _spread(ties: xr.Dataset) -> xr.DataArray:
    """Of each run the largest over records and groups; nan if one is."""
    return ties.block_spread.max(["step", "group"], skipna=False)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(str, names[:-1])) + f" and {names[-1]}" if len(names) > 1 else str(names[0])
