"""What networks with constant starts come to beside those with random ones, in claims, words and a figure.

`kept` is compared results as `first_moves.plain` gives them, `random` those of random starts of the same networks, if there
are any.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symmetry_jax.reports.figures import nested_width
from symmetry_jax.reports.first_moves import agreement
from symmetry_jax.sweeps.study import Claim, Picture
from symmetry_jax.theory.activations import ACTIVATIONS
from symmetry_jax.theory.first_moves import HORIZON

WELL_TRAINED = 0.8  # accuracy, of a network that a start trains

_LOSS = (
    "Training loss of networks of {layers} layers ({batch} batch, learning rate {rate:g}) from constant and from random "
    "weights; band: all seeds. At ln K a network knows nothing. Curves that lie on each other there, or just below where "
    "classes are not equally frequent, are of networks that move nothing but the output bias, or units all of which are dead "
    "or saturated; the later of them are drawn thinner, inside the earlier."
)


def cost_claims(kept: xr.Dataset, random: xr.Dataset | None) -> Iterator[Claim]:
    """Whether random starts beat every constant start of the networks that they train."""
    gaps = _gaps(kept, random) if random is not None else {}
    if gaps:
        statement = (
            f"Accuracy of random starts (median) minus that of the best constant start, two or more layers: the least of "
            f"{len(gaps)} networks that random starts train to {WELL_TRAINED:.0%} or more"
        )
        yield Claim.at_least("cost", statement, 0, min(gaps.values()))


def summary(kept: xr.Dataset, random: xr.Dataset | None) -> str:
    """Two sentences: when what moves, and what it comes to."""
    same, ends = agreement(kept), _comes_to(kept, random)
    if not same.notnull().any():
        return f"First moves are predicted for plain gradient descent, of which there is no finite run here. {ends}"
    drowned = int(((kept.visible == 0) & kept.predicted.notnull()).sum())
    right, told = int((same == 1).sum()), int(same.notnull().sum())
    moved = f"{right:,} of {told:,} arrays first moved as predicted ({drowned:,} more drown in rounding)"
    rules = [text for text, holds in _rules(kept) if holds]
    return f"{moved}{': ' if rules else ''}{'; '.join(rules)}. {ends}"


def _rules(kept: xr.Dataset) -> Iterator[tuple[str, bool]]:
    """What is known of networks of two or more layers, each with whether there are such arrays and all of them bear it out."""
    phi = xr.DataArray([float(ACTIVATIONS[name].value(np.zeros(1))[0]) for name in kept.activation.values], dims="activation")
    told = agreement(kept).notnull() & (kept.layers > 1)
    zero, even, last = (kept.constant == 0) & (kept.bias == 0), kept.batch == "balanced", kept.layer == kept.layers
    early = kept.measured.where(kept.measured <= HORIZON)
    output_bias = last & (kept.part == "bias")

    def all_of(where: xr.DataArray, right: xr.DataArray) -> bool:
        arrays = told & where
        return bool(arrays.any() and right.where(arrays, True).all())

    silent, loud = zero & (phi == 0) & ~even, zero & (phi != 0) & ~even
    yield "zero weights leave all but the output bias stuck if phi(0) = 0", all_of(silent, early.isnull() != output_bias)
    turn = kept.layers - kept.layer + 1
    yield "zero weights let layer l of L first move at step L - l + 1 if phi(0) is not 0", all_of(loud, early == turn)
    rule = "zero weights leave everything stuck, but for rounding, if the batch is exactly balanced"
    yield rule, all_of(zero & even, early.isnull())
    above = (kept.constant > 0) & (kept.bias == 0) & (kept.part == "weight")
    rule = "a positive constant moves output weights at step 1 and all others at step 2, unless units saturate"
    yield rule, all_of(above & kept.predicted.notnull(), early == xr.where(last, 1, 2))


def _comes_to(kept: xr.Dataset, random: xr.Dataset | None) -> str:
    """What the finite runs of two or more layers come to; of one layer, why that is another matter."""
    rank, best = _deep(kept["rank"], kept).max(), _deep(kept.test_accuracy.sel(end="last"), kept).max()
    drawn = f"random weights reach {_drawn(random):.0%} (median over seeds)" if random is not None else ""
    if rank.isnull():
        one = "A single layer has no symmetry to break: any constant start is the zero start, shifted"
        return (one if (kept.layers == 1).all() else drawn.capitalize() or "There is nothing to compare") + "."
    return (
        f"With two or more layers all units of a layer move alike: weight matrices never exceed rank {int(rank)}, and the "
        f"best such network classifies {float(best):.0%} of the test digits right{', where ' + drawn if drawn else ''}."
    )


def start_lines(results: xr.Dataset, kept: xr.Dataset, random: xr.Dataset | None) -> Iterator[str]:
    """What became of the runs, line by line; `results` as they came, `kept` those that are claimed of."""
    yield from _count_lines(results)
    yield from _hidden_lines(kept)
    yield from _death_lines(kept)
    yield from _accuracy_lines(kept, random)


def start_pictures(kept: xr.Dataset, random: xr.Dataset | None) -> Iterator[Picture]:
    """Losses from constant and random weights, at the first two depths of more than one layer."""
    if random is None:
        return
    for layers in [layers for layers in kept.layers.values if layers > 1][:2]:
        caption = _LOSS.format(layers=layers, batch=random.batch.values[0], rate=kept.learning_rate.values[0])
        yield Picture(f"loss_{layers}_layers", losses_of_starts(kept, random, layers), caption)


def _count_lines(runs: xr.Dataset) -> Iterator[str]:
    stopped = int((runs.first_nonfinite_step.sel(end="last") >= 0).sum())
    yield (
        f"{int(runs.valid.sum()):,} runs of {int(runs.step[-1]):,} steps from constant weights, {stopped or 'none'} of which "
        "went non-finite and are left out below."
    )


def _hidden_lines(kept: xr.Dataset) -> Iterator[str]:
    hidden = (kept.visible == 0) & kept.predicted.notnull()
    if hidden.any():
        names = _joined(kept.activation.values[hidden.any([dim for dim in hidden.dims if dim != "activation"]).values])
        yield (
            f"Of {int(hidden.sum()):,} arrays the first move is smaller than what rounding does ({names}: units that a large "
            "constant saturates, or sums that cancel): in floating point they stand still."
        )


def _death_lines(kept: xr.Dataset) -> Iterator[str]:
    dying = kept.dead.where((kept.dead > 0) & kept.loss.notnull().any("step"))
    for name in kept.activation.values[dying.notnull().any([dim for dim in dying.dims if dim != "activation"]).values]:
        steps = dying.sel(activation=name)
        first, last = float(steps.min()), float(steps.max())
        when = f"{first:.0f} to {last:.0f}" if last > first else f"{first:.0f}"
        yield (
            f"{name}: in {int(steps.notnull().sum())} runs whose first steps are too large some layer passes no error of its "
            f"batch any more after {when} steps."
        )


def _accuracy_lines(kept: xr.Dataset, random: xr.Dataset | None) -> Iterator[str]:
    for layers in sorted(kept.layers.values):
        best = float(kept.test_accuracy.sel(end="last", layers=layers).max())
        none = "no constant start stayed finite with plain gradient descent"
        line = f"{layers} layer{'s' if layers > 1 else ''}: "
        line += f"best accuracy {best:.0%} from a constant start" if np.isfinite(best) else none
        if random is not None and layers in random.layers:
            line += f", {_drawn(random.sel(layers=layers)):.0%} from random weights (median over seeds)"
        yield line + "."
    if 1 in kept.layers:
        yield "A single layer has no symmetry to break: any constant start is the zero start, shifted."


def losses_of_starts(constant: xr.Dataset, random: xr.Dataset, layers: int) -> Figure:
    """Loss over steps from constant weights and from random ones, with ln K: a panel for each activation, at one depth.

    Of every other setting the first value is shown.
    """
    constant, random = (_at_first(results.sel(layers=layers, batch=random.batch.values[0])) for results in (constant, random))
    shown = [name for name in constant.activation.values if random.valid.sel(activation=name).any()]
    across, known = min(4, len(shown)), np.log(int(constant.classes))
    shape = (-(-len(shown) // across), across)
    figure, panels = plt.subplots(*shape, figsize=(3.1 * across, 2.4 * shape[0] + 0.3), squeeze=False, sharex=True, sharey=True)
    for panel, name in zip(panels.flat, shown, strict=False):
        _draw_losses(panel, constant.sel(activation=name).loss, random.sel(activation=name).loss)
        panel.axhline(known, color="0.4", linewidth=0.8, linestyle=":", label=f"ln {int(constant.classes)}")
        panel.set(xscale="symlog", yscale="log", title=str(name), xlabel="step")
        panel.tick_params(labelbottom=True)  # where nothing is below, too
        panel.set_xlim(0, float(constant.step[-1]))
    for panel in panels.flat[len(shown) :]:
        panel.axis("off")
    for row in panels:
        row[0].set_ylabel("loss (nats)")
    panels.flat[0].legend(fontsize=6.5)
    return figure


def _at_first(results: xr.Dataset) -> xr.Dataset:
    """The results at the first value of every setting but seed, constant and activation."""
    return results.isel(dict.fromkeys([dim for dim in results.valid.dims if dim not in ("seed", "constant", "activation")], 0))


def _draw_losses(panel: Axes, constant: xr.DataArray, random: xr.DataArray) -> None:
    values = constant.constant.values
    for number, value in enumerate(values):
        style: dict[str, Any] = {"color": f"C{number}", "linewidth": nested_width(number, len(values))}
        panel.plot(constant.step, constant.sel(constant=value).mean("seed"), label=f"all weights {value:g}", **style)
    panel.plot(random.step, random.median("seed"), color="black", linewidth=1, label="random weights (median)")
    panel.fill_between(random.step, random.min("seed"), random.max("seed"), color="black", alpha=0.15, linewidth=0)


def _gaps(kept: xr.Dataset, random: xr.Dataset) -> dict[str, float]:
    """For each network of two or more layers that random starts train, by how much they beat every constant start."""
    found = {}
    kept = kept.sel(batch=random.batch.values[0])
    for layers, activation in itertools.product(random.layers.values, random.activation.values):
        cell = {"layers": layers, "activation": activation}
        drawn = _drawn(random.sel(cell))
        constant = float(kept.sel(cell).test_accuracy.sel(end="last").max())
        if drawn >= WELL_TRAINED and np.isfinite(constant):
            found[f"{activation}, {layers} layers"] = drawn - constant
    return found


def _drawn(random: xr.Dataset) -> float:
    """Accuracy from random weights: the median over seeds, at the best of all other settings."""
    return float(random.test_accuracy.sel(end="last").median("seed").max())


def _deep(values: xr.DataArray, kept: xr.Dataset) -> xr.DataArray:
    """The values in networks of two or more layers."""
    return values.where(kept.layers > 1)


def _joined(names: Sequence[str]) -> str:
    return ", ".join(map(str, names))
