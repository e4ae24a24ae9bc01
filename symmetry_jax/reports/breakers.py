"""What each source of asymmetry does to two equal filters: in claims, in words, in a table and in a figure."""

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt

from symmetry_jax.reports.figures import band
from symmetry_jax.reports.growth import along, settled
from symmetry_jax.sweeps.study import Claim, Picture, Results, Table
from symmetry_jax.theory.kicks import normal_kick, rounding_kick

APART = ("dropout", "gradient_noise", "weight_noise", "fan_out", "rounding")  # expected to take equal units apart
MOVED = "fan_out"  # its twins start apart in their fan-out, and are equal in their fan-in alone
FINE = 2e-3  # grids up to this are far finer than weights, as the formula for rounding has it
ERRORS = 4  # standard errors that a measured kick may be off
SHOWN = 1e-3  # the strength, or the nearest one, at which separation is drawn over steps

CAPTION = (
    "Left: distance between two equal filters after the first step in which they differ (for fan_out, from which they start); "
    "root mean square over seeds, against the strength of the source, whose unit is its own: a chance, a deviation, a grid, a "
    "distance. Dashed: what is expected of noise on gradients and weights, and of rounding. Right: distance over the steps "
    "that were taken, at one strength; medians and quartiles over seeds. Sources that treat units alike are in neither panel: "
    "see the table. Lines at different strengths of different units cannot be ranked by it."
)


def _runs(results: Results) -> xr.Dataset:
    """Results along source, seed and strength; of the last state where there are two."""
    sources = along(settled(results["sources"]), "source", "seed", "strength", "learning_rate").isel(learning_rate=0)
    return sources.assign({name: sources[name].sel(end="last", drop=True) for name in ENDS})


ENDS = ("parted_after", "kick", "size", "numbers", "test_accuracy")


def _parted(runs: xr.Dataset) -> xr.DataArray:
    """Whether twins ever differed in a bit, where there is a run."""
    return (runs.parted_after >= 0) & runs.valid


def _acting(runs: xr.Dataset) -> xr.DataArray:
    """Whether there is a run in which the source is on."""
    return runs.valid & (runs.strength > 0)


def breaker_claims(results: Results) -> Iterator[Claim]:
    """Which sources leave every bit equal, which do not, and how large their first kick is."""
    runs = _runs(results)
    for source in map(str, runs.source.values):
        here = runs.sel(source=source)
        parted, on = _parted(here), _acting(here)
        if source not in APART:
            statement = f"{source}: of {int(on.sum())} runs at a strength above 0, those whose twins ever differ in a bit"
            yield Claim.near(f"equal: {source}", statement, 0, int((parted & on).sum()), 0)
            continue
        how, apart = "differ in a bit by the end", parted
        if source == MOVED:
            how, apart = f"are equal in their fan-in and differ there by step {int(here.step[1])}", _fan_in(here)
        statement = f"{source}: share of {int(on.sum())} runs at a strength above 0 whose twins {how}"
        yield Claim.near(f"apart: {source}", statement, 1, float((apart & on).sum() / on.sum()), 0)
        off = here.valid & (here.strength == 0)
        if off.any():
            statement = f"{source}: of {int(off.sum())} runs at strength 0, those whose twins ever differ in a bit"
            yield Claim.near(f"off: {source}", statement, 0, int((parted & off).sum()), 0)
    for source, ratio in _over_expected(runs).items():
        worst = ratio[abs(ratio - 1).argmax("strength")]
        numbers = int(runs.numbers.sel(source=source).max())
        error = ERRORS / np.sqrt(2 * numbers * runs.sizes["seed"])  # of a root mean square of so many numbers
        statement = (
            f"{source}: first kick (root mean square over seeds) over what is expected, at the strength where it is farthest "
            f"off, {float(worst.strength):g} ({ERRORS} standard errors count)"
        )
        yield Claim.near(f"kick: {source}", statement, 1, float(worst), error)
    yield from _dropout_claims(results)


def _fan_in(runs: xr.Dataset) -> xr.DataArray:
    """Whether twins start equal in their fan-in and differ in it at the next record."""
    apart = runs.separation.sel(part="fan-in")
    return (apart.isel(step=0, drop=True) == 0) & (apart.isel(step=1, drop=True) > 0)


