"""Do biases have to be random, where weights are? Can they be random instead of the weights?

A perceptron learns digits from biases of a scale, 0 among them, and either random weights or weights that are all the same. A
seed has the same minibatches throughout, the same random weights at every scale of the biases, and the same biases but for
their scale, so that what biases cost is read off pairs of runs. Where weights start at zero, units of ReLU are held against the
network with one unit in each hidden layer that they amount to: see `theory.scattered_biases`.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes as Panel
from matplotlib.figure import Figure
from ml_collections import ConfigDict
from scipy.stats import t as student

from symmetry_jax.errors import InputError, choose
from symmetry_jax.learning.data.datasets import DATASETS
from symmetry_jax.learning.models import ACTIVATIONS, MLP
from symmetry_jax.learning.optimizers import sgd
from symmetry_jax.learning.process import Hparams, Measure, PyTree
from symmetry_jax.learning.starts import INITIALIZERS, Start, draw, scattered
from symmetry_jax.learning.tasks import MINIBATCHES, Dataset, Task, classification
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.directions import off_line, span
from symmetry_jax.measures.layers import tie_error
from symmetry_jax.measures.living import living
from symmetry_jax.measures.separation import smallest_separation
from symmetry_jax.measures.shares import share_error
from symmetry_jax.measures.training import evaluate_accuracy, evaluate_loss, first_nonfinite_step, minibatch_loss
from symmetry_jax.reports.figures import band
from symmetry_jax.reports.growth import settled
from symmetry_jax.sweeps.axes import Axes, parse_axes
from symmetry_jax.sweeps.precision import PRECISIONS, Precision
from symmetry_jax.sweeps.program import Program, record_steps
from symmetry_jax.sweeps.study import Claim, Picture, Results, Study, Table
from symmetry_jax.theory.scattered_biases import one_unit_bias

QUESTION = "Do biases have to be random where weights are, and can they be random instead of the weights?"

STATIC = ("activation", "layers", "initializer")
NEEDED = ("seed", "bias_scale", "constant", "learning_rate", "weight_decay")
VARIED = ("seed", "bias_scale", "constant")  # what varies within a setting
DRAWN = {name: INITIALIZERS[name] for name in ("lecun", "he")}
SILENT = ("tanh", "relu", "gelu", "silu", "identity")  # activations with phi(0) = 0

REACHED = 0.5  # nats: the test loss whose step tells speed
CHEAP = 0.005  # of the test digits: a loss of accuracy that is no cost
SOON = 0.05  # of the steps: a delay that is no cost
CONFIDENCE = 0.95
EXACT_STEPS = 100  # over which rounding has not grown enough to be seen
ROUNDING = 1e-9  # in float64, over so many steps
BEYOND_ROUNDING = 1e-6
SCATTERED = 0.1  # from this scale on, biases are held to have set units apart

COST_COLUMNS = ("setting", "bias scale", "accuracy", "gain", "gain low", "gain high", f"step of loss {REACHED}", "delay")
COST_CAPTION = (
    "Random weights: mean test accuracy at the end; what it gains on zero biases, with its 95% interval over seeds (pairs with "
    f"equal weights and minibatches); mean step at which the test loss falls to {REACHED} nats (the last step where it does "
    "not); by which fraction of the steps that is later than with zero biases."
)
MEANS = ("accuracy", "test loss")
MEDIANS = ("layer 1 off a line", "rank of layer 1", "nearest units")
CONSTANT_COLUMNS = ("setting", "weights", "bias scale", *MEANS, *MEDIANS, "alive")
CONSTANT_CAPTION = (
    "Weights that start all the same: means over seeds at the end; distance of the units of layer 1 from one line through 0 "
    "(the farthest unit over the longest; nan where they are 0) and its rank, medians; median distance of the two nearest "
    "units of any hidden layer, biases included; fraction of hidden units through which some training example passes an error."
)

Static = Mapping[str, Any]  # the settings of one program


def build(config: ConfigDict) -> list[Program]:
    """Random weights, constant weights, and the one unit a layer that zero weights amount to, at each activation and depth."""
    data = choose("dataset", config.dataset, DATASETS)()
    precision = choose("precision", config.precision, PRECISIONS)
    points = parse_axes(config.sweep, config.zipped).split(STATIC)
    for static, axes in points:
        _check_axes(config, static, axes)
    random = [point for point in points if point[0]["initializer"] in DRAWN]
    constant = [point for point in points if point[0]["initializer"] not in DRAWN]
    programs = [_random(config, data, static, axes, precision) for static, axes in random]
    programs += [_constant(config, data, static, axes) for static, axes in constant]
    return programs + [_one_unit(config, data, static, axes) for static, axes in constant if _folds(static, axes)]


def _random(config: ConfigDict, data: Dataset, static: Static, axes: Axes, precision: Precision) -> Program:
    """Random weights with biases of every scale."""
    model = _model(config, data, static)
    task, start = _task(config, model), draw(model, DRAWN[static["initializer"]], scattered)
    process = descend(task, sgd, start)
    return Program("random", process, _training(task), axes.without("constant"), data, _records(config), static, precision)


def _constant(config: ConfigDict, data: Dataset, static: Static, axes: Axes) -> Program:
    """Weights that are all the same, 0 among them, with biases of every scale; in float64."""
    model = _model(config, data, static)
    task, start = _task(config, model), draw(model, INITIALIZERS["constant"], scattered)
    measures = (
        *_training(task),
        minibatch_loss(),
        span(model),
        off_line(model),
        share_error(model),
        tie_error(model),
        dataclasses.replace(smallest_separation(model.symmetry(data.shape), model.layers[:-1]), when="ends"),
        living(model),
    )
    process, runs = descend(task, sgd, start), axes.cut("seed", config.constant_seeds)
    return Program("constant", process, measures, runs, data, _records(config), static, "float64")


def _one_unit(config: ConfigDict, data: Dataset, static: Static, axes: Axes) -> Program:
    """The network with one unit in each hidden layer that ReLU units amount to, if weights start at zero; in float64."""
    model = _model(config, data, static)
    single = model.clone(widths=(1,) * len(model.widths))
    task = _task(config, single)
    measures = (*_training(task), minibatch_loss())
    process = descend(task, sgd, _folded(model, single))
    runs = axes.cut("seed", config.constant_seeds).fix("constant", 0.0)
    return Program("one_unit", process, measures, runs, data, _records(config), static, "float64")


def _folded(model: MLP, single: MLP) -> Start:
    """Zero weights, the output's biases of the wide network, and for each of its hidden layers one bias."""
    wide, narrow = (draw(network, INITIALIZERS["zero"], scattered) for network in (model, single))

    def start(hparams: Hparams, inputs: jax.Array) -> PyTree:
        params, folded = wide(hparams, inputs)["params"], narrow(hparams, inputs)["params"]
        biases = {name: one_unit_bias(params[name]["bias"]) for name in model.layers[:-1]}
        biases[model.layers[-1]] = params[model.layers[-1]]["bias"]
        return {"params": {name: {"kernel": folded[name]["kernel"], "bias": bias} for name, bias in biases.items()}}

    return start


