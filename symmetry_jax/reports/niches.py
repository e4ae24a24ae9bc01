"""Whether units fill niches of their own: claims and a table, from labelled results.

A setting is a network with its activation; a point is a setting at a width. A trained run is held against itself before
training, and against random features: the run of the same seed that trained the output alone. What two removed units cost
beyond the sum of each is no test of niches: with a margin, cross-entropy has two cost more even if they do not overlap.
"""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from symmetry_jax.reports.bias_scales import interval
from symmetry_jax.reports.growth import setting_word, settled
from symmetry_jax.sweeps.study import Claim, Results, Table
from symmetry_jax.theory.chance_overlap import even_cosine, largest_cosine, mean_cosine

WITHIN = ("seed", "width", "spread", "hidden_rate")  # what varies within a setting
ERRORS = 4  # standard errors that a mean may be off what is expected of it

LIMITS = (
    "This is of the last hidden layer of small networks on one dataset, and of fan-ins without biases. A |cosine| of 1 may "
    "be an opposite, which computes something else with relu. Removal is without training again, which could make up for it; "
    "two may cost more than the sum because a margin absorbs the loss of one, not only because they do the same."
)
COLUMNS = (
    "setting",
    "width",
    "spread",
    "hidden layer",
    "test accuracy",
    "mean |cosine|",
    "by chance",
    "spread evenly",
    "largest |cosine|",
    "by chance (largest)",
    "effective rank, weights",
    "effective rank, activations",
    "correlation of contributions",
    "without its sign",
    "loss of one",
    "loss of two",
    "superadditive pairs",
    "told by cosine",
    "told by contribution",
    "duplicates",
    "silent",
)
BESIDE = ("by chance", "spread evenly", "by chance (largest)")  # what directions have beside what units have
TABLE = (
    "Means over seeds at the end, with networks all of whose units are silent. By chance: independent directions. Spread "
    "evenly: mean |cosine| of directions spread as evenly as so many can be (0 up to as many as a fan-in has numbers). "
    "Contributions: what units add to the outputs, correlated over the test set, mean over pairs. Loss of one and two units: "
    "test loss added when they are removed to their means; superadditive pairs are those in which losing both costs more than "
    "the sum; told by: correlation of that excess, over pairs, with the |cosine| of fan-ins and with the correlation of "
    "contributions. Duplicates: pairs nearer than a tenth of their norm, over fan-in, bias and fan-out. Silent: units that "
    "compute the same for all test digits."
)


def settings_of(results: Results) -> Iterator[tuple[str, xr.Dataset]]:
    """Each setting: its name, and its finite runs along what varies within it, at the widths that there are."""
    runs = settled(results["niches"])
    dims = [dim for dim in runs.valid.dims if dim not in WITHIN]
    for index in np.ndindex(*(runs.sizes[dim] for dim in dims)):
        setting = runs.isel(dict(zip(dims, index, strict=True)))
        there = setting.valid.any([dim for dim in setting.valid.dims if dim != "width"])
        words = [
            setting_word(dim, setting[dim].item()) for dim in dims if dim in ("network", "activation") or runs.sizes[dim] > 1
        ]
        if bool(there.any()):
            yield ", ".join(words), setting.sel(width=there)


def start(setting: xr.Dataset, near: bool = False, trained: bool = True) -> xr.Dataset | None:
    """The runs that start with independent units, or with the most alike that are not equal; None where there are none."""
    spreads = setting.spread.values[(setting.spread.values > 0) & (setting.spread.values < 1)] if near else [1.0]
    rate = 1.0 if trained else 0.0
    if not len(spreads) or min(spreads) not in setting.spread.values or rate not in setting.hidden_rate.values:
        return None
    return setting.sel(spread=min(spreads), hidden_rate=rate)


def mean_overlap(runs: xr.Dataset) -> xr.DataArray:
    """Mean |cosine| of fan-ins."""
    return runs.overlap.sel(statistic="mean", drop=True)


def correlation(runs: xr.Dataset) -> xr.DataArray:
    """Mean correlation of contributions."""
    return runs.contribution_correlation.sel(sign="with", drop=True)


def active_rank(runs: xr.Dataset) -> xr.DataArray:
    """Effective rank of activations."""
    return runs.effective_rank.sel(part="activations", drop=True)


def cost(runs: xr.Dataset, quantity: str) -> xr.DataArray:
    """A quantity of removal to the mean, at the end."""
    return runs.removal.sel(way="mean", quantity=quantity, end="last", drop=True)


def interaction(runs: xr.Dataset) -> xr.DataArray:
    """Mean interaction of pairs at the end, in nats."""
    return cost(runs, "two") - 2 * cost(runs, "one")


def last(values: xr.DataArray) -> xr.DataArray:
    """At the last record."""
    return values.isel(step=-1, drop=True)


def change(values: xr.DataArray) -> xr.DataArray:
    """What training adds to a quantity."""
    return last(values) - values.isel(step=0, drop=True)


def alive(runs: xr.Dataset) -> xr.Dataset:
    """The runs without the numbers of those that end with all units silent, which learn nothing and keep what they had."""
    kept = last(runs.silent) < 1
    return runs.assign({name: array.where(kept) for name, array in runs.items() if array.dtype.kind == "f"})


def dead(runs: xr.Dataset) -> int:
    """How many runs end with all units silent."""
    return int((last(runs.silent) == 1).sum())


