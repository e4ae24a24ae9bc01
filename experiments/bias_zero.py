"""Do biases have to be random, where weights are? Can they be random instead of the weights?

A perceptron learns digits from biases of a scale, 0 among them, and either random weights or weights that are all the same. A
seed has the same minibatches throughout, the same random weights at every scale of the biases, and the same biases but for
their scale, so that what biases cost is read off pairs of runs. Where weights start at zero, units of ReLU are held against the
network with one unit in each hidden layer that they amount to: see `theory.scattered_biases`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from symmetry_jax.errors import InputError, choose
from symmetry_jax.learning.data.datasets import DATASETS
from symmetry_jax.learning.models import ACTIVATIONS, MLP
from symmetry_jax.learning.optimizers import sgd
from symmetry_jax.learning.process import Hparams, Measure, PyTree
from symmetry_jax.learning.starts import INITIALIZERS, Start, draw, scattered
from symmetry_jax.learning.tasks import MINIBATCHES, Dataset, Task, classification
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.directions import off_line, weight_rank
from symmetry_jax.measures.layers import living, tie_error
from symmetry_jax.measures.separation import smallest_separation
from symmetry_jax.measures.shares import share_error
from symmetry_jax.measures.training import evaluate_accuracy, evaluate_loss, first_nonfinite_step, minibatch_loss
from symmetry_jax.reports.bias_scales import (
    STATIC,
    VARIED,
    cost_claims,
    cost_lines,
    cost_pictures,
    cost_sentence,
    cost_table,
    settings_of,
)
from symmetry_jax.reports.separating import constant_claims, constant_lines, constant_pictures, constant_table, instead_sentence
from symmetry_jax.sweeps.axes import Axes, parse_axes
from symmetry_jax.sweeps.precision import PRECISIONS, Precision
from symmetry_jax.sweeps.program import Program, record_steps
from symmetry_jax.sweeps.study import Claim, Picture, Results, Study, Table
from symmetry_jax.theory.scattered_biases import one_unit_bias

QUESTION = "Do biases have to be random where weights are, and can they be random instead of the weights?"

NEEDED = ("seed", "bias_scale", "constant", "learning_rate", "weight_decay")
DRAWN = {name: INITIALIZERS[name] for name in ("lecun", "he")}

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
        weight_rank(model),
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
    """Spaced evenly in their logarithm, and every step up to that at which the last layer moves first, one a layer."""
    deepest = max(parse_axes(config.sweep, config.zipped).columns()["layers"])
    spaced = record_steps(config.steps, config.records, "log")
    return tuple(sorted({*spaced, *range(min(deepest, config.steps) + 1)}))


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
    if config.steps < 2:
        raise InputError(f"steps={config.steps}: at least 2, since units are on one line after the first whatever they do")
    if config.constant_seeds < 1:
        raise InputError(f"constant_seeds={config.constant_seeds}: at least 1")


def claims(results: Results) -> list[Claim]:
    """What the results bear out."""
    found = [claim for name, setting in settings_of(results, "random") for claim in cost_claims(name, setting)]
    for name, setting in settings_of(results, "constant"):
        found += constant_claims(name, setting, results)
    return found


def answer(results: Results, claims: Sequence[Claim]) -> str:
    """The answer in two sentences, then in detail, each from the results."""
    first, second = cost_sentence(results), instead_sentence(results)
    details = [line for name, setting in settings_of(results, "random") for line in cost_lines(name, setting)]
    details += [line for name, setting in settings_of(results, "constant") for line in constant_lines(name, setting, results)]
    runs = sum(int(sweep.valid.sum()) for sweep in results.values())
    details.append(f"{runs:,} runs; {sum(claim.holds for claim in claims)} of {len(claims)} claims hold.")
    return "\n".join([f"{first} {second}", "", *details])


def tables(results: Results) -> list[Table]:
    """Costs at every scale with random weights; how far every constant and scale gets without."""
    return [table for table in (cost_table(results), constant_table(results)) if table.rows]


def pictures(results: Results) -> list[Picture]:
    """The figures, with what they show."""
    return [*cost_pictures(results), *constant_pictures(results)]


STUDY = Study(QUESTION, build, claims, pictures, answer, tables)
