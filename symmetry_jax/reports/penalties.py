"""What pushing units apart does: claims, words, a table and a figure, from labelled results.

A run of one strength is held against the run of the same seed and start at a strength of 0.
"""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from symmetry_jax.reports.bias_scales import interval
from symmetry_jax.reports.growth import settled
from symmetry_jax.reports.niches import BESIDE, COLUMNS, TABLE, at_the_end, correlation, last, mean_overlap
from symmetry_jax.sweeps.study import Claim, Picture, Results, Table

VARIED = ("seed", "spread", "strength")
FEW = 0.05  # of the units: so many may fall silent
SHOWN = (
    ("mean |cosine| of fan-ins", mean_overlap),
    ("correlation of contributions", correlation),
    ("test accuracy", lambda runs: runs.test_accuracy),
    ("units that are silent", lambda runs: runs.silent),
)
CAPTION = (
    "At the end, against the strength of what is added to the loss (at 1, one nat if all units are equal): mean |cosine| of "
    "fan-ins, mean correlation of what two units add to the outputs (of units that vary), test accuracy, and the fraction of "
    "units that compute the same for all test digits. Means over seeds with 95% intervals; a line for each start: the "
    "spread is what units have of their own, 0 nothing, 1 everything. Strengths of 0 are at the left end; spreads are set a "
    "little apart. The correlation is 1 where all units are equal."
)


def penalties_of(results: Results) -> Iterator[tuple[str, xr.Dataset]]:
    """Each penalty: its name, and its finite runs along (strength, spread, seed), at the strengths that there are."""
    if "penalised" not in results:
        return
    runs = settled(results["penalised"])
    for penalty in runs.penalty.values:
        chosen = runs.sel(penalty=penalty)
        chosen = chosen.squeeze([dim for dim in chosen.valid.dims if dim not in VARIED], drop=True)
        there = chosen.valid.any([dim for dim in chosen.valid.dims if dim != "strength"])
        yield str(penalty), chosen.sel(strength=there)


def starts(runs: xr.Dataset) -> Iterator[tuple[str, float]]:
    """The spreads above 0, with words for them."""
    for spread in runs.spread.values[runs.spread.values > 0]:
        yield "independent units" if spread == 1 else f"units alike (spread {spread:g})", float(spread)


def penalty_claims(results: Results) -> Iterator[Claim]:
    """What penalties cannot do to equal units, and what they do to others."""
    for name, runs in penalties_of(results):
        if 0 in runs.spread:
            # runs that went non-finite count: nothing may hide a difference
            apart = results["penalised"].sel(penalty=name, spread=0)
            widest = float(apart.furthest.where(apart.valid, 0).max(skipna=False))
            statement = (
                f"{name}: units that start exactly equal are exactly equal at the end, at any strength: largest distance"
            )
            yield Claim.near(f"tied: {name}", statement, 0, widest, 0)
        strengths = strengths_of(runs)
        if not strengths or runs.sizes["seed"] < 2:
            continue
        for words, spread in starts(runs):
            started = runs.sel(spread=spread)
            statement = (
                f"{name}, {words}: change of mean |cosine| by a strength of {max(strengths):g}, upper end of 95% interval"
            )
            high = interval(gain(mean_overlap(started), max(strengths)))[2]
            yield Claim.at_most(f"apart: {name}, spread {spread:g}", statement, 0, high)
            statement = (
                f"{name}, {words}: accuracy that some strength gains on none, highest lower end of intervals that hold for all "
                "strengths with 95% confidence"
            )
            lows = [interval(gain(started.test_accuracy, strength), len(strengths))[0] for strength in strengths]
            yield Claim.at_least(f"helps: {name}, spread {spread:g}", statement, 0, float(np.max(lows)))
            statement = (
                f"{name}, {words}: fraction of units that a strength of {max(strengths):g} silences, upper end of 95% interval"
            )
            high = interval(gain(started.silent, max(strengths)))[2]
            yield Claim.at_most(f"alive: {name}, spread {spread:g}", statement, FEW, high)


def strengths_of(runs: xr.Dataset) -> list[float]:
    """The strengths above 0, if there is a strength of 0 to hold them against."""
    return [float(strength) for strength in runs.strength.values if strength > 0] if 0 in runs.strength else []


def gain(values: xr.DataArray, strength: float) -> xr.DataArray:
    """What a strength adds to a quantity at the end: (seed,)."""
    ends = last(values)
    return ends.sel(strength=strength) - ends.sel(strength=0)


def penalty_sentence(results: Results) -> str:
    """What each penalty does at the strength that is most accurate, and at the greatest, in a sentence."""
    parts = []
    for name, runs in penalties_of(results):
        strengths = strengths_of(runs)
        for words, spread in starts(runs) if strengths and runs.sizes["seed"] > 1 else ():
            started = runs.sel(spread=spread)
            best = max(strengths, key=lambda strength: float(gain(started.test_accuracy, strength).mean()))
            low, mean, high = (100 * end for end in interval(gain(started.test_accuracy, best), len(strengths)))
            before, after = (float(last(mean_overlap(started)).sel(strength=strength).mean("seed")) for strength in (0, best))
            silent = float(last(started.silent).sel(strength=best).mean())
            parts.append(
                f"{name} (strength {best:g}), from {words}, takes the mean |cosine| from {before:.2f} to {after:.2f}, gains "
                f"{mean:+.2f} points of accuracy ({low:+.2f} to {high:+.2f}) and leaves {silent:.1%} of units silent"
                f"{_greatest(started, best)}"
            )
    read = "Pushed apart, each at its most accurate strength (intervals hold for all strengths)"
    return f"{read}: {'; '.join(parts)}." if parts else "Nothing was seen of pushing units apart."


