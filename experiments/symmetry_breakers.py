"""What takes filters apart that are exactly equal, when, and by how much?

Two filters of a CNN are tied exactly. One source of asymmetry at a time acts on their training, its strength an axis, and every
step is watched for the first bit in which the two differ. Sources that treat units alike must leave every bit equal.
Arithmetic is a source as well: networks all of whose hidden units start equal are trained at many widths, and some once more
with ties held, where the transverse exponent tells when a difference in the last bit becomes one that can be seen.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from symmetry_jax.errors import InputError, choose
from symmetry_jax.learning.breakers import (
    Breaker,
    flipped_labels,
    noisy_gradients,
    noisy_weights,
    shifted_images,
    stochastic_rounding,
)
from symmetry_jax.learning.data.datasets import DATASETS
from symmetry_jax.learning.data.gaussian import gaussian
from symmetry_jax.learning.imitation import imitation
from symmetry_jax.learning.layers import INPUTS
from symmetry_jax.learning.models import CNN, MLP
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.process import Process, renamed
from symmetry_jax.learning.starts import INITIALIZERS, Start, draw, near_tied, tied
from symmetry_jax.learning.streams import Stream
from symmetry_jax.learning.tasks import Dataset, classification
from symmetry_jax.learning.ties import hold
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.dropout import expected_dropout_kick
from symmetry_jax.measures.parting import block_distance, distinct_units, first_parting, watch_ties
from symmetry_jax.measures.separation import twin_numbers, twin_separation, twin_size
from symmetry_jax.measures.training import evaluate_accuracy, evaluate_loss, first_nonfinite_step, minibatch_loss
from symmetry_jax.measures.transverse import log_growth, transverse
from symmetry_jax.reports.arithmetic import arithmetic_claims, arithmetic_lines, arithmetic_sentence
from symmetry_jax.reports.arithmetic_figures import arithmetic_picture
from symmetry_jax.reports.breakers import breaker_claims, breaker_lines, breaker_picture, breaker_sentence, breaker_table
from symmetry_jax.sweeps.axes import Axes, parse_axes, parse_axis
from symmetry_jax.sweeps.precision import PRECISIONS
from symmetry_jax.sweeps.program import Program, record_steps
from symmetry_jax.sweeps.study import Claim, Picture, Results, Study, Table
from symmetry_jax.symmetry.units import Symmetry

QUESTION = "What takes filters apart that are exactly equal, when, and by how much?"

SWEPT = ("source", "seed", "strength", "learning_rate", "beta1", "beta2", "adam_eps")
DROPOUT = ("seed", "dropout", "learning_rate")
ARITHMETIC = ("floats", "width", "seed", "constant", "learning_rate")

VARIED = ("source", "seed", "strength", "dropout", "floats", "width")

LIMITS = (
    "None of this says what becomes of units that start merely close. Twins that stay equal in every bit do not contradict "
    "units that arithmetic parts: the twins are the first two of the 8 units of a layer, in float32, where XLA computes equal "
    "columns alike; at other widths it may not. Which widths lose a tie depends on the processor, the version of XLA and the "
    "shapes; on another machine, or in a larger network, it is other widths."
)

LAYER, UNITS = "conv_0", (0, 1)  # the twins; arithmetic was never seen to part the first two columns of a matrix
INNER = 16  # inputs of the regressions


@dataclasses.dataclass(frozen=True)
class Source:
    """A source of asymmetry, or what might be taken for one.

    Attributes:
        strength: the hparam that is its strength; "" if it is on or off.
        breaker: what it does to a step, if it is a breaker.
        optimizer: with which twins are trained.
        rate: times the learning rate.
        batch_norm: whether sums are normalised over the batch.
        dropped: layers whose units are dropped.
        moved: whether twins start that far apart in their fan-out.
    """

    strength: str
    breaker: Breaker | None = None
    optimizer: str = "sgd"
    rate: float = 1
    batch_norm: bool = False
    dropped: tuple[str, ...] = ()
    moved: bool = False


SOURCES = {
    "minibatches": Source(""),
    "momentum": Source("momentum", optimizer="momentum"),
    "adam": Source("", optimizer="adam", rate=0.01),
    "weight_decay": Source("weight_decay"),
    "augmentation": Source("augmentation", shifted_images()),
    "batch_norm": Source("", batch_norm=True),
    "label_noise": Source("label_noise", flipped_labels(10)),
    "dropout_elsewhere": Source("dropout", dropped=(INPUTS, "conv_1")),
    "dropout": Source("dropout", dropped=(LAYER,)),
    "gradient_noise": Source("gradient_noise", noisy_gradients()),
    "weight_noise": Source("weight_noise", noisy_weights()),
    "fan_out": Source("epsilon", moved=True),
    "rounding": Source("rounding", stochastic_rounding()),
}


def build(config: ConfigDict) -> list[Program]:
    """A program for each source, the first step of regressions with dropout, and one for each width and precision."""
    data = choose("dataset", config.dataset, DATASETS)()
    _check(config)
    programs = [
        _source(config, choose("source", str(static["source"]), SOURCES), data, static, axes)
        for static, axes in parse_axes(config.sweep).split(["source"])
    ]
    programs.append(_dropout(parse_axes(config.dropout)))
    points = parse_axes(config.arithmetic).split(["floats", "width"])
    programs += [_arithmetic(config, data, static, axes) for static, axes in points]
    return programs + [_held(config, data, width, points[0][1]) for width in parse_axis("followed", config.followed)]


def _source(config: ConfigDict, source: Source, data: Dataset, static: Mapping[str, Any], axes: Axes) -> Program:
    """Twins under one source; what has no strength is on, at strength 1."""
    model = CNN((8, 8), len(np.unique(data.train.targets)), (1, 2), batch_norm=source.batch_norm, dropped=source.dropped)
    symmetry, pairs = model.symmetry(data.shape), {LAYER: UNITS}
    task, blocks = classification(model, 32, "per_seed"), {LAYER: [UNITS]}
    process = descend(
        task,
        OPTIMIZERS[source.optimizer],
        _start(model, symmetry, source.moved),
        lambda hparams, step: jnp.asarray(source.rate, hparams["learning_rate"].dtype),
        breakers=[source.breaker] if source.breaker else [],
    )
    runs = (axes if source.strength else axes.fix("strength", 1.0)).fix("weight_decay", 0.0)
    measures = (
        *first_parting(blocks),
        twin_separation(symmetry, pairs),
        minibatch_loss(),
        twin_size(symmetry, pairs),
        twin_numbers(symmetry, pairs),
        evaluate_accuracy(task),
        first_nonfinite_step(),
    )
    process = renamed(process, {source.strength: "strength"}) if source.strength else process
    records = record_steps(config.steps, config.records, "log")
    return Program("sources", watch_ties(process, symmetry, blocks), measures, runs, data, records, static, config.precision)


def _start(model: CNN, symmetry: Symmetry, moved: bool) -> Start:
    together = tied(draw(model, INITIALIZERS["lecun"]), symmetry, {LAYER: [UNITS]})
    return near_tied(together, symmetry.only(["fan-out"]), {LAYER: UNITS}) if moved else together


def _dropout(axes: Axes) -> Program:
    """One step of regressions whose twins are dropped, each seed with another network and another teacher."""
    student = MLP((8,), 1, dropped=("hidden_0",))
    symmetry, pairs = student.symmetry((INNER,)), {"hidden_0": UNITS}
    teacher = MLP((4,), 1)
    task = imitation(student, teacher, draw(teacher, INITIALIZERS["lecun"], stream=Stream.TEACHER), 32, "once")
    process = descend(task, OPTIMIZERS["sgd"], tied(draw(student, INITIALIZERS["lecun"]), symmetry, {"hidden_0": [UNITS]}))
    measures = (expected_dropout_kick(task, student, UNITS), twin_separation(symmetry, pairs), first_nonfinite_step())
    runs = axes.fix("weight_decay", 0.0)
    return Program("dropout", process, measures, runs, gaussian(2, INNER), (0, 1), precision="float64")


def _perceptron(data: Dataset, width: int) -> tuple[Symmetry, Process, Sequence[Any]]:
    """Training of a perceptron whose hidden units all start equal, and what is read of it."""
    model = MLP((width,), len(np.unique(data.train.targets)))
    symmetry, task = model.symmetry(data.shape), classification(model, 32, "per_seed")
    process = descend(task, OPTIMIZERS["sgd"], draw(model, INITIALIZERS["constant"]))
    blocks = _whole(width)
    parting = (*first_parting(blocks), block_distance(symmetry, blocks), distinct_units(symmetry, blocks))
    return symmetry, process, (*parting, minibatch_loss(), evaluate_loss(task), first_nonfinite_step())


def _whole(width: int) -> dict[str, list[range]]:
    return {"hidden_0": [range(width)]}


def _arithmetic(config: ConfigDict, data: Dataset, static: Mapping[str, Any], axes: Axes) -> Program:
    """All units of a layer start equal, and nothing but arithmetic can part them."""
    width = _width(static["width"])
    precision = choose("floats", str(static["floats"]), PRECISIONS)
    symmetry, process, measures = _perceptron(data, width)
    watched = watch_ties(process, symmetry, _whole(width))
    records, runs = record_steps(config.arithmetic_steps, config.records, "even"), axes.fix("weight_decay", 0.0)
    return Program("arithmetic", watched, tuple(measures), runs, data, records, static, precision)


def _held(config: ConfigDict, data: Dataset, value: Any, axes: Axes) -> Program:
    """The same with ties held, and with the difference that two of the units would have followed."""
    width = _width(value)
    symmetry, process, measures = _perceptron(data, width)
    pairs = {"hidden_0": UNITS}
    held = hold(transverse(process, symmetry, pairs), symmetry, _whole(width))
    watched = watch_ties(held, symmetry, _whole(width))
    records, runs = tuple(range(config.arithmetic_steps + 1)), axes.fix("weight_decay", 0.0)
    return Program("held", watched, (*measures, log_growth(pairs)), runs, data, records, {"width": width}, "float64")


def _width(value: Any) -> int:
    if type(value) is not int or value < 2:
        raise InputError(f"width={value}: whole numbers of units, at least 2")
    return value


def _check(config: ConfigDict) -> None:
    for part, needed in (("sweep", SWEPT), ("dropout", DROPOUT), ("arithmetic", ARITHMETIC)):
        missing = [name for name in needed if name not in config[part]]
        if missing:
            raise InputError(f"config.{part} needs an axis for {', '.join(missing)}")
        columns = parse_axes(config[part]).columns()
        several = [name for name, values in columns.items() if name not in VARIED and len(values) > 1]
        if several:
            raise InputError(f"config.{part}.{several[0]} has several values: all but {', '.join(VARIED)} have one")
    if not any(isinstance(value, int | float) and value > 0 for value in parse_axis("strength", config.sweep.strength)):
        raise InputError(f"config.sweep.strength={config.sweep.strength}: at least one strength above 0")
    alone = set(parse_axis("followed", config.followed)) - set(parse_axis("width", config.arithmetic.width))
    if alone:
        widths = ", ".join(map(str, sorted(alone, key=str)))
        raise InputError(f"followed={config.followed}: {widths} not among the widths {config.arithmetic.width}")


def claims(results: Results) -> list[Claim]:
    """What the results bear out."""
    return [*breaker_claims(results), *arithmetic_claims(results)]


def answer(results: Results, claims: Sequence[Claim]) -> str:
    """The answer in words, each sentence from the results."""
    lines = [*breaker_lines(results), *arithmetic_lines(results), LIMITS]
    lines.append(f"{sum(claim.holds for claim in claims)} of {len(claims)} claims hold.")
    return "\n".join([f"{breaker_sentence(results)} {arithmetic_sentence(results)}", "", *lines])


def pictures(results: Results) -> list[Picture]:
    """The figures, with what they show."""
    return [breaker_picture(results), arithmetic_picture(results)]


def tables(results: Results) -> list[Table]:
    """What each source does, for those who want to know whether theirs does."""
    return [breaker_table(results)]


STUDY = Study(QUESTION, build, claims, pictures, answer, tables)
