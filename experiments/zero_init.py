"""What exactly happens with zero or constant initial weights?

Perceptrons whose weights all start at one constant learn digits. For every array of every network the step of its first move,
the size of the gradient there, and the rank it ever has are predicted from the start and the first batches alone, and measured.
The same networks from random weights stand beside them.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from ml_collections import ConfigDict

from symmetry_jax.errors import InputError, choose
from symmetry_jax.learning import tasks
from symmetry_jax.learning.data.datasets import DATASETS
from symmetry_jax.learning.data.subsets import balance, restrict
from symmetry_jax.learning.models import ACTIVATIONS, MLP
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.process import Process
from symmetry_jax.learning.starts import INITIALIZERS, biased, draw
from symmetry_jax.learning.tasks import Dataset, Task, classification
from symmetry_jax.learning.ties import hold
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.first_moves import first_moves, watch
from symmetry_jax.measures.layers import passing, tie_error, weight_norm, weight_rank
from symmetry_jax.measures.training import evaluate_accuracy, first_nonfinite_step, minibatch_loss
from symmetry_jax.reports.first_moves import (
    HORIZON,
    agreement,
    each_run,
    escape_growth,
    escapes,
    first_move_map,
    losses_of_starts,
    move_claims,
    move_table,
    plain,
)
from symmetry_jax.sweeps.axes import Axes, parse_axes
from symmetry_jax.sweeps.precision import PRECISIONS, Precision, numerics
from symmetry_jax.sweeps.program import SPACINGS, Program, record_steps
from symmetry_jax.sweeps.study import Claim, Picture, Results, Study, Table
from symmetry_jax.theory.activations import ACTIVATIONS as ACTIVATION_VALUES
from symmetry_jax.theory.balanced_escape import escape_rate
from symmetry_jax.theory.first_moves import FirstMoves, predict_first_moves

QUESTION = "What exactly happens with zero or constant initial weights: what moves, when, by how much, and with what rank?"

STATIC = ("dataset", "classes", "batch", "batch_size", "layers", "activation", "width", "optimizer")
BATCHES: dict[str, tasks.Minibatches] = {"full": "full", "balanced": "full", "minibatch": "per_seed"}
MOST_LAYERS = 64

Static = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Cell:
    """What the static settings of a program stand for."""

    data: Dataset
    model: MLP
    task: Task


def build(config: ConfigDict) -> list[Program]:
    """A program of constant starts for each cell, and one of random starts for each that has the first batch."""
    axes = parse_axes(config.sweep, config.zipped)
    _check_axes(config, axes)
    choose("precision", config.precision, PRECISIONS)
    points = [(static, inner) for static, inner in axes.split(STATIC) if _is_wanted(static, axes.columns(), config.crossed)]
    constant = [_constant(config, static, inner) for static, inner in points]
    first = axes.columns()["batch"][0] if config.random_seeds else None
    deep = [(static, inner) for static, inner in points if static["batch"] == first and static["layers"] != 1]
    return constant + [_random(config, static, inner) for static, inner in deep]


def _is_wanted(static: Static, columns: Mapping[str, Sequence[Any]], crossed: int) -> bool:
    """Whether a cell is not one that another stands for, nor one that the default leaves out of the whole product."""
    if static["layers"] == 1 and static["activation"] != columns["activation"][0]:
        return False  # a single layer has no activation
    if static["batch"] != "minibatch" and static["batch_size"] != columns["batch_size"][0]:
        return False
    leading = [static[name] in columns[name][:crossed] for name in ("layers", "activation")]
    return crossed == 0 or any(leading)


def _constant(config: ConfigDict, static: Static, axes: Axes) -> Program:
    cell = _cell(static)
    runs = axes if static["batch"] == "minibatch" else axes.cut("seed", 1)
    measures = (
        minibatch_loss(),
        weight_rank(cell.model),
        weight_norm(cell.model),
        tie_error(cell.model),
        passing(cell.model),
        *first_moves(cell.model),
        first_nonfinite_step(),
        evaluate_accuracy(cell.task),
    )
    process = watch(_process(config, cell, static, "constant"), cell.model)
    return Program("constant", process, measures, runs, cell.data, _records(config), static, config.precision)


def _random(config: ConfigDict, static: Static, axes: Axes) -> Program:
    cell = _cell(static)
    seeds = Axes.of({"seed": range(config.random_seeds)}).axes
    runs = Axes((*seeds, *axes.without("seed").without("constant").axes))
    measures = (minibatch_loss(), first_nonfinite_step(), evaluate_accuracy(cell.task))
    process = _process(config, cell, static, "lecun")
    return Program("random", process, measures, runs, cell.data, _records(config), static, config.precision)


def _process(config: ConfigDict, cell: Cell, static: Static, initializer: str) -> Process:
    optimizer = choose("optimizer", static["optimizer"], OPTIMIZERS)
    process = descend(cell.task, optimizer, draw(cell.model, INITIALIZERS[initializer], biased))
    symmetry = cell.model.symmetry(cell.data.shape)
    blocks = {name: [range(group.size)] for name, group in symmetry.items()}
    return hold(process, symmetry, blocks) if config.hold_ties and initializer == "constant" else process


def _cell(static: Static) -> Cell:
    data = restrict(choose("dataset", static["dataset"], DATASETS)(), static["classes"])
    minibatches = choose("batch", static["batch"], BATCHES)
    data = balance(data) if static["batch"] == "balanced" else data
    layers, batch_size = (_whole(name, static[name]) for name in ("layers", "batch_size"))
    if layers > MOST_LAYERS:
        raise InputError(f"axis layers: {layers}: at most {MOST_LAYERS}")
    activation = choose("activation", static["activation"], ACTIVATIONS)
    model = MLP((static["width"],) * (layers - 1), static["classes"], activation)
    return Cell(data, model, classification(model, batch_size, minibatches))


def _whole(name: str, value: Any) -> int:
    if type(value) is not int or value < 1:
        raise InputError(f"axis {name}: {value!r}: whole numbers, at least 1")
    return value


def _records(config: ConfigDict) -> tuple[int, ...]:
    return record_steps(config.steps, config.records, choose("spacing", config.spacing, SPACINGS))


def _check_axes(config: ConfigDict, axes: Axes) -> None:
    missing = sorted({*STATIC, "seed", "constant", "bias", "learning_rate"} - {*axes.names})
    if missing:
        raise InputError(f"this study needs an axis for {', '.join(missing)}")
    if any("seed" in axis.names and len(axis.names) > 1 for axis in axes.axes):
        raise InputError(f"zipped={config.zipped}: seed is an axis of its own in this study")
    if config.crossed < 0:
        raise InputError(f"crossed={config.crossed}: 0 (the whole product) or more")
    if config.random_seeds < 0:
        raise InputError(f"random_seeds={config.random_seeds}: 0 (none) or more")
    if config.steps < HORIZON:
        raise InputError(f"steps={config.steps}: at least {HORIZON}, over which first moves are predicted")


def compare(results: xr.Dataset) -> xr.Dataset:
    """Predicted beside measured, for every array of every run.

    Returns:
        The results, and along (layer, part) as well: `measured`, the step of the first move (nan for never); `predicted`,
        `size`, `doubt`, `visible`, `largest_rank` as in `theory.first_moves.Move`; along the runs `dead`, the predicted steps.
    """
    moved = results.first_move.sel(end="last", drop=True)
    names = ("predicted", "size", "doubt", "visible", "largest_rank")
    found = {name: np.full(moved.shape, np.nan) for name in names}
    dead = np.full(results.valid.shape, np.nan)
    for index in map(tuple, np.argwhere(results.valid.values)):
        moves = _predict(results.isel(dict(zip(results.valid.dims, index, strict=True))))
        dead[index] = np.nan if moves.dead is None else moves.dead
        for move in moves:
            place = (*index, move.layer - 1, ["weight", "bias"].index(move.part))
            values = (move.step, move.size, move.doubt, move.visible, move.rank)
            for name, value in zip(names, values, strict=True):
                found[name][place] = np.nan if value is None else value
    arrays: dict[str, Any] = {name: (moved.dims, values) for name, values in found.items()}
    arrays |= {"measured": moved.where(moved > 0), "dead": (results.valid.dims, dead)}
    return results.assign(arrays)


def _predict(run: xr.Dataset) -> FirstMoves:
    """The prediction for one run, from its settings."""
    numbers = tuple((name, run[name].item()) for name in ("constant", "bias", "learning_rate"))
    return _predicted(_static(run), run.seed.item(), str(run.loss.dtype), numbers)


def _static(run: xr.Dataset) -> tuple[tuple[str, Any], ...]:
    return tuple((name, run[name].item()) for name in STATIC)


@functools.lru_cache(100_000)
def _predicted(
    static: tuple[tuple[str, Any], ...], seed: int, precision: Precision, numbers: tuple[tuple[str, float], ...]
) -> FirstMoves:
    settings, values = dict(static), dict(numbers)
    return predict_first_moves(
        settings["layers"],
        settings["activation"],
        values["constant"],
        _first_batches(static, seed, precision),
        settings["classes"],
        width=settings["width"],
        bias=values["bias"],
        learning_rate=values["learning_rate"],
        precision=precision,
    )


@functools.lru_cache(1024)
def _first_batches(static: tuple[tuple[str, Any], ...], seed: int, precision: Precision) -> list[tuple[np.ndarray, np.ndarray]]:
    """The examples of the first steps, which are the same at every step if the batch is the whole training set."""
    settings = dict(static)
    cell = _cell(settings)
    steps = HORIZON if settings["batch"] == "minibatch" else 1
    with numerics(precision):
        hparams = {"seed": jnp.int32(seed)}
        batches = [cell.task.batch(cell.data, hparams, jnp.int32(step)) for step in range(steps)]
        return [(np.asarray(batch.inputs), np.asarray(batch.targets)) for batch in jax.device_get(batches)]


def claims(results: Results) -> list[Claim]:
    """What the results bear out."""
    compared = compare(results["constant"])
    kept = plain(compared)
    found = [*move_claims(kept), *_standstill_claims(kept), *_escape_claims(kept)]
    return [*found, *_cost_claims(kept, results["random"])] if "random" in results else found


def _standstill_claims(kept: xr.Dataset) -> Iterator[Claim]:
    """What a network of two or more layers that starts at zero comes to, where only the output bias can move, or nothing."""
    full = [run for run in _zero_runs(kept, "full", vanishing=True)]
    if full:
        apart = max(abs(float(run.loss[-1]) - _entropy(run)) for run in full)
        statement = (
            f"Zero start, phi(0) = 0, two or more layers, full batch ({len(full)} networks): the loss ends at the entropy of "
            "the class frequencies, all that an output bias can learn: largest difference (nats)"
        )
        yield Claim.near("bias alone", statement, 0, apart, 1e-9)
    balanced = [run for run in _zero_runs(kept, "balanced", vanishing=True)]
    if balanced:
        apart = max(float(abs(run.loss - np.log(run.classes)).max()) for run in balanced)
        statement = (
            f"The same, exactly balanced full batch ({len(balanced)} networks): the loss stays at ln K: largest difference"
        )
        yield Claim.near("standstill", statement, 0, apart, 1e-12)


def _escape_claims(kept: xr.Dataset) -> Iterator[Claim]:
    """How fast networks of two layers leave the balanced standstill."""
    for name, run in _escaping(kept).items():
        measured, predicted = escape_growth(run), _escape_factor(run)
        statement = f"{name}, zero start, two layers, balanced: growth per step of the weights that rounding seeds"
        yield Claim.near(f"escape: {name}", statement, predicted, measured, 0.02 * (predicted - 1))


def _cost_claims(kept: xr.Dataset, random: xr.Dataset) -> Iterator[Claim]:
    gaps = _gaps(kept, random)
    if gaps:
        statement = (
            f"Accuracy of random starts (median) minus that of the best constant start, two or more layers: the least of "
            f"{len(gaps)} networks that random starts train"
        )
        yield Claim.at_least("cost", statement, 0.25, min(gaps.values()))


def _zero_runs(kept: xr.Dataset, batch: str, vanishing: bool) -> Iterator[xr.Dataset]:
    """The finite runs of two or more layers that start at zero, biases too, with an activation that vanishes at 0, or not."""
    for run in each_run(kept):
        phi = float(ACTIVATION_VALUES[run.activation.item()].value(np.zeros(1))[0])
        starts_at_zero = run.constant.item() == run.bias.item() == 0
        if run.batch.item() == batch and run.layers.item() > 1 and starts_at_zero and (phi == 0) == vanishing:
            yield run


def _escaping(kept: xr.Dataset) -> dict[str, xr.Dataset]:
    """By name, the runs that leave a balanced standstill by rounding."""
    runs = [run for run in _zero_runs(kept, "balanced", vanishing=False) if run.layers.item() == 2]
    settings = [dim for dim in kept.valid.dims if kept.sizes[dim] > 1 and dim not in ("batch", "layers", "constant", "seed")]
    return {", ".join(_word(dim, run[dim].item()) for dim in settings) or run.activation.item(): run for run in runs}


def _word(dim: Any, value: object) -> str:
    return value if isinstance(value, str) else f"{dim} {value:g}"


def _escape_factor(run: xr.Dataset) -> float:
    inputs, labels = _first_batches(_static(run), 0, str(run.loss.dtype))[0]
    return 1 + run.learning_rate.item() * escape_rate(run.activation.item(), inputs, labels, run.width.item())


def _entropy(run: xr.Dataset) -> float:
    """Of the class frequencies of a run's full batch, in nats."""
    _, labels = _first_batches(_static(run), 0, str(run.loss.dtype))[0]
    frequencies = np.bincount(labels) / len(labels)
    return float(-(frequencies * np.log(frequencies)).sum())


