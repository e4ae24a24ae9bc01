"""Do two convolutional filters that start almost equal grow apart?

A CNN learns digits. In each of its convolutional layers two filters are twins: equal but for a distance epsilon. The same
weights, minibatches and direction between the twins are used at every epsilon, so that growth can be compared along it.
A second sweep, in float64, trains the network with both pairs tied beside its quotient network, in which each pair is one
filter.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import xarray as xr
from ml_collections import ConfigDict

from symmetry_jax.errors import InputError, choose
from symmetry_jax.learning.convolution import LOWERINGS
from symmetry_jax.learning.data.datasets import DATASETS
from symmetry_jax.learning.models import ACTIVATIONS, CNN, HEADS
from symmetry_jax.learning.optimizers import OPTIMIZERS, Optimizer
from symmetry_jax.learning.process import Measure, Process
from symmetry_jax.learning.starts import INITIALIZERS, Blocks, Pairs, Start, biased, draw, merged, merged_rates, near_tied, tied
from symmetry_jax.learning.tasks import MINIBATCHES, Dataset, Task, classification
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.separation import smallest_separation, twin_angle, twin_separation, twin_weights
from symmetry_jax.measures.training import (
    evaluate_accuracy,
    evaluate_loss,
    first_nonfinite_step,
    gradient_norm,
    minibatch_accuracy,
    minibatch_loss,
)
from symmetry_jax.reports.figures import growth_against_epsilon, loss_over_steps, separation_over_steps, twin_filters
from symmetry_jax.reports.growth import decades, each_setting, final_growth, memory_of_start, nearest_epsilon, regime
from symmetry_jax.sweeps.axes import Axes, parse_axes
from symmetry_jax.sweeps.precision import PRECISIONS
from symmetry_jax.sweeps.program import SPACINGS, Program, record_steps
from symmetry_jax.sweeps.study import Claim, Picture, Results, Study
from symmetry_jax.symmetry.units import Symmetry

QUESTION = "Do two convolutional filters that start almost equal grow apart?"

STATIC = ("activation", "optimizer", "initializer")
KINKED = ("relu",)  # activations whose derivative jumps, at which twins are kicked apart
PROPORTIONAL = ("sgd", "momentum", "nesterov")  # optimizers under which a quotient differs in learning rates alone

REFERENCE = 1e-4  # the epsilon whose growth the others are compared with
SAME_GROWTH = 0.05  # how far growth may be from that at the reference and still count as the same
AS_CLOSE = 1.1  # a pair whose distance changed by less than this factor is as close as it was

Static = Mapping[str, Any]  # the settings of one program that are names


def build(config: ConfigDict) -> list[Program]:
    """For each point of the static axes a program of near-tied filters, then the two of the quotient comparison."""
    data = choose("dataset", config.dataset, DATASETS)()
    points = parse_axes(config.sweep, config.zipped).split(STATIC)
    for static, axes in points:
        _check_axes(static, axes)
    twins = [_twins(config, data, static, axes) for static, axes in points]
    compared = [(static, axes) for static, axes in points if static["optimizer"] in PROPORTIONAL]
    networks = ("tied", "quotient")
    return twins + [_quotient(config, data, static, axes, network) for static, axes in compared for network in networks]


def _twins(config: ConfigDict, data: Dataset, static: Static, axes: Axes) -> Program:
    model = _model(config, data, static)
    symmetry, pairs = model.symmetry(data.shape), _pairs(config)
    task = _task(config, model)
    process = descend(task, _optimizer(static), near_tied(_start(model, static), symmetry, pairs))
    measures = (
        minibatch_loss(),
        minibatch_accuracy(),
        gradient_norm(),
        twin_separation(symmetry, pairs),
        twin_angle(symmetry, pairs),
        smallest_separation(symmetry, list(pairs)),
        first_nonfinite_step(),
        evaluate_loss(task),
        evaluate_accuracy(task),
        *_weights(model, data, symmetry, pairs),
    )
    records = record_steps(config.steps, config.records, choose("spacing", config.spacing, SPACINGS))
    precision = choose("precision", config.precision, PRECISIONS)
    return Program("twins", process, measures, axes, data, records, static, precision)


def _quotient(config: ConfigDict, data: Dataset, static: Static, axes: Axes, network: str) -> Program:
    """Training with each pair tied, or as one filter at the learning rates that make it the same; in float64."""
    model = _model(config, data, static)
    blocks = {name: [pair] for name, pair in _pairs(config).items()}
    process = {"tied": _tied_process, "quotient": _merged_process}[network](config, model, data, static, blocks)
    records = record_steps(config.quotient_steps, config.quotient_steps + 1, "even")
    # rates multiply the whole update, but a quotient decays at the rate of the network it stands for
    runs = axes.without("epsilon").fix("weight_decay", 0.0).cut("seed", config.quotient_seeds)
    return Program("quotient", process, (minibatch_loss(),), runs, data, records, {**static, "network": network}, "float64")


def _tied_process(config: ConfigDict, model: CNN, data: Dataset, static: Static, blocks: Blocks) -> Process:
    start = tied(_start(model, static), model.symmetry(data.shape), blocks)
    return descend(_task(config, model), _optimizer(static), start)


def _merged_process(config: ConfigDict, model: CNN, data: Dataset, static: Static, blocks: Blocks) -> Process:
    symmetry = model.symmetry(data.shape)
    start = merged(_start(model, static), symmetry, blocks)
    rates = merged_rates(jax.eval_shape(model.init, jax.random.key(0), data.train.inputs[:1]), symmetry, blocks)
    smaller = model.clone(filters=tuple(filters - 1 for filters in model.filters))
    return descend(_task(config, smaller), _optimizer(static), start, rates=lambda hparams, step: rates)


def _task(config: ConfigDict, model: CNN) -> Task:
    return classification(model, config.batch_size, choose("minibatches", config.minibatches, MINIBATCHES))


def _model(config: ConfigDict, data: Dataset, static: Static) -> CNN:
    if config.padding not in ("SAME", "VALID"):
        raise InputError(f"unknown padding {config.padding!r}: choose from SAME, VALID")
    return CNN(
        filters=tuple(config.filters),
        outputs=len(np.unique(data.train.targets)),
        strides=tuple(config.strides),
        kernel=config.kernel,
        padding=config.padding,
        head=choose("head", config.head, HEADS),
        activation=choose("activation", static["activation"], ACTIVATIONS),
        lowering=choose("lowering", config.lowering, LOWERINGS),
    )


def _optimizer(static: Static) -> Optimizer:
    return choose("optimizer", static["optimizer"], OPTIMIZERS)


def _start(model: CNN, static: Static) -> Start:
    return draw(model, choose("initializer", static["initializer"], INITIALIZERS), biased)


def _pairs(config: ConfigDict) -> dict[str, tuple[int, int]]:
    """The twins of each convolutional layer."""
    for number, filters in enumerate(config.filters):
        if len(set(config.twins)) != 2 or len(config.twins) != 2 or not all(0 <= unit < filters for unit in config.twins):
            raise InputError(f"twins={config.twins} are not two filters of layer conv_{number}, which has 0..{filters - 1}")
    return {f"conv_{number}": tuple(config.twins) for number in range(len(config.filters))}


def _weights(model: CNN, data: Dataset, symmetry: Symmetry, pairs: Pairs) -> Iterator[Measure]:
    channels = [data.shape[-1], *model.filters[:-1]]
    for number, (group, channel) in enumerate(zip(pairs, channels, strict=True)):
        shape = {"row": model.kernel, "column": model.kernel, f"channel_{number}": channel}
        yield twin_weights(symmetry, pairs, group, shape)


def _check_axes(static: Static, axes: Axes) -> None:
    missing = sorted({*STATIC, "seed", "epsilon", "learning_rate"} - {*static, *axes.runs()})
    if missing:
        raise InputError(f"this study needs an axis for {', '.join(missing)}")
    if not all(isinstance(epsilon, int | float) and epsilon >= 0 for epsilon in axes.runs()["epsilon"].tolist()):
        raise InputError("axis epsilon: a distance is a number, 0 or more")


def claims(results: Results) -> list[Claim]:
    """What the results bear out."""
    twins = results["twins"]
    found = []
    if 0 in twins.epsilon:
        largest = float(twins.separation.sel(epsilon=0).max())
        found.append(Claim.near("tied", "Filters that start exactly equal are exactly equal at every record", 0, largest, 0))
    if "quotient" in results:
        found.append(_quotient_claim(results["quotient"]))
    if (twins.epsilon > 0).any():
        found += [claim for name, setting in each_setting(twins) for claim in _growth_claims(name, setting)]
    return found


def _quotient_claim(losses: xr.Dataset) -> Claim:
    """Two tied filters against one with lr/2 on its fan-in and bias and 2 lr on the sum of their fan-outs."""
    apart = float(abs(losses.loss.sel(network="tied") - losses.loss.sel(network="quotient")).max())
    statement = (
        f"A network with two tied filters in each layer has the loss curve of its quotient network over {int(losses.step[-1])} "
        "steps, in float64: largest difference"
    )
    return Claim.near("quotient", statement, 0, apart, 1e-10)


def _growth_claims(name: str, setting: xr.Dataset) -> Iterator[Claim]:
    """Whether growth depends on epsilon, and whether twins grew apart, for one setting."""
    final = final_growth(setting)
    reference = nearest_epsilon(setting, REFERENCE)
    if setting.activation.item() in KINKED and len(_below(setting, reference)) > 1:
        statement = f"{name}: separation at the end goes with less than the square root of epsilon, below {reference:g}: power"
        yield Claim.at_most(f"kinks: {name}", statement, 0.5, memory_of_start(setting, _below(setting, reference)))
    if setting.activation.item() not in KINKED and final.sizes["epsilon"] > 1:
        statement = f"{name}: growth is the same within {SAME_GROWTH:.0%} in nine seeds of ten, over decades of epsilon"
        yield Claim.at_least(f"linear: {name}", statement, 1, decades(regime(final, reference, SAME_GROWTH)))
    for group in final.group.values:
        further, _, _ = _fates(final.sel(group=group, epsilon=reference))
        statement = f"{name}: twins of {group} that start {reference:g} apart end further apart in most seeds: fraction"
        yield Claim.at_least(f"apart: {name}, {group}", statement, 0.5, further)


def _fates(final: xr.DataArray) -> tuple[float, float, float]:
    """The fractions of runs whose twins ended further apart, as close, and closer; of those that stayed finite."""
    finite = final.notnull()
    further, closer = (final > AS_CLOSE).sum() / finite.sum(), (final < 1 / AS_CLOSE).sum() / finite.sum()
    return float(further), float(1 - further - closer), float(closer)


def answer(results: Results, claims: Sequence[Claim]) -> str:
    """The answer in words, each sentence from the results."""
    twins = results["twins"]
    stopped = int((twins.first_nonfinite_step.sel(end="last") >= 0).sum())
    lines = [f"{int(twins.valid.sum()):,} runs of {int(twins.step[-1]):,} steps, {stopped or 'none'} of which went non-finite."]
    if 0 in twins.epsilon:
        exact = (twins.separation.sel(epsilon=0) == 0).all(["step", "group", "part"])
        lines.append(f"Started exactly equal, twins stayed exactly equal in {int(exact.sum())} of {exact.size} runs.")
    if (twins.epsilon > 0).any():
        reference = nearest_epsilon(twins, REFERENCE)
        all_runs = final_growth(twins).sel(epsilon=reference)
        lines.append(f"Started {reference:g} apart, {_fates_in_words(all_runs)}:")
        lines += [line for name, setting in each_setting(twins) for line in _growth_lines(name, setting, reference)]
    accuracy = twins.test_accuracy.sel(end="last")
    lines.append(f"The networks classify {float(accuracy.mean()):.1%} of the test digits right (mean over all runs).")
    lines.append(f"{sum(claim.holds for claim in claims)} of {len(claims)} claims hold.")
    return "\n".join(lines)


def _growth_lines(name: str, setting: xr.Dataset, reference: float) -> Iterator[str]:
    final = final_growth(setting)
    yield f"- {name}:"
    for group in final.group.values:
        seeds = final.sel(group=group, epsilon=reference)
        low, middle, high = seeds.quantile([0.05, 0.5, 0.95]).values
        spread = f"({low:.3g} to {high:.3g} in nine seeds of ten)"
        yield f"  {group}: {_fates_in_words(seeds)}; growth {middle:.3g} {spread}, to {middle * reference:.2g} apart."
    if final.sizes["epsilon"] > 1:
        yield f"  {_dependence(setting, final, reference)}"


def _dependence(setting: xr.Dataset, final: xr.DataArray, reference: float) -> str:
    """How growth depends on epsilon, for one setting."""
    low, high = regime(final, reference, SAME_GROWTH)
    if low < high:
        below = "" if low == final.epsilon.min() else "; rounding shows below"
        above = "" if high == final.epsilon.max() else "; saturation shows above"
        return f"Growth is the same within {SAME_GROWTH:.0%} for epsilon from {low:.2g} to {high:.2g}{below}{above}."
    if len(_below(setting, reference)) < 2:
        return "Growth depends on epsilon."
    power = memory_of_start(setting, _below(setting, reference))
    return f"Growth depends on epsilon: below {reference:g} the separation at the end goes with its power {power:.2f}."


def _below(setting: xr.Dataset, reference: float) -> list[float]:
    """The epsilons above 0, up to the reference."""
    return [epsilon for epsilon in setting.epsilon.values if 0 < epsilon <= reference]


def _fates_in_words(final: xr.DataArray) -> str:
    return "{:.0%} end further apart, {:.0%} as close, {:.0%} closer".format(*_fates(final))


def pictures(results: Results) -> list[Picture]:
    """The figures, with what they show."""
    twins = results["twins"]
    if not (twins.epsilon > 0).any():
        return []
    shown = nearest_epsilon(twins, REFERENCE)
    captions = {
        "separation": "Distance between the twins of each layer (fan-in, bias and fan-out together) during training; lines are "
        "medians, bands quartiles over seeds. Twins at epsilon 0 stay at exactly 0, which a logarithmic axis cannot show.",
        "growth": "Separation at the last step over that measured at step 0; medians and quartiles over seeds. Level: growth "
        "does not depend on epsilon. Falling with slope -1: the final separation does not. Dotted: no growth.",
        "filters": f"Weights of both twins, a and b, {shown:g} apart at the start, before and after training, first seed; one "
        "small square for each input channel. The last of five shows their difference, enlarged to its own colour scale.",
        "loss": "Minibatch loss at the smallest and the largest epsilon; medians and quartiles over seeds.",
    }
    figures = {
        "separation": separation_over_steps(twins),
        "growth": growth_against_epsilon(twins),
        "filters": twin_filters(twins, shown),
        "loss": loss_over_steps(twins),
    }
    return [Picture(name, figure, captions[name]) for name, figure in figures.items()]


STUDY = Study(QUESTION, build, claims, pictures, answer)