def _over_expected(runs: xr.Dataset) -> dict[str, xr.DataArray]:
    """The first kick over the one that is expected of a source, at each strength above 0: (strength,)."""
    measured = _rms(runs.kick)
    return {source: measured.sel(source=source, strength=kick.strength) / kick for source, kick in _expected(runs).items()}


def _expected(runs: xr.Dataset) -> dict[str, xr.DataArray]:
    """What theory says of those sources of which it says something: (strength,)."""
    strength, found = runs.strength[runs.strength > 0], {}
    for source, rate in (("gradient_noise", runs.learning_rate.item()), ("weight_noise", 1.0)):
        if source in runs.source:
            found[source] = strength.copy(data=normal_kick(rate * strength, int(runs.numbers.sel(source=source).max())))
    fine = strength[strength <= FINE]
    if "rounding" in runs.source and fine.size:
        found["rounding"] = fine.copy(data=rounding_kick(fine, int(runs.numbers.sel(source="rounding").max())))
    there = {source: runs.valid.sel(source=source).any("seed") for source in found}
    return {source: kick[there[source].sel(strength=kick.strength).values] for source, kick in found.items()}


def _rms(values: xr.DataArray) -> xr.DataArray:
    """Root mean square over seeds."""
    return (values**2).mean("seed") ** 0.5


def _dropout_squares(results: Results) -> dict[str, xr.DataArray]:
    """Squares of the first kick over the expected one, of regressions of one step, by part: (dropout, seed)."""
    steps = along(results["dropout"], "seed", "dropout")
    taken, expected = steps.separation.isel(step=-1, drop=True), steps.expected_kick.sel(end="first")
    return {part: (taken.sel(part=part) / expected.sel(source=part)) ** 2 for part in ("fan-in", "fan-out")}


def _dropout_claims(results: Results) -> Iterator[Claim]:
    """One step of regressions with dropout, against the formula, by the mean of squares over seeds."""
    for part, squares in _dropout_squares(results).items():
        mean, error = squares.mean("seed"), squares.std("seed") / np.sqrt(squares.sizes["seed"])
        worst = int(abs((mean - 1) / error).argmax("dropout"))
        statement = (
            f"dropout: mean square of the first kick of the {part} over the expected one, {squares.sizes['seed']} regressions "
            f"of one step, at the chance where it is farthest off, {float(mean.dropout[worst]):g} ({ERRORS} standard errors "
            "count)"
        )
        yield Claim.near(f"kick: dropout, {part}", statement, 1, float(mean[worst]), ERRORS * float(error[worst]))


def breaker_sentence(results: Results) -> str:
    """Which sources left every bit equal and which did not, and where a closed form of the first kick was checked."""
    runs = _runs(results)
    on = _acting(runs)
    parted = (_parted(runs) & on).any(["seed", "strength"])
    names: Mapping[bool, list[str]] = {
        apart: [str(source).replace("_", " ") for source in runs.source.values if bool(parted.sel(source=source)) == apart]
        for apart in (False, True)
    }
    equal = int(on.where(~parted, 0).sum())
    kept = f"stayed equal in every bit of {equal} runs under {', '.join(names[False])}" if names[False] else ""
    lost = f"were taken apart by {', '.join(names[True])}" if names[True] else ""
    return f"Two tied filters {', and '.join(found for found in (kept, lost) if found)}. {_kick_sentence(results)}"


def _kick_sentence(results: Results) -> str:
    """Where first kicks were held against a closed form, and how far off they were at most."""
    found = [
        f"within {float(abs(ratio - 1).max()):.1%} for {source.replace('_', ' ')} at {_where(source, ratio)}"
        for source, ratio in _over_expected(_runs(results)).items()
    ]
    squares = _dropout_squares(results)
    off = max(float(abs(each.mean("seed") ** 0.5 - 1).max()) for each in squares.values())
    count = squares["fan-in"].sizes["seed"]
    found.append(f"within {off:.1%} for dropout in {count:,} regressions of one step alone, not in these filters")
    return f"The first kick was held against a closed form, and agreed {', '.join(found)}."


def _where(source: str, ratio: xr.DataArray) -> str:
    """The strengths at which a source was held against a closed form."""
    if source == "rounding":
        return f"grids up to {float(ratio.strength.max()):g}"
    low, high = float(ratio.strength.min()), float(ratio.strength.max())
    return f"strengths from {low:g} to {high:g}" if low < high else f"strength {low:g}"


