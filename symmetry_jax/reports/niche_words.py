"""Words on whether units fill niches of their own, from labelled results."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from symmetry_jax.reports.bias_scales import interval
from symmetry_jax.reports.niche_cases import Case, Sign, cases_of, fate_words, fates, signs_of, verdict
from symmetry_jax.reports.niches import (
    active_rank,
    change,
    correlation,
    cost,
    dead,
    fan_in_numbers,
    interaction,
    joint_interval,
    last,
    mean_overlap,
    settings_of,
    start,
    variants,
)
from symmetry_jax.sweeps.study import Results
from symmetry_jax.theory.chance_overlap import effective_rank, even_cosine, largest_cosine, mean_cosine


def niche_sentence(results: Results) -> str:
    """Whether trained units fill niches: a sentence on the three signs of it, one on where they show, one on removal."""
    cases = cases_of(results)
    if not cases:
        return "Without several seeds that start with independent units there is no telling whether units get niches."
    return f"{_signs(cases)} {_towards(cases)} {_removed(cases)}"


def _signs(cases: Sequence[Case]) -> str:
    """What training does to each sign, in all four counts."""
    told = "; ".join(", ".join(fate_words(sign, cases)) for sign in signs_of(cases))
    return (
        f"{verdict(cases)}: of {len(cases)} cases (network, activation and width) training from independent units {told} "
        "(intervals of each hold for all cases with 95% confidence)."
    )


def _towards(cases: Sequence[Case]) -> str:
    """In which cases signs move as niches would have them."""
    found = {sign: fates(sign, cases)["towards"] for sign in signs_of(cases)}
    every = sum(all(case in where for where in found.values()) for case in cases)
    named = [
        f"{sign.noun} in {', '.join(_case_word(sign, case, len(cases)) for case in where)}"
        for sign, where in found.items()
        if where
    ]
    told = f" (setting and width: {'; '.join(named)})" if named else ""
    return f"All of these move as niches would have them in {every} cases, and some of them in {_any(found, cases)}{told}."


def _any(found: dict[Sign, list[Case]], cases: Sequence[Case]) -> int:
    return sum(any(case in where for where in found.values()) for case in cases)


def _case_word(sign: Sign, case: Case, among: int) -> str:
    read, name = sign.read(case), f"{case.setting} {case.width}"
    return name if read is None else f"{name} ({_spread(interval(read[0], among), sign.form)})"


def _removed(cases: Sequence[Case]) -> str:
    excess = [float(interaction(case.runs).mean()) for case in cases]
    pairs = [(case.runs, case.features) for case in cases if case.features is not None]
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
            left = "; ".join(_left_line(runs.sel(width=[width])) for width in runs.width.values)
            yield f"{name}, {label}, at the end: {left}."
        numbers = fan_in_numbers(setting.isel(spread=0, hidden_rate=0))
        drawn = (_directions_line(int(width), int(number)) for width, number in zip(setting.width.values, numbers, strict=True))
        yield f"{name}, independent directions: {'; '.join(drawn)}."
        if near is not None and dead(near):
            yield f"{name}: {dead(near)} of {int(near.valid.sum())} networks of units alike fell silent, and are left out."
        yield from _excess_line(name, setting)
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
    told_alike = f"contributions correlate {told:.2f}"
    excess = f"two cost {float(interaction(runs).mean()):+.4f} nats beyond the sum"
    if features is not None:
        beside = interval(last(correlation(runs)) - last(correlation(features)), among)
        told_alike += f" ({_spread(beside)} beside random features)"
        excess += f" ({_spread(interval(interaction(runs) - interaction(features), among), '+.4f')} beside random features)"
    return (
        f"width {int(runs.width[0])}: {right:.1%} right, mean |cosine| {moved}, {told_alike}, {_ranks(runs, among)}, {excess}"
    )


def _ranks(runs: xr.Dataset, among: int) -> str:
    """The effective rank of activations, and its change where there is one."""
    changed = interval(change(active_rank(runs)), among)
    now = f"effective rank of activations {float(last(active_rank(runs)).mean()):.2f}"
    return f"{now} ({_spread(changed, '+.2f')})" if changed[2] > changed[0] else now


def _left_line(runs: xr.Dataset) -> str:
    """The nearest two fan-ins of a point, how many directions they fill, and how many pairs are duplicates, at the end."""
    largest = float(last(runs.overlap.sel(statistic="largest")).mean())
    rank = float(last(runs.effective_rank.sel(part="weights")).mean())
    alike = float(runs.duplicates.isel(end=-1).mean())
    return (
        f"width {int(runs.width[0])}: largest |cosine| {largest:.2f}, effective rank of fan-ins {rank:.2f}, {alike:.1%} of "
        "pairs duplicates"
    )


def _directions_line(width: int, numbers: int) -> str:
    """What the same of directions is, by chance, and where they are spread evenly."""
    return (
        f"width {width}: mean |cosine| {mean_cosine(numbers):.3f} ({even_cosine(numbers, width):.3f} spread evenly), largest "
        f"|cosine| {largest_cosine(numbers, width):.2f}, effective rank {effective_rank(numbers, width):.2f} "
        f"({min(numbers, width)} spread evenly)"
    )


def _excess_line(name: str, setting: xr.Dataset) -> Iterator[str]:
    """At which widths two units cost more than the sum of each; nothing if at all, which the claim says."""
    runs = start(setting)
    if runs is None or runs.sizes["seed"] < 2:
        return
    ends = {int(width): joint_interval(interaction(runs), width) for width in runs.width.values}
    short = [f"{width} ({_spread(found, '+.4f')})" for width, found in ends.items() if not found[0] >= 0]
    if short:
        yield (
            f"{name}, trained: two units cost more than the sum of each at {len(ends) - len(short)} of {len(ends)} widths; "
            f"that it is so is not told at width {', '.join(short)} (nats, intervals that hold for all widths)."
        )


def _spread(ends: tuple[float, float, float], form: str = "+.3f") -> str:
    low, mean, high = ends
    return f"{mean:{form}}, {low:{form}} to {high:{form}}"
