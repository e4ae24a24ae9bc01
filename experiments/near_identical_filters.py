"""Do two convolutional filters that start almost equal grow apart?

A CNN learns digits. In each of its convolutional layers two filters are twins: equal but for a distance epsilon. The same
weights, minibatches and direction between the twins are used at every epsilon, so that growth can be compared along it.
Two more sweeps are in float64: some of the same twins, to tell rounding from saturation, and the network with both pairs tied
beside its quotient network, in which each pair is one filter.

With `model=PATH` the network is the user's own: twins in every group of units that its program shows.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import xarray as xr
from ml_collections import ConfigDict

from symmetry_jax.errors import InputError, choose
from symmetry_jax.learning.data.datasets import DATASETS
from symmetry_jax.learning.models import ACTIVATIONS, CNN, HEADS
from symmetry_jax.learning.optimizers import OPTIMIZERS, Optimizer
from symmetry_jax.learning.own_models import OwnModel, load_own_model
from symmetry_jax.learning.process import Measure, Process
from symmetry_jax.learning.quotients import merged, merged_optimizer
from symmetry_jax.learning.starts import INITIALIZERS, Blocks, Pairs, Start, biased, draw, drawn, near_tied, tied
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
from symmetry_jax.reports.growth import VARIED, each_setting, final_growth, nearest_epsilon, settled
from symmetry_jax.reports.twins import KINKED, REFERENCE, fates_in_words, twin_claims, twin_lines
from symmetry_jax.sweeps.axes import Axes, parse_axes
from symmetry_jax.sweeps.precision import PRECISIONS, Precision
from symmetry_jax.sweeps.program import MOST_RECORDS, SPACINGS, Program, record_steps
from symmetry_jax.sweeps.study import Claim, Picture, Results, Study
from symmetry_jax.symmetry.units import Symmetry

QUESTION = "Do two convolutional filters that start almost equal grow apart?"

STATIC = ("activation", "optimizer", "initializer")
STATIC_OF_OWN = ("optimizer",)

Static = Mapping[str, Any]  # the settings of one program that are names


@dataclasses.dataclass(frozen=True)
class _Network:
    """What is trained: a network, its start before there are twins, its groups, the twins, and measures of theirs alone."""

    model: CNN | OwnModel
    start: Start
    symmetry: Symmetry
    pairs: Pairs
    weights: tuple[Measure, ...] = ()


def build(config: ConfigDict) -> list[Program]:
    """For each point of the static axes near-tied filters, a few of them in float64, and the quotient comparison."""
    data = choose("dataset", config.dataset, DATASETS)()
    precision = choose("precision", config.precision, PRECISIONS)
    names = STATIC_OF_OWN if "model" in config else STATIC
    points = parse_axes(config.sweep, config.zipped).split(names)
    for static, axes in points:
        _check_axes(config, names, static, axes)
    network = _networks(config, data)
    programs = [_twins(config, data, network(static), static, axes, precision) for static, axes in points]
    if precision == "float32":
        smooth = [point for point in points if point[0].get("activation") not in KINKED]
        programs += [_exact(config, data, network(static), static, axes) for static, axes in smooth]
    networks = () if "model" in config else ("tied", "quotient")
    return programs + [_quotient(config, data, *point, network) for point in points for network in networks]


def _twins(config: ConfigDict, data: Dataset, network: _Network, static: Static, axes: Axes, precision: Precision) -> Program:
    symmetry, pairs, task = network.symmetry, network.pairs, _task(config, network.model)
    process = descend(task, _optimizer(static), near_tied(network.start, symmetry, pairs))
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
        *network.weights,
    )
    records = record_steps(config.steps, config.records, choose("spacing", config.spacing, SPACINGS))
    return Program("twins", process, measures, axes, data, records, static, precision)


def _networks(config: ConfigDict, data: Dataset) -> Callable[[Static], _Network]:
    """The network of each point of the static axes; the user's own is one, whose file is run once."""
    if "model" not in config:
        return functools.partial(_network, config, data)
    own = _own_network(config, data)
    return lambda static: own


def _network(config: ConfigDict, data: Dataset, static: Static) -> _Network:
    """The CNN of the settings."""
    model, pairs = _model(config, data, static), _pairs(config)
    symmetry = model.symmetry(data.shape)
    return _Network(model, _start(model, static), symmetry, pairs, tuple(_weights(model, data, symmetry, pairs)))


def _own_network(config: ConfigDict, data: Dataset) -> _Network:
    """The user's, with twins in each group whose units stay tied: where the first of equal units is chosen they need not."""
    model = load_own_model(config.model)
    symmetry = model.symmetry(data)
    pairs = {name: _twin_units(config, group.size, name) for name, group in symmetry.items() if not group.conditions}
    if not pairs:
        raise InputError(f"{config.model}: no units were found that may be permuted: print(discover(...)) says why")
    return _Network(model, drawn(model), symmetry, pairs)


