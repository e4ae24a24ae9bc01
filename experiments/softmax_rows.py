"""Do all weights of a softmax classifier get equal updates when they start at zero, or at any one number?

A learner derived it for one layer and asked whether nothing moves, everything moves alike, in magnitude or in direction. Here
one layer learns digits. Its first step is held against the closed form for one example and for batches, for any number of
classes; long training is held against what a sum over classes can do.
"""

import itertools
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from ml_collections import ConfigDict

from symmetry_jax.errors import InputError, choose
from symmetry_jax.learning.data.datasets import DATASETS
from symmetry_jax.learning.data.subsets import balance, restrict
from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.process import Process
from symmetry_jax.learning.starts import INITIALIZERS, biased, draw
from symmetry_jax.learning.tasks import Dataset, Task, classification
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.rows import (
    Formula,
    bias_gradient,
    class_mean,
    first_label,
    gradient_range,
    input_norm,
    largest_curvature,
    largest_weight,
    moved_range,
    output_weights,
    predicted_drop,
    row_cosine,
    row_error,
    row_norm,
    row_rank,
    silent_inputs,
    still_weights,
)
from symmetry_jax.measures.training import evaluate_accuracy, first_nonfinite_step, minibatch_loss
from symmetry_jax.reports.first_rows import (
    TELLING,
    WHOLE,
    first_claims,
    first_lines,
    rounding,
    shares,
    short_answer,
    shortfalls,
    spreads,
    worst,
)
from symmetry_jax.reports.growth import settled
from symmetry_jax.reports.row_sums import PIXELS, sum_claims, sum_lines, sum_row, worst_sums
from symmetry_jax.reports.rows import LEAST, drop_against_rate, norms_against_classes, sums_over_steps, update_images
from symmetry_jax.sweeps.axes import Axes, Value, parse_axes
from symmetry_jax.sweeps.precision import PRECISIONS
from symmetry_jax.sweeps.program import SPACINGS, Program, record_steps
from symmetry_jax.sweeps.study import Claim, Picture, Results, Study, Table
from symmetry_jax.theory.softmax_rows import (
    adam_first_step,
    balanced_rows,
    batch_rows,
    decayed_constant,
    decayed_constants,
    example_rows,
)

QUESTION = "Do all weights of a softmax classifier get equal updates when they start at zero, or at any one number?"

STATIC = ("classes", "batch", "optimizer")
NUMBERS = ("seed", "constant", "learning_rate", "weight_decay", "bias", "momentum", "beta1", "beta2", "adam_eps")
ADAPTING = ("momentum", "beta1", "beta2", "adam_eps")  # numbers that a first step of gradient descent does not read

FORMULAS: dict[str, Formula] = {
    "example": lambda inputs, labels, classes: example_rows(inputs[0], labels[0], classes),
    "minibatch": batch_rows,
    "full": batch_rows,
    "balanced": balanced_rows,
}


def build(config: ConfigDict) -> list[Program]:
    """The first step for every number of classes and batch, that of Adam on one example, and long training."""
    choose("precision", config.precision, PRECISIONS)
    data = choose("dataset", config.dataset, DATASETS)()
    names = _names(config)
    numbers = _numbers(config)
    first = [_first(config, data, numbers, classes, batch) for classes in names["classes"] for batch in names["batch"]]
    most = max(names["classes"])
    steps = [_step(config, data, numbers, classes, "example", "adam") for classes in names["classes"]]
    steps += [_step(config, data, numbers, most, batch, "sgd") for batch in ("example", "balanced")]
    few = [classes for classes in names["classes"] if classes in (min(names["classes"]), most)]
    long = [_long(config, data, numbers, classes, optimizer) for optimizer in names["optimizer"] for classes in few]
    return first + steps + long


def _names(config: ConfigDict) -> dict[str, list[Any]]:
    """The values of the static axes."""
    missing = sorted({*STATIC, *NUMBERS} - {*config.sweep})
    if missing:
        raise InputError(f"this study needs an axis for {', '.join(missing)}")
    names = {name: parse_axes({name: config.sweep[name]}).axes[0].column(name) for name in STATIC}
    for batch in names["batch"]:
        choose("batch", str(batch), FORMULAS)
    for optimizer in names["optimizer"]:
        choose("optimizer", str(optimizer), OPTIMIZERS)
    if "example" not in names["batch"]:
        raise InputError(f"axis batch={config.sweep.batch!r}: example among them, which is what batches are compared with")
    return names


