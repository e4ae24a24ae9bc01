"""Do filters fill niches that do not overlap?

A network learns digits from units that are each their own, or almost the same, with its hidden layers trained or left as they
were drawn (random features): one seed has the same weights and minibatches throughout, so that what training does is read off
pairs of runs. Overlap is read three ways: in what units read (cosines between fan-ins, held against independent directions), in
what they add to the outputs, and in what it costs to remove them one by one and two at a time. Then units are pushed apart.
All measures are of the last hidden layer, whose units the outputs are linear in.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from symmetry_jax.errors import InputError, choose
from symmetry_jax.learning.data.datasets import DATASETS
from symmetry_jax.learning.intervals import Interval
from symmetry_jax.learning.models import ACTIVATIONS, CNN, MLP
from symmetry_jax.learning.optimizers import sgd
from symmetry_jax.learning.process import Hparams, Measure, PyTree
from symmetry_jax.learning.regularizers import REGULARIZERS
from symmetry_jax.learning.starts import INITIALIZERS, Start, draw, gathered
from symmetry_jax.learning.tasks import MINIBATCHES, Dataset, Task, classification
from symmetry_jax.learning.training import Rates, descend
from symmetry_jax.measures.overlap import (
    contribution_correlation,
    duplicates,
    effective_rank,
    fan_in_numbers,
    furthest,
    overlap,
    silent,
)
from symmetry_jax.measures.removal import removal
from symmetry_jax.measures.training import evaluate_accuracy, evaluate_loss, first_nonfinite_step
from symmetry_jax.reports.niche_cases import sign_claims
from symmetry_jax.reports.niche_figures import niche_pictures
from symmetry_jax.reports.niche_words import niche_lines, niche_sentence
from symmetry_jax.reports.niches import LIMITS, niche_claims, niche_table
from symmetry_jax.reports.penalties import penalty_claims, penalty_lines, penalty_pictures, penalty_sentence, penalty_table
from symmetry_jax.sweeps.axes import Axes, parse_axes
from symmetry_jax.sweeps.precision import PRECISIONS
from symmetry_jax.sweeps.program import Program, record_steps
from symmetry_jax.sweeps.study import Claim, Picture, Results, Study, Table

QUESTION = "Do filters fill niches that do not overlap?"

STATIC = ("network", "activation", "width")
SHARED = (*STATIC, "seed", "spread", "learning_rate", "weight_decay")
NEEDED = {"sweep": (*SHARED, "hidden_rate"), "penalised": (*SHARED, "penalty", "strength")}
SEVERAL = ("seed", "spread", "strength")  # what has more than one value where units are pushed apart, but for names

Network = MLP | CNN
Static = Mapping[str, Any]  # the settings of one program

NETWORKS: dict[str, Callable[[int, int, Callable], Network]] = {
    "cnn": lambda width, classes, phi: CNN((width,), classes, (2,), activation=phi),
    "deep": lambda width, classes, phi: CNN((width, width), classes, (1, 2), activation=phi),
    "mlp": lambda width, classes, phi: MLP((width,), classes, phi),
}


def build(config: ConfigDict) -> list[Program]:
    """Training and random features for each network and width; then each penalty."""
    data = choose("dataset", config.dataset, DATASETS)()
    _check(config)
    points = parse_axes(config.sweep, config.zipped).split(STATIC)
    programs = [_niches(config, data, static, axes) for static, axes in points]
    pushed = parse_axes(config.penalised).split((*STATIC, "penalty"))
    return programs + [_penalised(config, data, static, axes) for static, axes in pushed]


def _niches(config: ConfigDict, data: Dataset, static: Static, axes: Axes) -> Program:
    """What training does to units, beside random features."""
    model = _model(data, static)
    task = _task(config, model)
    process = descend(task, sgd, _start(config, model, data), rates=_rates(model))
    process = dataclasses.replace(process, ranges={**process.ranges, "hidden_rate": Interval(0)})
    precision = choose("precision", config.precision, PRECISIONS)
    return Program("niches", process, _measures(task, model, data), axes, data, _records(config), static, precision)


def _penalised(config: ConfigDict, data: Dataset, static: Static, axes: Axes) -> Program:
    """What pushing units apart does."""
    model = _model(data, static)
    task = _task(config, model)
    push = choose("penalty", static["penalty"], dict(REGULARIZERS))(model, "strength")
    process = descend(task, sgd, _start(config, model, data), regularizers=[push])
    measures, precision = _measures(task, model, data), choose("precision", config.precision, PRECISIONS)
    return Program("penalised", process, measures, axes, data, _records(config), static, precision)


def _measures(task: Task, model: Network, data: Dataset) -> tuple[Measure, ...]:
    group = model.symmetry(data.shape)[model.layers[-2]]
    often = (dataclasses.replace(evaluate(task), when="records") for evaluate in (evaluate_loss, evaluate_accuracy))
    overlaps = (overlap(model), effective_rank(model), contribution_correlation(model), removal(task, model), silent(model))
    ends = (furthest(group), duplicates(group), fan_in_numbers(model), first_nonfinite_step())
    return (*overlaps, *often, *ends)


def _start(config: ConfigDict, model: Network, data: Dataset) -> Start:
    initializer = choose("initializer", config.initializer, {name: INITIALIZERS[name] for name in ("lecun", "he")})
    symmetry = model.symmetry(data.shape)
    return gathered(draw(model, initializer), symmetry, {name: [range(group.size)] for name, group in symmetry.items()})


def _rates(model: Network) -> Rates:
    """hparams["hidden_rate"] below the output, and 1 there."""

    def rates(hparams: Hparams, step: jax.Array) -> PyTree:
        del step
        below, output = hparams["hidden_rate"], jnp.ones_like(hparams["hidden_rate"])
        return {"params": {name: below if name in model.layers[:-1] else output for name in model.layers}}

    return rates


def _task(config: ConfigDict, model: Network) -> Task:
    return classification(model, config.batch_size, choose("minibatches", config.minibatches, MINIBATCHES))


def _model(data: Dataset, static: Static) -> Network:
    make, phi = choose("network", static["network"], NETWORKS), choose("activation", static["activation"], ACTIVATIONS)
    width = static["width"]
    if not isinstance(width, int) or width < 3:
        raise InputError(f"width={width!r}: a whole number from 3, since pairs of units are compared with one another")
    return make(width, len(np.unique(data.train.targets)), phi)


def _records(config: ConfigDict) -> tuple[int, ...]:
    return record_steps(config.steps, config.records, "log")


def _check(config: ConfigDict) -> None:
    for part, needed in NEEDED.items():
        missing = [name for name in needed if name not in config[part]]
        if missing:
            raise InputError(f"config.{part} needs an axis for {', '.join(missing)}")
    zipped = {name.strip() for group in config.zipped.split(",") for name in group.split("+")} - {""}
    if zipped - {"network", "activation", "learning_rate", "weight_decay"}:
        raise InputError(f"zipped={config.zipped}: width, seed, spread and hidden_rate are axes of their own in this study")
    columns = parse_axes(config.penalised).columns()
    several = [name for name in NEEDED["penalised"] if name not in (*SEVERAL, "penalty") and len(columns[name]) > 1]
    if several:
        raise InputError(f"config.penalised.{several[0]} has several values: all but penalty, {', '.join(SEVERAL)} have one")


def claims(results: Results) -> list[Claim]:
    """What the results bear out."""
    return [*sign_claims(results), *niche_claims(results), *penalty_claims(results)]


def answer(results: Results, claims: Sequence[Claim]) -> str:
    """The answer in a paragraph, then in detail, each from the results."""
    lines = [*niche_lines(results), *penalty_lines(results), LIMITS]
    runs = sum(int(sweep.valid.sum()) for sweep in results.values())
    lines.append(f"{runs:,} runs; {sum(claim.holds for claim in claims)} of {len(claims)} claims hold.")
    return "\n".join([f"{niche_sentence(results)} {penalty_sentence(results)}", "", *lines])


def tables(results: Results) -> list[Table]:
    """Every measure at the end, for each point of the two sweeps."""
    return [niche_table(results), penalty_table(results)]


def pictures(results: Results) -> list[Picture]:
    """The figures, with what they show."""
    return [*niche_pictures(results), *penalty_pictures(results)]


STUDY = Study(QUESTION, build, claims, pictures, answer, tables)
