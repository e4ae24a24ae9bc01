"""One input, and a teacher with one unit that points the other way: claims, words, figures and a table from judged results."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symmetry_jax.reports.attraction import (
    SLACK,
    close,
    each_pair,
    fates,
    first,
    growths,
    lowest_at_rest,
    rounding,
    worst,
)
from symmetry_jax.reports.figures import nested_width
from symmetry_jax.sweeps.study import Claim, Picture, Results, Table
from symmetry_jax.theory.opposed_unit import curvature, population, quantiles, threshold

STATIC = ("activation", "units", "examples", "biases")
FAR = 2.0  # a distance between twins that gives one of them another sign
LEFT = 0.1  # of the loss of equal units: twins that end with less have left
SHOWN = 3.0  # the length whose twins are drawn

COLUMNS = ("activation", "biases", "length", "exponent", "in the population", "lowest curvature", "close twins", "far twins")
TABLE = (
    "One input: transverse exponent per step over the last half of the steps; that of the population by theory, with biases "
    "fixed; lowest curvature between two units at the end; by how many powers of e the closest twins grew after they were let "
    "go; loss in which the farthest ended, over that of equal units."
)
EXPONENTS = (
    "Transverse exponent of equal units on one input, against the length of the teacher's unit that points the other way. "
    "Below 0 (shaded) units that are almost equal merge."
)
LINE = " Line: the population, by theory, with biases fixed; full points lie beside it because they are from a finite sample."
FATES = (
    "{name}. Twins that are let go at length {length:g}, biases fixed, where equal units {phase}. Left: how far apart they "
    "are. Right: the loss over that of equal units; of lines that lie on each other the later are thinner, inside.{ends}"
)
PHASES: dict[float, str] = {-1: "attract", 0: "cannot be told to attract or to repel", 1: "repel"}


def length_claims(results: Results) -> Iterator[Claim]:
    """The threshold, the rate, and what becomes of twins."""
    for setting, tied, apart in each_pair(results, "lengths", STATIC):
        name = setting["activation"]
        if setting["biases"] == "fixed":
            yield from _threshold_claims(setting, tied)
            yield from _fate_claims(name, tied, apart) if close(apart) else ()
            yield from _escape_claims(name, tied, apart.sel(epsilon=apart.epsilon >= FAR))
        elif name == "erf":
            statement = (
                "erf, one input, biases adjustable: lowest curvature, which is 0 at the most where there is no gradient, "
            )
            statement += "largest of all lengths at rest (what is left of the gradient counts)"
            yield Claim.at_most("adjustable: erf", statement, SLACK, lowest_at_rest(tied))


def _threshold_claims(setting: dict, tied: xr.Dataset) -> Iterator[Claim]:
    name, lengths = setting["activation"], tied.length.values
    expected = _threshold(setting, lengths, setting["examples"])
    if np.isfinite(expected):
        gaps = np.diff(lengths)[max(np.searchsorted(lengths, expected) - 1, 0)]
        statement = (
            f"{name}, one input, biases fixed: length at which the exponent crosses 0 on this sample (a quarter of the "
            f"distance between lengths counts; the population has {_threshold(setting, lengths):.4f})"
        )
        found = _crossings(tied)
        yield Claim.near(f"threshold: {name}", statement, expected, expected + worst(found - expected), float(gaps) / 4)
    statement = f"{name}, one input, biases fixed: exponent less ln|1 - lr mu|, mu by theory on this sample, at its largest"
    apart = tied.exponent - _predicted(setting, tied.length.values, tied.learning_rate, setting["examples"])
    yield Claim.near(f"rate: {name}", statement, 0, worst(apart), rounding(tied.exponent))


def _fate_claims(name: str, tied: xr.Dataset, apart: xr.Dataset) -> Iterator[Claim]:
    fate = fates(tied, apart)
    statement = (
        f"{name}, one input, biases fixed: share of {int(fate.notnull().sum())} pairs of close twins that merge or part as the "
        "sign of the exponent says"
    )
    yield Claim.near(f"length fates: {name}", statement, 1, float(fate.mean()), 0)


def _escape_claims(name: str, tied: xr.Dataset, far: xr.Dataset) -> Iterator[Claim]:
    attracts = tied.phase == -1
    if far.sizes["epsilon"] and bool(attracts.any()):
        left = xr.where(
            attracts, _loss_left(tied, far), 0
        )  # that of twins which diverged is missing, and no loss is at most nan
        statement = (
            f"{name}, one input, biases fixed, where equal units attract: loss of twins that were {FAR:g} or more apart, at "
            "the end, over that of equal units, largest"
        )
        yield Claim.at_most(f"escape: {name}", statement, LEFT, worst(left))


def _threshold(setting: dict, lengths: np.ndarray, examples: int | None = None) -> float:
    return threshold(setting["activation"], setting["units"], float(min(lengths)), float(max(lengths)), examples)


def _predicted(setting: dict, lengths: np.ndarray, rate: xr.DataArray, examples: int | None = None) -> xr.DataArray:
    """ln|1 - lr mu|, on the sample or over the population: (length, learning_rate)."""
    inputs = population() if examples is None else quantiles(examples)
    bent = [curvature(setting["activation"], setting["units"], length, inputs) for length in lengths]
    return xr.apply_ufunc(np.log, abs(1 - rate * xr.DataArray(bent, {"length": lengths})))


def _crossings(tied: xr.Dataset) -> xr.DataArray:
    """The first length at which the exponent falls through 0, linear between lengths; nan if it does not."""

    def cross(exponents: np.ndarray, lengths: np.ndarray) -> float:
        falls = np.flatnonzero((exponents[:-1] > 0) & (exponents[1:] <= 0))
        if not falls.size:
            return float("nan")
        high, low = exponents[falls[0] : falls[0] + 2]
        return float(lengths[falls[0]] + (lengths[falls[0] + 1] - lengths[falls[0]]) * high / (high - low))

    return xr.apply_ufunc(cross, tied.exponent, tied.length, input_core_dims=[["length"], ["length"]], vectorize=True)


def _loss_left(tied: xr.Dataset, apart: xr.Dataset) -> xr.DataArray:
    """The loss in which twins end over that of equal units."""
    return apart.loss.isel(step=-1, drop=True) / tied.loss.isel(step=-1, drop=True)


def length_sentence(results: Results) -> str:
    """From which length on equal units attract."""
    found = []
    for setting, tied, _ in each_pair(results, "lengths", STATIC):
        crossing = float(_crossings(first(tied, "length"))) if setting["biases"] == "fixed" else float("nan")
        if np.isfinite(crossing):
            known = [_threshold(setting, tied.length.values, examples) for examples in (setting["examples"], None)]
            theory = f"theory: {_number(known[0])} on this sample, {_number(known[1])} in the population"
            found.append(f"{crossing:.2f} with {setting['activation']} ({theory})")
    if not found:
        return "On one input no length was found from which on equal units without biases attract."
    return (
        "On one input equal units without biases attract, so that twins merge instead of parting, once the unit of their "
        f"teacher that points the other way is longer than {' and '.join(found)}."
    )


def _number(length: float) -> str:
    return f"{length:.2f}" if np.isfinite(length) else "none"


def length_lines(results: Results) -> Iterator[str]:
    """What becomes of twins on one input, line by line."""
    for setting, tied, apart in each_pair(results, "lengths", STATIC):
        one, twins = first(tied, "length"), first(apart, "length", "epsilon")
        name = f"- {setting['activation']}, one input, biases {'fixed' if setting['biases'] == 'fixed' else 'adjustable'}"
        if not bool(one.exponent.notnull().any()):
            yield f"{name}: every student diverged."
        elif setting["biases"] == "free":
            yield f"{name}: {_merging(one)} of {one.sizes['length']} lengths attract{_curved(one)}."
        else:
            yield f"{name}: {_lengths_told(one)}{_twins_told(one, twins)}"


def _lengths_told(tied: xr.Dataset) -> str:
    """The lengths at which equal units attract, which ascend."""
    places = np.flatnonzero(tied.phase.values == -1)
    if not places.size:
        return "no length is told to attract."
    shortest, longest = tied.length.values[places[[0, -1]]]
    if places.size == 1:
        return f"length {shortest:g} is told to attract."
    gaps = f", {places.size} of {np.ptp(places) + 1}," if places.size <= np.ptp(places) else ""
    return f"lengths {shortest:g} to {longest:g}{gaps} are told to attract."


def _curved(tied: xr.Dataset) -> str:
    """The lowest curvatures of long units, in words."""
    bent = tied.lowest.sel(length=tied.length >= SHOWN).dropna("length").values
    if not bent.size:
        return ""
    if abs(bent).max() <= rounding(tied.lowest):
        return f"; from length {SHOWN:g} on the lowest curvature is 0, and a difference between biases stays as it is"
    return f"; from length {SHOWN:g} on the lowest curvature is {bent.min():.1e} to {bent.max():.1e}"


def _twins_told(tied: xr.Dataset, apart: xr.Dataset) -> str:
    """For each distance at how many of the lengths that attract twins come closer, and what becomes of those that never do."""
    attracts = tied.phase == -1
    grown, lengths = growths(apart).where(attracts), int(attracts.sum())
    if not lengths or not bool(grown.notnull().any()):
        return " All twins diverged there." if lengths else ""
    closer, diverged = (grown < 0).sum("length"), lengths - grown.notnull().sum("length")
    every, none = closer == lengths, (closer == 0) & (diverged < lengths)
    found = [f"{_distances(every)} apart at all of them"] if bool(every.any()) else []
    for epsilon in apart.epsilon.values[~(every | none).values]:
        lost = int(diverged.sel(epsilon=epsilon))
        count = f"{epsilon:g} apart at {int(closer.sel(epsilon=epsilon))} of {lengths}"
        found.append(f"{count}, while {lost} diverge" if lost else count)
    if bool(none.any()):
        left = float(_loss_left(tied, apart).sel(epsilon=none).where(attracts).max())
        found.append(f"{_distances(none)} apart at none, and end with at most {left:.1e} of the loss of equal units")
    return f" Twins come closer that start {'; '.join(found)}."


def _distances(chosen: xr.DataArray) -> str:
    return ", ".join(f"{value:g}" for value in chosen.epsilon.values[chosen.values])


def length_table(results: Results) -> Table:
    """A row for each activation, each kind of biases and each length."""
    rows = []
    for setting, tied, apart in each_pair(results, "lengths", STATIC):
        one, twins = first(tied, "length"), first(apart, "length", "epsilon")
        law = _predicted(setting, one.length.values, one.learning_rate)
        ends = twins.epsilon.min().item(), twins.epsilon.max().item()
        for length in one.length.values:
            at, after = one.sel(length=length), twins.sel(length=length)
            told = float(law.sel(length=length)) if setting["biases"] == "fixed" else float("nan")
            grown, left = growths(after).sel(epsilon=ends[0]), _loss_left(at, after).sel(epsilon=ends[1])
            numbers = (float(length), float(at.exponent), told, float(at.lowest), float(grown), float(left))
            rows.append((setting["activation"], setting["biases"], *numbers))
    return Table("lengths", COLUMNS, tuple(rows), TABLE)


def length_pictures(results: Results) -> Iterator[Picture]:
    """Exponents against lengths; twins at one of these."""
    pairs = list(each_pair(results, "lengths", STATIC))
    if pairs:
        found = [(setting, first(tied, "length")) for setting, tied, _ in pairs]
        yield Picture("exponents", _draw_exponents(found), _exponents_told(found))
    for setting, tied, apart in [pair for pair in pairs if pair[0]["biases"] == "fixed"][:1]:
        length = float(tied.length.sel(length=SHOWN, method="nearest"))
        one, twins = first(tied, "length").sel(length=length), first(apart, "length", "epsilon").sel(length=length)
        yield Picture("twins", _draw_twins(one, twins), _fates_told(setting["activation"], one, twins))


def _exponents_told(found: list[tuple[dict, xr.Dataset]]) -> str:
    """What the figure of exponents shows, of the biases that were tried."""
    fixed, free = ([pair for pair in found if pair[0]["biases"] == biases] for biases in ("fixed", "free"))
    crossings = {setting["activation"]: _threshold(setting, tied.length.values) for setting, tied in fixed}
    dotted = [f"{length:.2f} for {name}" for name, length in crossings.items() if np.isfinite(length)]
    crossed = f" The line crosses 0 at the dotted length, {' and '.join(dotted)}." if dotted else ""
    attract, tried = sum(_merging(tied) for _, tied in free), sum(tied.sizes["length"] for _, tied in free)
    opened = f" With hidden biases adjustable (open) {attract} of {tried} points are told to attract." if free else ""
    return f"{EXPONENTS}{LINE if fixed else ''}{crossed}{opened}"


def _merging(tied: xr.Dataset) -> int:
    return int((tied.phase == -1).sum())


def _fates_told(name: str, tied: xr.Dataset, apart: xr.Dataset) -> str:
    """What the figure of twins shows, of the distances that were tried."""
    grown, left, phase = growths(apart), _loss_left(tied, apart), float(tied.phase)
    drifts = "still drift" if bool(tied.exponent.notnull()) else "diverged"
    closer, farther, ends = left.where(grown < 0), left.where(grown >= 0), ""
    if bool(closer.notnull().any()):
        kept = f"keep {float(closer.min()):.0%} of the loss or more"
        ends += f" Those that start {_distances(closer.notnull())} apart come closer, and {kept}."
    if bool(farther.notnull().any()):
        kept = f"keep {float(farther.max()):.1e} of the loss or less"
        ends += f" Those that start {_distances(farther.notnull())} apart do not come closer, and {kept}."
    if bool(grown.isnull().any()):
        ends += f" Those that start {_distances(grown.isnull())} apart diverged."
    return FATES.format(name=name, length=float(tied.length), phase=PHASES.get(phase, drifts), ends=ends)


def _draw_exponents(found: list[tuple[dict, xr.Dataset]]) -> Figure:
    names = list(dict.fromkeys(setting["activation"] for setting, _ in found))
    figure, panels = plt.subplots(1, len(names), figsize=(4.2 * len(names) + 0.4, 3.6), squeeze=False)
    for name, panel in zip(names, panels[0], strict=True):
        for setting, tied in found:
            if setting["activation"] == name:
                _draw_kind(panel, setting, tied)
        low, high = panel.get_ylim()
        panel.axhspan(low, 0, color="C2", alpha=0.12, linewidth=0)
        panel.axhline(0, color="black", linewidth=0.8)
        panel.set(xlabel="length of the opposed unit", title=name, ylim=(low, high))
        panel.legend()
    panels[0][0].set_ylabel("transverse exponent per step")
    return figure


def _draw_kind(panel: Axes, setting: dict, tied: xr.Dataset) -> None:
    """The exponents with biases fixed, theory beside them, or those with biases adjustable."""
    if setting["biases"] == "free":
        style: Any = {"color": "C1", "marker": "s", "markerfacecolor": "none"}
        panel.plot(tied.length, tied.exponent, linestyle="none", markersize=5, label="biases adjustable", **style)
        return
    lengths = np.linspace(float(tied.length.min()), float(tied.length.max()), 101)
    law = _predicted(setting, lengths, tied.learning_rate)
    panel.plot(lengths, law, color="C0", linewidth=1, label="population, biases fixed")
    panel.plot(tied.length, tied.exponent, color="C0", linestyle="none", marker="o", markersize=3, label="biases fixed")
    panel.axvline(_threshold(setting, tied.length.values), color="black", linestyle=":", linewidth=0.8)


def _draw_twins(tied: xr.Dataset, apart: xr.Dataset) -> Figure:
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.4))
    epsilons = apart.epsilon.values
    for number, epsilon in enumerate(epsilons):
        twins, width = apart.sel(epsilon=epsilon), nested_width(number, len(epsilons))
        style: dict[str, Any] = {"color": f"C{number}", "label": f"{epsilon:g} apart", "linewidth": width}
        distance = twins.separation.sel(part="orbit")
        panels[0].plot(distance.step, distance.where(distance > 0), **style)
        panels[1].plot(twins.step, twins.loss / float(tied.loss.isel(step=-1)), **style)
    panels[0].set(yscale="log", xlabel="step after the twins are let go", ylabel="distance between the twins")
    panels[1].set(yscale="log", xlabel="step after the twins are let go", ylabel="loss over that of equal units")
    panels[1].legend()
    return figure
