"""The curvature between twins, with their fan-out trained and frozen: in claims, in words and in a figure."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt

from symmetry_jax.reports.figures import band
from symmetry_jax.reports.growth import along, settled
from symmetry_jax.sweeps.study import Claim, Picture, Results

EXACT = 1e-10  # in float64, of what is compared with

CAPTION = (
    "Default network, with the fan-out of its hidden units trained and frozen. Left: lowest and highest eigenvalue of the "
    "curvature between the twins on the minibatch of each step. Right: log growth of an infinitesimal distance between them "
    "(full line), and the most that these eigenvalues allow (dashed): the sum of log max |1 - lr (mu + weight decay)|. Medians "
    "and quartiles over seeds."
)


def curvatures(results: Results) -> xr.Dataset:
    """Of each run `lowest` and `highest` eigenvalue of the residual part, log `growth`, and the `most` that a step allows."""
    runs = settled(results["curvature"])
    rate, decay = runs.learning_rate.item(), runs.weight_decay.item()
    runs = along(runs, "seed", "fan_out")
    lowest, highest = (runs.twins.sel(hessian="residual", bound=bound, drop=True) for bound in ("lowest", "highest"))
    most = np.log(np.maximum(abs(1 - rate * (lowest + decay)), abs(1 - rate * (highest + decay))))
    return xr.Dataset({"lowest": lowest, "highest": highest, "growth": runs.log_growth, "most": most})


def curvature_claims(results: Results) -> Iterator[Claim]:
    """Whether the Gauss-Newton part vanishes, and whether growth and its regime are what the blocks allow."""
    runs, found = settled(results["curvature"]), curvatures(results)
    if found.growth.notnull().any():
        largest = [abs(runs[name].sel(hessian="gauss_newton")).max("bound") for name in ("twins", "alone")]
        statement = "Gauss-Newton part of the curvature between twins, over that of one of them alone: largest of all steps"
        yield Claim.near("gauss-newton", statement, 0, float((largest[0] / largest[1]).max()), EXACT)
        statement = "Fan-out trained: lowest eigenvalue of the curvature between twins is negative: largest of all steps"
        yield Claim.at_most("indefinite", statement, -EXACT, float(found.lowest.sel(fan_out="trained").max()))
    for fan_out in found.fan_out.values.tolist():
        here = found.sel(fan_out=fan_out)
        excess = here.growth.diff("step", label="lower") - here.most
        if excess.notnull().any():
            statement = (
                f"Fan-out {fan_out}: log growth in a step, less the most that the eigenvalues allow: largest of all steps"
            )
            yield Claim.at_most(f"bound: {fan_out}", statement, EXACT, float(excess.max()))
    yield from _relu_claims(results)


def _relu_claims(results: Results) -> Iterator[Claim]:
    """With fan-out frozen relu units have no curvature between them: only weight decay moves them together."""
    tangents = settled(results["tangents"])
    if "relu_frozen" not in tangents.setting:
        return
    growth = along(tangents.sel(setting="relu_frozen", group="hidden_0"), "seed").log_growth.isel(step=-1).dropna("seed").values
    if growth.size:
        steps, rate, decay = float(tangents.step[-1]), tangents.learning_rate.item(), tangents.weight_decay.item()
        expected = steps * np.log1p(-rate * decay)
        farthest = float(growth[np.argmax(abs(growth - expected))])
        statement = "relu, fan-out frozen: log growth is that of weight decay alone, steps log(1 - lr decay); the farthest seed"
        yield Claim.near("relu frozen", statement, expected, farthest, 1e-3 * max(1.0, abs(expected)))


def curvature_lines(results: Results) -> Iterator[str]:
    """What the eigenvalues are like, and what growth becomes of them."""
    found = curvatures(results)
    for fan_out in found.fan_out.values.tolist():
        here = found.sel(fan_out=fan_out).dropna("seed", how="all")
        if not here.sizes["seed"]:
            continue
        low, high = float(here.lowest.median()), float(here.highest.median())
        growth, bound = float(here.growth.isel(step=-1).median()), float(_bound(here).isel(step=-1).median())
        yield (
            f"Fan-out {fan_out}: the curvature between twins has eigenvalues from {low:.2g} to {high:.2g} (medians over steps "
            f"and seeds); log growth {growth:.3g} of at most {bound:.3g} in {int(found.step[-1])} steps."
        )


def _bound(found: xr.Dataset) -> xr.DataArray:
    """The most that the steps before allow log growth to be."""
    return found.most.cumsum("step").shift(step=1, fill_value=0)


def curvature_picture(results: Results) -> Picture:
    """Eigenvalues, and growth with its bound, over steps."""
    found = curvatures(results)
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3), layout="constrained")
    for number, fan_out in enumerate(found.fan_out.values.tolist()):
        here, color = found.sel(fan_out=fan_out), f"C{number}"
        for name, label in (("lowest", f"fan-out {fan_out}"), ("highest", None)):
            band(left, here[name], "step", color, label=label)
        band(right, here.growth, "step", color, label=f"fan-out {fan_out}")
        right.plot(here.step, _bound(here).median("seed"), color=color, linestyle="--", linewidth=1)
    left.axhline(0, color="black", linewidth=0.7)
    left.set(xlabel="step", ylabel="eigenvalue (nats)")
    right.set(xlabel="step", ylabel="log growth")
    left.legend()
    return Picture("curvature", figure, CAPTION)