def _gaps(kept: xr.Dataset, random: xr.Dataset) -> dict[str, float]:
    """For each network of two or more layers that random starts train to 80%, by how much they beat every constant start."""
    found = {}
    kept = kept.sel(batch=random.batch.values[0])
    for layers, activation in itertools.product(random.layers.values, random.activation.values):
        cell = {"layers": layers, "activation": activation}
        drawn = _drawn(random.sel(cell))
        constant = float(kept.sel(cell).test_accuracy.sel(end="last").max())
        if drawn >= 0.8 and np.isfinite(constant):
            found[f"{activation}, {layers} layers"] = drawn - constant
    return found


def _drawn(random: xr.Dataset) -> float:
    """Accuracy from random weights: the median over seeds, at the best of all other settings."""
    return float(random.test_accuracy.sel(end="last").median("seed").max())


def answer(results: Results, claims: Sequence[Claim]) -> str:
    """The answer in words, each sentence from the results."""
    kept = plain(compare(results["constant"]))
    details = [
        *_count_lines(results),
        *_hidden_lines(kept),
        *_escape_lines(kept),
        *_death_lines(kept),
        *_accuracy_lines(kept, results),
    ]
    summary = _summary(kept, results)
    return "\n".join([summary, "", *details, f"{sum(claim.holds for claim in claims)} of {len(claims)} claims hold."])