def _numbers(config: ConfigDict) -> Axes:
    """The traced axes."""
    numbers = parse_axes({name: text for name, text in config.sweep.items() if name not in STATIC})
    if 0 not in numbers.columns()["constant"]:
        raise InputError(f"axis constant={config.sweep.constant!r}: 0 among them, which is what constants are compared with")
    if not all(numbers.columns()["learning_rate"]):
        raise InputError("axis learning_rate: 0 moves nothing, and its step cannot be compared with the gradient")
    if config.few_seeds < 1:
        raise InputError(f"few_seeds={config.few_seeds}: at least 1")
    return numbers


def _first(config: ConfigDict, data: Dataset, numbers: Axes, classes: Value, batch: str) -> Program:
    """The first step of gradient descent."""
    model, chosen = _model(data, classes, batch)
    formula = FORMULAS[batch]
    measures = (
        minibatch_loss(),
        row_norm(model),
        row_cosine(model),
        input_norm(),
        first_label(),
        row_error(model, formula),
        bias_gradient(),
        still_weights(),
        silent_inputs(),
        gradient_range(),
        predicted_drop(model, formula),
        largest_curvature(),
    )
    axes = _cut(numbers.fix("weight_decay", 0.0), *ADAPTING, *(["seed"] if batch in WHOLE else []))
    process = _process(model, _task(config, model, batch), "sgd")
    return Program("rows", process, measures, axes, chosen, (0, 1), {"classes": classes, "batch": batch}, config.precision)


def _step(config: ConfigDict, data: Dataset, numbers: Axes, classes: Value, batch: str, optimizer: str) -> Program:
    """A first step from zero with an optimizer, to be looked at."""
    model, chosen = _model(data, classes, batch)
    measures = (gradient_range(), moved_range(), class_mean(), output_weights(model, _shape(data)))
    axes = _fastest(numbers).cut("seed", config.few_seeds).fix("constant", 0.0).fix("weight_decay", 0.0)
    axes = _cut(axes, *ADAPTING, *(["seed"] if batch in WHOLE else []))
    static = {"classes": classes, "batch": batch, "optimizer": optimizer}
    return Program(
        "steps",
        _process(model, _task(config, model, batch), optimizer),
        measures,
        axes,
        chosen,
        (0, 1),
        static,
        config.precision,
    )


def _long(config: ConfigDict, data: Dataset, numbers: Axes, classes: Value, optimizer: str) -> Program:
    """Training on minibatches: each pulls on the rows in another way, and none on their sum."""
    model, chosen = _model(data, classes, "minibatch")
    task = _task(config, model, "minibatch")
    measures = (
        minibatch_loss(),
        class_mean(),
        largest_weight(),
        row_rank(),
        output_weights(model, _shape(data)),
        evaluate_accuracy(task),
        first_nonfinite_step(),
    )
    records = record_steps(config.steps, config.records, choose("spacing", config.spacing, SPACINGS))
    axes = _fastest(numbers).cut("seed", config.few_seeds)
    static = {"optimizer": optimizer, "classes": classes}
    return Program("long", _process(model, task, optimizer), measures, axes, chosen, records, static, config.precision)


def _process(model: MLP, task: Task, optimizer: str) -> Process:
    return descend(task, OPTIMIZERS[optimizer], draw(model, INITIALIZERS["constant"], biased))


def _task(config: ConfigDict, model: MLP, batch: str) -> Task:
    size = 1 if batch == "example" else config.batch_size
    return classification(model, size, "full" if batch in WHOLE else "per_seed")


def _model(data: Dataset, classes: Value, batch: str) -> tuple[MLP, Dataset]:
    """One layer, and the examples of the first classes."""
    chosen = restrict(data, classes)
    return MLP((), len(np.unique(chosen.train.targets))), balance(chosen) if batch == "balanced" else chosen


def _shape(data: Dataset) -> dict[str, int]:
    return dict(zip(("row", "column", "channel"), data.shape, strict=True))


def _cut(axes: Axes, *names: str) -> Axes:
    """The axes with some of them cut to their first value."""
    for name in names:
        axes = axes.cut(name, 1)
    return axes


def _fastest(numbers: Axes) -> Axes:
    return numbers.fix("learning_rate", max(numbers.columns()["learning_rate"]))


