"""The interaction of units over training, Gauss-Newton and residual parts apart; in claims, words and a figure.

Blocks of the Hessian are applied to the line e between two units. Where e . H_ij e > 0, a unit is drawn towards another that
comes nearer: attraction; where it is < 0 it is pushed away: repulsion.
"""

from collections.abc import Iterator
from math import comb
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt

from symmetry_jax.reports.bias_scales import interval
from symmetry_jax.reports.figures import band
from symmetry_jax.reports.regimes import settings_of
from symmetry_jax.sweeps.study import Claim, Picture, Results

TWINS = "0-1"
ADDITIVE = ("cnn", "mlp")  # networks whose units enter the outputs additively
EXACT = 1e-10  # in float64, of what is compared with
HALF = 0.5  # of the records
PRESENT = 1e-3  # of the residual part of a unit's own block: a residual part of the interaction that is there

LINES: dict[tuple[str, str], dict[str, Any]] = {  # of the twins
    ("own", "gauss_newton"): {"color": "C0", "linewidth": 3, "alpha": 0.5, "label": "own block, Gauss-Newton"},
    ("cross", "gauss_newton"): {"color": "C3", "linestyle": "--", "label": "interaction, Gauss-Newton"},
    ("net", "gauss_newton"): {"color": "black", "linewidth": 1.2, "label": "net, Gauss-Newton"},
    ("own", "residual"): {"color": "C2", "linewidth": 1.2, "label": "own block, residual"},
    ("cross", "residual"): {"color": "C1", "linewidth": 1.2, "label": "interaction, residual"},
    ("net", "residual"): {"color": "black", "linewidth": 1.2, "linestyle": ":", "label": "net, residual"},
}

CAPTION = (
    "All units train together. Above: twins that start {start:g} apart: norm of each block of the Hessian times the unit "
    "direction of the line between them; own H_ii, interaction H_ij, and net H_ii - H_ij, which their distance feels: its "
    "Gauss-Newton part vanishes while they are close. What is exactly 0 is not drawn: so the residual part of the interaction "
    "of units of a last hidden layer, where the net residual part is the own one. Below: e . H_ij e, both parts together, of "
    "the twins and of pairs that start at random: above 0 a unit is drawn towards another that comes nearer, below 0 it is "
    "pushed away; the axis is linear up to 0.001. On the minibatch of each record; medians over seeds, below with quartiles."
)
LEAST = 1e-18  # of the axis


def interaction_claims(results: Results) -> Iterator[Claim]:
    """What cancels between twins, and what is absent.

    Gauss-Newton parts that cancel are one positive semidefinite matrix, so that this part of the interaction attracts.
    """
    for name, setting in settings_of(results["twins"]):
        if "together" not in setting.regime:
            continue
        blocks = setting.interaction.sel(regime="together")
        if 0 in setting.epsilon:
            tied = blocks.sel(epsilon=0, pair=TWINS, hessian="gauss_newton")
            size = tied.sel(reading="size")
            left = (size.sel(block="net") / size.sel(block="own")).max()
            what = "||(H_ii - H_ij) e|| over ||H_ii e||, Gauss-Newton parts"
            statement = f"{name}, equal twins together: {what}, largest of all records"
            yield Claim.near(f"gauss-newton: {name}", statement, 0, float(left), EXACT)
        residual = blocks.sel(hessian="residual", reading="size")
        ratio = residual.sel(block="cross") / residual.sel(block="own")
        what = "residual part of ||H_ij e|| over that of ||H_ii e||"
        if setting.network.item() in ADDITIVE:
            statement = f"{name}, units of a last hidden layer: {what}, largest of all pairs and records"
            yield Claim.near(f"additive: {name}", statement, 0, float(ratio.max()), EXACT)
        else:
            statement = f"{name}, units below another hidden layer: {what}, median of all pairs and records"
            yield Claim.at_least(f"not additive: {name}", statement, PRESENT, float(ratio.median()))
        yield from _sign_claims(name, setting)


def _sign_claims(name: str, setting: xr.Dataset) -> Iterator[Claim]:
    """Whether twins attract and others repel along the line between them at most records of a seed, with intervals over seeds.

    That others repel follows from nothing: it was found, and is claimed of pairs that were chosen beforehand.
    """
    shares = _drawn(setting)
    pairs = shares.pair.values.tolist()
    for pair in pairs if shares.sizes["seed"] > 1 else ():
        low, _, high = interval(shares.sel(pair=pair), len(pairs))
        of = (
            f"{name}, together, {_pair_word(pair)}: share of records at which one is drawn towards the other as it comes nearer"
        )
        ends = f"intervals over seeds that hold for {len(pairs)} pairs with 95% confidence"
        if pair == TWINS:
            yield Claim.at_least(f"attract, {pair}: {name}", f"{of}, lower end of {ends}", HALF, low)
        else:
            yield Claim.at_most(f"repel, {pair}: {name}", f"{of}, upper end of {ends}", HALF, high)