def _training(task: Task) -> tuple[Measure, ...]:
    """How far and how fast training gets, on the test set."""
    often = (dataclasses.replace(evaluate(task), when="records") for evaluate in (evaluate_loss, evaluate_accuracy))
    return (*often, first_nonfinite_step())


def _task(config: ConfigDict, model: MLP) -> Task:
    return classification(model, config.batch_size, choose("minibatches", config.minibatches, MINIBATCHES))


def _model(config: ConfigDict, data: Dataset, static: Static) -> MLP:
    widths = (config.width,) * (static["layers"] - 1)
    return MLP(widths, len(np.unique(data.train.targets)), choose("activation", static["activation"], ACTIVATIONS))


def _records(config: ConfigDict) -> tuple[int, ...]:
    return record_steps(config.steps, config.records, "log")


def _folds(static: Static, axes: Axes) -> bool:
    columns = axes.columns()
    return static["activation"] == "relu" and 0 in columns["constant"] and columns["weight_decay"] == [0]


def _check_axes(config: ConfigDict, static: Static, axes: Axes) -> None:
    missing = sorted({*STATIC, *NEEDED} - {*static, *axes.names})
    if missing:
        raise InputError(f"this study needs an axis for {', '.join(missing)}")
    choose("initializer", static["initializer"], {**DRAWN, "constant": INITIALIZERS["constant"]})
    if not isinstance(static["layers"], int) or static["layers"] < 2:
        raise InputError(f"layers={static['layers']!r}: a whole number from 2, since biases of hidden units are asked about")
    if any(name in axis.names and len(axis.names) > 1 for axis in axes.axes for name in VARIED):
        raise InputError(f"zipped={config.zipped}: {', '.join(VARIED)} are axes of their own in this study")
    if config.constant_seeds < 1:
        raise InputError(f"constant_seeds={config.constant_seeds}: at least 1")


