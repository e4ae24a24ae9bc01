"""What does the gradient of each filter depend on, and which of that makes filters different?

A gradient is a sum of products of three factors: what a unit reads, the derivative of its activation, and the error that comes
back to what it hands on. `theory.gradient_sources` splits the difference between two gradients into what each factor
contributes, exactly. It is read during training, of twins and of unlike units of a layer; with the twins' fan-outs held equal,
where nothing downstream can differ; and of units of different layers that started with equal weights, which differ upstream as
well. What different fan-outs alone do at the first step is held against a closed form.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from symmetry_jax.errors import InputError, choose
from symmetry_jax.learning.data.datasets import DATASETS
from symmetry_jax.learning.models import ACTIVATIONS, CNN, MLP
from symmetry_jax.learning.optimizers import sgd
from symmetry_jax.learning.process import Hparams, Measure, Process, PyTree
from symmetry_jax.learning.starts import INITIALIZERS, Pairs, Start, biased, copied, draw, near_tied, tied
from symmetry_jax.learning.tasks import MINIBATCHES, Dataset, Task, classification
from symmetry_jax.learning.ties import hold
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.gradient_factors import Pairings
from symmetry_jax.measures.gradient_sources import gradient_sources, pair_distance, predicted_kick
from symmetry_jax.measures.kinks import between_kinks
from symmetry_jax.measures.training import evaluate_accuracy, first_nonfinite_step, minibatch_loss
from symmetry_jax.reports.fan_out_kicks import kick_claims, kick_lines, kick_pictures
from symmetry_jax.reports.gradient_share_pictures import share_pictures, share_table
from symmetry_jax.reports.gradient_share_words import share_lines, share_sentence
from symmetry_jax.reports.gradient_shares import share_claims
from symmetry_jax.reports.growth import settled
from symmetry_jax.reports.unlike_layers import layer_claims, layer_lines, layer_pictures, layer_sentence
from symmetry_jax.sweeps.axes import Axes, parse_axes
from symmetry_jax.sweeps.precision import PRECISIONS
from symmetry_jax.sweeps.program import Program, record_steps
from symmetry_jax.sweeps.study import Claim, Picture, Results, Study, Table
from symmetry_jax.symmetry.separation import displace
from symmetry_jax.symmetry.units import Symmetry

QUESTION = "What does the gradient of each filter depend on, and which of that makes filters different?"

STATIC = ("network", "activation")
VARIED = ("seed", "epsilon", "held")
SINGLE = ("learning_rate", "weight_decay", "bias")
NETWORKS = {"mlp": MLP, "cnn": CNN}

TWINS, UNLIKE = (0, 1), (2, 3)  # the places of units that are compared, in every layer
STRIDES = {"training": (1, 2), "kicks": (1,), "layers": (2, 1, 1)}  # of CNNs; perceptrons have as many hidden layers

LIMITS = (
    "Shares say what a difference between gradients on one minibatch is made of, not what the units come to compute, and "
    "medians and means hide much spread; small networks, plain gradient descent, one data set."
)

Static = Mapping[str, Any]  # the settings of one program


def build(config: ConfigDict) -> list[Program]:
    """Training with twins, the first step from different fan-outs, and equal units of different layers."""
    data = choose("dataset", config.dataset, DATASETS)()
    _check(config)
    sweep = parse_axes(config.sweep)
    programs = [_training(config, data, *point) for point in sweep.split(STATIC)]
    points = sweep.without("held").without("epsilon").split(STATIC)
    programs += [_kicks(config, data, *point) for point in points]
    return programs + [_layers(config, data, *point) for point in points]


def _training(config: ConfigDict, data: Dataset, static: Static, axes: Axes) -> Program:
    """A network of two hidden layers with twins in each, and two units in each that are not."""
    model = _model(config, data, static, STRIDES["training"])
    symmetry, task = model.symmetry(data.shape), _task(config, model)
    twins: Pairs = dict.fromkeys(symmetry, TWINS)
    pairs = {f"twins {number}": ((name, 0), (name, 1)) for number, name in enumerate(symmetry, 1)}
    pairs |= {f"unlike {number}": ((name, 2), (name, 3)) for number, name in enumerate(symmetry, 1)}
    start = near_tied(draw(model, INITIALIZERS["lecun"], biased), symmetry, twins)
    blocks = {name: [pair] for name, pair in twins.items()}
    process = hold(descend(task, sgd, start), symmetry.only(["fan-out"]), blocks, "held")
    measures = (gradient_sources(model, task, pairs), between_kinks(model, pairs), evaluate_accuracy(task), *_apart(pairs))
    return _program(
        config, "training", process, measures, axes, data, record_steps(config.steps, config.records, "log"), static
    )


def _kicks(config: ConfigDict, data: Dataset, static: Static, axes: Axes) -> Program:
    """A network of one hidden layer with two pairs whose fan-outs alone differ: in a random direction, or evenly."""
    model = _model(config, data, static, STRIDES["kicks"])
    symmetry, [layer] = model.symmetry(data.shape), model.layers[:-1]
    equal = tied(draw(model, INITIALIZERS["lecun"], biased), symmetry, {layer: [TWINS, UNLIKE]})
    start = _evenly_apart(near_tied(equal, symmetry.only(["fan-out"]), {layer: TWINS}), symmetry, layer)
    pairs = {"random": ((layer, 0), (layer, 1)), "even": ((layer, 2), (layer, 3))}
    measures = (predicted_kick(model, symmetry, pairs), *_apart(pairs))
    runs = Axes((*axes.axes, *parse_axes(config.kicks).axes))
    process, records = descend(_task(config, model), sgd, start), tuple(sorted({0, 1, config.kick_steps}))
    return _program(config, "kicks", process, measures, runs, data, records, static)


def _evenly_apart(start: Start, symmetry: Symmetry, layer: str) -> Start:
    """A start in which the fan-outs of two units are moved apart by epsilon, by the same number in every entry."""

    def begin(hparams: Hparams, inputs: jax.Array) -> PyTree:
        variables = start(hparams, inputs)
        entries = variables["params"]["output"]["kernel"].size // symmetry[layer].size
        apart = jnp.full(entries, hparams["epsilon"] / np.sqrt(entries), inputs.dtype)
        return displace(variables, symmetry[layer], UNLIKE, apart, ("fan-out",))

    return begin


def _layers(config: ConfigDict, data: Dataset, static: Static, axes: Axes) -> Program:
    """A network whose last two hidden layers have a unit of equal fan-in weights each."""
    model = _model(config, data, static, STRIDES["layers"])
    task, (lower, upper) = _task(config, model), model.layers[-3:-1]
    start = copied(draw(model, INITIALIZERS["lecun"], biased), (lower, 0), (upper, 0))
    pairs = {"layers": ((lower, 0), (upper, 0)), "unlike": ((lower, 2), (lower, 3))}
    records = record_steps(config.steps, config.records, "log")
    measures = (gradient_sources(model, task, pairs), *_apart(pairs))
    return _program(config, "layers", descend(task, sgd, start), measures, axes, data, records, static)


def _apart(pairs: Pairings) -> tuple[Measure, ...]:
    """What is read of every program: how far apart units are, and how training goes."""
    return pair_distance(pairs), minibatch_loss(), first_nonfinite_step()


def _program(
    config: ConfigDict,
    sweep: str,
    process: Process,
    measures: Sequence[Measure],
    axes: Axes,
    data: Dataset,
    records: tuple[int, ...],
    static: Static,
) -> Program:
    precision = choose("precision", config.precision, PRECISIONS)
    return Program(sweep, process, tuple(measures), axes, data, records, static, precision)


def _model(config: ConfigDict, data: Dataset, static: Static, strides: tuple[int, ...]) -> MLP | CNN:
    phi, outputs = choose("activation", static["activation"], ACTIVATIONS), len(np.unique(data.train.targets))
    if choose("network", static["network"], NETWORKS) is MLP:
        return MLP((config.width,) * len(strides), outputs, phi)
    return CNN((config.filters,) * len(strides), outputs, strides, activation=phi)


def _task(config: ConfigDict, model: MLP | CNN) -> Task:
    return classification(model, config.batch_size, choose("minibatches", config.minibatches, MINIBATCHES))


def _check(config: ConfigDict) -> None:
    missing = [name for name in (*STATIC, *VARIED, *SINGLE) if name not in config.sweep]
    if missing or "epsilon" not in config.kicks:
        raise InputError(f"this study needs an axis for {', '.join(missing or ['epsilon in config.kicks'])}")
    if config.precision == "float32":
        raise InputError("precision=float32: float64, since rounding in float32 hides what close twins differ in")
    columns = parse_axes(config.sweep).columns()
    for name in SINGLE:
        if len(columns[name]) > 1:
            raise InputError(f"config.sweep.{name} has several values: all but {', '.join((*STATIC, *VARIED))} have one")
    for part in ("sweep", "kicks"):
        if any(
            not isinstance(epsilon, int | float) or epsilon <= 0 for epsilon in parse_axes(config[part]).columns()["epsilon"]
        ):
            raise InputError(f"config.{part}.epsilon: distances above 0, since what equal units differ in is nothing")
    if not set(columns["held"]) <= {0, 1}:
        raise InputError(f"config.sweep.held={config.sweep.held}: 0, 1 or both")
    for name, least in (("width", 4), ("filters", 4), ("kick_steps", 1)):
        if config[name] < least:
            raise InputError(f"{name}={config[name]}: at least {least}")


def claims(results: Results) -> list[Claim]:
    """What the results bear out."""
    return [claim for part in (share_claims, kick_claims, layer_claims) for claim in part(results)]


def answer(results: Results, claims: Sequence[Claim]) -> str:
    """The answer in a paragraph, then in detail, each from the results."""
    lines = [line for part in (share_lines, kick_lines, layer_lines) for line in part(results)]
    held = f"{sum(claim.holds for claim in claims)} of {len(claims)} claims hold."
    return "\n".join([f"{share_sentence(results)} {layer_sentence(results)}", "", *lines, LIMITS, held])


def pictures(results: Results) -> list[Picture]:
    """The figures, with what they show."""
    return [picture for part in (share_pictures, kick_pictures, layer_pictures) for picture in part(results)]


def tables(results: Results) -> list[Table]:
    """Shares and pushes of every setting, early and late."""
    return [share_table(results)]


def finite(results: Results) -> Results:
    """The results without the numbers of runs that went non-finite."""
    return {name: settled(runs) for name, runs in results.items()}


STUDY = Study(QUESTION, build, claims, pictures, answer, tables, finite)