def _drawn(setting: xr.Dataset) -> xr.DataArray:
    """The share of records at which the interaction attracts: (pair, seed)."""
    along = _along(setting.interaction.sel(regime="together", epsilon=_start(setting)))
    return (along > 0).where(along.notnull()).mean("step")


def interaction_lines(results: Results) -> Iterator[str]:
    """How strong the interaction is, and how often it attracts."""
    for name, setting in settings_of(results["twins"]):
        if "together" not in setting.regime:
            continue
        blocks = setting.interaction.sel(regime="together", epsilon=_start(setting))
        middle = blocks.sel(pair=TWINS, reading="size").median(["seed", "step"])
        twins, net = middle.sel(hessian="gauss_newton"), middle.sel(hessian="residual", block="net")
        drawn = _drawn(setting)
        told = [f"{pair} {_share(drawn.sel(pair=pair))}" for pair in drawn.pair.values.tolist()]
        yield (
            f"- {name}, together: along the line between twins {_start(setting):g} apart the Gauss-Newton part of the Hessian "
            f"is {float(twins.sel(block='own')):.2g} in the own block and {float(twins.sel(block='cross')):.2g} in the "
            f"interaction, of which their distance feels {float(twins.sel(block='net')):.1g}; of the residual part it feels "
            f"{float(net):.2g} (medians over records and seeds). Of {comb(int(setting.units), 2)} pairs of units {len(told)} "
            "are looked at, 0 and 1 being the twins: as one comes nearer the other is drawn towards it at these shares of the "
            f"records of a seed (means, 95% intervals over {drawn.sizes['seed']} seeds): {', '.join(told)}."
        )


def interaction_pictures(results: Results) -> Iterator[Picture]:
    """Blocks between twins, and the sign of the interaction of twins and other pairs, over steps."""
    settings = {name: setting for name, setting in settings_of(results["twins"]) if "together" in setting.regime}
    if not settings:
        return
    figure, panels = plt.subplots(
        2, len(settings), figsize=(2.9 * len(settings) + 1.2, 5.4), squeeze=False, sharex="col", sharey="row"
    )
    for column, (name, setting) in zip(panels.T, settings.items(), strict=True):
        blocks = setting.interaction.sel(regime="together", epsilon=_start(setting))
        sizes = blocks.sel(pair=TWINS, reading="size").median("seed")
        for (block, hessian), style in LINES.items():
            line = sizes.sel(block=block, hessian=hessian)
            column[0].plot(line.step, line.where(line > LEAST), **style)
        for number, pair in enumerate(blocks.pair.values.tolist()):
            band(column[1], _along(blocks).sel(pair=pair), "step", f"C{number + 4}", label=_pair_word(pair))
        column[1].axhline(0, color="black", linewidth=0.7)
        column[0].set(title=name, yscale="log", xscale="symlog")
        column[0].set_ylim(LEAST, 10)
        column[1].set(xlabel="step")
        column[1].set_yscale("symlog", linthresh=1e-3)
        column[1].set_xlim(0, float(setting.step[-1]))
    panels[0][0].set_ylabel("norm of block times e (nats)")
    panels[1][0].set_ylabel("e . H_ij e (nats)")
    panels[0][0].legend(fontsize=7, loc="center")
    panels[1][0].legend(fontsize=7, loc="center")
    yield Picture("interaction", figure, CAPTION.format(start=_start(next(iter(settings.values())))))


def _along(blocks: xr.DataArray) -> xr.DataArray:
    """e . H_ij e, both parts together."""
    return blocks.sel(block="cross", reading="along", drop=True).sum("hessian")


def _share(shares: xr.DataArray) -> str:
    """The mean of shares and its interval, as far as it is of shares."""
    low, mean, high = interval(shares)
    return f"{float(shares.mean()):.0%}" if np.isnan(mean) else f"{mean:.0%} ({max(low, 0):.0%} to {min(high, 1):.0%})"


def _start(setting: xr.Dataset) -> float:
    """The least distance above 0 at the start, or 0 if there is none."""
    above = setting.epsilon.values[setting.epsilon.values > 0]
    return float(np.min(above)) if above.size else 0.0


def _pair_word(pair: str) -> str:
    return f"units {pair}, {'twins' if pair == TWINS else 'random start'}"