def claims(results: Results) -> list[Claim]:
    """What the results bear out."""
    found: list[Claim] = []
    for name, setting in _settings(results, "random"):
        found += _cost_claims(name, setting)
    for name, setting in _settings(results, "constant"):
        found += _still_claims(name, setting)
        found += _first_move_claims(name, setting)
        found += _later_claims(name, setting, results)
    return found


def _cost_claims(name: str, setting: xr.Dataset) -> Iterator[Claim]:
    """What zero biases cost against random ones, and what large random ones cost, with random weights."""
    scales = [scale for scale in setting.bias_scale.values if scale > 0]
    if 0 not in setting.bias_scale or not scales or setting.sizes["seed"] < 2:
        return
    costs = {scale: _interval(_gain(setting, scale)) for scale in scales}
    statement = f"{name}, random weights: most accuracy that any scale of biases gains over zero, upper end of 95% intervals"
    yield Claim.at_most(f"accuracy: {name}", statement, CHEAP, max(high for _, _, high in costs.values()))
    delays = {scale: _interval(_delay(setting, scale)) for scale in scales}
    statement = f"{name}, random weights: least delay of any scale of biases at test loss {REACHED}, lower end of 95% intervals"
    yield Claim.at_least(f"speed: {name}", statement, -SOON, min(low for low, _, _ in delays.values()))
    largest = max(scales)
    if largest >= 1:
        statement = (
            f"{name}, random weights: accuracy that biases of scale {largest:g} lose against zero, lower end of 95% interval"
        )
        yield Claim.at_least(f"large: {name}", statement, 0, -costs[largest][2])


def _still_claims(name: str, setting: xr.Dataset) -> Iterator[Claim]:
    """Zero biases and weights that are all the same: nothing tells units apart."""
    if 0 not in setting.bias_scale:
        return
    tied = setting.sel(bias_scale=0)
    hidden = tied.tie_error.sel(layer=slice(1, int(setting.layers) - 1))
    statement = f"{name}, constant weights and zero biases: largest difference between units of a layer at any record"
    yield Claim.near(f"tied: {name}", statement, 0, float(hidden.max(skipna=False)), 0)
    if 0 in setting.constant and setting.activation.item() in SILENT:
        moved = float(tied.span.sel(constant=0).max())
        yield Claim.near(f"still: {name}", f"{name}, zero weights and zero biases: largest rank of any weights", 0, moved, 0)