def _summary(kept: xr.Dataset, results: Results) -> str:
    """Two sentences: when what moves, and what it comes to."""
    same = agreement(kept)
    drowned = int(((kept.visible == 0) & kept.predicted.notnull()).sum())
    moves = (
        f"As predicted for {int((same == 1).sum()):,} of {int(same.notnull().sum()):,} arrays ({drowned:,} more drown in "
        "rounding), zero weights in two or more layers leave all but the output bias stuck if phi(0) = 0, let layer l of L "
        "first move at step L - l + 1 if not, and leave everything stuck but for rounding if the batch is exactly balanced; "
        "any other constant moves the output layer at step 1 and hidden layers at step 2."
    )
    rank, best = _deep(kept["rank"], kept).max(), _deep(kept.test_accuracy.sel(end="last"), kept).max()
    if rank.isnull():
        return f"{moves} A single layer has no symmetry to break: any constant start is the zero start, shifted."
    drawn = f", where random weights reach {_drawn(results['random']):.0%} (median over seeds)" if "random" in results else ""
    return (
        f"{moves} All units of a layer then move alike: weight matrices never exceed rank {int(rank)}, and the best such "
        f"network classifies {float(best):.0%} of the test digits right{drawn}."
    )


def _deep(values: xr.DataArray, kept: xr.Dataset) -> xr.DataArray:
    """The values in networks of two or more layers."""
    return values.where(kept.layers > 1)