def niche_claims(results: Results) -> Iterator[Claim]:
    """What chance has of untrained units, what removal costs, and whether units that start alike remember it."""
    yield from _chance_claims(results)
    for name, setting in settings_of(results):
        runs, near = start(setting), start(setting, near=True)
        if runs is None or setting.sizes["seed"] < 2:
            continue
        lowest = "lowest lower end of intervals that hold for all widths with 95% confidence"
        statement = f"{name}: loss of two units less the sum of each (nats), above 0 where two cost more: {lowest}"
        yield Claim.at_least(f"superadditive: {name}", statement, 0, _lowest(interaction(runs)))
        if near is not None:
            statement = (
                f"{name}: mean |cosine| at the end of units that start alike (spread {near.spread.item():g}), less that of "
                f"units that start independent, without {dead(near)} of {int(near.valid.sum())} networks all of whose units "
                f"fell silent: {lowest}"
            )
            more = last(mean_overlap(alive(near)) - mean_overlap(runs))
            yield Claim.at_least(f"memory: {name}", statement, 0, _lowest(more))


def _chance_claims(results: Results) -> Iterator[Claim]:
    """One for each network, whose fan-ins are drawn alike whatever the activation."""
    errors: dict[str, list[np.ndarray]] = {}
    for _, setting in settings_of(results):
        runs = start(setting)
        if runs is not None and setting.sizes["seed"] > 1:
            errors.setdefault(str(setting.network.item()), []).append(chance_errors(runs))
    for network, found in errors.items():
        statement = (
            f"{network}, untrained: standard errors by which mean |cosine| is off that of independent directions, at most"
        )
        yield Claim.at_most(f"chance: {network}", statement, ERRORS, float(np.max(np.concatenate(found))))


def chance_errors(runs: xr.Dataset) -> np.ndarray:
    """Standard errors by which untrained fan-ins are off chance: (width,).

    E cos^2 = 1/d, and any two pairs of independent directions are uncorrelated, whether or not they share one.
    """
    found = mean_overlap(runs).isel(step=0).mean("seed")
    seeds = mean_overlap(runs).isel(step=0).notnull().sum("seed").clip(min=1)  # without any the mean is nan as it is
    pairs = runs.width * (runs.width - 1) / 2
    numbers = fan_in_numbers(runs)
    expected = np.array([mean_cosine(number) for number in numbers])
    error = np.sqrt((1 / numbers - expected**2) / (pairs * seeds).values)
    return np.abs(found.transpose("width").values - expected) / error


def fan_in_numbers(runs: xr.Dataset) -> np.ndarray:
    """Numbers of a fan-in at each width: (width,) int."""
    return runs.fan_in_numbers.isel(end=0).max("seed").transpose("width").values.astype(int)


def joint_interval(differences: xr.DataArray, width: int) -> tuple[float, float, float]:
    """Low, mean and high at one width, of intervals that hold for all widths together."""
    return interval(differences.sel(width=width), differences.sizes["width"])


def _lowest(differences: xr.DataArray) -> float:
    """The lowest lower end over widths of intervals that hold together; nan if there is no telling."""
    ends = [joint_interval(differences, width)[0] for width in differences.width.values]
    return float(np.min(ends))  # np.min keeps a nan


def variants(setting: xr.Dataset) -> dict[str, xr.Dataset]:
    """What is shown of a setting, by name; of units that start alike, the networks that do not fall silent."""
    near = start(setting, near=True)
    found = {
        "trained": start(setting),
        "random features": start(setting, trained=False),
        "trained from units alike": None if near is None else alive(near),
    }
    return {name: runs for name, runs in found.items() if runs is not None}


def niche_table(results: Results) -> Table:
    """Every measure at the end, for each point, spread and rate of the hidden layer."""
    rows: list[tuple[str | float | int, ...]] = []
    for name, setting in settings_of(results):
        numbers = fan_in_numbers(setting.isel(spread=0, hidden_rate=0))
        for place, width in enumerate(setting.width.values):
            fan_in = int(numbers[place])
            expected = (mean_cosine(fan_in), even_cosine(fan_in, int(width)), largest_cosine(fan_in, int(width)))
            for spread in setting.spread.values:
                for rate in setting.hidden_rate.values:
                    runs = setting.sel(width=width, spread=spread, hidden_rate=rate)
                    layer = {1: "trained", 0: "as drawn"}.get(rate, f"{rate:g} of the rate")
                    rows.append((name, int(width), float(spread), layer, *at_the_end(runs, expected)))
    return Table("niches", COLUMNS, tuple(rows), TABLE)


def at_the_end(runs: xr.Dataset, expected: tuple[float, float, float] | None = None) -> tuple[float, ...]:
    """Means over seeds of every measure at the last step, with what directions have, as in `BESIDE`, if that is given."""
    kept = [str(name) for name, array in runs.items() if array.dtype.kind == "f"]
    ends = runs[kept].mean("seed").isel(step=-1, end=-1)
    mean, largest = (float(ends.overlap.sel(statistic=which)) for which in ("mean", "largest"))
    cosines = (mean, largest) if expected is None else (mean, *expected[:2], largest, expected[2])
    others = [*ends.effective_rank.values, *ends.contribution_correlation.sel(sign=["with", "without"]).values]
    removed = ends.removal.sel(way="mean").values
    return tuple(map(float, (ends.test_accuracy, *cosines, *others, *removed, ends.duplicates, ends.silent)))