def _first_move_claims(name: str, setting: xr.Dataset) -> Iterator[Claim]:
    """From zero weights and random biases: which weights move first, and how they are shared among units."""
    zero = _from_zero(setting)
    if zero is None:
        return
    layers = int(setting.layers)
    moved = (zero.span > 0).sel(step=slice(0, layers))
    due = moved.step > layers - moved.layer
    statement = f"{name}, zero weights and random biases: matrices of a layer l that have not moved first at step L - l + 1"
    yield Claim.near(f"order: {name}", statement, 0, float((moved != due).any("step").sum()), 0)
    errors = [zero.share_error.sel(layer=layer, step=layers - layer).max(skipna=False) for layer in zero.layer.values]
    statement = f"{name}, zero weights and random biases: distance of first gradients from their shares of one direction"
    yield Claim.near(f"shares: {name}", statement, 0, float(max(errors)), ROUNDING)


def _later_claims(name: str, setting: xr.Dataset, results: Results) -> Iterator[Claim]:
    """From zero weights and random biases: what becomes of the units, and how far training gets."""
    zero = _from_zero(setting)
    if zero is None:
        return
    hidden = zero.off_line.sel(layer=slice(1, int(setting.layers) - 1))
    if setting.activation.item() == "relu" and (setting.weight_decay == 0).all():
        early = slice(0, EXACT_STEPS)
        apart = float(hidden.sel(step=early).max())
        statement = f"{name}, zero weights and random biases: distance of hidden units from one line over {EXACT_STEPS} steps"
        yield Claim.near(f"one line: {name}", statement, 0, apart, ROUNDING)
        single = _matching(results, "one_unit", setting)
        if single is not None:
            difference = abs(zero.loss - single.loss.sel(bias_scale=zero.bias_scale)).sel(step=early)
            statement = (
                f"{name}, zero weights and random biases: difference in loss from one unit a layer over {EXACT_STEPS} steps"
            )
            yield Claim.near(f"one unit: {name}", statement, 0, float(difference.max(skipna=False)), ROUNDING)
    if setting.activation.item() == "tanh" and (zero.bias_scale >= SCATTERED).any():
        least = hidden.where(hidden.bias_scale >= SCATTERED, drop=True).isel(step=-1).min()
        statement = f"{name}, zero weights, biases of {SCATTERED} or more: least distance of units from one line at the end"
        yield Claim.at_least(f"curve: {name}", statement, BEYOND_ROUNDING, float(least))
    reference = _matching(results, "random", setting)
    if reference is not None and 0 in reference.bias_scale and zero.sizes["seed"] > 1:
        behind = _behind(zero.test_loss.isel(step=-1), reference)
        statement = (
            f"{name}, zero weights: excess of test loss over random weights, at the best scale, lower end of 95% interval"
        )
        yield Claim.at_least(f"behind: {name}", statement, 0, _interval(behind)[0])


def _settings(results: Results, sweep: str) -> Iterator[tuple[str, xr.Dataset]]:
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
        words += [_word(dim, setting[dim].item()) for dim in dims if dim not in STATIC[:2] and runs.sizes[dim] > 1]
        yield ", ".join(words), setting.sel({dim: slice(1, count) for dim, count in lengths.items()})


def _word(dim: str, value: Any) -> str:
    return str(value) if dim in STATIC else f"{dim} {value:g}"


def _matching(results: Results, sweep: str, setting: xr.Dataset) -> xr.Dataset | None:
    """The first setting of another sweep at the same activation, depth and learning rate; without the axis of constants."""
    shared = ("activation", "layers", "learning_rate", "weight_decay")
    for _, other in _settings(results, sweep):
        if all(other[name].item() == setting[name].item() for name in shared):
            return other.isel(constant=0) if "constant" in other.dims else other
    return None


def _from_zero(setting: xr.Dataset) -> xr.Dataset | None:
    """The runs of a setting from zero weights and random biases."""
    if 0 not in setting.constant or not (setting.bias_scale > 0).any():
        return None
    return setting.sel(constant=0, bias_scale=setting.bias_scale > 0)


