"""What became of twins, in claims and in words, computed from labelled results."""

from collections.abc import Iterator

import xarray as xr

from symmetry_jax.reports.growth import decades, deviation, final_growth, memory_of_start, nearest_epsilon, regime
from symmetry_jax.sweeps.study import Claim

KINKED = ("relu",)  # activations whose derivative jumps, at which twins are kicked apart

REFERENCE = 1e-4  # the epsilon whose growth the others are compared with
SAME_GROWTH = 0.05  # how far growth may be from that at the reference and still count as the same
AS_CLOSE = 1.1  # a pair whose distance changed by less than this factor is as close as it was
FURTHER = f"further apart by more than {AS_CLOSE - 1:.0%}"
LEAST_SEEDS = 8  # with fewer, nothing is claimed about most seeds


def twin_claims(name: str, setting: xr.Dataset, exact: xr.Dataset | None) -> Iterator[Claim]:
    """Whether growth depends on epsilon, and whether most twins grew apart, for one setting.

    Args:
        name: what tells the setting from the others.
        setting: its results along (seed, epsilon), without runs that went non-finite.
        exact: some of the same runs in float64, if there are any.
    """
    yield from _dependence_claims(name, setting, exact)
    yield from _growth_claims(name, setting)


def twin_lines(name: str, setting: xr.Dataset, exact: xr.Dataset | None) -> Iterator[str]:
    """What became of twins in one setting, line by line; arguments as in `twin_claims`."""
    reference = nearest_epsilon(setting, REFERENCE)
    final, angles = (final_growth(setting, variable).sel(epsilon=reference) for variable in ("separation", "angle"))
    yield f"- {name}:"
    for group in final.group.values:
        seeds = final.sel(group=group)
        low, middle, high = seeds.quantile([0.05, 0.5, 0.95]).values
        spread = f"distance x {middle:.3g} ({low:.3g} to {high:.3g} in nine seeds of ten), to {middle * reference:.2g}"
        yield f"  {group}: {fates_in_words(seeds)}; {spread}; angle x {float(angles.sel(group=group).median()):.3g}."
    if (setting.epsilon > 0).sum() > 1:
        yield f"  {_dependence(setting, exact, reference)}"


def fates_in_words(final: xr.DataArray) -> str:
    """The fractions of runs whose twins ended further apart, as close, and closer."""
    return "{:.0%} end {}, {:.0%} as close, {:.0%} closer".format(_fates(final)[0], FURTHER, *_fates(final)[1:])


def _dependence_claims(name: str, setting: xr.Dataset, exact: xr.Dataset | None) -> Iterator[Claim]:
    """Whether growth depends on epsilon, for one setting."""
    final = final_growth(setting)
    reference = nearest_epsilon(setting, REFERENCE)
    kinked = _kinked(setting)
    if kinked is False and final.sizes["epsilon"] > 1:
        statement = f"{name}: decades of epsilon over which growth is the same within {SAME_GROWTH:.0%} in nine seeds of ten"
        yield Claim.at_least(f"linear: {name}", statement, 1, decades(regime(final, reference, SAME_GROWTH)))
    least = float(final.epsilon.min())
    if exact is not None and kinked is not None and least < reference:
        apart = float(deviation(final_growth(exact), reference).sel(epsilon=least).max(skipna=False))
        statement = f"{name}: in float64 growth at epsilon {least:g} is that at {reference:g}: deviation in nine seeds of ten"
        yield Claim.near(f"rounding: {name}", statement, 0, apart, SAME_GROWTH)
    if kinked and len(_below(setting, reference)) > 1 and setting.bias.item() == 0:
        statement = f"{name}: power of epsilon with which separation at the end goes, up to {reference:g}, median over seeds"
        yield Claim.at_most(f"kinks: {name}", statement, 0.5, memory_of_start(setting, _below(setting, reference)))


def _kinked(setting: xr.Dataset) -> bool | None:
    """Whether the activation has a kink; None for a network of which that is not known."""
    return setting.activation.item() in KINKED if "activation" in setting.coords else None


def _growth_claims(name: str, setting: xr.Dataset) -> Iterator[Claim]:
    """Whether twins grew apart, for one setting; a few seeds say nothing about most of them."""
    reference = nearest_epsilon(setting, REFERENCE)
    final = final_growth(setting).sel(epsilon=reference)
    for group in final.group.values if final.sizes["seed"] >= LEAST_SEEDS else ():
        further, _, _ = _fates(final.sel(group=group))
        statement = f"{name}: fraction of seeds in which twins of {group} that start {reference:g} apart end {FURTHER}"
        yield Claim.at_least(f"apart: {name}, {group}", statement, 0.5, further)


def _fates(final: xr.DataArray) -> tuple[float, float, float]:
    """The fractions of runs whose twins ended further apart, as close, and closer; of those that can be told."""
    told = final.notnull().sum()
    further, closer = (final > AS_CLOSE).sum() / told, (final < 1 / AS_CLOSE).sum() / told
    return float(further), float(1 - further - closer), float(closer)


def _dependence(setting: xr.Dataset, exact: xr.Dataset | None, reference: float) -> str:
    """How growth depends on epsilon, for one setting, and what ends the range in which it does not."""
    final = final_growth(setting)
    low, high = regime(final, reference, SAME_GROWTH)
    if low < high:
        words = f"Growth is the same within {SAME_GROWTH:.0%} for epsilon from {low:.2g} to {high:.2g}"
        if exact is None:
            return words + "."
        exact_low, exact_high = regime(final_growth(exact), reference, SAME_GROWTH)
        rounding = f"; below, float32 rounds: in float64 it is the same from {exact_low:.2g}" if exact_low < low else ""
        ends = high < final.epsilon.max() and exact_high < final.epsilon.max()
        saturation = f"; above, twins saturate: in float64 too it ends at {exact_high:.2g}" if ends else ""
        return words + rounding + saturation + "."
    below = _below(setting, reference)
    if len(below) < 2:
        return "Growth depends on epsilon."
    power = memory_of_start(setting, below)
    tenfold = final.sel(epsilon=below)
    far = float((tenfold > 10).sum() / tenfold.notnull().sum())
    return (
        f"Growth depends on epsilon: up to {reference:g} the distance at the end goes with its power {power:.2f} "
        f"(median over seeds), and {far:.0%} of twins end more than ten times as far apart as they began."
    )


def _below(setting: xr.Dataset, reference: float) -> list[float]:
    """The epsilons above 0, up to the reference."""
    return [epsilon for epsilon in setting.epsilon.values if 0 < epsilon <= reference]