def claims(results: Results) -> list[Claim]:
    """What the results bear out."""
    long = settled(results["long"])
    return [*first_claims(results["rows"]), *_adam_claims(_of_adam(results)), *sum_claims(long, _left(long))]


def _adam_claims(adam: xr.Dataset) -> Iterator[Claim]:
    """Adam's first step on one example."""
    gradients, moved = adam.gradient_range.sel(step=0), adam.moved.sel(end="last")
    tolerance = rounding(adam.moved)
    form = "Adam, one example: its first step moves a weight by lr |g|/(|g| + eps), which is lr for all that move at all"
    apart = moved - adam_first_step(gradients, adam.adam_eps)
    yield Claim.near("adam", f"{form}: largest error over lr", 0, worst(apart, adam.valid), tolerance)
    # each of K moves falls short of lr by eps/g at most; the rest is rounding
    doubt = float((adam.classes * adam.adam_eps / gradients.sel(extreme="smallest")).where(adam.valid, 0).max()) + tolerance
    sums = adam.class_mean.sel(step=1, extreme="smallest") * adam.classes / adam.learning_rate
    statement = (
        "Adam, one example: after its first step the rows sum to -(K - 2) lr at an input that is not 0: largest error over lr"
    )
    if doubt <= TELLING:
        yield Claim.near("adam: sum", statement, 0, worst(sums + adam.classes - 2, adam.valid), doubt)


def _held(claims: Sequence[Claim]) -> set[str]:
    """The names of the claims that hold."""
    return {claim.name for claim in claims if claim.holds}


def _of_adam(results: Results) -> xr.Dataset:
    return results["steps"].sel(batch="example", optimizer="adam")


def _left(long: xr.Dataset) -> xr.DataArray:
    """What is left of the constant, by optimizer and record; missing where Adam's coupled decay acts on a constant."""
    settings = xr.broadcast(long.constant, long.learning_rate, long.weight_decay, long.momentum)
    every = [decayed_constants(*settings, int(long.step[-1]), nesterov)[long.step.values] for nesterov in (False, True)]
    moving = [xr.DataArray(np.moveaxis(left, 0, -1), {"step": long.step}, (*settings[0].dims, "step")) for left in every]
    plain = decayed_constant(long.constant, long.learning_rate, long.weight_decay, long.step)
    rules = {"sgd": plain, "adamw": plain, "momentum": moving[0], "nesterov": moving[1]}
    rules["adam"] = plain.where((long.weight_decay == 0) | (long.constant == 0))
    left: list[xr.DataArray] = [rules[optimizer] for optimizer in long.optimizer.values.tolist()]
    return xr.concat(xr.broadcast(*left), long.optimizer)


def pictures(results: Results) -> list[Picture]:
    """The figures, with what they show."""
    rows, long = results["rows"], settled(results["long"])
    captions = _captions(results)
    figures = {
        "norms": norms_against_classes(shares(rows), spreads(rows)),
        "updates": update_images(_moves(results["steps"])),
        "sums": sums_over_steps(worst_sums(long, _left(long))),
    }
    if set(WHOLE) & set(rows.batch.values):
        figures["drop"] = drop_against_rate(*shortfalls(rows))
    return [Picture(name, figures[name], captions[name]) for name in captions if name in figures]


def _captions(results: Results) -> dict[str, str]:
    """What the figures show; a sentence that says what was found is left out where the claims it rests on are not borne out."""
    held, long = _held(claims(results)), results["long"]
    several = {f"sum: adam, {classes} classes" for classes in long.classes.values.tolist() if classes > 2}
    parts: dict[str, list[tuple[str, set[str]]]] = {
        "norms": [
            ("Left: norms of the rows of the gradient for one example, mean over examples", set()),
            ("The two kinds meet at K = 2 alone", {"norms"}),
            ("Right: the longest row over the shortest, median over seeds; lines join points", set()),
            ("At K = 2 any batch has two rows of one norm", {"two classes"}),
            (
                "In a balanced batch norms are as the distances of the means of the classes from the mean of all",
                {"rows: balanced"},
            ),
        ],
        "updates": [
            (
                "What the first step adds to the weights of each class, from zero, in learning rates: red up, blue down, white "
                "nothing. Each line has its own colour scale",
                set(),
            ),
            ("One example adds itself to the row of its class and takes a part of itself from all others", {"example"}),
            ("Adam adds and takes as much from every row", {"adam", "adam: sum"}),
            ("A balanced batch adds (xbar_k - xbar) / K", {"rows: balanced"}),
        ],
        "drop": [
            (
                "How far the drop of the loss in the first step is from its prediction to first order, largest of all runs. "
                "Where that is in proportion to the learning rate, the prediction is exact to first order, and the rest is "
                "curvature. Dotted: how far it may be by the largest curvature there can be and the rounding of two losses, at "
                "the K where that is most",
                set(),
            )
        ],
        "sums": [
            (
                "How far the mean of the rows is from 0 in training from zero, the worst input of all runs, over the largest "
                f"weight; all weight decays are in it. What is exactly 0 is drawn at {LEAST:g}. One rounding a step may add up "
                f"to {float(long.step[-1] * np.finfo(long.class_mean.dtype).eps):.0e}",
                set(),
            ),
            ("With Adam rows do not sum to 0 for K > 2", several or {"no such claim"}),
            ("With Adam they do at K = 2, where its two rows are treated alike", {"sum: adam, 2 classes"}),
        ],
    }
    return {name: " ".join(f"{words}." for words, needed in told if needed <= held) for name, told in parts.items()}