def _gain(setting: xr.Dataset, scale: float) -> xr.DataArray:
    """Test accuracy at the end from biases of a scale, less that from zero biases: (seed,)."""
    last = setting.test_accuracy.isel(step=-1)
    return last.sel(bias_scale=scale) - last.sel(bias_scale=0)


def _delay(setting: xr.Dataset, scale: float) -> xr.DataArray:
    """By which fraction of the steps biases of a scale are later at the test loss `REACHED` than zero biases: (seed,)."""
    steps = _reached(setting.test_loss)
    return steps.sel(bias_scale=scale) / steps.sel(bias_scale=0) - 1


def _reached(losses: xr.DataArray) -> xr.DataArray:
    """The step at which a loss first falls to `REACHED`, log loss being linear between records; the last step if never."""

    def first(loss: np.ndarray, step: np.ndarray) -> float:
        below = np.flatnonzero(loss <= REACHED)
        if not below.size or np.isnan(loss).any():
            return float(step[-1]) if not np.isnan(loss).any() else np.nan
        after = below[0]
        if not after:
            return 1.0
        high, low = np.log(loss[after - 1 : after + 1] / REACHED)
        return float(step[after - 1] + (step[after] - step[after - 1]) * high / (high - low))

    return xr.apply_ufunc(first, losses, losses.step, input_core_dims=[["step"], ["step"]], vectorize=True)


def _interval(values: xr.DataArray) -> tuple[float, float, float]:
    """The mean over seeds with the ends of its interval of confidence, by Student's t: low, mean, high; nan with one seed."""
    told = values.values[~np.isnan(values.values)]
    if told.size < 2:
        return np.nan, np.nan, np.nan
    half = student.ppf((1 + CONFIDENCE) / 2, told.size - 1) * told.std(ddof=1) / np.sqrt(told.size)
    return float(told.mean() - half), float(told.mean()), float(told.mean() + half)


def _behind(losses: xr.DataArray, reference: xr.Dataset) -> xr.DataArray:
    """By how much losses (..., bias_scale, seed) exceed those of random weights and zero biases, at the best scale: (seed,)."""
    excess = losses - reference.test_loss.sel(bias_scale=0).isel(step=-1)
    return excess.sel(bias_scale=excess.bias_scale[int(excess.mean("seed").argmin("bias_scale"))])


def answer(results: Results, claims: Sequence[Claim]) -> str:
    """The answer in two sentences, then in detail, each from the results."""
    first, second = _cost_sentence(results), _instead_sentence(results)
    details = [line for name, setting in _settings(results, "random") for line in _cost_lines(name, setting)]
    details += [line for name, setting in _settings(results, "constant") for line in _constant_lines(name, setting, results)]
    runs = sum(int(sweep.valid.sum()) for sweep in results.values())
    details.append(f"{runs:,} runs; {sum(claim.holds for claim in claims)} of {len(claims)} claims hold.")
    return "\n".join([f"{first} {second}", "", *details])


def _cost_sentence(results: Results) -> str:
    """What zero biases cost, with random weights."""
    gains, delays = [], []
    for _, setting in _settings(results, "random"):
        if 0 in setting.bias_scale:
            for scale in setting.bias_scale.values[setting.bias_scale.values > 0]:
                gains.append(_interval(_gain(setting, scale)))
                delays.append(_interval(_delay(setting, scale)))
    if not gains or np.isnan(gains).any():
        return "With random weights too few runs were made to say what zero biases cost."
    gain, delay = max(high for _, _, high in gains), -min(low for low, _, _ in delays)
    word = "cost nothing that can be measured" if gain <= CHEAP and delay <= SOON else "have a price"
    most = max(mean for _, mean, _ in gains)
    return (
        f"With random weights, zero biases {word}: no scale of random biases is more accurate by more than {most:.2%} of the "
        f"test digits in the mean (at most {gain:.2%} within 95% confidence) or sooner by more than {delay:.0%} of the steps."
    )


