"""Does it matter whether filters are trained together, or one at a time while the others are frozen?

"There is no collusion: you can freeze all the others and train one at a time" is what a learner was told who asked whether
anything makes filters differ. Here the same networks, from the same weights on the same minibatches, train with all their
filters together, with one at a time in turn, and with one filter alone while all others stay frozen for ever. What sets these
apart is looked at as well: the blocks of the Hessian between filters.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from symmetry_jax.errors import InputError, choose
from symmetry_jax.learning.data.datasets import DATASETS
from symmetry_jax.learning.freezing import alone, in_turn, one_of, paced, together, unit_rates
from symmetry_jax.learning.models import ACTIVATIONS, CNN, MLP
from symmetry_jax.learning.optimizers import sgd
from symmetry_jax.learning.process import Process
from symmetry_jax.learning.starts import INITIALIZERS, Start, draw, gathered, near_tied
from symmetry_jax.learning.tasks import MINIBATCHES, Dataset, Task, classification
from symmetry_jax.learning.training import Rates, descend
from symmetry_jax.measures.interaction import interaction, response
from symmetry_jax.measures.redundancy import duplicates, redundancy
from symmetry_jax.measures.separation import smallest_separation, twin_separation, twin_size
from symmetry_jax.measures.training import evaluate_accuracy, evaluate_loss, first_nonfinite_step
from symmetry_jax.reports.frozen_twins import twin_claims, twin_lines, twin_pictures, twin_sentence
from symmetry_jax.reports.interactions import interaction_claims, interaction_lines, interaction_pictures
from symmetry_jax.reports.regimes import (
    REGIMES,
    STATIC,
    VARIED,
    filter_claims,
    filter_lines,
    filter_pictures,
    filter_sentence,
    filter_table,
    prepare,
)
from symmetry_jax.sweeps.axes import Axes, parse_axes
from symmetry_jax.sweeps.precision import PRECISIONS
from symmetry_jax.sweeps.program import Program, record_steps
from symmetry_jax.sweeps.study import Claim, Picture, Results, Study, Table
from symmetry_jax.symmetry.units import Symmetry, UnitGroup

QUESTION = "Is there no collusion between filters, so that one may as well freeze all the others and train one at a time?"

NEEDED = ("regime", "seed", "spread", "epsilon", "learning_rate")

TWINS = (0, 1)  # their places in the layer
OTHERS = ((0, 2), (2, 3))  # pairs of units that are not twins

FROZEN = (
    "A unit's fan-in, bias and fan-out train and freeze together. What belongs to no unit of the layer (the head's bias; "
    "layers above) trains at every step together and alone, and otherwise at one step in as many as there are units, so "
    "that it has as many updates as each of them. The k-th update of every unit is on the same minibatch in all regimes."
)
LIMITS = (
    "None of this says what becomes of larger networks, of other data, of optimizers that remember (here it is plain gradient "
    "descent), or of turns of other lengths; after more updates losses that differ here may meet."
)

Static = Mapping[str, Any]  # the settings of one program


@dataclasses.dataclass(frozen=True)
class Network:
    """What is trained in every regime.

    Attributes:
        task: what it learns; every update of a unit is on the same minibatch in all regimes.
        start: its random weights.
        symmetry: of its variables.
        group: the layer that is looked at, the first.
        rates: what trains at a step.
    """

    task: Task
    start: Start
    symmetry: Symmetry
    group: UnitGroup
    rates: Rates

    def process(self, start: Start) -> Process:
        """Its training from a start."""
        return descend(self.task, sgd, start, rates=self.rates)


def build(config: ConfigDict) -> list[Program]:
    """Each network in every regime: from random, gathered and equal weights; with twins."""
    data = choose("dataset", config.dataset, DATASETS)()
    points = parse_axes(config.sweep, config.zipped).split(STATIC)
    for static, axes in points:
        _check(config, static, axes)
    networks = [(_network(config, data, static), static, axes.fix("weight_decay", 0.0)) for static, axes in points]
    programs = [_filters(config, data, *point) for point in networks]
    return programs + [_twins(config, data, *point) for point in networks]


def _filters(config: ConfigDict, data: Dataset, network: Network, static: Static, axes: Axes) -> Program:
    name = network.group.name
    start = gathered(network.start, network.symmetry, {name: [range(network.group.size)]})
    often = (dataclasses.replace(evaluate(network.task), when="records") for evaluate in (evaluate_loss, evaluate_accuracy))
    measures = (
        *often,
        redundancy(network.symmetry, [name]),
        duplicates(network.symmetry, [name]),
        smallest_separation(network.symmetry, [name]),
        first_nonfinite_step(),
    )
    process, precision = network.process(start), choose("precision", config.precision, PRECISIONS)
    return Program("filters", process, measures, axes.without("epsilon"), data, _records(config, static), static, precision)


def _twins(config: ConfigDict, data: Dataset, network: Network, static: Static, axes: Axes) -> Program:
    pairs = {network.group.name: TWINS}
    measures = (
        twin_separation(network.symmetry, pairs),
        dataclasses.replace(twin_size(network.symmetry, pairs), when="records"),
        interaction(network.task, network.group, (TWINS, *OTHERS)),
        response(network.task, network.group, TWINS),
        first_nonfinite_step(),
    )
    process = network.process(near_tied(network.start, network.symmetry, pairs))
    runs = axes.without("spread").cut("seed", config.twin_seeds)
    return Program("twins", process, measures, runs, data, _records(config, static), static, "float64")


def _network(config: ConfigDict, data: Dataset, static: Static) -> Network:
    model = _model(config, data, static)
    symmetry, start = model.symmetry(data.shape), draw(model, INITIALIZERS["lecun"])
    group = next(iter(symmetry.values()))
    regimes = {"together": together, "in turn": in_turn(1), "one by one": in_turn(config.updates), "alone": alone(TWINS[0])}
    regime = one_of([regimes[name] for name in REGIMES])
    shapes = jax.eval_shape(start, {"seed": jnp.int32(0)}, data.train.inputs)
    minibatches = choose("minibatches", config.minibatches, MINIBATCHES)
    task = paced(classification(model, config.batch_size, minibatches), regime, group.size)
    return Network(task, start, symmetry, group, unit_rates(regime, group, shapes))


def _model(config: ConfigDict, data: Dataset, static: Static) -> CNN | MLP:
    units, phi = static["units"], choose("activation", config.activation, ACTIVATIONS)
    outputs = len(np.unique(data.train.targets))
    models: dict[str, CNN | MLP] = {
        "cnn": CNN((units,), outputs, (2,), activation=phi),
        "mlp": MLP((units,), outputs, phi),
        "deep": MLP((units, units), outputs, phi),
    }
    return choose("network", static["network"], models)


def _records(config: ConfigDict, static: Static) -> tuple[int, ...]:
    """Spaced evenly in their logarithm, in updates of a unit together and in whole rounds in turn; every step of the first."""
    updates, units = np.array(record_steps(config.updates, config.records, "log")), static["units"]
    return tuple(sorted({*updates.tolist(), *(units * updates).tolist(), *range(units + 1)}))


def _check(config: ConfigDict, static: Static, axes: Axes) -> None:
    missing = sorted({*STATIC, *NEEDED} - {*static, *axes.names})
    if missing:
        raise InputError(f"this study needs an axis for {', '.join(missing)}")
    if any(name in axis.names and len(axis.names) > 1 for axis in axes.axes for name in VARIED):
        raise InputError(f"zipped={config.zipped}: {', '.join(VARIED)} are axes of their own in this study")
    least = max(max(pair) for pair in (TWINS, *OTHERS)) + 1
    if not isinstance(static["units"], int) or static["units"] < least:
        raise InputError(f"units={static['units']!r}: a whole number from {least}, since pairs of that many are looked at")
    regimes = axes.columns()["regime"]
    if any(number not in range(len(REGIMES)) for number in regimes):
        names = ", ".join(f"{number} ({name})" for number, name in enumerate(REGIMES))
        raise InputError(f"axis regime: {', '.join(map(str, regimes))}: choose from {names}")
    for name in ("updates", "twin_seeds"):
        if config[name] < 1:
            raise InputError(f"{name}={config[name]}: at least 1")


def claims(results: Results) -> list[Claim]:
    """What the results bear out."""
    return [*filter_claims(results), *twin_claims(results), *interaction_claims(results)]


def answer(results: Results, claims: Sequence[Claim]) -> str:
    """The answer in a paragraph, then in detail, each from the results."""
    lines = [*filter_lines(results), *twin_lines(results), *interaction_lines(results), FROZEN, LIMITS]
    runs = sum(int(sweep.valid.sum()) for sweep in results.values())
    lines.append(f"{runs:,} runs; {sum(claim.holds for claim in claims)} of {len(claims)} claims hold.")
    return "\n".join([f"{filter_sentence(results)} {twin_sentence(results)}", "", *lines])


def tables(results: Results) -> list[Table]:
    """Loss, accuracy and redundancy in every regime."""
    return [filter_table(results)]


def pictures(results: Results) -> list[Picture]:
    """The figures, with what they show."""
    return [*filter_pictures(results), *twin_pictures(results), *interaction_pictures(results)]


STUDY = Study(QUESTION, build, claims, pictures, answer, tables, prepare)