def _exact(config: ConfigDict, data: Dataset, network: _Network, static: Static, axes: Axes) -> Program:
    """The same twins in float64, for a few seeds, to tell rounding from saturation."""
    twins = _twins(config, data, network, static, axes.cut("seed", config.check_seeds), "float64")
    kept = tuple(measure for measure in twins.measures if measure.name in ("separation", "first_nonfinite_step"))
    return dataclasses.replace(twins, sweep="exact", measures=kept, records=(0, config.steps))


def _quotient(config: ConfigDict, data: Dataset, static: Static, axes: Axes, network: str) -> Program:
    """Training with each pair tied, or as one filter that learns at rates which make it the same; in float64."""
    model = _model(config, data, static)
    blocks = {name: [pair] for name, pair in _pairs(config).items()}
    process = {"tied": _tied_process, "quotient": _merged_process}[network](config, model, data, static, blocks)
    records = record_steps(config.quotient_steps, config.quotient_steps + 1, "even")
    runs = axes.without("epsilon").cut("seed", config.check_seeds)
    return Program("quotient", process, (minibatch_loss(),), runs, data, records, {**static, "network": network}, "float64")


def _tied_process(config: ConfigDict, model: CNN, data: Dataset, static: Static, blocks: Blocks) -> Process:
    start = tied(_start(model, static), model.symmetry(data.shape), blocks)
    return descend(_task(config, model), _optimizer(static), start)


def _merged_process(config: ConfigDict, model: CNN, data: Dataset, static: Static, blocks: Blocks) -> Process:
    symmetry = model.symmetry(data.shape)
    start = merged(_start(model, static), symmetry, blocks)
    shapes = jax.eval_shape(model.init, jax.random.key(0), data.train.inputs[:1])
    smaller = model.clone(filters=tuple(filters - 1 for filters in model.filters))
    return descend(_task(config, smaller), merged_optimizer(_optimizer(static), shapes, symmetry, blocks), start)


def _task(config: ConfigDict, model: CNN | OwnModel) -> Task:
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
    )


def _optimizer(static: Static) -> Optimizer:
    return choose("optimizer", static["optimizer"], OPTIMIZERS)


def _start(model: CNN, static: Static) -> Start:
    return draw(model, choose("initializer", static["initializer"], INITIALIZERS), biased)


def _pairs(config: ConfigDict) -> dict[str, tuple[int, int]]:
    """The twins of each convolutional layer."""
    names = [f"conv_{number}" for number in range(len(config.filters))]
    return {name: _twin_units(config, filters, name) for name, filters in zip(names, config.filters, strict=True)}


def _twin_units(config: ConfigDict, size: int, group: str) -> tuple[int, int]:
    units = [unit for unit in config.twins if type(unit) is int and 0 <= unit < size]
    if len(config.twins) != 2 or len(set(units)) != 2:
        raise InputError(f"twins={config.twins} are not two units of {group}, which has 0..{size - 1}")
    return units[0], units[1]


def _weights(model: CNN, data: Dataset, symmetry: Symmetry, pairs: Pairs) -> Iterator[Measure]:
    channels = [data.shape[-1], *model.filters[:-1]]
    for number, (group, channel) in enumerate(zip(pairs, channels, strict=True)):
        shape = {"row": model.kernel, "column": model.kernel, f"channel_{number}": channel}
        yield twin_weights(symmetry, pairs, group, shape)


def _check_axes(config: ConfigDict, names: Sequence[str], static: Static, axes: Axes) -> None:
    missing = sorted({*names, "seed", "epsilon", "learning_rate"} - {*static, *axes.names})
    if missing:
        raise InputError(f"this study needs an axis for {', '.join(missing)}")
    if any(name in axis.names and len(axis.names) > 1 for axis in axes.axes for name in VARIED):
        raise InputError(f"zipped={config.zipped}: seed and epsilon are axes of their own in this study")
    if config.check_seeds < 1:
        raise InputError(f"check_seeds={config.check_seeds}: at least 1")
    if "model" not in config and not 1 <= config.quotient_steps < MOST_RECORDS:
        raise InputError(f"quotient_steps={config.quotient_steps}: 1 to {MOST_RECORDS - 1:,}, since every step is recorded")


def claims(results: Results) -> list[Claim]:
    """What the results bear out."""
    twins = settled(results["twins"])
    found = []
    if 0 in twins.epsilon:
        largest = _largest(results["twins"].separation.sel(epsilon=0), results["twins"].valid)
        found.append(Claim.near("tied", "Filters that start exactly equal are exactly equal at every record", 0, largest, 0))
    if "quotient" in results:
        found.append(_quotient_claim(results["quotient"]))
    if (twins.epsilon > 0).any():
        for name, setting in each_setting(twins):
            found += twin_claims(name, setting, _exactly(results, setting))
    return found