def _instead_sentence(results: Results) -> str:
    """What random biases do for zero weights."""
    parts, folded, worse, best = [], [], [], []
    for name, setting in _settings(results, "constant"):
        zero = _from_zero(setting)
        if zero is None:
            continue
        parts.append(f"{float(_best(zero.test_accuracy.isel(step=-1)).mean()):.1%} ({name})")
        if float(zero.off_line.sel(step=slice(0, EXACT_STEPS)).max()) <= ROUNDING:
            folded.append(name)
        reference = _matching(results, "random", setting)
        if reference is not None and 0 in reference.bias_scale:
            worse.append(_interval(_behind(zero.test_loss.isel(step=-1), reference))[0])
            best.append(float(reference.test_accuracy.isel(step=-1).sel(bias_scale=0).mean()))
    if not parts:
        return "Zero weights with random biases were not tried."
    word = "do not replace random weights" if worse and min(worse) > 0 else "move zero weights"
    line = f"; units of {_listed(folded)} are copies of one unit a layer until rounding tells them apart" if folded else ""
    beside = f", where random weights get {min(best):.1%} or more" if best else ""
    return (
        f"Random biases {word}: from zero weights the best scale of biases gets {_listed(parts)} of the test digits right"
        f"{beside}{line}."
    )


def _cost_lines(name: str, setting: xr.Dataset) -> Iterator[str]:
    if 0 not in setting.bias_scale:
        return
    accuracy = setting.test_accuracy.isel(step=-1).sel(bias_scale=0)
    steps = _reached(setting.test_loss).sel(bias_scale=0)
    yield (
        f"- {name}, random weights: {float(accuracy.mean()):.1%} right from zero biases, test loss {REACHED} at step "
        f"{float(steps.mean()):.0f}."
    )
    for scale in setting.bias_scale.values[setting.bias_scale.values > 0]:
        low, mean, high = (100 * end for end in _interval(_gain(setting, scale)))
        early, middle, late = (100 * end for end in _interval(_delay(setting, scale)))
        yield (
            f"  Biases of scale {scale:g}: {mean:+.2f} points of accuracy ({low:+.2f} to {high:+.2f}), "
            f"{middle:+.1f}% of the steps to that loss ({early:+.1f}% to {late:+.1f}%)."
        )


def _constant_lines(name: str, setting: xr.Dataset, results: Results) -> Iterator[str]:
    """How far each constant gets at its best scale, and what became of the units."""
    scattered_runs = setting.sel(bias_scale=setting.bias_scale > 0)
    if not scattered_runs.sizes["bias_scale"]:
        return
    reference, single = _matching(results, "random", setting), _matching(results, "one_unit", setting)
    yield f"- {name}, all weights the same at the start:"
    if single is not None and 0 in setting.constant:
        last = _best(single.test_accuracy.isel(step=-1))
        yield (
            f"  one unit a layer, which weights 0 amount to but for rounding: {float(last.mean()):.1%} right at its best "
            f"scale, {last.bias_scale.item():g}."
        )
    for constant in setting.constant.values:
        runs = scattered_runs.sel(constant=constant)
        accuracy = _best(runs.test_accuracy.isel(step=-1))
        scale = accuracy.bias_scale.item()
        best = runs.sel(bias_scale=scale)
        behind = ""
        if reference is not None and 0 in reference.bias_scale:
            excess = best.test_loss.isel(step=-1) - reference.test_loss.sel(bias_scale=0).isel(step=-1)
            behind = f" ({float(excess.mean()):+.3f} against random weights and zero biases)"
        ranks = best.span.isel(step=-1).median("seed").values
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
    return values.isel(bias_scale=int(values.mean("seed").argmax("bias_scale")))


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def tables(results: Results) -> list[Table]:
    """Costs at every scale with random weights; how far every constant and scale gets without."""
    costs = tuple(row for name, setting in _settings(results, "random") for row in _cost_rows(name, setting))
    constants = tuple(row for name, setting in _settings(results, "constant") for row in _constant_rows(name, setting))
    found = [
        Table("costs", COST_COLUMNS, costs, COST_CAPTION),
        Table("constants", CONSTANT_COLUMNS, constants, CONSTANT_CAPTION),
    ]
    return [table for table in found if table.rows]


