"""What exactly happens with zero or constant initial weights?

Perceptrons whose weights all start at one constant learn digits. For every array of every network the step of its first move,
the size of the gradient there, and the rank it ever has are predicted from the start and the first batches alone, and measured.
The same networks from random weights stand beside them.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
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
from symmetry_jax.measures.directions import weight_rank
from symmetry_jax.measures.first_moves import first_moves, watch
from symmetry_jax.measures.layers import passing, tie_error, weight_norm
from symmetry_jax.measures.training import evaluate_accuracy, first_nonfinite_step, minibatch_loss
from symmetry_jax.reports.constant_starts import cost_claims, start_lines, start_pictures, summary
from symmetry_jax.reports.first_moves import move_claims, move_picture, move_table, plain
from symmetry_jax.reports.standstills import escape_claims, escape_lines, escape_pictures, standstill_claims
from symmetry_jax.sweeps.axes import Axes, parse_axes
from symmetry_jax.sweeps.precision import PRECISIONS, Precision, numerics
from symmetry_jax.sweeps.program import SPACINGS, Program, record_steps
from symmetry_jax.sweeps.study import Claim, Picture, Results, Study, Table
from symmetry_jax.theory.balanced_escape import escape_rate
from symmetry_jax.theory.bias_alone import bias_loss
from symmetry_jax.theory.first_moves import HORIZON, FirstMoves, predict_first_moves
from symmetry_jax.theory.tied_training import Examples

QUESTION = "What exactly happens with zero or constant initial weights: what moves, when, by how much, and with what rank?"

STATIC = ("dataset", "classes", "batch", "batch_size", "layers", "activation", "width", "optimizer")
BATCHES: dict[str, tasks.Minibatches] = {"full": "full", "balanced": "full", "minibatch": "per_seed"}
MOST_LAYERS = HORIZON  # within which first moves are predicted

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
    data = _data(static["dataset"], static["classes"], static["batch"])
    layers, batch_size = (_whole(name, static[name]) for name in ("layers", "batch_size"))
    if layers > MOST_LAYERS:
        raise InputError(f"axis layers: {layers}: at most {MOST_LAYERS}")
    activation = choose("activation", static["activation"], ACTIVATIONS)
    model = MLP((static["width"],) * (layers - 1), static["classes"], activation)
    return Cell(data, model, classification(model, batch_size, BATCHES[static["batch"]]))


def _data(dataset: str, classes: int, batch: str) -> Dataset:
    data = restrict(choose("dataset", dataset, DATASETS)(), classes)
    choose("batch", batch, BATCHES)
    return balance(data) if batch == "balanced" else data


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
    if any(name in axis.names and len(axis.names) > 1 for axis in axes.axes for name in ("seed", "constant")):
        raise InputError(f"zipped={config.zipped}: seed and constant are axes of their own in this study")
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
        `size`, `doubt`, `visible`, `largest_rank` as in `theory.first_moves.Move`. Along the runs: `dead`, as in its
        `FirstMoves`; `bias_loss`, the loss at the end of an output bias that learns the frequencies of the first batch alone;
        `escape_factor`, the predicted growth per step of what rounding seeds, of two layers on a balanced batch.
    """
    moved = results.first_move.sel(end="last", drop=True)
    of_arrays = {name: np.full(moved.shape, np.nan) for name in ("predicted", "size", "doubt", "visible", "largest_rank")}
    of_runs = {name: np.full(results.valid.shape, np.nan) for name in ("dead", "bias_loss", "escape_factor")}
    for index in map(tuple, np.argwhere(results.valid.values)):
        run = results.isel(dict(zip(results.valid.dims, index, strict=True)))
        moves = _predict(run)
        for name, value in zip(of_runs, (moves.dead, _bias_loss(run), _escape_factor(run)), strict=True):
            of_runs[name][index] = np.nan if value is None else value
        for move in moves:
            place = (*index, move.layer - 1, ["weight", "bias"].index(move.part))
            values = (move.step, move.size, move.doubt, move.visible, move.rank)
            for name, value in zip(of_arrays, values, strict=True):
                of_arrays[name][place] = np.nan if value is None else value
    arrays: dict[str, Any] = {name: (moved.dims, values) for name, values in of_arrays.items()}
    arrays |= {name: (results.valid.dims, values) for name, values in of_runs.items()}
    return results.assign(arrays | {"measured": moved.where(moved > 0)})


def _bias_loss(run: xr.Dataset) -> float:
    _, labels = _batches_of(run)[0]
    return bias_loss(labels, run.classes.item(), run.bias.item(), run.learning_rate.item(), int(run.step[-1]))


def _escape_factor(run: xr.Dataset) -> float | None:
    if run.layers.item() != 2 or run.batch.item() != "balanced":
        return None
    inputs, labels = _batches_of(run)[0]
    return 1 + run.learning_rate.item() * escape_rate(run.activation.item(), inputs, labels, run.width.item())


def _predict(run: xr.Dataset) -> FirstMoves:
    """The prediction for one run, from its settings."""
    return predict_first_moves(
        run.layers.item(),
        run.activation.item(),
        run.constant.item(),
        _batches_of(run),
        run.classes.item(),
        width=run.width.item(),
        bias=run.bias.item(),
        learning_rate=run.learning_rate.item(),
        precision=str(run.loss.dtype),
    )


def _batches_of(run: xr.Dataset) -> list[Examples]:
    names = ("dataset", "classes", "batch", "batch_size", "seed")
    return _first_batches(*(run[name].item() for name in names), str(run.loss.dtype))


@functools.lru_cache(1024)
def _first_batches(dataset: str, classes: int, batch: str, batch_size: int, seed: int, precision: Precision) -> list[Examples]:
    """The examples of the first steps, which are the same at every step if the batch is the whole training set."""
    data = _data(dataset, classes, batch)
    draw_batch = classification(MLP((), classes), batch_size, BATCHES[batch]).batch
    with numerics(precision):
        hparams = {"seed": jnp.int32(seed)}
        steps = range(HORIZON if batch == "minibatch" else 1)
        drawn = jax.device_get([draw_batch(data, hparams, jnp.int32(step)) for step in steps])
    return [(np.asarray(batch.inputs), np.asarray(batch.targets)) for batch in drawn]


def prepare(results: Results) -> Results:
    """The results, and as `compared` those of constant starts that predictions are for, with the predictions beside them."""
    return {**results, "compared": plain(compare(results["constant"]))}


def claims(results: Results) -> list[Claim]:
    """What the results bear out."""
    kept, random = results["compared"], results.get("random")
    return [*move_claims(kept), *standstill_claims(kept), *escape_claims(kept), *cost_claims(kept, random)]


def answer(results: Results, claims: Sequence[Claim]) -> str:
    """The answer in words, each sentence from the results."""
    kept, random = results["compared"], results.get("random")
    lines = [*start_lines(results["constant"], kept, random), *escape_lines(kept)]
    held = f"{sum(claim.holds for claim in claims)} of {len(claims)} claims hold."
    return "\n".join([summary(kept, random), "", *lines, held])


def pictures(results: Results) -> list[Picture]:
    """The figures, with what they show."""
    kept = results["compared"]
    return [move_picture(kept), *start_pictures(kept, results.get("random")), *escape_pictures(kept)]


def tables(results: Results) -> list[Table]:
    """Predicted beside measured, a row for each network."""
    return [move_table(results["compared"])]


STUDY = Study(QUESTION, build, claims, pictures, answer, tables, prepare)
