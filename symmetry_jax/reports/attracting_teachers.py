"""Random teachers on several inputs with all biases adjustable, and the plateau that is known: from judged results.

In claims, words, a figure and a table.
"""

import itertools
from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from scipy.stats import binomtest

from symmetry_jax.reports.attraction import (
    SLACK,
    close,
    each_pair,
    fates,
    lowest_at_rest,
    rounding,
    signs,
    tendencies,
    told,
    untold,
    worst,
)
from symmetry_jax.sweeps.study import Claim, Picture, Results, Table
from symmetry_jax.theory.erf_plateau import escape_rate, plateau_loss

STATIC = ("activation", "units")
HALF = 0.5  # a majority
ERRORS = 3  # standard errors of a mean that still count

COLUMNS = ("activation", "bias scale", "start bias", "students", "at rest", "attract", "repel", "closer", "loss", "twins' loss")
TABLE = (
    "Random teachers, all biases adjustable: students; those that rest; of these, those that attract and those that repel (the "
    "others cannot be told); those whose twins, let go, come closer; mean loss of the students that rest, and "
    "of their twins at the end."
)
SHARES = (
    "Share of students that attract, of those at rest that attract or repel, of random teachers on several inputs, against "
    "the hidden biases with which students start; all biases adjustable, all scales of the teachers' biases together. Bars: "
    "95% intervals (Clopper and Pearson). Students that still drift, and those that cannot be told, are left out. Points are "
    "set a little apart along the axis."
)


def teacher_claims(results: Results) -> Iterator[Claim]:
    """Signs and fates for all; what theory says of erf; how often gelu attracts."""
    for setting, tied, apart in each_pair(results, "teachers", STATIC):
        name = setting["activation"]
        right = signs(tied)
        statement = f"{name}, random teachers: share of {int(right.notnull().sum())} students at rest whose lowest curvature "
        statement += "has the sign that the exponent asks for"
        yield Claim.near(f"sign: {name}", statement, 1, float(right.mean()), 0)
        yield from _fate_claims(name, fates(tied, apart)) if close(apart) else ()
        yield from _erf_claims(tied) if name == "erf" else ()
        yield from _gelu_claims(tied) if name == "gelu" else ()


def _fate_claims(name: str, fate: xr.DataArray) -> Iterator[Claim]:
    statement = f"{name}, random teachers: share of {int(fate.notnull().sum())} pairs of twins, let go, that merge or part "
    statement += "as the sign of the exponent says"
    yield Claim.near(f"teacher fates: {name}", statement, 1, float(fate.mean()), 0)


def _erf_claims(tied: xr.Dataset) -> Iterator[Claim]:
    bent = tied.bias_curvature.sel(end="last")
    apart = bent.sel(source="measured") - bent.sel(source="predicted")
    statement = "erf, random teachers: curvature along the bias less -w . dL/dw, largest of all students, at rest or not"
    yield Claim.near("identity: erf", statement, 0, worst(apart), rounding(tied.lowest))
    statement = "erf, random teachers: lowest curvature, which is 0 at the most where there is no gradient, largest of all "
    statement += "students at rest (what is left of their gradient counts)"
    yield Claim.at_most("bound: erf", statement, SLACK, lowest_at_rest(tied))
    statement = f"erf, random teachers: share of {_counted(tied)} that attract, all biases being adjustable"
    yield Claim.at_most("never: erf", statement, 0, float(share(tied)))


def _gelu_claims(tied: xr.Dataset) -> Iterator[Claim]:
    shares = share(tied, "start_bias")
    low, high = float(tied.start_bias.min()), float(tied.start_bias.max())
    if low < high:
        statement = "gelu, random teachers: share that attract, of students at rest that attract or repel, from a start bias "
        statement += f"of {low:g}: a majority"
        yield Claim.at_least("majority: gelu", statement, HALF, float(shares.sel(start_bias=low)))
        statement = f"gelu, random teachers: the same, less the share from a start bias of {high:g}"
        yield Claim.at_least("start: gelu", statement, HALF, float(shares.sel(start_bias=low) - shares.sel(start_bias=high)))