def _cost_rows(name: str, setting: xr.Dataset) -> Iterator[tuple]:
    steps = _reached(setting.test_loss)
    for scale in setting.bias_scale.values if 0 in setting.bias_scale else ():
        accuracy = float(setting.test_accuracy.isel(step=-1).sel(bias_scale=scale).mean())
        low, mean, high = _interval(_gain(setting, scale))
        step, delay = float(steps.sel(bias_scale=scale).mean()), float(_delay(setting, scale).mean())
        yield (name, float(scale), accuracy, mean, low, high, step, delay)


def _constant_rows(name: str, setting: xr.Dataset) -> Iterator[tuple]:
    for constant in setting.constant.values:
        for scale in setting.bias_scale.values:
            runs = setting.sel(constant=constant, bias_scale=scale)
            last = runs.isel(step=-1, end=-1)
            first = last.sel(layer=1)
            means = [float(last.test_accuracy.mean()), float(last.test_loss.mean())]
            medians = [
                float(first.off_line.median()),
                float(first.span.median()),
                float(last.smallest_separation.min("group").median()),
            ]
            yield (name, float(constant), float(scale), *means, *medians, float(last.living.mean()))


def pictures(results: Results) -> list[Picture]:
    """The figures, with what they show."""
    random, constant = list(_settings(results, "random")), list(_settings(results, "constant"))
    found = []
    if any(0 in setting.bias_scale and (setting.bias_scale > 0).any() for _, setting in random):
        caption = (
            "Random weights. Left: test accuracy at the end with random biases, less that of zero biases from the same weights "
            f"and minibatches. Right: by how much random biases are later than zero ones at a test loss of {REACHED} nats. "
            "Means over seeds; bars are 95% intervals of the mean, not the spread of runs; settings are set a little apart "
            "along the axis. Dotted: zero biases."
        )
        found.append(Picture("cost", _draw_costs(random), caption))
    shown = [(name, _from_zero(setting)) for name, setting in constant]
    lines = [(name, zero) for name, zero in shown if zero is not None]
    if lines:
        caption = (
            "Zero weights and random biases, in float64: distance of the first layer's units from one line through 0 during "
            "training, the farthest unit over the longest; medians, and quartiles over seeds. Lines begin where the layer "
            "first moves. About 1e-16 is rounding; with relu, what grows out of it is rounding that training enlarges."
        )
        found.append(Picture("line", _draw_lines(lines), caption))
    if constant:
        caption = (
            "Test accuracy at the end against the scale of the biases; means over seeds, bars from the worst seed to the best. "
            "Solid: weights that start all the same, at one constant. Dashed: random weights. The leftmost point is a scale "
            "of 0. What relu gains from weights 0 beyond one unit a layer is rounding that training enlarges."
        )
        found.append(Picture("how_far", _draw_accuracies(constant, results), caption))
    return found


def _draw_costs(settings: Sequence[tuple[str, xr.Dataset]]) -> Figure:
    figure, panels = plt.subplots(1, 2, figsize=(9.2, 3.6))
    for number, (name, setting) in enumerate(settings):
        scales = setting.bias_scale.values[setting.bias_scale.values > 0]
        for panel, read in zip(panels, (_gain, _delay), strict=True):
            low, mean, high = 100 * np.array([_interval(read(setting, scale)) for scale in scales]).T
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


STUDY = Study(QUESTION, build, claims, pictures, answer, tables)
