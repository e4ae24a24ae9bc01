"""What the difference between the gradients of two units of a layer is made of, in words."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from symmetry_jax.reports.figures import QUARTILES
from symmetry_jax.reports.gradient_shares import (
    EARLY,
    HALF,
    KINKED,
    LATE,
    NEARLY_ALL,
    WITHIN,
    closest,
    early,
    growth_of,
    late,
    middle,
    of_layers,
    of_relu,
    read,
    settings,
    smooth,
    training,
)
from symmetry_jax.sweeps.study import Results
from symmetry_jax.theory.activations import ACTIVATIONS


def share_sentence(results: Results) -> str:
    """What units of a layer differ in at first and later, and what makes them different, in short."""
    runs = training(results)
    if runs is None:
        return "No runs with trained fan-outs remained finite to tell what units of a layer differ in."
    first = "Units of a layer read the same, so that nothing of the difference between their gradients is upstream"
    words = []
    for kind, name in (("twins", "almost equal units"), ("unlike", "units that start at random")):
        shares = read(smooth(closest(runs)), "downstream", "share", kind)
        if shares.size and shares.notnull().any():
            at_first, later = (_most_words(part(shares)) for part in (early, late))
            words.append(
                f"between {name} at first (in the first {EARLY:.0%} of the steps) in {at_first}, and later (from {LATE:.0%} "
                f"on) in {later}"
            )
    told = (
        f"With smooth activations downstream error makes most of it {'; '.join(words)} (medians); the local derivative makes "
        "the rest"
    )
    return ". ".join([first, *([told] if words else []), *_growth_words(results)]) + "."


def _most_words(shares: xr.DataArray) -> str:
    """In how many layers downstream error makes most of a difference, and which have less of it, the least first."""
    found = of_layers(middle(shares))
    if not found:
        return "in no layer, since no run stayed finite"
    less = [f"{name} {share:.0%}" for name, share in sorted(found.items(), key=lambda one: one[1]) if share < HALF]
    but = f"; less in {'; '.join(less)}" if less else ""
    spread = f"{min(found.values()):.0%} to {max(found.values()):.0%}"
    return f"{len(found) - len(less)} of {len(found)} layers ({spread}{but})"


def _growth_words(results: Results) -> Iterator[str]:
    free, equal = (growth_of(results, held) for held in (0, 1))
    if free is not None and equal is not None:
        ends = [
            f"{float(grown.min()):.2g} to {float(grown.max()):.2g}" for grown in (free.median("seed"), equal.median("seed"))
        ]
        yield (
            f"Twins that start {float(results['training'].epsilon.min()):g} apart end with fan-ins {ends[0]} times as far "
            f"apart as at first, and {ends[1]} times with fan-outs held equal"
        )


def share_lines(results: Results) -> Iterator[str]:
    """Shares and pushes of every setting, what kinks do, and what is left where fan-outs are equal."""
    runs = training(results)
    if runs is not None:
        for network, activation in settings(runs):
            yield _setting_line(closest(runs).sel(network=network, activation=activation), f"{network}, {activation}")
        yield from _turn_lines(smooth(closest(runs)))
        bends = [f"{abs(_bend(name)):.2g} for {name}" for name in smooth(runs).activation.values.tolist()]
        if bends:
            yield f"While sums are small, slopes of twins differ by phi''(0) times the sums' difference: {', '.join(bends)}."
        if KINKED in runs.activation:
            yield from _kink_lines(runs)
    held, grown = training(results, held=1), growth_of(results, held=1)
    if held is not None and grown is not None:
        yield (
            "Twins whose fan-outs are held equal can differ in the local derivative alone; distance of the closest at the end "
            f"over that at the start, by layer: {'; '.join(_growths(grown))}."
        )


def _turn_lines(twins: xr.Dataset) -> Iterator[str]:
    """Of every smooth activation, in which layers less than half is downstream at first, and in which less is local later."""
    for activation in twins.activation.values.tolist():
        shares = {source: read(twins.sel(activation=[activation]), source, "share", "twins") for source in WITHIN}
        if not shares["local"].notnull().any():
            continue
        at_first, before, after = (
            of_layers(middle(part)) for part in (early(shares["downstream"]), early(shares["local"]), late(shares["local"]))
        )
        less = [f"{name} ({share:.0%})" for name, share in at_first.items() if share < HALF]
        fallen = [f"{name} ({before[name]:.0%} to {share:.0%})" for name, share in after.items() if share < before[name]]
        yield (
            f"{activation} twins: downstream error makes less than half at first in {_named(less, len(at_first))}; the local "
            f"derivative's share is less later than at first in {_named(fallen, len(after))}."
        )


def _named(found: list[str], among: int) -> str:
    return f"{len(found)} of {among} layers{': ' if found else ''}{'; '.join(found)}"


def _bend(activation: str) -> float:
    """phi''(0)."""
    return float(ACTIVATIONS[activation].bend(np.zeros(1))[0])


def _growths(grown: xr.DataArray) -> Iterator[str]:
    medians = grown.median("seed")
    for network, activation in settings(medians):
        here = medians.sel(network=network, activation=activation).values
        yield f"{network}, {activation} {' and '.join(f'{value:.2g}' for value in here)}"


def _setting_line(runs: xr.Dataset, name: str) -> str:
    words = []
    for kind in ("twins", "unlike"):
        shares = read(runs, "downstream", "share", kind)
        apart = read(runs, "difference", "size", kind)
        words.append(
            f"{kind} {float(early(shares).median()):.0%} early, {float(late(shares).median()):.0%} late "
            f"(difference {float(early(apart).median()):.2g} of the gradients)"
        )
    rates = [float(early(read(runs, source, "push", "twins")).mean("step").median()) for source in WITHIN]
    return (
        f"- {name}: share of downstream error between {', '.join(words)}; early on the local derivative changes the twins' "
        f"distance by {rates[0]:+.2%} per step and learning rate, and downstream error by {rates[1]:+.2%}."
    )


def _kink_lines(runs: xr.Dataset) -> Iterator[str]:
    """What is local where an example falls between the kinks, by how far apart the twins are and started, and elsewhere."""
    local, _, between, apart = of_relu(runs)
    crossing, alike = local.where(between > 0), local.where(between == 0)
    if crossing.notnull().any():
        often = float((between > 0).where(local.notnull()).mean())
        decades = apart.copy(data=np.ceil(np.log10(apart.where(crossing.notnull()).values)))
        reached = np.unique(decades.values[np.isfinite(decades.values)])
        now = [
            f"{10.0 ** (decade - 1):g} to {10.0**decade:g} apart {_spread(crossing.where(decades == decade))}"
            for decade in reached
        ]
        starts = crossing.dropna("epsilon", how="all").epsilon.values
        then = [f"{epsilon:g} apart {_spread(crossing.sel(epsilon=epsilon))}" for epsilon in starts]
        yield (
            f"An example falls between the kinks of {KINKED} twins at {often:.0%} of records. There the local derivative's "
            f"share of the difference, as quartiles and number of records, is {_spread(crossing)}; of twins that are "
            f"{'; '.join(now)}; of twins that started {'; '.join(then)}."
        )
        yield from _short_line(crossing, between, apart)
    if alike.notnull().any():
        most = float(abs(alike).max())
        yield f"Where no example falls between the kinks of {KINKED} twins, the local derivative's share is at most {most:.1g}."


def _short_line(crossing: xr.DataArray, between: xr.DataArray, apart: xr.DataArray) -> Iterator[str]:
    """Where an example falls between kinks and yet not nearly all is local: how many records, and what else they have."""
    short, rest = crossing < NEARLY_ALL, crossing >= NEARLY_ALL
    if not short.any():
        return
    told = [
        f"{float(between.where(these).median()):.2g} of the points fall between the kinks and the twins are "
        f"{float(apart.where(these).median()):.2g} apart"
        for these in (short, rest)
        if these.any()
    ]
    beside = f"; in the other records {told[1]}" if len(told) > 1 else ""
    yield (
        f"In {int(short.sum())} of these {int(crossing.notnull().sum())} records less than {NEARLY_ALL:.0%} is local, since "
        f"fan-outs differ as well: there {told[0]}{beside} (medians)."
    )


def _spread(shares: xr.DataArray) -> str:
    low, middle, high = (f"{float(share):.0%}" for share in shares.quantile(QUARTILES))
    return f"{low}, {middle} and {high} ({int(shares.notnull().sum())})"