def _count_lines(results: Results) -> Iterator[str]:
    runs = results["constant"]
    stopped = int((runs.first_nonfinite_step.sel(end="last") >= 0).sum())
    yield (
        f"{int(runs.valid.sum()):,} runs of {int(runs.step[-1]):,} steps from constant weights, {stopped or 'none'} of which "
        "went non-finite and are left out below."
    )


def _hidden_lines(kept: xr.Dataset) -> Iterator[str]:
    hidden = (kept.visible == 0) & kept.predicted.notnull()
    if hidden.any():
        names = _joined(kept.activation.values[hidden.any([dim for dim in hidden.dims if dim != "activation"]).values])
        yield (
            f"Of {int(hidden.sum()):,} arrays the first move is smaller than what rounding does ({names}: units that a large "
            "constant saturates, or sums that cancel): in floating point they stand still."
        )


def _escape_lines(kept: xr.Dataset) -> Iterator[str]:
    for name, run in _escaping(kept).items():
        left = run.step.values[(run.loss < np.log(run.classes) - 1e-3).values]
        when = f"the loss is 0.001 below ln {run.classes.item()} by step {left[0]}" if left.size else "the loss stays at ln K"
        yield (
            f"Balanced batch, zero start, two layers, {name}: rounding grows by {escape_growth(run):.4f} a step (predicted "
            f"{_escape_factor(run):.4f}), and {when}."
        )


