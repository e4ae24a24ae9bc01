"""Arithmetic as a source of asymmetry: which widths keep units equal, into how many others split, and when, told beforehand."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from symmetry_jax.reports.growth import along
from symmetry_jax.reports.speed import first_step_at
from symmetry_jax.sweeps.study import Claim, Results

KEPT = (2, 4, 8, 24, 32, 48, 56)  # of 2 to 64, where units never parted with jax 0.10.2 nor 0.12.0.1 (XLA on x86)
SEEN = 0.01  # a distance between units that can be seen
TINY = 1e-300  # stands for a distance of 0 in a logarithm
NEAR = 0.1  # how far off the step may be, as a fraction, at which it is reached
SAME_LOSS = 1e-12  # nats, in float64: rounding

ENDS = ("parted_after", "kick", "distinct", "test_loss")


def _runs(results: Results, sweep: str, *dims: str) -> xr.Dataset:
    runs = along(results[sweep], *dims, "seed")
    return runs.assign({name: runs[name].sel(end="last", drop=True) for name in ENDS})


def _splits(runs: xr.Dataset) -> xr.DataArray:
    """Whether units ever differ in a bit, in some seed: (floats, width)."""
    return ((runs.parted_after >= 0) & runs.valid).any("seed")


def most_distinct(runs: xr.Dataset) -> xr.DataArray:
    """The number of distinct units at the end, in the seed with the most: (floats, width)."""
    return runs.distinct.where(runs.valid).max("seed")


def left_alone(results: Results) -> xr.Dataset:
    """The networks whose ties are not held: along (floats, width, seed)."""
    return _runs(results, "arithmetic", "floats", "width")


def arithmetic_claims(results: Results) -> Iterator[Claim]:
    """Which widths keep the tie, whether others split fully, when that is seen, and what it is worth beside ties held."""
    runs = left_alone(results)
    for floats in map(str, runs.floats.values):
        split = _splits(runs).sel(floats=floats)
        kept = split.sel(width=[width for width in runs.width.values if width in KEPT])
        if kept.size:
            statement = f"{floats}, {_listed(kept.width.values)} hidden units: widths at which units ever differ in a bit"
            yield Claim.near(f"kept: {floats}", statement, 0, int(kept.sum()), 0)
        if split.any():
            yield _split_claim(runs.sel(floats=floats, width=split.width[split]), floats)
    if followed(results):
        others = _splits(runs).sel(floats="float64", width=runs.width % 8 != 0)
        others = others.sel(width=[width for width in others.width.values if width not in KEPT])
        if others.size:
            statement = f"float64: share of {others.size} other widths, no multiples of 8, at which they do: most"
            yield Claim.at_least("lost", statement, 0.5, float(others.mean()))
        yield from _held_claims(results)
        yield from _told_claims(*_steps(results))


def _split_claim(runs: xr.Dataset, floats: str) -> Claim:
    """Whether a constant start is fully split at the widths that lose the tie."""
    statement = (
        f"{floats}: share of {runs.sizes['width']} widths that lose the tie at which all units are distinct at the end, in the "
        "seed with the most distinct ones"
    )
    return Claim.near(f"fully split: {floats}", statement, 1, float((most_distinct(runs) == runs.width).mean()), 0)


def _held_claims(results: Results) -> Iterator[Claim]:
    """Whether holding ties changes nothing where they are kept anyhow, and whether units that part learn more."""
    held, free = _pairs(results)
    more = free.test_loss - held.test_loss
    kept, seen = free.parted_after < 0, free.spread.isel(step=-1) >= SEEN
    if kept.any():
        statement = (
            f"float64: test loss at the end of {int(kept.sum())} runs that keep ties by themselves less that of the same with "
            "ties held, largest"
        )
        yield Claim.near("held", statement, 0, float(abs(more).where(kept, 0).max(skipna=False)), SAME_LOSS)
    if seen.any():
        statement = (
            f"float64: test loss at the end of {int(seen.sum())} runs whose units are {SEEN:g} apart by then less that of the "
            "same with ties held, largest"
        )
        yield Claim.at_most("learns more", statement, 0, float(more.where(seen, -np.inf).max(skipna=False)))


def _told_claims(seen: np.ndarray, expected: np.ndarray) -> Iterator[Claim]:
    if not seen.size:
        return
    statement = (
        f"float64: of {seen.size} runs that lost the tie, those whose units get {SEEN:g} apart and were not expected to, or "
        "were and do not, by the first kick and the transverse exponent"
    )
    yield Claim.near("foretold", statement, 0, int(np.sum(np.isfinite(seen) != np.isfinite(expected))), 0)
    told = _ratio(seen, expected)
    if told.size:
        statement = f"float64: step at which units are {SEEN:g} apart over the expected one, median of {told.size} runs"
        yield Claim.near("told", statement, 1, float(np.median(told)), NEAR)


def _ratio(seen: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """One step over the other in the runs that have both: (runs,)."""
    both = np.isfinite(seen) & np.isfinite(expected)
    return seen[both] / expected[both]


def _pairs(results: Results) -> tuple[xr.Dataset, xr.Dataset]:
    """The networks whose ties are held, and the same left alone: along (width, seed) each."""
    held = _runs(results, "held", "width")
    return held, left_alone(results).sel(floats="float64", width=held.width)


def forecast(results: Results) -> xr.DataArray:
    """The distance that is expected at each step, (width, seed, step): nan where no bit ever differed.

    With the log growth G of an infinitesimal distance, kicks k at each step s from the first on, each in a direction of its
    own, add up to k sqrt(sum_s exp 2 (G(t) - G(s))).
    """
    held, free = _pairs(results)
    after, grown = free.parted_after, held.log_growth
    parted = (grown.step >= after) & (after >= 0)
    weights = np.exp(-2 * grown).where(parted, 0)
    total = np.sqrt(weights.cumsum("step")) * np.exp(grown) * free.kick
    return total.where(parted).transpose("width", "seed", "step")


def _steps(results: Results) -> tuple[np.ndarray, np.ndarray]:
    """The step at which units are visibly apart, and the one that is expected, inf if never, of runs that lost the tie."""
    free = _pairs(results)[1]
    lost = (free.parted_after >= 0).transpose("width", "seed").values
    return tuple(_reached(apart.transpose("width", "seed", "step")).values[lost] for apart in (free.spread, forecast(results)))


def _reached(apart: xr.DataArray) -> xr.DataArray:
    return first_step_at(1 / apart.fillna(0).clip(TINY), 1 / SEEN)


def followed(results: Results) -> bool:
    """Whether widths whose ties are held were left alone as well."""
    return "float64" in results["arithmetic"].floats


def kinds_of_vector(columns: int) -> int:
    """Into how many kinds of vector of 8, 4, 2 and 1 float64 numbers as many columns are cut: [n >= 8] + ones in n mod 8."""
    return (columns >= 8) + (columns % 8).bit_count()


def arithmetic_sentence(results: Results) -> str:
    """At which widths units that start equal come to differ in a bit, and into how many they split, in one sentence."""
    runs = left_alone(results)
    split = _splits(runs)
    counts = {str(floats): int(split.sel(floats=floats).sum()) for floats in split.floats.values}
    found = " and ".join(f"{count} of {split.sizes['width']} widths in {floats}" for floats, count in counts.items())
    into = f"; they split into {_into(runs)}" if split.any() else ""
    return f"Arithmetic alone, by the last bit of a sum, parts units that all start equal at {found}{into}."


def _into(runs: xr.Dataset) -> str:
    """Into how many units those split that start equal, at the widths that lose the tie."""
    most = most_distinct(runs).where(_splits(runs))
    low, high = int(most.min()), int(most.max())
    counts = f"{low} to {high}" if low < high else f"{low}"
    return f"{counts} distinct units by step {int(runs.step[-1]):,}, all others being equal to one of these in every bit"


def arithmetic_lines(results: Results) -> Iterator[str]:
    """Widths one by one, what parting does to the loss, and how well its time is told."""
    runs = left_alone(results)
    split, most = _splits(runs), most_distinct(runs)
    for floats in map(str, runs.floats.values):
        here, count = split.sel(floats=floats), most.sel(floats=floats)
        yield f"{floats}: units differ in a bit at widths {_listed(here.width.values[here.values])}."
        if not here.any():
            continue
        numbers = map(int, np.unique(count.values[here.values]))
        each = "; ".join(f"{number} at {_listed(here.width.values[(here & (count == number)).values])}" for number in numbers)
        yield f"{floats}: distinct units there at the end, in the seed with the most: {each}."
        if floats == "float64":
            kinds = np.array([kinds_of_vector(int(width)) for width in count.width.values])
            told = int(np.sum(count.values == kinds))
            yield (
                f"{floats}: at {told} of {kinds.size} widths these are as many as the kinds of vector that cut the columns of "
                "a matrix into eights, all of them alike, and a four, a two and a one for the rest."
            )
        losses = runs.test_loss.sel(floats=floats).median("seed")
        parted, alike = losses.where(here).min(), losses.where(~here)
        beside = f", and {float(alike.min()):.3g} at best where units stay equal" if alike.notnull().any() else ""
        yield f"{floats}: test loss at the end {float(parted):.3g} at best where they differ{beside} (medians over seeds)."
    off = abs(_ratio(*_steps(results)) - 1) if followed(results) else np.empty(0)
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
