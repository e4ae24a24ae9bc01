"""Arithmetic as a source of asymmetry: which widths keep their units equal, and when others fall apart, told beforehand."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt

from symmetry_jax.reports.figures import QUARTILES
from symmetry_jax.reports.growth import along
from symmetry_jax.reports.speed import first_step_at
from symmetry_jax.sweeps.study import Claim, Picture, Results

KEPT = (2, 4, 8, 16, 32, 64, 128)  # widths at which units never parted (XLA on x86; with jax 0.12.0.1 they do at 16)
SEEN = 0.01  # a distance between units that can be seen
TINY = 1e-300  # stands for a distance of 0 in a logarithm
NEAR = 0.1  # how far off the step may be, as a fraction, at which it is reached

CAPTION = (
    "Perceptrons whose hidden units all start with equal weights. Left: test loss at the end against the number of hidden "
    "units, filled where units differ in a bit in some seed, open where they are one unit for ever; medians over seeds. Right: "
    "largest distance of a unit from the first, in float64, medians and quartiles over seeds; dashed: what the transverse "
    "exponent of the same network with its ties held makes of kicks as large as the first, one at each step. Where units are "
    "held equal the distance is 0 at every step, which a logarithmic axis cannot show. Widths are those of one processor and "
    "one version of XLA."
)


def _runs(results: Results, sweep: str, *dims: str) -> xr.Dataset:
    runs = along(results[sweep], *dims, "seed")
    return runs.assign({name: runs[name].sel(end="last", drop=True) for name in ("parted_after", "kick", "test_loss")})


def _splits(runs: xr.Dataset) -> xr.DataArray:
    """Whether units ever differ in a bit, in some seed: (floats, width)."""
    return ((runs.parted_after >= 0) & runs.valid).any("seed")


def _all(results: Results) -> xr.Dataset:
    return _runs(results, "arithmetic", "floats", "width")


def arithmetic_claims(results: Results) -> Iterator[Claim]:
    """Which widths keep the tie; that it is kept where it is held; and when the difference is seen."""
    runs = _all(results)
    for floats in map(str, runs.floats.values):
        split = _splits(runs).sel(floats=floats)
        kept = split.sel(width=[width for width in runs.width.values if width in KEPT])
        if kept.size:
            statement = f"{floats}, {_listed(kept.width.values)} hidden units: widths at which units ever differ in a bit"
            yield Claim.near(f"kept: {floats}", statement, 0, int(kept.sum()), 0)
    others = _splits(runs).sel(width=runs.width % 8 != 0)
    others = others.sel(width=[width for width in others.width.values if width not in KEPT])
    if "float64" in runs.floats and others.sizes["width"]:
        share = float(others.sel(floats="float64").mean())
        statement = f"float64: share of {others.sizes['width']} other widths, no multiples of 8, at which they do: most"
        yield Claim.at_least("lost", statement, 0.5, share)
    held = _runs(results, "held", "width")
    statement = "Ties held by projection: largest distance between units at any step of any run"
    yield Claim.near("held", statement, 0, float(held.spread.max(skipna=False)), 0)
    if _followed(results):
        yield from _told_claims(*_steps(results))


def _told_claims(seen: xr.DataArray, expected: xr.DataArray) -> Iterator[Claim]:
    statement = (
        f"float64: of {seen.size} runs, those whose units get {SEEN:g} apart and were not expected to, or were and do not, by "
        "the first kick and the transverse exponent"
    )
    yield Claim.near("foretold", statement, 0, int(np.sum(np.isfinite(seen.values) != np.isfinite(expected.values))), 0)
    told = _ratio(seen, expected)
    if told.size:
        statement = f"float64: step at which units are {SEEN:g} apart over the expected one, median of {told.size} runs"
        yield Claim.near("told", statement, 1, float(np.median(told)), NEAR)


def _ratio(seen: xr.DataArray, expected: xr.DataArray) -> np.ndarray:
    """One step over the other in the runs that have both: (runs,)."""
    both = np.isfinite(seen.values) & np.isfinite(expected.values)
    return seen.values[both] / expected.values[both]


def _forecast(results: Results) -> xr.DataArray:
    """The distance that is expected at each step, (width, seed, step): nan where no bit ever differed.

    With the log growth G of an infinitesimal distance, kicks k at each step s from the first on, each in a direction of its
    own, add up to k sqrt(sum_s exp 2 (G(t) - G(s))).
    """
    held, free = _runs(results, "held", "width"), _all(results).sel(floats="float64")
    free = free.sel(width=held.width)
    after, grown = free.parted_after, held.log_growth
    parted = grown.step >= after
    weights = np.exp(-2 * grown).where(parted & (after >= 0), 0)
    total = np.sqrt(weights.cumsum("step")) * np.exp(grown) * free.kick
    return total.where(parted & (after >= 0)).transpose("width", "seed", "step")


def _steps(results: Results) -> tuple[xr.DataArray, xr.DataArray]:
    """The step at which units are visibly apart, and the one that is expected: (width, seed) each; inf if never."""
    forecast = _forecast(results)
    spread = _all(results).sel(floats="float64", width=forecast.width).spread.transpose("width", "seed", "step")
    return _reached(spread), _reached(forecast)


def _reached(apart: xr.DataArray) -> xr.DataArray:
    return first_step_at(1 / apart.fillna(0).clip(TINY), 1 / SEEN)


def _followed(results: Results) -> bool:
    """Whether widths whose ties are held were left alone as well."""
    return "float64" in results["arithmetic"].floats


def arithmetic_sentence(results: Results) -> str:
    """Which widths fall apart by themselves, in one sentence."""
    split = _splits(_all(results))
    counts = {str(floats): int(split.sel(floats=floats).sum()) for floats in split.floats.values}
    found = " and ".join(f"{count} of {split.sizes['width']} widths in {floats}" for floats, count in counts.items())
    return f"Arithmetic alone, by the last bit of a sum, parts units that all start equal at {found}."


def arithmetic_lines(results: Results) -> Iterator[str]:
    """Widths one by one, what parting does to the loss, and how well its time is told."""
    runs = _all(results)
    split = _splits(runs)
    for floats in map(str, runs.floats.values):
        here = split.sel(floats=floats)
        yield f"{floats}: units differ in a bit at widths {_listed(here.width.values[here.values])}."
        if here.any():
            losses = runs.test_loss.sel(floats=floats).median("seed")
            parted, alike = losses.where(here).min(), losses.where(~here)
            beside = f", and {float(alike.min()):.3g} at best where units stay equal" if alike.notnull().any() else ""
            yield f"{floats}: test loss at the end {float(parted):.3g} at best where they differ{beside} (medians over seeds)."
    off = abs(_ratio(*_steps(results)) - 1) if _followed(results) else np.empty(0)
    if off.size:
        yield (
            f"The step at which units are {SEEN:g} apart is told to {np.median(off):.1%} in the median of {off.size} runs, "
            f"{off.max():.1%} at worst."
        )


def _listed(widths: Sequence[int] | np.ndarray) -> str:
    """Whole numbers, neighbours joined: `3, 5-7`."""
    blocks: list[list[int]] = []
    for width in map(int, widths):
        if blocks and width == blocks[-1][-1] + 1:
            blocks[-1].append(width)
        else:
            blocks.append([width])
    return ", ".join(f"{block[0]}-{block[-1]}" if len(block) > 2 else ", ".join(map(str, block)) for block in blocks) or "none"


def arithmetic_picture(results: Results) -> Picture:
    """Loss against width, and distances over steps beside what is expected."""
    runs = _all(results)
    split = _splits(runs)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
    for number, floats in enumerate(map(str, runs.floats.values)):
        loss, parted = runs.test_loss.sel(floats=floats).median("seed"), split.sel(floats=floats)
        style = {"color": f"C{number}", "linestyle": "", "marker": "os"[number % 2], "markersize": 4}
        left.plot(loss.width, loss.where(parted), **style, label=f"{floats}, parted")
        left.plot(loss.width, loss.where(~parted), **style, markerfacecolor="none", label=f"{floats}, one unit for ever")
    left.set(xlabel="hidden units", ylabel="test loss (nats)")
    if "float64" in runs.floats:
        _draw_distances(right, runs.sel(floats="float64"), _forecast(results))
    right.set(yscale="log", xlabel="step", ylabel="distance between units")
    for panel in (left, right):
        panel.legend(fontsize=7)
    return Picture("arithmetic", figure, CAPTION)


def _draw_distances(panel: plt.Axes, runs: xr.Dataset, forecast: xr.DataArray) -> None:
    for number, width in enumerate(forecast.width.values):
        apart = runs.spread.sel(width=width)
        apart = apart.where(apart > 0).dropna("step", how="all")
        if not apart.size:
            continue
        low, middle, high = apart.quantile(QUARTILES, "seed").transpose("quantile", "step").values
        panel.plot(apart.step, middle, color=f"C{number}", label=f"{width} units", linewidth=1.2)
        panel.fill_between(apart.step, low, high, color=f"C{number}", alpha=0.2, linewidth=0)
        expected = forecast.sel(width=width).median("seed")
        expected = expected.where(expected < 1)
        panel.plot(expected.step, expected, color="black", linestyle="--", linewidth=0.8)