def share(tied: xr.Dataset, *kept: str) -> xr.DataArray:
    """The share of students that attract, of those told, along the axes that are kept; nan where none is told."""
    phase = told(tied)
    return (phase == -1).where(phase.notnull()).mean([dim for dim in phase.dims if dim not in kept])


def _counted(tied: xr.Dataset) -> str:
    """How many students at rest are told, and how many are not."""
    rest = f"; {untold(tied):,} more cannot be told" if untold(tied) else ""
    return f"{int(told(tied).notnull().sum()):,} students at rest{rest}"


def plateau_claims(results: Results) -> Iterator[Claim]:
    """Rate and loss on the plateau that is known, over samples."""
    for setting, tied in _plateaus(results):
        rate = np.log(1 + float(tied.learning_rate) * escape_rate(setting["units"]))
        known = [
            ("plateau", "transverse exponent", tied.exponent, float(rate)),
            ("plateau loss", "loss", tied.loss.isel(step=-1, drop=True), plateau_loss(setting["units"])),
        ]
        for name, what, values, expected in known:
            mean, error = _mean(values)
            statement = (
                f"erf, biases fixed, orthonormal teacher: {what} of equal units, mean over {_samples(values)}, against the "
                f"population ({ERRORS} standard errors count)"
            )
            if values.size > 1:
                yield Claim.near(name, statement, expected, mean, ERRORS * error)


def _plateaus(results: Results) -> Iterator[tuple[dict, xr.Dataset]]:
    """The plateau, at the first point of every axis but seeds."""
    for name, number in itertools.product(*(results["plateau"][dim].values for dim in STATIC)) if "plateau" in results else ():
        chosen = results["plateau"].sel(activation=name, units=number)
        yield {"units": int(number)}, chosen.isel({dim: 0 for dim in chosen.valid.dims if dim != "seed"})


def _mean(values: xr.DataArray) -> tuple[float, float]:
    """The mean of the numbers that there are and its standard error; nan where there are none, or only one."""
    numbers = values.values[np.isfinite(values.values)]
    spread = numbers.std(ddof=1) / np.sqrt(numbers.size) if numbers.size > 1 else np.nan
    return float(numbers.mean()) if numbers.size else np.nan, float(spread)


def _samples(values: xr.DataArray) -> str:
    """How many there are of the numbers that should be."""
    kept = int(np.isfinite(values).sum())
    return f"{kept} samples" if kept == values.size else f"{kept} of {values.size} samples, since the others diverged"


def teacher_sentence(results: Results) -> str:
    """How often equal units attract once all biases are adjustable."""
    found = []
    for setting, tied, _ in each_pair(results, "teachers", STATIC):
        if bool(tied.phase.notnull().any()):
            found.append(f"{setting['activation']} {_attracts(setting['activation'], tied)}")
    if not found:
        return "With all biases adjustable no student of a random teacher came to rest."
    return f"With all biases adjustable and random teachers on several inputs, {', '.join(found)}."


def _attracts(name: str, tied: xr.Dataset) -> str:
    """How often, of the students at rest that are told."""
    overall = float(share(tied))
    if np.isnan(overall):
        return f"is not told to attract or to repel ({untold(tied):,} students at rest)"
    if not overall:
        return f"never attracts ({_counted(tied)}{', as theory says' if name == 'erf' else ''})"
    starts = share(tied, "start_bias").dropna("start_bias").sortby("start_bias")
    ends = dict.fromkeys([starts.start_bias.values[0].item(), starts.start_bias.values[-1].item()])
    shares = " and ".join(f"{float(starts.sel(start_bias=end)):.0%} from a start bias of {end:g}" for end in ends)
    return f"attracts in {shares}, of the students at rest that are told"


def teacher_lines(results: Results) -> Iterator[str]:
    """How many students rest, attract and repel, line by line."""
    for setting, tied, apart in each_pair(results, "teachers", STATIC):
        phase, runs = tied.phase, int(tied.exponent.notnull().sum())
        if not runs:
            yield f"- {setting['activation']}, random teachers: every student diverged."
            continue
        counts = [int((phase == sign).sum()) for sign in (-1, 1, 0)]
        drift = runs - int(phase.notnull().sum())
        yield (
            f"- {setting['activation']}, random teachers: of {runs:,} students {counts[0]:,} attract, {counts[1]:,} repel, "
            f"{counts[2]:,} cannot be told, and {drift:,} still drift at the end.{_fate_words(tied, apart)}"
        )


