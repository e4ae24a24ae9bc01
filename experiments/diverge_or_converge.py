"""Do twins diverge, stay as they are, or merge, and can that be told beforehand?

The transverse exponent says how fast an infinitesimal difference between two tied units would grow. It is mapped over learning
rate, weight decay and label noise for one network, and read for others that differ from it in one setting. There twins that
really are apart are held against it, and what drives it is looked at: the curvature between twins, part by part, and kinks.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from symmetry_jax.errors import InputError, choose
from symmetry_jax.learning.bisection import bisect, threshold
from symmetry_jax.learning.breakers import Breaker, flipped_labels
from symmetry_jax.learning.data.datasets import DATASETS
from symmetry_jax.learning.data.gaussian import gaussian
from symmetry_jax.learning.imitation import imitation
from symmetry_jax.learning.models import ACTIVATIONS, CNN, MLP
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.process import Measure, Process, State
from symmetry_jax.learning.starts import INITIALIZERS, Pairs, Start, draw, near_tied, tied
from symmetry_jax.learning.streams import Stream
from symmetry_jax.learning.tasks import Dataset, Task, classification
from symmetry_jax.learning.training import Rates, descend
from symmetry_jax.measures.curvature import spectrum
from symmetry_jax.measures.kinks import first_crossing, watch_kinks
from symmetry_jax.measures.separation import twin_angle, twin_separation, twin_size
from symmetry_jax.measures.training import evaluate_accuracy, first_nonfinite_step, minibatch_loss
from symmetry_jax.measures.transverse import log_growth, transverse
from symmetry_jax.reports.curvatures import curvature_claims, curvature_lines, curvature_picture
from symmetry_jax.reports.exponents import map_claims, map_lines, map_picture, map_sentence
from symmetry_jax.reports.forecasts import forecast_claims, forecast_lines, forecast_pictures, forecast_sentence, forecast_table
from symmetry_jax.reports.kinks import kink_claims, kink_lines, kink_picture
from symmetry_jax.reports.thresholds import threshold_claims, threshold_lines, threshold_pictures
from symmetry_jax.sweeps.axes import Axes, parse_axes
from symmetry_jax.sweeps.precision import PRECISIONS
from symmetry_jax.sweeps.program import Program, record_steps
from symmetry_jax.sweeps.study import Claim, Picture, Results, Study, Table
from symmetry_jax.symmetry.curvature import twin_curvature, unit_curvature
from symmetry_jax.symmetry.separation import difference, norm
from symmetry_jax.symmetry.units import TRAINED, Role, Symmetry, leaves
from symmetry_jax.theory.twin_separation import LINEAR

QUESTION = "Do twins diverge, stay as they are, or merge, and can that be told beforehand?"

MAPPED = ("seed", "learning_rate", "weight_decay", "label_noise")
AROUND = ("setting", "seed", "epsilon", "learning_rate", "weight_decay", "momentum", "beta1", "beta2", "adam_eps")

LIMITS = (
    "None of this says what becomes of units that were never close, of other data, or of longer training; an exponent is an "
    "average over the steps that were taken, and as the loss falls so does it."
)

UNITS = (0, 1)  # the twins' places in every layer
FAN_IN: tuple[Role, ...] = ("fan-in", "bias")
INPUTS, OUTPUTS = 16, 4  # of teachers and their students
BOUNDS = (1e-8, 1.0)  # between which the distance is looked for from which twins end just apart


@dataclasses.dataclass(frozen=True)
class Setting:
    """A network and how it is trained. The default, and what others differ from it in."""

    activation: str = "tanh"
    optimizer: str = "sgd"
    rate: float = 1  # times the learning rate
    batch_size: int = 32
    widths: tuple[int, ...] = (16,)
    filters: tuple[int, ...] = ()  # of a convolutional network instead
    frozen: bool = False  # the fan-out of hidden units
    teacher: bool = False  # imitated, on normal inputs that are never seen twice


SETTINGS = {
    "default": Setting(),
    "gelu": Setting(activation="gelu"),
    "sigmoid": Setting(activation="sigmoid"),
    "relu": Setting(activation="relu"),
    "momentum": Setting(optimizer="momentum", rate=0.1),
    "adam": Setting(optimizer="adam", rate=0.01),
    "adamw": Setting(optimizer="adamw", rate=0.01),
    "small_batch": Setting(batch_size=4),
    "large_batch": Setting(batch_size=256),
    "narrow": Setting(widths=(4,)),
    "wide": Setting(widths=(64,)),
    "deep": Setting(widths=(16, 16)),
    "cnn": Setting(filters=(8, 8)),
    "frozen": Setting(frozen=True),
    "relu_frozen": Setting(activation="relu", frozen=True),
    "teacher": Setting(teacher=True),
}


@dataclasses.dataclass(frozen=True)
class Network:
    """What a setting amounts to.

    Attributes:
        data: what it is trained on.
        model: student of the data, or of a teacher.
        task: what it learns.
        symmetry: of its variables.
        moving: the same of the parts of units that are trained.
        pairs: the twins of each group.
        process: its training, with twins hparams["epsilon"] apart.
    """

    data: Dataset
    model: Any
    task: Task
    symmetry: Symmetry
    moving: Symmetry
    pairs: Pairs
    process: Process

    @property
    def followed(self) -> Process:
        """Its training with twins tied, and the difference between them followed."""
        return transverse(self.process, self.moving, self.pairs)

    @property
    def separated(self) -> tuple[Measure, ...]:
        """What is read of twins."""
        return twin_separation(self.symmetry, self.pairs), minibatch_loss(), first_nonfinite_step()

    @property
    def grown(self) -> tuple[Measure, ...]:
        """What is read of twins that are followed."""
        return (*self.separated, log_growth(self.pairs))


def build(config: ConfigDict) -> list[Program]:
    """The map, all settings around its default, and what is looked at more closely there."""
    data = choose("dataset", config.dataset, DATASETS)()
    _check(config)
    points = parse_axes(config.around).split(["setting"])
    programs = [_map(config, data)]
    for static, axes in points:
        network = _network(choose("setting", str(static["setting"]), SETTINGS), data)
        programs += [_tangents(config, network, static, axes), _twins(config, network, static, axes)]
    around = points[0][1]
    programs += [_thresholds(config, data, around)] if any(static["setting"] == "default" for static, _ in points) else []
    programs += [_curvature(config, data, around, frozen) for frozen in (False, True)]
    return [*programs, *_kinks(config, data, around)]


def _map(config: ConfigDict, data: Dataset) -> Program:
    """The exponent of the default network over learning rate, weight decay and label noise."""
    network = _network(SETTINGS["default"], data, (flipped_labels(len(np.unique(data.train.targets))),))
    axes = parse_axes(config.sweep).fix("epsilon", 0.0)
    measures = (*network.grown, evaluate_accuracy(network.task))
    return _program(config, "map", network.data, network.followed, measures, axes, config.map_steps)


def _tangents(config: ConfigDict, network: Network, static: Mapping[str, Any], axes: Axes) -> Program:
    """The exponent in one setting."""
    measures, runs = (*network.grown, twin_size(network.moving, network.pairs)), axes.fix("epsilon", 0.0)
    program = _program(config, "tangents", network.data, network.followed, measures, runs, config.steps)
    return dataclasses.replace(program, static=static)


def _twins(config: ConfigDict, network: Network, static: Mapping[str, Any], axes: Axes) -> Program:
    """Twins that are apart, in the same setting."""
    measures = (*network.separated, twin_angle(network.symmetry, network.pairs))
    program = _program(config, "twins", network.data, network.process, measures, axes, config.steps)
    return dataclasses.replace(program, static=static)


def _thresholds(config: ConfigDict, data: Dataset, axes: Axes) -> Program:
    """The distance at the start from which twins of the default network end just `LINEAR` apart, found by bisection."""
    network = _network(SETTINGS["default"], data)
    [(group, pair)] = network.pairs.items()

    def arrived(state: State) -> jax.Array:
        return norm(difference(state.variables, network.symmetry[group], pair)) >= LINEAR

    process = bisect(network.process, "epsilon", BOUNDS, config.steps, arrived)
    measures, steps = (threshold("epsilon"), first_nonfinite_step()), config.steps * config.rounds
    program = _program(config, "thresholds", data, process, measures, axes.without("epsilon"), steps)
    return dataclasses.replace(program, records=(0, steps))


def _curvature(config: ConfigDict, data: Dataset, axes: Axes, frozen: bool) -> Program:
    """The curvature between the twins at every step of the default network, with the growth that it bounds; in float64."""
    network = _network(dataclasses.replace(SETTINGS["default"], frozen=frozen), data)
    of = functools.partial(spectrum, task=network.task, symmetry=network.symmetry, pairs=network.pairs)
    roles = FAN_IN if frozen else TRAINED
    measures = (*network.grown, of("twins", twin_curvature, roles=roles), of("alone", unit_curvature, roles=roles))
    runs = axes.cut("seed", config.few_seeds).fix("epsilon", 0.0)
    program = _program(config, "curvature", data, network.followed, measures, runs, config.curvature_steps)
    static = {"fan_out": "frozen" if frozen else "trained"}
    return dataclasses.replace(program, records=tuple(range(program.steps + 1)), static=static, precision="float64")


def _kinks(config: ConfigDict, data: Dataset, axes: Axes) -> list[Program]:
    """Relu twins, watched until an example first falls between their kinks, and the exponent at every step; in float64."""
    network = _network(SETTINGS["relu"], data)
    [(group, pair)] = network.pairs.items()
    watched = watch_kinks(network.process, network.model, group, pair)
    apart = _program(config, "kinks", data, watched, (*network.separated, *first_crossing()), axes, config.steps)
    alone = _program(config, "relu", data, network.followed, network.grown, axes.fix("epsilon", 0.0), config.steps)
    every = dataclasses.replace(alone, records=tuple(range(config.steps + 1)))
    return [dataclasses.replace(program, precision="float64") for program in (apart, every)]


def _program(
    config: ConfigDict, sweep: str, data: Dataset, process: Process, measures: Sequence[Measure], axes: Axes, steps: int
) -> Program:
    records, precision = record_steps(steps, config.records, "even"), choose("precision", config.precision, PRECISIONS)
    return Program(sweep, process, tuple(measures), axes, data, records, precision=precision)


def _network(setting: Setting, data: Dataset, breakers: Sequence[Breaker] = ()) -> Network:
    data = gaussian(2, INPUTS) if setting.teacher else data
    model = _model(setting, OUTPUTS if setting.teacher else len(np.unique(data.train.targets)))
    symmetry, start = model.symmetry(data.shape), draw(model, INITIALIZERS["lecun"])
    pairs: Pairs = dict.fromkeys(symmetry, UNITS)
    moving = symmetry.only(FAN_IN) if setting.frozen else symmetry
    equal = tied(start, symmetry, {name: [pair] for name, pair in pairs.items()})
    task = _imitation(model, setting) if setting.teacher else classification(model, setting.batch_size, "per_seed")
    process = descend(
        task,
        OPTIMIZERS[setting.optimizer],
        near_tied(equal, moving, pairs),
        schedule=lambda hparams, step: jnp.asarray(setting.rate, hparams["learning_rate"].dtype),
        rates=_frozen(start, symmetry, data) if setting.frozen else None,
        breakers=breakers,
    )
    return Network(data, model, task, symmetry, moving, pairs, process)


def _model(setting: Setting, outputs: int) -> MLP | CNN:
    phi = ACTIVATIONS[setting.activation]
    if setting.filters:
        return CNN(setting.filters, outputs, (1, 2), activation=phi)
    return MLP(setting.widths, outputs, phi)


def _imitation(student: MLP | CNN, setting: Setting) -> Task:
    """To imitate a teacher of the same size, another one for each seed."""
    teach = draw(student, INITIALIZERS["lecun"], stream=Stream.TEACHER)
    return imitation(student, student, teach, setting.batch_size, "online")


def _frozen(start: Start, symmetry: Symmetry, data: Dataset) -> Rates:
    """Rates of 0 for all arrays that are the fan-out of units."""
    still = {axis.path for group in symmetry.values() for axis in group.axes if axis.role == "fan-out"}
    shapes = jax.eval_shape(start, {"seed": jnp.int32(0)}, data.train.inputs)
    names, structure = [path for path, _ in leaves(shapes)], jax.tree.structure(shapes)
    return lambda hparams, step: jax.tree.unflatten(structure, [jnp.float32(name not in still) for name in names])


def _check(config: ConfigDict) -> None:
    for part, needed in (("sweep", MAPPED), ("around", AROUND)):
        missing = [name for name in needed if name not in config[part]]
        if missing:
            raise InputError(f"config.{part} needs an axis for {', '.join(missing)}")
    columns = parse_axes(config.around).columns()
    several = [name for name in AROUND[3:] if len(columns[name]) > 1]
    if several:
        raise InputError(f"config.around.{several[0]} has several values: all but {', '.join(AROUND[:3])} have one")
    if any(not isinstance(epsilon, int | float) or epsilon <= 0 for epsilon in columns["epsilon"]):
        raise InputError("config.around.epsilon: distances above 0, since growth is told of each")
    for name, least in (
        ("map_steps", 2),
        ("steps", 2),
        ("records", 3),
        ("curvature_steps", 1),
        ("few_seeds", 1),
        ("rounds", 1),
    ):
        if config[name] < least:
            raise InputError(f"{name}={config[name]}: at least {least}")


def claims(results: Results) -> list[Claim]:
    """What the results bear out."""
    parts = (forecast_claims, threshold_claims, curvature_claims, kink_claims)
    return [*map_claims(results["map"]), *(claim for part in parts for claim in part(results))]


def answer(results: Results, claims: Sequence[Claim]) -> str:
    """The answer in two sentences, then in detail, each from the results."""
    lines = list(map_lines(results["map"]))
    for part in (forecast_lines, threshold_lines, curvature_lines, kink_lines):
        lines += part(results)
    held = f"{sum(claim.holds for claim in claims)} of {len(claims)} claims hold."
    return "\n".join([f"{map_sentence(results['map'])} {forecast_sentence(results)}", "", *lines, LIMITS, held])


def pictures(results: Results) -> list[Picture]:
    """The figures, with what they show."""
    found = [map_picture(results["map"]), *forecast_pictures(results), *threshold_pictures(results)]
    return [*found, curvature_picture(results), kink_picture(results)]


def tables(results: Results) -> list[Table]:
    """Predicted and measured growth in each setting."""
    return [forecast_table(results)]


STUDY = Study(QUESTION, build, claims, pictures, answer, tables)