def breaker_lines(results: Results) -> Iterator[str]:
    """What each source that takes twins apart did, at the strength that is shown."""
    runs = _runs(results)
    steps = int(runs.step[-1])
    alone = f"Kicks of equal size that only add up make {steps**0.5:.3g} times the first."
    yield f"{int(runs.valid.sum()):,} runs of {steps:,} steps. {alone}"
    for source in map(str, runs.source.values):
        here = runs.sel(source=source)
        if not _parted(here).any():
            continue
        here = here.sel(strength=_shown(here))
        last = here.separation.sel(part="orbit").isel(step=-1)
        grown, of_size, kick = float((last / here.kick).median()), float((last / here.size).median()), float(_rms(here.kick))
        yield (
            f"{source} {float(here.strength):g}: first bit after {_steps(here.parted_after)}, kick {kick:.2g}; "
            f"after {steps:,} steps {grown:.3g} times its own, {of_size:.2g} of a filter's size (medians over seeds; of kicks "
            "the root mean square)."
        )


def _shown(runs: xr.Dataset) -> float:
    """The strength with runs, above 0, that is nearest to the one that is shown."""
    there = runs.strength.values[(runs.valid.any("seed") & (runs.strength > 0)).values]
    return float(there[np.argmin(np.abs(np.log(there / SHOWN)))])


def _steps(after: xr.DataArray) -> str:
    """The median number of steps, of the runs that parted."""
    middle = float(after.where(after >= 0).median())
    return f"{middle:g} {'step' if middle == 1 else 'steps'}"


def breaker_table(results: Results) -> Table:
    """What each source does at each strength, with numbers."""
    runs = _runs(results)
    grown = ("after steps", "first kick", "end / kick", "end / size")
    columns = ("source", "strength", "runs", "differ in a bit", *grown, "accuracy")
    caption = (
        "Two filters of a CNN that start equal, under one source at a time. `differ in a bit`: runs in which they ever do; "
        "`after steps`: median; `first kick`: root mean square of their distance then; `end / kick`: median factor from there "
        "to the end; `end / size`: median distance at the end over the norm of a filter; `accuracy`: mean on the test digits. "
        "Sources that are on or off have strength 1. Dropout elsewhere is on the inputs and on the layer above."
    )
    return Table("sources", columns, tuple(_rows(runs)), caption)


def _rows(runs: xr.Dataset) -> Iterator[tuple[str | float | int, ...]]:
    for source in map(str, runs.source.values):
        for strength in runs.strength.values:
            here = runs.sel(source=source, strength=strength)
            if not here.valid.any():
                continue
            parted = _parted(here)
            last = here.separation.sel(part="orbit").isel(step=-1)
            after, kick = here.parted_after.where(parted), here.kick.where(parted)
            grown = (last / kick).median(), (last / here.size).median()
            numbers = (after.median(), _rms(kick), *grown) if parted.any() else ("", "", "", 0)
            shown = tuple(value if isinstance(value, str) else float(f"{float(value):.4g}") for value in numbers)
            accuracy = round(float(here.test_accuracy.mean()), 4)
            yield source, float(strength), int(here.valid.sum()), int(parted.sum()), *shown, accuracy


def breaker_picture(results: Results) -> Picture:
    """The first kick against strength, and what becomes of it."""
    runs = _runs(results)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
    expected = _expected(runs)
    parting = [str(source) for source in runs.source.values if _parted(runs.sel(source=source)).any()]
    for number, source in enumerate(parting):
        here, color = runs.sel(source=source), f"C{number}"
        kick = _rms(here.kick.where(_parted(here))).where(here.strength > 0).dropna("strength")
        left.plot(kick.strength, kick, color=color, marker="o", markersize=3, label=source.replace("_", " "))
        if source in expected:
            left.plot(expected[source].strength, expected[source], color="black", linestyle="--", linewidth=0.8, zorder=3)
        strength = _shown(here)
        apart = here.separation.sel(part="orbit", strength=strength)
        band(right, apart.where(apart > 0).dropna("step", how="all"), "step", color, f"{source.replace('_', ' ')} {strength:g}")
    left.set(xscale="log", yscale="log", xlabel="strength", ylabel="first kick")
    right.set(xscale="symlog", yscale="log", xlabel="step", ylabel="distance between the filters")
    right.set_xlim(0, float(runs.step[-1]))
    for panel in (left, right) if parting else ():
        panel.legend(fontsize=7)
    return Picture("kicks", figure, CAPTION)
