"""What biases cost where weights are random: in claims, in words, in a table and a figure, from labelled results.

A setting is a point of a sweep apart from seed, bias scale and constant. A run of one scale is held against the run of the same
seed at a scale of 0, so that a gain and a delay are means over pairs.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from scipy.stats import t as student

from symmetry_jax.reports.growth import setting_word, settled
from symmetry_jax.reports.speed import first_step_at
from symmetry_jax.sweeps.study import Claim, Picture, Results, Table

STATIC = ("activation", "layers", "initializer")  # what another program is compiled for
VARIED = ("seed", "bias_scale", "constant")  # what varies within a setting

REACHED = 0.5  # nats: the test loss whose step tells speed
CHEAP = 0.005  # of the test digits: a loss of accuracy that is no cost
SOON = 0.05  # of the steps: a delay that is no cost
CONFIDENCE = 0.95

COST_COLUMNS = (
    "setting",
    "bias scale",
    "accuracy",
    "gain",
    "gain low",
    "gain high",
    "reaching",
    f"step of loss {REACHED}",
    "delay",
)
COST_CAPTION = (
    "Random weights: mean test accuracy at the end; what it gains on zero biases, with its 95% interval over seeds (pairs with "
    f"equal weights and minibatches); fraction of runs whose test loss falls to {REACHED} nats; mean step at which it does "
    "(the last step where it does not); by which fraction of the steps that is later than with zero biases, at the least where "
    "some runs do not reach it, nan where some with zero biases do not."
)
COST_FIGURE = (
    "Random weights. Left: test accuracy at the end with random biases, less that of zero biases from the same weights "
    f"and minibatches. Right: by how much random biases are later than zero ones at a test loss of {REACHED} nats, where all "
    "runs with zero biases reach it; runs with random biases that do not are taken to reach it at the last step. "
    "Means over seeds; bars are 95% intervals of the mean, not the spread of runs; settings are set a little apart "
    "along the axis. Dotted: zero biases."
)


def settings_of(results: Results, sweep: str) -> Iterator[tuple[str, xr.Dataset]]:
    """Each point of a sweep apart from what varies within a setting: its name, and its finite runs."""
    if sweep not in results:
        return
    runs = settled(results[sweep])
    dims = [dim for dim in runs.valid.dims if dim not in VARIED]
    for index in np.ndindex(*(runs.sizes[dim] for dim in dims)):
        setting = runs.isel(dict(zip(dims, index, strict=True)))
        if not bool(setting.valid.any()):
            continue
        layers = int(setting.layers)
        lengths = {dim: count for dim, count in (("layer", layers), ("hidden", layers - 1)) if dim in setting.dims}
        words = [str(setting.activation.item()), f"{layers} layers"]
        words += [setting_word(dim, setting[dim].item()) for dim in dims if dim not in STATIC[:2] and runs.sizes[dim] > 1]
        yield ", ".join(words), setting.sel({dim: slice(1, count) for dim, count in lengths.items()})


def cost_claims(name: str, setting: xr.Dataset) -> Iterator[Claim]:
    """What zero biases cost against random ones, and what large random ones cost, with random weights."""
    scales = [scale for scale in setting.bias_scale.values if scale > 0]
    if 0 not in setting.bias_scale or not scales or setting.sizes["seed"] < 2:
        return
    jointly = "of intervals that hold for all scales with 95% confidence"
    gain = np.max([interval(_gain(setting, scale), len(scales))[2] for scale in scales])  # np.max and np.min keep a nan
    statement = f"{name}, random weights: most accuracy that any scale of biases gains over zero, upper end {jointly}"
    yield Claim.at_most(f"accuracy: {name}", statement, CHEAP, gain)
    if _timed(setting):
        delay = np.min([interval(_delay(setting, scale), len(scales))[0] for scale in scales])
        statement = f"{name}, random weights: least delay of any scale of biases at test loss {REACHED}, lower end {jointly}"
        yield Claim.at_least(f"speed: {name}", statement, -SOON, delay)
    largest = max(scales)
    if largest >= 1:
        statement = (
            f"{name}, random weights: accuracy that biases of scale {largest:g} lose against zero, lower end of 95% interval"
        )
        yield Claim.at_least(f"large: {name}", statement, 0, -interval(_gain(setting, largest))[2])


def _gain(setting: xr.Dataset, scale: float) -> xr.DataArray:
    """Test accuracy at the end from biases of a scale, less that from zero biases: (seed,)."""
    last = setting.test_accuracy.isel(step=-1)
    return last.sel(bias_scale=scale) - last.sel(bias_scale=0)


def _delay(setting: xr.Dataset, scale: float) -> xr.DataArray:
    """By which fraction of the steps biases of a scale are later at the test loss `REACHED` than zero biases: (seed,).

    A run that never reaches it is later than the last step, so that its delay is one at the least.
    """
    steps = _steps(setting)
    return (
        steps.sel(bias_scale=scale) / steps.sel(bias_scale=0) - 1 if _timed(setting) else steps.sel(bias_scale=scale) * np.nan
    )


def _timed(setting: xr.Dataset) -> bool:
    """Whether speed is told: all finite runs with zero biases reach `REACHED`, and there are some."""
    steps = first_step_at(setting.test_loss.sel(bias_scale=0), REACHED)
    return bool(steps.notnull().any() and not np.isinf(steps).any())


def _bounded(setting: xr.Dataset, scale: float) -> bool:
    """Whether some run with biases of a scale never reaches `REACHED`, so that what is known of its delay is a bound."""
    return bool(np.isinf(first_step_at(setting.test_loss.sel(bias_scale=scale), REACHED)).any())


def _steps(setting: xr.Dataset) -> xr.DataArray:
    """The steps at which test losses fall to `REACHED`, the last step where they do not: (..., bias_scale, seed)."""
    return first_step_at(setting.test_loss, REACHED).clip(max=float(setting.step[-1]))


def interval(values: xr.DataArray, among: int = 1) -> tuple[float, float, float]:
    """The mean over seeds with the ends of its interval of confidence, by Student's t: low, mean, high; nan with one seed.

    One of so many intervals that all hold together with that confidence, by Bonferroni.
    """
    told = values.values[~np.isnan(values.values)]
    if told.size < 2:
        return np.nan, np.nan, np.nan
    half = student.ppf(1 - (1 - CONFIDENCE) / (2 * among), told.size - 1) * told.std(ddof=1) / np.sqrt(told.size)
    return float(told.mean() - half), float(told.mean()), float(told.mean() + half)


def cost_sentence(results: Results) -> str:
    """What zero biases cost, with random weights."""
    pairs = [
        (setting, scale)
        for _, setting in settings_of(results, "random")
        if 0 in setting.bias_scale
        for scale in setting.bias_scale.values[setting.bias_scale.values > 0]
    ]
    gains = [interval(_gain(*pair), len(pairs)) for pair in pairs]
    if not gains or np.isnan(gains).any():
        return "With random weights too few runs were made, or remained finite, to say what zero biases cost."
    most, gain = (np.max([ends[place] for ends in gains]) for place in (1, 2))
    timed = all(_timed(setting) for setting, _ in pairs)
    delay = -np.min([interval(_delay(*pair), len(pairs))[0] for pair in pairs])  # nan if it is not told
    cheap = gain <= CHEAP and (delay <= SOON or not timed)
    word = f"cost {'nothing' if timed else 'no accuracy'} that can be measured" if cheap else "have a price"
    speed = f" or sooner by more than {max(delay, 0):.0%} of the steps"
    untold = f"; speed is not told, since not all runs with zero biases reach a test loss of {REACHED}"
    return (
        f"With random weights, zero biases {word}: no scale of random biases is more accurate by more than {max(most, 0):.2%} "
        f"of the test digits in the mean, and with 95% confidence for all scales together none is by more than "
        f"{max(gain, 0):.2%}{speed if timed else untold}."
    )


def cost_lines(name: str, setting: xr.Dataset) -> Iterator[str]:
    """Accuracy and speed from zero biases, and what each scale of random ones changes, for one setting."""
    if 0 not in setting.bias_scale:
        return
    accuracy, timed = setting.test_accuracy.isel(step=-1).sel(bias_scale=0), _timed(setting)
    when = f"at step {float(_steps(setting).sel(bias_scale=0).mean()):.0f}" if timed else "not reached by all runs"
    yield f"- {name}, random weights: {float(accuracy.mean()):.1%} right from zero biases, test loss {REACHED} {when}."
    for scale in setting.bias_scale.values[setting.bias_scale.values > 0]:
        low, mean, high = (100 * end for end in interval(_gain(setting, scale)))
        line = f"  Biases of scale {scale:g}: {mean:+.2f} points of accuracy ({low:+.2f} to {high:+.2f})"
        early, middle, late = (100 * end for end in interval(_delay(setting, scale)))
        delay = f"{middle:+.1f}% of the steps to that loss ({early:+.1f}% to {late:+.1f}%)"
        if _bounded(setting, scale):
            delay = f"{middle:+.1f}% or more of the steps to that loss, which some runs do not reach ({early:+.1f}% or more)"
        yield f"{line}{f', {delay}' if timed else ''}."


def cost_table(results: Results) -> Table:
    """A row for each setting with random weights and each scale: accuracy, gain and delay."""
    rows = tuple(row for name, setting in settings_of(results, "random") for row in _cost_rows(name, setting))
    return Table("costs", COST_COLUMNS, rows, COST_CAPTION)


def _cost_rows(name: str, setting: xr.Dataset) -> Iterator[tuple]:
    if 0 not in setting.bias_scale:
        return
    steps, reached = _steps(setting), first_step_at(setting.test_loss, REACHED)
    for scale in setting.bias_scale.values:
        accuracy = float(setting.test_accuracy.isel(step=-1).sel(bias_scale=scale).mean())
        low, mean, high = interval(_gain(setting, scale))
        step, delay = float(steps.sel(bias_scale=scale).mean()), float(_delay(setting, scale).mean())
        share = float((reached.sel(bias_scale=scale) < np.inf).mean())
        yield (name, float(scale), accuracy, mean, low, high, share, step, delay)


def cost_pictures(results: Results) -> Iterator[Picture]:
    """Gain and delay against the scale of the biases, if there are pairs to tell them."""
    random = list(settings_of(results, "random"))
    if any(0 in setting.bias_scale and (setting.bias_scale > 0).any() for _, setting in random):
        yield Picture("cost", _draw_costs(random), COST_FIGURE)


def _draw_costs(settings: Sequence[tuple[str, xr.Dataset]]) -> Figure:
    figure, panels = plt.subplots(1, 2, figsize=(9.2, 3.6))
    for number, (name, setting) in enumerate(settings):
        scales = setting.bias_scale.values[setting.bias_scale.values > 0]
        for panel, read in zip(panels, (_gain, _delay), strict=True):
            low, mean, high = 100 * np.array([interval(read(setting, scale)) for scale in scales]).T
            shifted = scales * 1.06 ** (number - (len(settings) - 1) / 2)
            panel.errorbar(
                shifted,
                mean,
                [mean - low, high - mean],
                color=f"C{number % 10}",
                marker="o",
                markersize=3,
                label=name,
                linewidth=1,
            )
    for panel, label in zip(panels, ("gain in test accuracy (percentage points)", "delay (% of steps)"), strict=True):
        panel.axhline(0, color="black", linestyle=":", linewidth=0.8)
        panel.set(xscale="log", xlabel="bias scale (standard deviation at the start)", ylabel=label)
    panels[0].legend()
    return figure
