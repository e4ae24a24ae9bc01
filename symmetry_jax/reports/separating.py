"""What separates units whose weights start all the same: in claims, in words, in a table and figures, from labelled results.

With biases of a scale, 0 among them; beside random weights, and, for units of ReLU from zero weights, beside the network with
one unit in each hidden layer that they amount to.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes as Panel
from matplotlib.figure import Figure

from symmetry_jax.reports.bias_scales import interval, settings_of
from symmetry_jax.reports.figures import band
from symmetry_jax.sweeps.study import Claim, Picture, Results, Table
from symmetry_jax.theory.activations import ACTIVATIONS

EXACT_STEPS = 100  # over which rounding has not grown enough to be seen
ROUNDING = 1e-9  # in float64, over so many steps
BEYOND_ROUNDING = 1e-6
SCATTERED = 0.1  # from this scale on, biases are held to have set units apart

MEANS = ("accuracy", "test loss")
MEDIANS = ("layer 1 off a line", "rank of layer 1", "nearest units")
CONSTANT_COLUMNS = ("setting", "weights", "bias scale", *MEANS, *MEDIANS, "alive")
CONSTANT_CAPTION = (
    "Weights that start all the same: means over seeds at the end; distance of the units of layer 1 from one line through 0 "
    "(the farthest unit over the longest; nan where they are 0) and its rank, medians; median distance of the two nearest "
    "units of any hidden layer, biases included, inf where it has one; fraction of hidden units through which some training "
    "example passes an error."
)
LINE_FIGURE = (
    "Zero weights and random biases, in float64: distance of the first layer's units from one line through 0 during "
    "training, the farthest unit over the longest; medians, and quartiles over seeds. Lines begin where the layer "
    "first moves. About 1e-16 is rounding."
)
HOW_FAR_FIGURE = (
    "Test accuracy at the end against the scale of the biases; means over seeds, bars from the worst seed to the best. "
    "Solid: weights that start all the same, at one constant. Dashed: random weights, where they were tried. The axis "
    "is linear up to the smallest scale above 0."
)


def constant_claims(name: str, setting: xr.Dataset, results: Results) -> Iterator[Claim]:
    """What tells units apart at constant weights, how they first move and what becomes of them, for one setting."""
    yield from _still_claims(name, setting)
    yield from _first_move_claims(name, setting)
    yield from _later_claims(name, setting, results)


def _still_claims(name: str, setting: xr.Dataset) -> Iterator[Claim]:
    """Zero biases and weights that are all the same: nothing tells units apart."""
    if 0 not in setting.bias_scale:
        return
    tied = setting.sel(bias_scale=0)
    hidden = tied.tie_error.sel(layer=slice(1, int(setting.layers) - 1))
    statement = f"{name}, constant weights and zero biases: largest difference between units of a layer at any record"
    yield Claim.near(f"tied: {name}", statement, 0, float(hidden.max(skipna=False)), 0)
    if 0 in setting.constant and ACTIVATIONS[setting.activation.item()].value(np.zeros(1)) == 0:
        moved = float(tied["rank"].sel(constant=0).max())
        yield Claim.near(f"still: {name}", f"{name}, zero weights and zero biases: largest rank of any weights", 0, moved, 0)


def _first_move_claims(name: str, setting: xr.Dataset) -> Iterator[Claim]:
    """From zero weights and random biases: which weights move first, and how they are shared among units.

    Where no unit of some layer is alive, as may be with a few units of ReLU, no gradient passes and nothing is to be shared.
    """
    zero, layers = _from_zero(setting), int(setting.layers)
    if zero is None or not set(range(layers + 1)) <= set(zero.step.values.tolist()):
        return
    alive = _alive(zero)
    if not alive.any():
        return
    who = f"{name}, zero weights and random biases, runs with a living unit in each layer"
    moved = (zero["rank"] > 0).sel(step=slice(0, layers))
    due = moved.step > layers - moved.layer
    statement = f"{who}: matrices of a layer l that have not moved first at step L - l + 1"
    yield Claim.near(f"order: {name}", statement, 0, float(((moved != due).any("step") & alive).sum()), 0)
    firsts = [zero.share_error.sel(layer=layer, step=layers - layer).where(alive, 0) for layer in zero.layer.values]
    errors = np.max([float(first.max(skipna=False)) for first in firsts])  # which keeps a nan
    statement = f"{who}: distance of first gradients from their shares of one direction"
    yield Claim.near(f"shares: {name}", statement, 0, float(errors), ROUNDING)


def _later_claims(name: str, setting: xr.Dataset, results: Results) -> Iterator[Claim]:
    """From zero weights and random biases: what becomes of the units, and how far training gets."""
    zero = _from_zero(setting)
    if zero is None:
        return
    hidden = zero.off_line.sel(layer=slice(1, int(setting.layers) - 1))
    if setting.activation.item() == "relu" and (setting.weight_decay == 0).all():
        if _alive(zero).any():
            statement = (
                f"{name}, zero weights and random biases: distance of hidden units from one line over {_early(zero)} steps"
            )
            yield Claim.near(f"one line: {name}", statement, 0, _bend(zero), ROUNDING)
        single = _matching(results, "one_unit", setting)
        if single is not None:
            statement = (
                f"{name}, zero weights and random biases: difference in loss from one unit a layer over {_early(zero)} steps"
            )
            yield Claim.near(f"one unit: {name}", statement, 0, _excess_of_one(zero, single), ROUNDING)
    several = bool((zero.smallest_separation != np.inf).all())  # one unit is on a line of its own
    if setting.activation.item() == "tanh" and several and (zero.bias_scale >= SCATTERED).any():
        least = hidden.where(hidden.bias_scale >= SCATTERED, drop=True).isel(step=-1).min()
        statement = f"{name}, zero weights, biases of {SCATTERED} or more: least distance of units from one line at the end"
        yield Claim.at_least(f"curve: {name}", statement, BEYOND_ROUNDING, float(least))
    reference = _matching(results, "random", setting)
    if reference is not None and 0 in reference.bias_scale and zero.sizes["seed"] > 1:
        behind = _behind(zero.test_loss.isel(step=-1), reference)
        statement = (
            f"{name}, zero weights: excess of test loss over random weights, at the best scale of biases "
            f"({float(behind.bias_scale):g}), lower end of 95% interval"
        )
        yield Claim.at_least(f"behind: {name}", statement, 0, interval(behind)[0])


def _matching(results: Results, sweep: str, setting: xr.Dataset) -> xr.Dataset | None:
    """The first setting of another sweep at the same activation, depth and learning rate; without the axis of constants."""
    shared = ("activation", "layers", "learning_rate", "weight_decay")
    for _, other in settings_of(results, sweep):
        if all(other[name].item() == setting[name].item() for name in shared):
            return other.isel(constant=0) if "constant" in other.dims else other
    return None


def _from_zero(setting: xr.Dataset) -> xr.Dataset | None:
    """The runs of a setting from zero weights and random biases."""
    if 0 not in setting.constant or not (setting.bias_scale > 0).any():
        return None
    return setting.sel(constant=0, bias_scale=setting.bias_scale > 0)


def _alive(zero: xr.Dataset) -> xr.DataArray:
    """Whether each hidden layer has a unit at the start through which an error can pass: (bias_scale, seed)."""
    return (zero.living.sel(end="first") != 0).all("hidden")


def _early(runs: xr.Dataset) -> int:
    """The steps over which rounding has not grown, as far as there are as many."""
    return min(EXACT_STEPS, int(runs.step[-1]))


def _bend(zero: xr.Dataset) -> float:
    """The farthest that hidden units are from one line over the first `EXACT_STEPS` steps; nan where they never move."""
    hidden = zero.off_line.sel(layer=slice(1, int(zero.layers) - 1))
    return float(hidden.sel(step=slice(0, EXACT_STEPS)).max())


def _excess_of_one(zero: xr.Dataset, single: xr.Dataset) -> float:
    """The largest difference in loss from one unit a layer over the first `EXACT_STEPS` steps; nan if some of it is nan."""
    difference = abs(zero.loss - single.loss.sel(bias_scale=zero.bias_scale))
    return float(difference.sel(step=slice(0, EXACT_STEPS)).max(skipna=False))


def _folded(zero: xr.Dataset, single: xr.Dataset | None) -> bool:
    """Whether units have been copies of one unit a layer, but for rounding, over the first `EXACT_STEPS` steps."""
    return single is not None and _bend(zero) <= ROUNDING and _excess_of_one(zero, single) <= ROUNDING


def _behind(losses: xr.DataArray, reference: xr.Dataset) -> xr.DataArray:
    """By how much losses (..., bias_scale, seed) exceed those of random weights and zero biases, at the best scale: (seed,)."""
    excess = losses - reference.test_loss.sel(bias_scale=0).isel(step=-1)
    return excess.sel(bias_scale=excess.bias_scale[int(excess.mean("seed").fillna(np.inf).argmin("bias_scale"))])


def instead_sentence(results: Results) -> str:
    """What random biases do for zero weights."""
    parts, moved, folded, worse, best, early = [], [], [], [], [], EXACT_STEPS
    for name, setting in settings_of(results, "constant"):
        zero = _from_zero(setting)
        if zero is None:
            continue
        parts.append(f"{float(_best(zero.test_accuracy.isel(step=-1)).mean()):.1%} ({name})")
        moved.append(bool((zero["rank"].isel(step=-1) > 0).any()))
        if _folded(zero, _matching(results, "one_unit", setting)):
            folded.append(name)
            early = _early(zero)
        reference = _matching(results, "random", setting)
        if reference is not None and 0 in reference.bias_scale:
            worse.append(interval(_behind(zero.test_loss.isel(step=-1), reference))[0])
            best.append(float(reference.test_accuracy.isel(step=-1).sel(bias_scale=0).mean()))
    if not parts:
        return "Zero weights with random biases were not tried."
    word = "move zero weights" if all(moved) else "do not always move zero weights"
    if len(worse) == len(parts) and np.min(worse) > 0:
        word = "do not replace random weights"
    line = f"; over the first {early} steps units of {_listed(folded)} are copies of one unit a layer" if folded else ""
    line += ", but for rounding" if folded else ""
    beside = f", where random weights and zero biases get {np.min(best):.1%} or more" if best else ""
    return (
        f"Random biases {word}: from zero weights the best scale of biases gets {_listed(parts)} of the test digits right"
        f"{beside}{line}."
    )


def constant_lines(name: str, setting: xr.Dataset, results: Results) -> Iterator[str]:
    """How far each constant gets at its best scale, and what became of the units."""
    scattered_runs = setting.sel(bias_scale=setting.bias_scale > 0)
    if not scattered_runs.sizes["bias_scale"]:
        return
    reference, single = _matching(results, "random", setting), _matching(results, "one_unit", setting)
    yield f"- {name}, all weights the same at the start:"
    if single is not None and 0 in setting.constant:
        last = _best(single.test_accuracy.isel(step=-1))
        folded = _folded(scattered_runs.sel(constant=0), single)
        same = f", which weights 0 amount to over {_early(setting)} steps but for rounding" if folded else ""
        yield f"  one unit a layer{same}: {float(last.mean()):.1%} right at its best scale, {last.bias_scale.item():g}."
    for constant in setting.constant.values:
        runs = scattered_runs.sel(constant=constant)
        accuracy = _best(runs.test_accuracy.isel(step=-1))
        scale = accuracy.bias_scale.item()
        best = runs.sel(bias_scale=scale)
        behind = ""
        if reference is not None and 0 in reference.bias_scale:
            excess = best.test_loss.isel(step=-1) - reference.test_loss.sel(bias_scale=0).isel(step=-1)
            behind = f" ({float(excess.mean()):+.3f} against random weights and zero biases)"
        ranks = best["rank"].isel(step=-1).median("seed").values
        yield (
            f"  weights {constant:g}: at the best scale of biases, {scale:g}, {float(accuracy.mean()):.1%} right, test loss "
            f"{float(best.test_loss.isel(step=-1).mean()):.3f}{behind}; median rank of the weights of each layer "
            f"{', '.join(f'{rank:.0f}' for rank in ranks)}; layer 1 "
            f"{float(best.off_line.sel(layer=1).isel(step=-1).median()):.1e} "
            f"off a line; nearest two units {float(best.smallest_separation.isel(end=-1).min('group').median()):.2g} apart; "
            f"{float(best.living.isel(end=-1).mean()):.0%} of hidden units alive."
        )


def _best(values: xr.DataArray) -> xr.DataArray:
    """Values (..., bias_scale, seed) at the scale whose mean over seeds is largest."""
    return values.isel(bias_scale=int(values.mean("seed").fillna(-np.inf).argmax("bias_scale")))


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def constant_table(results: Results) -> Table:
    """A row for each setting with constant weights, each constant and each scale: how far training gets, and the units."""
    rows = tuple(row for name, setting in settings_of(results, "constant") for row in _constant_rows(name, setting))
    return Table("constants", CONSTANT_COLUMNS, rows, CONSTANT_CAPTION)


def _constant_rows(name: str, setting: xr.Dataset) -> Iterator[tuple]:
    for constant in setting.constant.values:
        for scale in setting.bias_scale.values:
            runs = setting.sel(constant=constant, bias_scale=scale)
            last = runs.isel(step=-1, end=-1)
            first = last.sel(layer=1)
            means = [float(last.test_accuracy.mean()), float(last.test_loss.mean())]
            medians = [
                float(first.off_line.median()),
                float(first["rank"].median()),
                float(last.smallest_separation.min("group").median()),
            ]
            yield (name, float(constant), float(scale), *means, *medians, float(last.living.mean()))


def constant_pictures(results: Results) -> Iterator[Picture]:
    """Distance from one line during training from zero weights, and accuracy at every constant and scale."""
    constant = list(settings_of(results, "constant"))
    shown = [(name, _from_zero(setting)) for name, setting in constant]
    lines = [(name, zero) for name, zero in shown if zero is not None]
    folded = [name for name, zero in lines if _folded(zero, _matching(results, "one_unit", zero))]
    begun = (
        f" Units of {_listed(folded)} are on one line over the first {_early(lines[0][1])} steps, but for rounding."
        if folded
        else ""
    )
    if lines:
        yield Picture("line", _draw_lines(lines), LINE_FIGURE + begun)
    if constant:
        yield Picture("how_far", _draw_accuracies(constant, results), HOW_FAR_FIGURE)


def _draw_lines(settings: Sequence[tuple[str, xr.Dataset]]) -> Figure:
    figure, panels = _panels(len(settings))
    for panel, (name, zero) in zip(panels, settings, strict=True):
        for number, scale in enumerate(zero.bias_scale.values):
            shade = plt.get_cmap("viridis")(number / zero.sizes["bias_scale"])
            apart = zero.off_line.sel(layer=1, bias_scale=scale)
            begun = apart.notnull().any("seed")
            band(panel, apart.where(begun, drop=True).clip(min=1e-17), "step", shade, label=f"{scale:g}")
        panel.set(xscale="log", yscale="log", xlabel="step", title=name)
    panels[0].set_ylabel("distance from one line (ratio)")
    panels[-1].legend(title="bias scale", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _draw_accuracies(settings: Sequence[tuple[str, xr.Dataset]], results: Results) -> Figure:
    figure, panels = _panels(len(settings))
    for panel, (name, setting) in zip(panels, settings, strict=True):
        for number, constant in enumerate(setting.constant.values):
            _draw_range(
                panel,
                setting.test_accuracy.isel(step=-1).sel(constant=constant),
                f"C{number % 10}",
                "-",
                f"weights {constant:g}",
            )
        reference = _matching(results, "random", setting)
        if reference is not None:
            _draw_range(panel, reference.test_accuracy.isel(step=-1), "black", "--", "random weights")
        positive = setting.bias_scale.values[setting.bias_scale.values > 0]
        panel.set_xscale("symlog", linthresh=float(positive.min()) if positive.size else 1.0)
        panel.set(xlabel="bias scale", title=name, ylim=(0, 1.02))
    panels[0].set_ylabel("test accuracy at the end")
    panels[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _draw_range(panel: Panel, accuracy: xr.DataArray, color: str, style: str, label: str) -> None:
    mean = accuracy.mean("seed")
    ends = [(mean - accuracy.min("seed")).values, (accuracy.max("seed") - mean).values]
    panel.errorbar(
        accuracy.bias_scale.values,
        mean.values,
        ends,
        color=color,
        linestyle=style,
        marker="o",
        markersize=3,
        label=label,
        linewidth=1,
    )


def _panels(count: int) -> tuple[Figure, np.ndarray]:
    figure, panels = plt.subplots(1, count, figsize=(3.0 * count + 0.8, 3.2), squeeze=False, sharex=True, sharey=True)
    return figure, panels[0]
