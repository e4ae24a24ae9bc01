"""What becomes of a layer whose units train together, in turn, one by one or alone: in claims, words, a table and figures.

A setting is a point of a sweep apart from regime, seed and start. Regimes are compared after equal updates of each unit that
trains, `together` and `alone` at step T and the others at step T times the units; or after equally many steps.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from symmetry_jax.reports.bias_scales import interval
from symmetry_jax.reports.figures import QUARTILES, band
from symmetry_jax.reports.growth import setting_word, settled
from symmetry_jax.sweeps.study import Claim, Picture, Results, Table

REGIMES = ("together", "in turn", "one by one", "alone")  # by their numbers on the axis of a sweep
COLORS = dict(zip(REGIMES, ("C0", "C1", "C2", "C3"), strict=True))
IN_WORDS = {
    "together": "all together",
    "in turn": "one at a time, each for a step, in turn",
    "one by one": "one by one, each once and for all",
    "alone": "one alone, the others frozen for ever",
}
STATIC = ("network", "units")  # what another program is compiled for
VARIED = ("regime", "seed", "spread", "epsilon")
RANDOM = 1.0  # the spread of a random start

FARTHER = "end of the 95% interval over seeds that is farther from 0"
LOWER = "lower end of the 95% interval over seeds"
SAME_LOSS = 0.05  # of the logarithm of a test loss: what counts as no difference
SAME_COSINE = 0.02

COLUMNS = ("setting", "spread", "regime", "loss", "accuracy", "mean |cosine|", "largest |cosine|", "duplicates")
TABLE_CAPTION = (
    "Means over seeds of test loss and accuracy and of the redundancy of the units' fan-in, when each unit that trains has "
    "had equally many updates; in the rows called equal steps, when together and alone have had as many steps as the "
    "others. Spread 1 is a random start, 0 one with equal units; duplicates are units like one before them (|cosine| from "
    "0.99)."
)
TRAINING = (
    "From random weights. Test loss and mean |cosine| of two units' fan-in over the updates of a unit: its own of the one "
    "that trains alone, the mean over all units in turn and one by one, which take as many more steps as there are units "
    "and are shown after whole rounds of them. Medians and quartiles over seeds. In turn is dashed, so that what it lies on "
    "shows."
)
STARTS = (
    "After equally many updates of each unit that trains: test loss, and units that are duplicates of one before them, "
    "against how far units were from equal at the start (0: equal, 1: random; places are not to scale). Medians, bars are "
    "quartiles over seeds; points are set a little apart along the axis."
)


def prepare(results: Results) -> Results:
    """The finite runs, with regimes by name and without the dimension of groups, of which each network has one."""
    found = {}
    for name, runs in results.items():
        kept = settled(runs)
        merged = {variable: kept[variable].max("group") for variable in kept if "group" in kept[variable].dims}
        names = [REGIMES[int(number)] for number in kept.regime.values]
        stopped = kept.first_nonfinite_step.sel(end="last", drop=True)
        merged["first_nonfinite_step"] = stopped.where(kept.valid & (stopped < 0))  # so that a run that did is missing here too
        found[name] = kept.drop_vars(list(merged)).assign(merged).assign_coords(regime=names)
    return found


def settings_of(runs: xr.Dataset) -> Iterator[tuple[str, xr.Dataset]]:
    """Each setting: its name, and the results of the seeds of which no run went non-finite, if there are any."""
    dims = [dim for dim in runs.valid.dims if dim not in VARIED]
    for index in np.ndindex(*(runs.sizes[dim] for dim in dims)):
        setting = runs.isel(dict(zip(dims, index, strict=True)))
        words = [str(setting.network.item())]
        words += [setting_word(dim, setting[dim].item()) for dim in dims if dim != "network" and runs.sizes[dim] > 1]
        setting = setting.dropna("step", how="all").dropna("seed", subset=["first_nonfinite_step"])
        if setting.sizes["seed"]:
            yield ", ".join(words), setting


def updates_of(setting: xr.Dataset) -> int:
    """Updates of each unit."""
    return int(setting.step[-1]) // int(setting.units)


def equal_updates(values: xr.DataArray, setting: xr.Dataset) -> xr.DataArray:
    """What is read when each unit that trains has had its updates: (regime, ...)."""
    last = {"together": updates_of(setting), "alone": updates_of(setting)}
    steps = [last.get(name, int(setting.step[-1])) for name in setting.regime.values.tolist()]
    return values.sel(step=xr.DataArray(steps, coords={"regime": setting.regime}), drop=True)


def filter_claims(results: Results) -> Iterator[Claim]:
    """Whether it matters how units train, from random and from equal starts."""
    for name, setting in settings_of(results["filters"]):
        yield from _random_claims(name, setting)
        yield from _equal_claims(name, setting)


def _random_claims(name: str, setting: xr.Dataset) -> Iterator[Claim]:
    if RANDOM not in setting.spread or "together" not in setting.regime:
        return
    random = setting.sel(spread=RANDOM)
    losses, alike = _log_losses(random), equal_updates(random.redundancy.sel(statistic="mean"), random)
    start = f"{name}, random start"
    if "in turn" in setting.regime:
        statement = f"{start}, equal updates: log of test loss in turn over that together, {FARTHER}"
        yield Claim.near(f"in turn: {name}", statement, 0, _farther_end(beside_together(losses, "in turn")), SAME_LOSS)
        statement = f"{start}, equal updates: mean |cosine| of units in turn less that together, {FARTHER}"
        yield Claim.near(f"redundancy: {name}", statement, 0, _farther_end(beside_together(alike, "in turn")), SAME_COSINE)
        statement = f"{start}, equal steps: log of test loss in turn over that together, {LOWER}"
        yield Claim.at_least(f"equal steps: {name}", statement, 0, interval(_slower(random))[0])
    for regime in ("one by one", "alone"):
        if regime in setting.regime:
            statement = f"{start}, equal updates: log of test loss {regime} over that together, {LOWER}"
            yield Claim.at_least(f"{regime}: {name}", statement, 0, interval(beside_together(losses, regime))[0])


def beside_together(values: xr.DataArray, regime: str) -> xr.DataArray:
    """What is read in a regime less what is read together, run by run: (..., seed)."""
    return values.sel(regime=regime, drop=True) - values.sel(regime="together", drop=True)


def _slower(random: xr.Dataset) -> xr.DataArray:
    """The logarithm of the test loss in turn over that together, after equal steps: (seed,)."""
    return beside_together(xr.apply_ufunc(np.log, random.test_loss.isel(step=-1, drop=True)), "in turn")


def _farther_end(differences: xr.DataArray) -> float:
    """The end of an interval that is farther from 0, so that it is within a margin only if both ends are."""
    low, _, high = interval(differences)
    return low if abs(low) > abs(high) else high


def _equal_claims(name: str, setting: xr.Dataset) -> Iterator[Claim]:
    if 0 not in setting.spread:
        return
    equal = setting.sel(spread=0)
    if "together" in setting.regime:
        fewest = float(equal.duplicates.sel(regime="together").min())
        statement = f"{name}, equal start, together: units that are duplicates, fewest of all records and seeds"
        yield Claim.near(f"equal: {name}", statement, int(setting.units) - 1, fewest, 0)
    for regime in ("in turn", "one by one"):
        if regime in setting.regime:
            least = float(equal.smallest_separation.sel(regime=regime).isel(step=-1).min())
            statement = f"{name}, equal start, {regime}: distance of the two units that end nearest, least of all seeds"
            yield Claim.at_least(f"equal, {regime}: {name}", statement, 1e-5, least)


def _log_losses(setting: xr.Dataset) -> xr.DataArray:
    return xr.apply_ufunc(np.log, equal_updates(setting.test_loss, setting))


def filter_sentence(results: Results) -> str:
    """What freezing does from random starts, in three sentences."""
    settings = dict(settings_of(results["filters"]))
    told = {name: setting.sel(spread=RANDOM) for name, setting in settings.items() if RANDOM in setting.spread}
    told = {name: setting for name, setting in told.items() if set(REGIMES) <= set(setting.regime.values.tolist())}
    if not told:
        return "Nothing is told of random starts, for which every regime is needed at a spread of 1."
    found = {name: _log_losses(setting) for name, setting in told.items()}
    same = all(abs(_farther_end(beside_together(losses, "in turn"))) <= SAME_LOSS for losses in found.values())

    def words(regime: str) -> str:
        return ", ".join(f"{name} {_percents(beside_together(losses, regime))}" for name, losses in found.items())

    slower = ", ".join(f"{name} {_percents(_slower(setting))}" for name, setting in told.items())
    return (
        f"From random weights, units trained one at a time in turn {'end like' if same else 'do not end like'} units trained "
        f"together after as many updates of each: their test loss differs by {words('in turn')} (means, 95% intervals over "
        f"seeds). But these take as many more steps as there are units, and after equally many steps it differs by {slower}. "
        f"Trained one by one, each once and for all, it differs by {words('one by one')}, and with one trained alone, all "
        f"others frozen for ever, by {words('alone')}, after equal updates."
    )


def _percents(differences: xr.DataArray) -> str:
    """A difference between logarithms in words: its mean and interval, or the mean alone if one seed has none."""
    low, _, high = (float(np.expm1(end)) for end in interval(differences))
    mean = f"{float(np.expm1(differences.mean())):+.1%}"
    return mean if np.isnan(low) else f"{mean} ({low:+.1%} to {high:+.1%})"


def filter_lines(results: Results) -> Iterator[str]:
    """Accuracy, redundancy and duplicates in every regime, setting by setting."""
    for name, setting in settings_of(results["filters"]):
        updates, units = updates_of(setting), int(setting.units)
        yield f"- {name}, {updates:,} updates of each of {units} units (in turn and one by one: {updates * units:,} steps):"
        for spread in setting.spread.values:
            start = setting.sel(spread=spread)
            read = _endings(start)[""]
            alike = read.redundancy.sel(statistic="mean")
            told = [
                f"{regime} {float(read.test_accuracy.sel(regime=regime)):.1%} right, mean |cosine| "
                f"{float(alike.sel(regime=regime)):.2f}, {float(read.duplicates.sel(regime=regime)):.1f} duplicates"
                for regime in setting.regime.values.tolist()
            ]
            first = float(start.redundancy.sel(statistic="mean").isel(step=0).mean())
            yield f"  Spread {spread:g}, mean |cosine| {first:.2f} at the start: {'; '.join(told)}."
        yield from _nearly_equal_line(name, setting)


def _nearly_equal_line(name: str, setting: xr.Dataset) -> Iterator[str]:
    """What other regimes gain on training together from units that start nearly equal, the nearest that are not."""
    near = setting.spread.values[(setting.spread.values > 0) & (setting.spread.values < RANDOM)]
    others = [regime for regime in ("in turn", "one by one") if regime in setting.regime]
    if not near.size or not others or "together" not in setting.regime:
        return
    right = equal_updates(setting.test_accuracy, setting).sel(spread=near.min())
    told = [f"{regime} {_points(right, regime)}" for regime in others]
    yield (
        f"  From units that start nearly equal (spread {near.min():g}), after equal updates, together "
        f"{float(right.sel(regime='together').mean()):.1%} are right; {', '.join(told)}."
    )


def _points(right: xr.DataArray, regime: str) -> str:
    """Accuracy in a regime, and what it gains on that together."""
    low, mean, high = (100 * end for end in interval(beside_together(right, regime)))
    gained = "" if np.isnan(mean) else f", {mean:+.1f} points ({low:+.1f} to {high:+.1f}, 95% interval over seeds)"
    return f"{float(right.sel(regime=regime).mean()):.1%}{gained}"


def filter_table(results: Results) -> Table:
    """A row for each setting, start and regime."""
    rows = tuple(
        (name, float(spread), f"{regime}{kind}", *_numbers(read.sel(regime=regime)))
        for name, setting in settings_of(results["filters"])
        for spread in setting.spread.values
        for kind, read in _endings(setting.sel(spread=spread)).items()
        for regime in read.regime.values.tolist()
    )
    return Table("regimes", COLUMNS, rows, TABLE_CAPTION)


def _endings(start: xr.Dataset) -> dict[str, xr.Dataset]:
    """What is read at the end, after equal updates and after equal steps: means over seeds, (regime, ...)."""
    names = ["test_loss", "test_accuracy", "redundancy", "duplicates"]
    read = {name: equal_updates(start[name], start).mean("seed") for name in names}
    shorter = [name for name in ("together", "alone") if name in start.regime]
    longer = start[names].isel(step=-1).mean("seed").sel(regime=shorter)
    return {"": xr.Dataset(read), ", equal steps": longer}


def _numbers(read: xr.Dataset) -> tuple[float, float, float, float, float]:
    mean, largest = (float(read.redundancy.sel(statistic=statistic)) for statistic in ("mean", "largest"))
    return float(read.test_loss), float(read.test_accuracy), mean, largest, float(read.duplicates)


def filter_pictures(results: Results) -> Iterator[Picture]:
    """Loss and redundancy over updates; and at the end against the start."""
    settings = dict(settings_of(results["filters"]))
    random = {name: setting.sel(spread=RANDOM) for name, setting in settings.items() if RANDOM in setting.spread}
    if random:
        yield Picture("training", _draw_training(random), TRAINING)
    if settings:
        yield Picture("starts", _draw_starts(settings), STARTS)


def by_updates(setting: xr.Dataset, regime: str) -> xr.Dataset:
    """The records of a regime by the updates that a unit has had, `step` being their number: up to the last, whole rounds."""
    rounds = 1 if regime in ("together", "alone") else int(setting.units)
    runs = setting.sel(regime=regime, step=setting.step.values[setting.step.values % rounds == 0])
    return runs.assign_coords(step=runs.step // rounds).sel(step=slice(0, updates_of(setting)))


def _draw_training(settings: Mapping[str, xr.Dataset]) -> Figure:
    figure, panels = plt.subplots(
        2, len(settings), figsize=(2.9 * len(settings) + 1.2, 5.2), squeeze=False, sharex="col", sharey="row"
    )
    for column, (name, setting) in zip(panels.T, settings.items(), strict=True):
        for regime in setting.regime.values.tolist():
            runs = by_updates(setting, regime)
            for panel, values in zip(column, (runs.test_loss, runs.redundancy.sel(statistic="mean")), strict=True):
                band(panel, values, "step", COLORS[regime], label=regime)
                panel.lines[-1].set_linestyle("--" if regime == "in turn" else "-")
        column[0].set(title=name, xscale="symlog", yscale="log")
        column[1].set(xlabel="updates of a unit")
        column[1].set_xlim(0, updates_of(setting))
    panels[0][0].set_ylabel("test loss (nats)")
    panels[1][0].set_ylabel("mean |cosine| of two units")
    panels[0][0].legend()
    return figure


def _draw_starts(settings: Mapping[str, xr.Dataset]) -> Figure:
    figure, panels = plt.subplots(
        2, len(settings), figsize=(2.9 * len(settings) + 1.2, 5.2), squeeze=False, sharex="col", sharey="row"
    )
    for column, (name, setting) in zip(panels.T, settings.items(), strict=True):
        places = np.arange(setting.sizes["spread"])
        for panel, read in zip(column, ("test_loss", "duplicates"), strict=True):
            ends = equal_updates(setting[read], setting).transpose("regime", "spread", "seed")
            for number, regime in enumerate(setting.regime.values.tolist()):
                low, middle, high = ends.sel(regime=regime).quantile(QUARTILES, "seed").values
                shifted = places + 0.08 * (number - (len(REGIMES) - 1) / 2)
                style = {"color": COLORS[regime], "label": regime, "marker": "o", "markersize": 4, "linewidth": 1}
                panel.errorbar(shifted, middle, [middle - low, high - middle], **style)
        column[0].set(title=name, yscale="log")
        column[1].set_xticks(places, [f"{spread:g}" for spread in setting.spread.values])
        column[1].set(xlabel="spread of the units at the start")
    panels[0][0].set_ylabel("test loss (nats)")
    panels[1][0].set_ylabel("duplicates")
    panels[0][0].legend()
    return figure
