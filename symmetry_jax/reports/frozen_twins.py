"""How far twins come apart that train together, in turn, one by one, or one of them alone; in claims, words and a figure."""

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt

from symmetry_jax.reports.figures import band
from symmetry_jax.reports.growth import nearest_epsilon, power
from symmetry_jax.reports.regimes import COLORS, by_updates, equal_updates, settings_of, updates_of
from symmetry_jax.sweeps.study import Claim, Picture, Results

REFERENCE = 1e-4
LINEAR = 1e-4  # the largest distance at the start whose memory is told
EXACT = 1e-10  # in float64, of what is compared with
LEADING = 0.1  # how far a leading order in the learning rate may be off, as a fraction
POWERS = {"together": 1, "in turn": 0}  # one by one and alone twins walk away from a frozen copy, wherever it is
SAME_POWER = 0.1

CAPTION = (
    "Twins, the first two units of the layer, whose other units are random; float64. Above: distance between them (fan-in, "
    "bias and fan-out together) over the first twin's own updates, started {start:g} apart; in turn after whole rounds; one by "
    "one (dashed) while it trains and the other still waits, as alone. Below: distance after equally many updates of each "
    "unit that trains against that at the start; twins that start equal stay equal together (exactly 0, not drawn) and in the "
    "other regimes end where lines are level; alone is how far one travels from a frozen copy. Medians and quartiles over "
    "seeds. Dotted: as far apart as at the start."
)


def twin_claims(results: Results) -> Iterator[Claim]:
    """What separates twins in each regime, against what is known of the first steps and of memory of the start."""
    for name, setting in settings_of(results["twins"]):
        orbit = setting.separation.sel(part="orbit", drop=True)
        regimes = setting.regime.values.tolist()
        if 0 in setting.epsilon:
            yield from _equal_claims(name, setting, orbit.sel(epsilon=0, drop=True), regimes)
        if "together" in regimes:
            yield from _growth_claims(name, setting, orbit.sel(regime="together", drop=True))
        close = [epsilon for epsilon in setting.epsilon.values if 0 < epsilon <= LINEAR]
        if len(close) > 1:
            for regime in (regime for regime in POWERS if regime in regimes):
                statement = (
                    f"{name}, twins {regime}: power of the distance at the start, {close[0]:g} to {close[-1]:g}, with which "
                    "that after equal updates goes (median over seeds)"
                )
                runs = orbit.sel(epsilon=close)
                slopes = power(runs.sel(regime=regime, step=0), equal_updates(runs, setting).sel(regime=regime))
                yield Claim.near(f"memory, {regime}: {name}", statement, POWERS[regime], float(slopes.median()), SAME_POWER)


def _equal_claims(name: str, setting: xr.Dataset, orbit: xr.DataArray, regimes: list[str]) -> Iterator[Claim]:
    """Twins that start equal: nothing together, the interaction in turn."""
    rate, start = setting.learning_rate.item(), setting.response.sel(epsilon=0).isel(step=0, drop=True)
    if "together" in regimes:
        apart = float(orbit.sel(regime="together").max())
        yield Claim.near(f"tied: {name}", f"{name}, equal twins together: largest distance at any record", 0, apart, 0)
    if "in turn" in regimes:
        moved = orbit.sel(regime="in turn", step=int(setting.units))
        ratio = moved / (rate**2 * start.sel(regime="in turn", force="response"))
        statement = f"{name}, equal twins in turn: distance after a round over lr^2 ||H_ij gradient||; the farthest seed"
        yield Claim.near(f"first round: {name}", statement, 1, _farthest(ratio, 1), LEADING)


def _growth_claims(name: str, setting: xr.Dataset, orbit: xr.DataArray) -> Iterator[Claim]:
    """Close twins together: each of the first steps multiplies their distance by ||(I - lr H) e||."""
    close = [epsilon for epsilon in setting.epsilon.values if 0 < epsilon <= LINEAR]
    if not close:
        return
    apart, rate, steps = orbit.sel(epsilon=close[0]), setting.learning_rate.item(), range(int(setting.units))
    net = setting.interaction.sel(regime="together", epsilon=close[0], pair="0-1", block="net", hessian="residual")
    along, size = (net.sel(reading=reading, step=list(steps), drop=True) for reading in ("along", "size"))
    predicted = np.sqrt(1 - 2 * rate * along + rate**2 * size**2)
    grown = apart.shift(step=-1).sel(step=list(steps)) / apart.sel(step=list(steps))
    statement = (
        f"{name}, twins {close[0]:g} apart together: growth in each of the first {len(steps)} steps over that by the "
        "residual part of their curvature alone; the farthest"
    )
    yield Claim.near(f"growth: {name}", statement, 1, _farthest(grown / predicted, 1), 1e-6)


def twin_sentence(results: Results) -> str:
    """Whether units interact, which equal twins in turn decide; and how far close twins come apart."""
    settings = dict(settings_of(results["twins"]))
    return " ".join([_interaction_sentence(settings), *_distance_sentence(settings)])


