"""What can exactly equal filters do for a network, and what do more filters buy?

Filters that are tied once, in blocks, train beside nothing that holds them together; and beside the quotient network, which has
one filter for each block. Then networks of one convolution and a dense layer, that differ in the number of filters, in how
many of those are distinct, and in whether anything is not linear, train beside softmax regression.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from symmetry_jax.errors import InputError, choose
from symmetry_jax.learning.convolution import Padding
from symmetry_jax.learning.data.datasets import DATASETS
from symmetry_jax.learning.data.subsets import scramble
from symmetry_jax.learning.models import ACTIVATIONS, CNN, MLP
from symmetry_jax.learning.optimizers import OPTIMIZERS, nesterov, sgd
from symmetry_jax.learning.process import Measure, Process
from symmetry_jax.learning.quotients import merged, merged_optimizer
from symmetry_jax.learning.starts import INITIALIZERS, Start, draw, even_blocks, evenly_tied
from symmetry_jax.learning.tasks import Dataset, Task, classification
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.linear_filters import fold_gap, folded_gain, kernels
from symmetry_jax.measures.separation import block_spread
from symmetry_jax.measures.training import (
    Part,
    evaluate_accuracy,
    evaluate_loss,
    first_nonfinite_step,
    gradient_norm,
    minibatch_loss,
)
from symmetry_jax.reports.filter_counts import (
    LIMITS,
    capacity_claims,
    capacity_lines,
    capacity_sentence,
    capacity_table,
)
from symmetry_jax.reports.filter_figures import capacity_pictures
from symmetry_jax.reports.tied_filters import tie_claims, tie_lines, tie_pictures, tie_sentence
from symmetry_jax.sweeps.axes import Axes, Value, parse_axes, parse_axis
from symmetry_jax.sweeps.precision import PRECISIONS, Precision
from symmetry_jax.sweeps.program import MOST_RECORDS, Program, record_steps
from symmetry_jax.sweeps.study import Claim, Picture, Results, Study, Table

QUESTION = "What can exactly equal filters do for a network, and what do more filters buy?"

TIED = ("seed", "copies", "tied_layers", "learning_rate", "weight_decay", "momentum", "beta1", "beta2", "adam_eps")
WIDTH = ("filters", "seed", "learning_rate", "weight_decay")

Static = Mapping[str, Any]  # the settings of one program that are names


def build(config: ConfigDict) -> list[Program]:
    """Ties and their quotients under each optimizer; then networks of one convolution, and softmax regression."""
    data = choose("dataset", config.dataset, DATASETS)()
    precision = choose("precision", config.precision, PRECISIONS)
    _check(config, data)
    points = parse_axes(config.sweep).split(("optimizer",))
    programs = [_ties(config, data, static, axes, precision) for static, axes in points]
    programs += [program for static, axes in points for program in _quotients(config, data, static, axes)]
    labelled = {"true": data, "random": scramble(data)}
    return [*programs, *_widths(config, labelled, precision), *_regressions(config, labelled, precision)]


def _ties(config: ConfigDict, data: Dataset, static: Static, axes: Axes, precision: Precision) -> Program:
    """Filters that are tied at the start and then left alone."""
    model = _tied_model(config, data)
    process, task = _tied_process(config, model, data, static)
    measures = (minibatch_loss(), block_spread(model.symmetry(data.shape)), evaluate_accuracy(task), first_nonfinite_step())
    records = record_steps(config.steps, config.records, "log")
    return Program("ties", process, measures, axes, data, records, static, precision)


def _quotients(config: ConfigDict, data: Dataset, static: Static, axes: Axes) -> Iterator[Program]:
    """The network with tied filters, and for each way to tie them the one with a filter for each block; in float64."""
    model, few = _tied_model(config, data), axes.cut("seed", config.quotient_seeds)
    records = record_steps(config.quotient_steps, config.quotient_steps + 1, "even")

    def program(network: str, process: Process, runs: Axes) -> Program:
        return Program("quotient", process, (minibatch_loss(),), runs, data, records, {**static, "network": network}, "float64")

    yield program("tied", _tied_process(config, model, data, static)[0], few)
    columns = axes.columns()
    for copies in columns["copies"]:
        for layers in columns["tied_layers"]:
            smaller = _quotient_process(config, model, data, static, int(copies), int(layers))
            yield program("quotient", smaller, few.fix("copies", copies).fix("tied_layers", layers))


def _tied_process(config: ConfigDict, model: CNN, data: Dataset, static: Static) -> tuple[Process, Task]:
    task, start = classification(model, config.batch_size, "per_seed"), draw(model, INITIALIZERS["lecun"])
    return descend(task, _optimizer(static), evenly_tied(start, model.symmetry(data.shape))), task


def _quotient_process(config: ConfigDict, model: CNN, data: Dataset, static: Static, copies: int, layers: int) -> Process:
    symmetry = model.symmetry(data.shape)
    blocks = {name: even_blocks(group.size, copies) for name, group in list(symmetry.items())[:layers]}
    saved = [(copies - 1) * len(blocks.get(name, ())) for name in symmetry]
    smaller = model.clone(filters=tuple(np.subtract(model.filters, saved).tolist()))
    shapes = jax.eval_shape(model.init, jax.random.key(0), data.train.inputs[:1])
    start = merged(draw(model, INITIALIZERS["lecun"]), symmetry, blocks)
    optimizer = merged_optimizer(_optimizer(static), shapes, symmetry, blocks)
    return descend(classification(smaller, config.batch_size, "per_seed"), optimizer, start)


def _widths(config: ConfigDict, labelled: Mapping[str, Dataset], precision: Precision) -> Iterator[Program]:
    """One convolution with each number of filters, linear and not; and with the most filters, tied in blocks.

    Programs that differ in labels alone share a process and its measures, and so compile once.
    """
    axes = parse_axes(config.width)
    counts, runs, records = _whole("width.filters", axes.columns()["filters"]), axes.without("filters"), _width_records(config)
    paddings: tuple[tuple[str, Padding], ...] = (("identity", "SAME"), ("relu", "SAME"), ("identity", "VALID"))
    for activation, padding in paddings:
        for count in counts if padding == "SAME" else _counts(config, "unpadded_filters"):
            model = _one_convolution(config, labelled["true"], activation, padding, count)
            process, measures = _descent(config, model, draw(model, INITIALIZERS["lecun"]))
            measures = (*measures, kernels(model), fold_gap(model), folded_gain(model))
            both = padding == "SAME" and count in _counts(config, "scrambled_filters")
            for labels in ("true", "random") if both else ("true",):
                static: Static = {"activation": activation, "padding": str(padding), "labels": labels, "filters": count}
                yield Program("filters", process, measures, runs, labelled[labels], records, static, precision)
    yield from _tied_widths(config, labelled, runs, counts, precision)


def _tied_widths(
    config: ConfigDict, labelled: Mapping[str, Dataset], runs: Axes, counts: Sequence[int], precision: Precision
) -> Iterator[Program]:
    """The most filters, in as many blocks of equal size as smaller networks have filters, where that can be."""
    most, data = max(counts), labelled["true"]
    model = _one_convolution(config, data, "relu", "SAME", most)
    symmetry = model.symmetry(data.shape)
    process, measures = _descent(config, model, evenly_tied(draw(model, INITIALIZERS["lecun"]), symmetry))
    blocks = [most // count for count in counts if count < most and most % count == 0]
    copies = Axes.of({"copies": blocks, "tied_layers": [1]})
    axes, measures = Axes((*runs.axes, *copies.axes)), (*measures, block_spread(symmetry))
    for labels, shown in labelled.items():
        static = {"labels": labels}
        yield Program("tied_width", process, measures, axes, shown, _width_records(config), static, precision)


def _regressions(config: ConfigDict, labelled: Mapping[str, Dataset], precision: Precision) -> Iterator[Program]:
    """Softmax regression: trained like the networks, at several rates; and for long on all examples at once."""
    axes = parse_axes(config.width).without("filters")
    rates = Axes.of({"learning_rate": parse_axis("softmax_rates", config.softmax_rates)})
    runs = Axes((*axes.without("learning_rate").axes, *rates.axes))
    alone = axes.cut("seed", 1).fix("learning_rate", config.optimum_rate).fix("weight_decay", 0.0).fix("momentum", 0.9)
    model = MLP((), len(np.unique(labelled["true"].train.targets)))
    start = draw(model, INITIALIZERS["lecun"])
    process, measures = _descent(config, model, start)
    long = descend(classification(model, config.batch_size, "full"), nesterov, start)
    records = record_steps(config.optimum_steps, config.width_records, "log")
    reads = (*measures, gradient_norm())
    for labels, data in labelled.items():
        static = {"labels": labels}
        yield Program("softmax", process, measures, runs, data, _width_records(config), static, precision)
        yield Program("optimum", long, reads, alone, data, records, static, precision)


def _descent(config: ConfigDict, model: CNN | MLP, start: Start) -> tuple[Process, tuple[Measure, ...]]:
    """Gradient descent, and loss and accuracy on all training and test examples at records."""
    task = classification(model, config.batch_size, "per_seed")
    parts: tuple[Part, ...] = ("train", "test")
    often = (
        dataclasses.replace(read(task, part), when="records") for read in (evaluate_loss, evaluate_accuracy) for part in parts
    )
    return descend(task, sgd, start), (*often, first_nonfinite_step())


def _tied_model(config: ConfigDict, data: Dataset) -> CNN:
    classes, phi = len(np.unique(data.train.targets)), choose("activation", config.activation, ACTIVATIONS)
    return CNN(tuple(config.filters), classes, tuple(config.strides), config.kernel, activation=phi)


def _one_convolution(config: ConfigDict, data: Dataset, activation: str, padding: Padding, filters: int) -> CNN:
    classes = len(np.unique(data.train.targets))
    return CNN((filters,), classes, (1,), config.kernel, padding, activation=ACTIVATIONS[activation])


def _optimizer(static: Static) -> Any:
    return choose("optimizer", static["optimizer"], OPTIMIZERS)


def _width_records(config: ConfigDict) -> tuple[int, ...]:
    return record_steps(config.width_steps, config.width_records, "log")


def _counts(config: ConfigDict, name: str) -> list[int]:
    return _whole(name, parse_axis(name, config[name]))


def _whole(name: str, values: Sequence[Value]) -> list[int]:
    if any(type(value) is not int or value < 1 for value in values):
        raise InputError(f"{name}={', '.join(map(str, values))}: whole numbers, at least 1")
    return [int(value) for value in values]


def _check(config: ConfigDict, data: Dataset) -> None:
    for part, needed in (("sweep", ("optimizer", *TIED)), ("width", WIDTH)):
        missing = [name for name in needed if name not in config[part]]
        if missing:
            raise InputError(f"config.{part} needs an axis for {', '.join(missing)}")
    several = [name for name in WIDTH[2:] if len(parse_axis(name, config.width[name])) > 1]
    if several:
        raise InputError(f"config.width.{several[0]} has several values: all but {', '.join(WIDTH[:2])} have one")
    filters = _tied_model(config, data).filters
    for name, most in (("copies", min(filters)), ("tied_layers", len(filters))):
        values, least = parse_axis(name, config.sweep[name]), 2 if name == "copies" else 1
        if any(type(value) is not int or not least <= value <= most for value in values):
            raise InputError(f"config.sweep.{name}={config.sweep[name]}: whole numbers from {least} to {most}")
    trained = _whole("width.filters", parse_axis("filters", config.width.filters))
    if not any(max(trained) % count == 0 for count in trained if count < max(trained)):
        raise InputError(f"width.filters={config.width.filters}: at least two numbers, the most a multiple of another")
    scrambled = _counts(config, "scrambled_filters")
    if {*scrambled} - {*trained}:
        raise InputError(f"scrambled_filters={config.scrambled_filters}: choose from width.filters={config.width.filters}")
    if max(trained) not in scrambled:
        raise InputError(f"scrambled_filters={config.scrambled_filters}: {max(trained)}, the most of width.filters, is needed")
    if config.quotient_seeds < 1:
        raise InputError(f"quotient_seeds={config.quotient_seeds}: at least 1")
    if not 1 <= config.quotient_steps < MOST_RECORDS:
        raise InputError(f"quotient_steps={config.quotient_steps}: 1 to {MOST_RECORDS - 1:,}, since every step is recorded")


def claims(results: Results) -> list[Claim]:
    """What the results bear out."""
    return [*tie_claims(results), *capacity_claims(results)]


def answer(results: Results, claims: Sequence[Claim]) -> str:
    """The answer in short, then in detail, each from the results."""
    runs = sum(int(sweep.valid.sum()) for sweep in results.values())
    held = f"{runs:,} runs; {sum(claim.holds for claim in claims)} of {len(claims)} claims hold."
    first = f"{tie_sentence(results)} {capacity_sentence(results)}"
    return "\n".join([first, "", *tie_lines(results), *capacity_lines(results), LIMITS, held])


def pictures(results: Results) -> list[Picture]:
    """The figures, with what they show."""
    return [*capacity_pictures(results), *tie_pictures(results)]


def tables(results: Results) -> list[Table]:
    """Accuracy, loss and speed with each number of filters."""
    return [capacity_table(results)]


STUDY = Study(QUESTION, build, claims, pictures, answer, tables)
