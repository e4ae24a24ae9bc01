"""Words on whether units fill niches of their own, from labelled results.

A case is a network with its activation at a width, trained from independent units. Intervals hold for all cases together.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import xarray as xr

from symmetry_jax.reports.bias_scales import interval
from symmetry_jax.reports.niches import (
    change,
    correlation,
    cost,
    dead,
    fan_in_numbers,
    interaction,
    last,
    mean_overlap,
    settings_of,
    start,
    variants,
)
from symmetry_jax.sweeps.study import Results
from symmetry_jax.theory.chance_overlap import mean_cosine

DECREASE = 0.1  # of the mean |cosine| of independent directions: a decrease by less is none

Case = tuple[xr.Dataset, xr.Dataset | None]  # trained and random features


def cases_of(results: Results) -> list[Case]:
    """The runs of each case that has several seeds, and their random features if there are any."""
    found: list[Case] = []
    for _, setting in settings_of(results):
        runs, features = start(setting), start(setting, trained=False)
        if runs is not None and runs.sizes["seed"] > 1:
            for width in runs.width.values:
                found.append((runs.sel(width=[width]), None if features is None else features.sel(width=[width])))
    return found


def niche_sentence(results: Results) -> str:
    """Whether trained units fill niches: a sentence on fan-ins and one on removal."""
    cases = cases_of(results)
    if not cases:
        return "Without several seeds that start with independent units there is no telling whether units get niches."
    return f"{_fan_ins(cases)} {_removed(cases)}"


def _fan_ins(cases: list[Case]) -> str:
    fates = Counter(_fate(runs, len(cases)) for runs, _ in cases)
    return (
        f"{_verdict(fates)}: training from independent units lowers the mean |cosine| of their fan-ins in {fates['lowers']} of "
        f"{len(cases)} cases (network, activation and width), raises it in {fates['raises']}, does not lower it by "
        f"{DECREASE:.0%} of chance or more in {fates['leaves']} others, and {fates['untold']} cannot be told (intervals that "
        "hold for all cases with 95% confidence)."
    )


def _fate(runs: xr.Dataset, among: int) -> str:
    low, _, high = interval(change(mean_overlap(runs)), among)
    least = -DECREASE * mean_cosine(int(fan_in_numbers(runs)[0]))
    return "lowers" if high < 0 else "raises" if low > 0 else "leaves" if low > least else "untold"


def _verdict(fates: Counter[str]) -> str:
    kept = fates["raises"] + fates["leaves"]
    if fates["lowers"]:
        among = " where it can be told" if fates["untold"] else ""
        return "Not in general" if kept else f"By their fan-ins yes{among}"
    if not kept:
        return "It cannot be told"
    return "Not where it can be told" if fates["untold"] else "No"


def _removed(cases: list[Case]) -> str:
    excess = [float(interaction(runs).mean()) for runs, _ in cases]
    pairs = [(runs, features) for runs, features in cases if features is not None]
    ends = [interval(interaction(runs) - interaction(features), len(pairs)) for runs, features in pairs]
    more, less = sum(low > 0 for low, _, _ in ends), sum(high < 0 for _, _, high in ends)
    beside = (
        f", more than in random features of the same seed in {more} of {len(ends)} cases, less in {less}, and "
        f"{len(ends) - more - less} cannot be told"
    )
    return (
        f"Removing two units costs {_range(excess, '+.3f')} nats beyond the sum of removing each{beside if ends else ''}; "
        "with a margin, cross-entropy has two cost more than the sum even where units do not overlap."
    )


def _range(values: list[float], form: str = ".2f") -> str:
    return f"{np.nanmin(values):{form}} to {np.nanmax(values):{form}}"


def niche_lines(results: Results) -> Iterator[str]:
    """Every setting in a few lines."""
    among = max(1, len(cases_of(results)))
    for name, setting in settings_of(results):
        features, near = start(setting, trained=False), start(setting, near=True)
        for label, runs in variants(setting).items():
            beside = features if label == "trained" else None
            points = (
                _line(runs.sel(width=[width]), None if beside is None else beside.sel(width=[width]), among)
                for width in runs.width.values
            )
            yield f"{name}, {label}: {'; '.join(points)}."
        if near is not None and dead(near):
            yield f"{name}: {dead(near)} of {int(near.valid.sum())} networks of units alike fell silent, and are left out."
    told = [(cost(runs, "told by cosine"), cost(runs, "told by contribution")) for runs in trained(results)]
    if told:
        cosine, added = ([float(value) for one in kind for value in one.mean("seed")] for kind in zip(*told, strict=True))
        yield (
            f"Over the pairs of a trained network, what two cost beyond the sum correlates {_range(cosine)} with the |cosine| "
            f"of their fan-ins, and {_range(added)} with the correlation of what they add (means over seeds)."
        )


def trained(results: Results) -> list[xr.Dataset]:
    """The trained runs that start with independent units, of each setting that has some."""
    return [runs for _, setting in settings_of(results) if (runs := start(setting)) is not None]


def _line(runs: xr.Dataset, features: xr.Dataset | None, among: int) -> str:
    """One point in words, its intervals among so many that hold together."""
    changed = interval(change(mean_overlap(runs)), among)
    before, after = (float(mean_overlap(runs).isel(step=step).mean()) for step in (0, -1))
    right, told = (float(last(values).mean()) for values in (runs.test_accuracy, correlation(runs)))
    moved = f"{before:.3f} to {after:.3f} ({_spread(changed)})" if changed[2] > changed[0] else f"{after:.3f}"
    excess = f"two cost {float(interaction(runs).mean()):+.4f} nats beyond the sum"
    if features is not None:
        excess += f" ({_spread(interval(interaction(runs) - interaction(features), among), '+.4f')} beside random features)"
    return f"width {int(runs.width[0])}: {right:.1%} right, mean |cosine| {moved}, contributions correlate {told:.2f}, {excess}"


def _spread(ends: tuple[float, float, float], form: str = "+.3f") -> str:
    low, mean, high = ends
    return f"{mean:{form}}, {low:{form}} to {high:{form}}"