def _fate_words(tied: xr.Dataset, apart: xr.Dataset) -> str:
    fate = fates(tied, apart)
    if not bool(fate.notnull().any()):
        return ""
    attracting = (apart.loss.isel(step=-1) / tied.loss.isel(step=-1)).where(tied.phase == -1)
    kept = f" Where they merge they keep {float(attracting.median()):.0%} of the loss." if attracting.notnull().any() else ""
    return (
        f" Twins that are let go do as the exponent says in {int(fate.sum()):,} of {int(fate.notnull().sum()):,} cases.{kept}"
    )


def plateau_lines(results: Results) -> Iterator[str]:
    """The plateau that is known."""
    for setting, tied in _plateaus(results):
        mean, error = _mean(tied.exponent)
        start = "- erf, biases fixed, orthonormal teacher:"
        if np.isnan(mean):
            yield f"{start} every student diverged."
            continue
        rate = np.log(1 + float(tied.learning_rate) * escape_rate(setting["units"]))
        spread = f"one sample says {float(tied.exponent.min()):.4f} to {float(tied.exponent.max()):.4f}"
        told_apart = f" (standard error {error:.5f}; {spread})" if np.isfinite(error) else ""
        grow = f"the difference between equal units goes by {mean:+.5f} a step in its logarithm"
        yield f"{start} {grow}, the mean over {_samples(tied.exponent)}{told_apart}, where the population has {rate:+.5f}."


def teacher_table(results: Results) -> Table:
    """A row for each activation, scale of the teachers' biases and start."""
    rows = []
    for setting, tied, apart in each_pair(results, "teachers", STATIC):
        for scale, start in itertools.product(tied.bias_scale.values, tied.start_bias.values):
            one, twins = (sweep.sel(bias_scale=scale, start_bias=start) for sweep in (tied, apart))
            closer = (tendencies(twins) < 0).where(one.phase.notnull())
            losses = [float(sweep.loss.isel(step=-1).where(one.phase.notnull()).mean()) for sweep in (one, twins)]
            counts = [one.exponent.notnull(), one.phase.notnull(), one.phase == -1, one.phase == 1, closer]
            numbers = (int(count.sum()) for count in counts)
            rows.append((setting["activation"], float(scale), float(start), *numbers, *losses))
    return Table("teachers", COLUMNS, tuple(rows), TABLE)


def teacher_pictures(results: Results) -> Iterator[Picture]:
    """The share that attracts, against the start."""
    found = {setting["activation"]: tied for setting, tied, _ in each_pair(results, "teachers", STATIC)}
    if any(tied.sizes["start_bias"] > 1 for tied in found.values()):
        yield Picture("shares", _draw_shares(found), SHARES)


def _draw_shares(found: dict[str, xr.Dataset]) -> Figure:
    figure, panel = plt.subplots(figsize=(6.4, 3.6))
    for number, (name, tied) in enumerate(found.items()):
        dims = [dim for dim in tied.phase.dims if dim != "start_bias"]
        attract, resting = (tied.phase == -1).sum(dims).values, told(tied).notnull().sum(dims).values
        starts = tied.start_bias.values + 0.03 * (number - (len(found) - 1) / 2)
        ends = np.array([_interval(*counts) for counts in zip(attract, resting, strict=True)]).T
        shares = np.where(resting > 0, attract / np.maximum(resting, 1), np.nan)
        bars = np.maximum([shares - ends[0], ends[1] - shares], 0)
        panel.errorbar(starts, shares, bars, color=f"C{number}", marker="o", markersize=4, linewidth=1, label=name)
    panel.set(xlabel="hidden biases at the start", ylabel="share that attracts", ylim=(-0.03, 1.03))
    panel.legend()
    return figure


def _interval(attract: int, resting: int) -> tuple[float, float]:
    """The 95% interval of a share; nan where there is none."""
    if not resting:
        return np.nan, np.nan
    ends = binomtest(int(attract), int(resting)).proportion_ci()
    return float(ends.low), float(ends.high)