def tables(results: Results) -> list[Table]:
    """The numbers behind the answer."""
    found, long = shares(results["rows"]), settled(results["long"])
    norms = []
    for classes in found.classes.values.tolist():
        true, other = (float(found[name].sel(classes=classes)) for name in ("true", "other"))
        norms.append((classes, 1 - 1 / classes, true, 1 / classes, other))
    columns = ("K", "1 - 1/K", "true row / ||x||", "1/K", "other row / ||x||")
    programs = itertools.product(long.optimizer.values.tolist(), long.classes.values.tolist())
    trained = tuple(sum_row(long, _left(long), *program) for program in programs)
    heads = ("optimizer", "K", "mean of rows", "off the shift", "rank from 0", "rank from c", "test accuracy from 0", "from c")
    return [
        Table("norms", columns, tuple(norms), "Norms of the rows of the gradient for one example, mean over examples."),
        Table(
            "long",
            heads,
            trained,
            "Long training: the mean of the rows from zero over the largest weight, at its largest; the largest difference "
            "between training from a constant and from zero, shifted, over the largest weight (adam: without weight decay); "
            "the largest rank; the mean accuracy on the test set, from zero and from constants.",
        ),
    ]


def answer(results: Results, claims: Sequence[Claim]) -> str:
    """The answer in words, each sentence from the results."""
    rows, long = results["rows"], settled(results["long"])
    held = _held(claims)
    lines = [short_answer(rows, held), "", *first_lines(rows), *_step_lines(_of_adam(results), held)]
    lines += sum_lines(long, _left(long))
    return "\n".join([*lines, f"{sum(claim.holds for claim in claims)} of {len(claims)} claims hold."])


def _step_lines(adam: xr.Dataset, held: Collection[str]) -> Iterator[str]:
    """Adam, whose first step is the nearest to equal magnitudes."""
    moved = adam.moved.sel(end="last").where(adam.valid)
    low, high = (float(part) for part in (moved.sel(extreme="smallest").min(), moved.sel(extreme="largest").max()))
    line = (
        f"Adam's first step on one example moves every weight that moves by {low:.6f} to {high:.6f} learning rates, for any K"
    )
    if "adam" in held and low >= 1 - TELLING:
        line += ": here magnitudes are equal, not by the gradient but because Adam keeps little but its sign"
        line += "; the signs still differ" if "adam: sum" in held else ""
    yield f"{line}."


def _moves(steps: xr.Dataset) -> dict[str, xr.DataArray]:
    """What some first steps added to the weights, of the first seed, at the largest number of classes: (class, row, column)."""
    names = {
        ("example", "sgd"): "one example",
        ("example", "adam"): "one example,\nAdam",
        ("balanced", "sgd"): "balanced\nbatch",
    }
    last = steps.weights.sel(end="last", classes=int(steps.classes.max())) / steps.learning_rate
    chosen = {name: last.sel(batch=batch, optimizer=optimizer) for (batch, optimizer), name in names.items()}
    others = [dim for dim in last.dims if dim not in (*PIXELS[:3], "batch", "optimizer")]
    return {name: move.isel(dict.fromkeys(others, 0)).transpose(*PIXELS[:3]) for name, move in chosen.items()}


STUDY = Study(QUESTION, build, claims, pictures, answer, tables)