def _quotient_claim(losses: xr.Dataset) -> Claim:
    """Two tied filters against one that stands for both: under SGD, lr/2 on its fan-in and bias and 2 lr on its fan-out."""
    apart = _largest(losses.loss.sel(network="tied") - losses.loss.sel(network="quotient"), losses.valid.all("network"))
    statement = (
        f"A network with two tied filters in each layer has the loss curve of its quotient network over {int(losses.step[-1])} "
        "steps, in float64: largest difference"
    )
    return Claim.near("quotient", statement, 0, apart, 1e-10)


def _largest(values: xr.DataArray, valid: xr.DataArray) -> float:
    """The largest magnitude in the runs that there are; nan if one of theirs is nan."""
    return float(abs(values).where(valid, 0).max(skipna=False))


def _exactly(results: Results, setting: xr.Dataset) -> xr.Dataset | None:
    """The runs of a setting in float64, where there are any."""
    if "exact" not in results:
        return None
    exact = settled(results["exact"])
    if "activation" in exact.coords and setting.activation.item() not in exact.activation:
        return None
    return exact.sel({dim: setting[dim].item() for dim in exact.valid.dims if dim not in VARIED})


def answer(results: Results, claims: Sequence[Claim]) -> str:
    """The answer in words, each sentence from the results."""
    twins = settled(results["twins"])
    stopped = int((twins.first_nonfinite_step.sel(end="last") >= 0).sum())
    lines = [f"{int(twins.valid.sum()):,} runs of {int(twins.step[-1]):,} steps, {stopped or 'none'} of which went non-finite."]
    settings = list(each_setting(twins))
    if (twins.epsilon > 0).any() and settings:
        lines.append(f"Started {nearest_epsilon(twins, REFERENCE):g} apart:")
        lines += [line for name, setting in settings for line in twin_lines(name, setting, _exactly(results, setting))]
        accuracy = float(twins.test_accuracy.sel(end="last").mean())
        lines.append(f"The networks classify {accuracy:.1%} of the test digits right (mean over all finite runs).")
    lines.append(f"{sum(claim.holds for claim in claims)} of {len(claims)} claims hold.")
    return "\n".join([" ".join(_summary(results["twins"], twins)), "", *lines])


def _summary(results: xr.Dataset, twins: xr.Dataset) -> Iterator[str]:
    """Two sentences: what becomes of equal twins, and of almost equal ones."""
    if 0 in results.epsilon:
        exact = (results.separation.sel(epsilon=0) == 0).all(["step", "group", "part"])
        valid = results.valid.sel(epsilon=0)
        yield f"Started exactly equal, twins stayed exactly equal in {int((exact & valid).sum())} of {int(valid.sum())} runs."
    if (twins.epsilon > 0).any() and list(each_setting(twins)):
        reference = nearest_epsilon(twins, REFERENCE)
        final = final_growth(twins).sel(epsilon=reference)
        middle = final.median("seed")
        network = "the activation, " if "activation" in twins.coords else ""
        yield (
            f"Started {reference:g} apart, {fates_in_words(final)}: by a factor of {float(middle.min()):.2g} to "
            f"{float(middle.max()):.2g} in the median seed, which depends on {network}the learning rate and the layer."
        )


def pictures(results: Results) -> list[Picture]:
    """The figures, with what they show."""
    twins = settled(results["twins"])
    if not (twins.epsilon > 0).any() or not list(each_setting(twins)):
        return []
    shown = nearest_epsilon(twins, REFERENCE)
    captions = {
        "separation": "Distance between the twins of each layer (fan-in, bias and fan-out together) during training; lines are "
        "medians, bands quartiles over seeds. Twins at epsilon 0 stay at exactly 0, which a logarithmic axis cannot show.",
        "growth": "Separation at the last step over that measured at step 0; medians and quartiles over seeds. Level: growth "
        "does not depend on epsilon. Falling with slope -1: the final separation does not. Dotted: no growth.",
        "filters": f"Weights of both twins, a and b, {shown:g} apart at the start, before and after training, first seed; one "
        "small square for each input channel, in a frame for each filter. Red is above 0 and blue below, in one colour scale "
        "for the four of a layer, up to the number that is told; the last of five shows their difference, in a scale of its "
        "own.",
        "loss": "Minibatch loss at the smallest and the largest epsilon; medians and quartiles over seeds.",
    }
    figures = {
        "separation": separation_over_steps(twins),
        "growth": growth_against_epsilon(twins),
        **({"filters": twin_filters(twins, shown)} if "activation" in twins.coords else {}),  # of the CNN alone
        "loss": loss_over_steps(twins),
    }
    return [Picture(name, figure, captions[name]) for name, figure in figures.items()]


STUDY = Study(QUESTION, build, claims, pictures, answer)