def _interaction_sentence(settings: Mapping[str, xr.Dataset]) -> str:
    told = {name: runs for name, runs in settings.items() if 0 in runs.epsilon and "in turn" in runs.regime}
    if not told:
        return "Nothing is told of whether units interact, for which twins that start equal have to train in turn."
    seen = np.concatenate([_parted(setting).values.ravel() for setting in told.values()])
    some = "Units interact in some runs only" if seen.any() else "No interaction is seen"
    found = "Units do interact" if seen.all() else some
    ends = [f"{name} {_distance(setting, 0, 'in turn')}" for name, setting in told.items()]
    return (
        f"{found}: twins that start equal and train in turn stay equal unless moving one changes the other's gradient, and "
        "after as many updates their distance in the median seed, in parentheses over the norm of a unit, is "
        f"{', '.join(ends)}."
    )


def _parted(setting: xr.Dataset) -> xr.DataArray:
    """Whether a round in turn sets equal twins apart by more than rounding of the steps that they take: (seed,)."""
    first = setting.sel(epsilon=0, regime="in turn")
    taken = setting.learning_rate.item() * first.response.sel(force="gradient").isel(step=0)
    return first.separation.sel(part="orbit", step=int(setting.units)) > EXACT * taken


def _distance_sentence(settings: Mapping[str, xr.Dataset]) -> Iterator[str]:
    told = {name: runs for name, runs in settings.items() if (runs.epsilon > 0).any()}
    if not told:
        return
    some = next(iter(told.values()))
    start, regimes = nearest_epsilon(some, REFERENCE), some.regime.values.tolist()
    parts = []
    for name, setting in told.items():
        parts.append(f"{name} " + ", ".join(f"{_distance(setting, start, regime)} {regime}" for regime in regimes))
    alone = "; alone is how far one travels from a frozen copy, interaction or not" if "alone" in regimes else ""
    yield f"Twins that start {start:g} apart end at these distances (written likewise{alone}): {'; '.join(parts)}."


def twin_lines(results: Results) -> Iterator[str]:
    """How far equal twins come apart."""
    for name, setting in settings_of(results["twins"]):
        if 0 not in setting.epsilon:
            continue
        orbit = setting.separation.sel(part="orbit", epsilon=0, drop=True)
        first, last = orbit.sel(step=int(setting.units)).median("seed"), equal_updates(orbit, setting).median("seed")
        told = [
            f"{regime} {float(first.sel(regime=regime)):.2g} and {float(last.sel(regime=regime)):.2g}"
            for regime in setting.regime.values.tolist()
        ]
        when = f"after {int(setting.units)} steps and after equal updates"
        yield f"- {name}, distance of twins that start equal, {when} (medians over seeds): {'; '.join(told)}."


def twin_pictures(results: Results) -> Iterator[Picture]:
    """Distance over updates, and at the end against that at the start."""
    settings = dict(settings_of(results["twins"]))
    if not settings or not (next(iter(settings.values())).epsilon > 0).any():
        return
    figure, panels = plt.subplots(
        2, len(settings), figsize=(2.9 * len(settings) + 2, 5.4), squeeze=False, sharey="row", layout="constrained"
    )
    for column, (name, setting) in zip(panels.T, settings.items(), strict=True):
        epsilons = setting.epsilon.values[setting.epsilon.values > 0]
        start, orbit = nearest_epsilon(setting, REFERENCE), setting.separation.sel(part="orbit")
        ends = equal_updates(orbit, setting).sel(epsilon=epsilons)
        for regime in setting.regime.values.tolist():
            runs = _by_own_updates(setting, regime).separation.sel(part="orbit", epsilon=start)
            band(column[0], runs, "step", COLORS[regime], label=regime)
            if regime == "one by one":
                column[0].lines[-1].set(linestyle="--", zorder=3)
            band(column[1], ends.sel(regime=regime), "epsilon", COLORS[regime], marker="o")
        column[1].plot(epsilons, epsilons, color="black", linestyle=":", linewidth=0.8)
        column[0].set(title=name, xscale="symlog", yscale="log", xlabel="updates of the first twin")
        column[0].set_xlim(0, updates_of(setting))
        column[1].set(xscale="log", yscale="log", xlabel="distance at the start")
    for row in panels:
        row[0].set_ylabel("distance of the twins")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside right upper")
    yield Picture("twins", figure, CAPTION.format(start=start))


def _by_own_updates(setting: xr.Dataset, regime: str) -> xr.Dataset:
    """The records by the updates of the first twin; one by one it is the first to train, and the other waits."""
    if regime == "one by one":
        return setting.sel(regime=regime, step=slice(0, updates_of(setting)))
    return by_updates(setting, regime)


def _distance(setting: xr.Dataset, start: float, regime: str) -> str:
    """Distance after equal updates in the median seed, and over the norm of the first twin, in words."""
    runs = setting.sel(epsilon=start)
    apart = runs.separation.sel(part="orbit")
    told, relative = (
        float(equal_updates(values, runs).sel(regime=regime).median("seed")) for values in (apart, apart / runs["size"])
    )
    return f"{told:.2g} ({relative:.2g})"


def _farthest(values: xr.DataArray, expected: float) -> float:
    """The value that is farthest from what is expected."""
    flat = values.values.ravel()
    flat = flat[~np.isnan(flat)]
    return float(flat[np.argmax(abs(flat - expected))]) if flat.size else np.nan