def _death_lines(kept: xr.Dataset) -> Iterator[str]:
    dying = kept.dead.where((kept.dead > 0) & kept.loss.notnull().any("step"))
    for name in kept.activation.values[dying.notnull().any([dim for dim in dying.dims if dim != "activation"]).values]:
        steps = dying.sel(activation=name)
        first, last = float(steps.min()), float(steps.max())
        when = f"{first:.0f} to {last:.0f}" if last > first else f"{first:.0f}"
        yield (
            f"{name}: in {int(steps.notnull().sum())} runs whose first steps are too large some layer passes no error any more "
            f"after {when} steps."
        )


def _accuracy_lines(kept: xr.Dataset, results: Results) -> Iterator[str]:
    for layers in sorted(kept.layers.values):
        best = float(kept.test_accuracy.sel(end="last", layers=layers).max())
        line = f"{layers} layer{'s' if layers > 1 else ''}: " + (
            f"best accuracy {best:.0%} from a constant start" if np.isfinite(best) else "no constant start stayed finite"
        )
        if "random" in results and layers in results["random"].layers:
            line += f", {_drawn(results['random'].sel(layers=layers)):.0%} from random weights (median over seeds)"
        yield line + "."
    if 1 in kept.layers:
        yield "A single layer has no symmetry to break: any constant start is the zero start, shifted."


def _joined(names: Sequence[str]) -> str:
    return ", ".join(map(str, names))


def pictures(results: Results) -> list[Picture]:
    """The figures, with what they show."""
    kept = plain(compare(results["constant"]))
    found = [Picture("first_moves", first_move_map(kept), _MAP)]
    if "random" in results:
        depths = [layers for layers in kept.layers.values if layers > 1][:2]
        for layers in depths:
            figure = losses_of_starts(kept, results["random"], layers)
            found.append(
                Picture(
                    f"loss_{layers}_layers",
                    figure,
                    _LOSS.format(layers=layers, batch=results["random"].batch.item(), rate=kept.learning_rate.values[0]),
                )
            )
    leaving = _escaping(kept)
    if leaving:
        factors = {name: _escape_factor(run) for name, run in leaving.items()}
        found.append(Picture("escape", escapes(leaving, factors), _ESCAPE))
    return found


_MAP = (
    "The step at which weights W and biases b of each layer first move, measured; a row for each network. White within a "
    "network's frame: it never moved, or by no more than rounding; grey: no such layer. Red: only later, when rounding had "
    "grown. A red cross marks a first move that was predicted otherwise. Runs that went non-finite are left out."
)
_LOSS = (
    "Training loss of networks of {layers} layers ({batch} batch, learning rate {rate:g}) from constant and from random "
    "weights; band: all seeds. At ln K a network knows nothing. Curves that lie on each other there, or just below where "
    "classes are not equally frequent, are of networks that move nothing but the output bias, or units all of which are dead "
    "or saturated."
)
_ESCAPE = (
    "Norm of the first layer's weights of networks of two layers that start at zero, on an exactly balanced batch. "
    "Algebraically it stays zero; what is seen is rounding, multiplied at each step. Dashed: the predicted slope, drawn "
    "beside the curve."
)


def tables(results: Results) -> list[Table]:
    """Predicted beside measured, a row for each network."""
    return [move_table(plain(compare(results["constant"])))]


STUDY = Study(QUESTION, build, claims, pictures, answer, tables)