def _greatest(started: xr.Dataset, best: float) -> str:
    """What the greatest strength silences and gains, where it is not the most accurate."""
    strengths = strengths_of(started)
    most = max(strengths)
    if most == best:
        return ""
    low, mean, high = (100 * end for end in interval(gain(started.test_accuracy, most), len(strengths)))
    silent = float(last(started.silent).sel(strength=most).mean())
    return f" (at strength {most:g} {silent:.1%}, and {mean:+.2f} points, {low:+.2f} to {high:+.2f})"


def penalty_lines(results: Results) -> Iterator[str]:
    """What else changes with strength."""
    for name, runs in penalties_of(results):
        if 0 in runs.spread:
            apart = results["penalised"].sel(penalty=name, spread=0)
            exact = (apart.furthest.isel(end=-1, drop=True) == 0) & apart.valid
            count = f"{int(exact.sum())} of {int(apart.valid.sum())}"
            yield f"{name}: units that start exactly equal end exactly equal in {count} runs."
        for words, spread in starts(runs):
            told = (_line(runs.sel(spread=spread, strength=strength)) for strength in runs.strength.values)
            yield f"{name}, from {words}: {'; '.join(told)}."
            if strengths_of(runs) and runs.sizes["seed"] > 1:
                yield from _silenced_line(name, words, runs.sel(spread=spread))


def _silenced_line(name: str, words: str, started: xr.Dataset) -> Iterator[str]:
    """How many units each strength silences, where the greatest may silence more than a few."""
    ends = {strength: interval(gain(started.silent, strength)) for strength in strengths_of(started)}
    if not ends[max(ends)][2] <= FEW:
        told = [f"{strength:g} {mean:+.1%} ({low:+.1%} to {high:+.1%})" for strength, (low, mean, high) in ends.items()]
        yield f"{name}, from {words}, units that each strength silences beside none (95% intervals): {'; '.join(told)}."


def _line(runs: xr.Dataset) -> str:
    """One strength in words."""
    right, cosine, told, silent = (
        float(last(values).mean()) for values in (runs.test_accuracy, mean_overlap(runs), correlation(runs), runs.silent)
    )
    alike = float(runs.duplicates.isel(end=-1).mean())
    return (
        f"strength {runs.strength.item():g} {right:.1%} right, mean |cosine| {cosine:.2f}, contributions correlate {told:.2f}, "
        f"{alike:.1%} of pairs duplicates, {silent:.1%} of units silent"
    )


def penalty_table(results: Results) -> Table:
    """Every measure at the end, for each penalty, start and strength."""
    columns = ("penalty", "spread", "strength", *(name for name in COLUMNS[4:] if name not in BESIDE))
    rows: list[tuple[str | float | int, ...]] = [
        (name, float(spread), float(strength), *at_the_end(runs.sel(spread=spread, strength=strength)))
        for name, runs in penalties_of(results)
        for spread in runs.spread.values
        for strength in runs.strength.values
    ]
    return Table("penalties", columns, tuple(rows), TABLE)


def penalty_pictures(results: Results) -> Iterator[Picture]:
    """What changes with strength."""
    found = [(name, runs) for name, runs in penalties_of(results) if strengths_of(runs) and runs.sizes["seed"] > 1]
    if found:
        yield Picture("penalties", _draw(found), CAPTION)


def _draw(found: list[tuple[str, xr.Dataset]]) -> Figure:
    shape = (len(found), len(SHOWN))
    figure, panels = plt.subplots(*shape, figsize=(2.5 * shape[1] + 0.4, 2 * shape[0] + 0.8), squeeze=False, sharey="col")
    for row, (name, runs) in zip(panels, found, strict=True):
        least = min(strengths_of(runs))
        for panel, (label, read) in zip(row, SHOWN, strict=True):
            for number, spread in enumerate(runs.spread.values):
                ends = last(read(runs)).sel(spread=spread)
                low, mean, high = np.array([interval(ends.sel(strength=strength)) for strength in runs.strength.values]).T
                places = np.where(runs.strength > 0, runs.strength, least / 5) * 1.06**number
                bars = [mean - low, high - mean]
                panel.errorbar(places, mean, bars, marker="o", markersize=3, linewidth=1, label=f"spread {spread:g}")
            panel.set_xscale("log")
            panel.set_xticks([least / 5, *strengths_of(runs)], ["0", *(f"{strength:g}" for strength in strengths_of(runs))])
            panel.minorticks_off()
            panel.set_title(label, fontsize=8)
        row[0].set_ylabel(name)
    for panel in panels[-1]:
        panel.set_xlabel("strength")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
