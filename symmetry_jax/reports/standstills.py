"""Standstills from zero weights, and how they are left, from results as `first_moves` takes them.

`compared` has, along the runs, `bias_loss` (that of an output bias alone, after all steps) and `escape_factor` (the predicted
growth per step of what rounding seeds, nan where a standstill is not left) as well.
"""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from symmetry_jax.reports.first_moves import each_run
from symmetry_jax.reports.growth import setting_word
from symmetry_jax.sweeps.study import Claim, Picture
from symmetry_jax.theory.activations import ACTIVATIONS
from symmetry_jax.theory.tied_training import ROUNDING

SEED = 1e-18  # what the rounding of 1/K leaves of weights at first, in float64
LINEAR = (1e-11, 1e-4)  # norms at which growth is read: no longer what rounding strews, nor more than the linear part

_ESCAPE = (
    "Norm of the first layer's weights of networks of two layers that start at zero, on an exactly balanced batch. "
    "Algebraically it stays zero; what is seen is rounding, multiplied at each step. Dashed: the predicted slope, drawn "
    "beside the curve."
)


def standstill_claims(kept: xr.Dataset) -> Iterator[Claim]:
    """What a network of two or more layers that starts at zero comes to, where only the output bias can move, or nothing."""
    full = list(_zero_runs(kept, "full", vanishing=True))
    if full:
        apart = np.max([abs(float(run.loss[-1]) - float(run.bias_loss)) for run in full])
        statement = (
            f"Zero start, phi(0) = 0, two or more layers, full batch ({len(full)} networks): the loss at the end is that of "
            "an output bias alone, which learns class frequencies: largest difference (nats)"
        )
        yield Claim.near("bias alone", statement, 0, float(apart), _rounding(full))
    balanced = list(_zero_runs(kept, "balanced", vanishing=True))
    if balanced:
        apart = np.max([float(abs(run.loss - np.log(run.classes)).max(skipna=False)) for run in balanced])
        statement = (
            f"The same, exactly balanced full batch ({len(balanced)} networks): the loss stays at ln K: largest difference"
        )
        yield Claim.near("standstill", statement, 0, float(apart), _rounding(balanced))


def _rounding(runs: list[xr.Dataset]) -> float:
    """What rounding may do to a loss of about ln K."""
    return max(ROUNDING * float(np.finfo(run.loss.dtype).eps) * float(np.log(run.classes)) for run in runs)


def escape_claims(kept: xr.Dataset) -> Iterator[Claim]:
    """How fast networks of two layers leave the balanced standstill, where rounding has the steps to grow that much."""
    for name, run in escaping(kept).items():
        predicted = float(run.escape_factor)
        if float(run.step[-1]) * np.log(predicted) > np.log(100 * LINEAR[0] / SEED):  # the power itself may overflow
            statement = f"{name}, zero start, two layers, balanced: growth per step of the weights that rounding seeds"
            yield Claim.near(f"escape: {name}", statement, predicted, _growth(run), 0.02 * (predicted - 1))


def escape_lines(kept: xr.Dataset) -> Iterator[str]:
    """How the balanced standstill is left, line by line."""
    for name, run in escaping(kept).items():
        left = run.step.values[(run.loss < np.log(run.classes) - 1e-3).values]
        when = f"the loss is 0.001 below ln {run.classes.item()} by step {left[0]}" if left.size else "the loss stays at ln K"
        seen, told = _growth(run), f"{float(run.escape_factor):.4f}"
        grows = (
            f"grows by {seen:.4f} a step (predicted {told})" if np.isfinite(seen) else f"would need more steps at {told} a step"
        )
        yield f"Balanced batch, zero start, two layers, {name}: rounding {grows}, and {when}."


def escape_pictures(kept: xr.Dataset) -> Iterator[Picture]:
    """How the balanced standstill is left, where it is."""
    runs = {name: run for name, run in escaping(kept).items() if np.isfinite(_growth(run))}
    if runs:
        yield Picture("escape", escapes(runs), _ESCAPE)


def escapes(runs: dict[str, xr.Dataset]) -> Figure:
    """Norm of the first layer's weights over steps, as they leave a balanced standstill, and the predicted slope."""
    figure, panel = plt.subplots(figsize=(6.4, 3.6))
    for number, (name, run) in enumerate(runs.items()):
        size = run.weight_norm.isel(layer=0)
        panel.plot(run.step, size.where(size > 0), color=f"C{number}", label=f"{name}, measured", marker=".", markersize=3)
        steps, sizes = _linear(run)
        line = 3 * sizes[0] * float(run.escape_factor) ** (steps - steps[0])
        panel.plot(steps, line, color=f"C{number}", linestyle="--", linewidth=1, label=f"{name}, predicted slope")
    panel.set(yscale="log", xlabel="step", ylabel="norm of the first layer's weights")
    panel.set_xlim(0, max(float(run.step[-1]) for run in runs.values()))
    panel.legend(fontsize=7)
    return figure


def _growth(run: xr.Dataset) -> float:
    """Factor per step by which the first layer's weights grow, by least squares of a logarithm; nan if that cannot be told."""
    steps, sizes = _linear(run)
    return float(np.exp(np.polyfit(steps, np.log(sizes), 1)[0])) if len(steps) > 2 else float("nan")


def _linear(run: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The records at which the first layer's weights leave a standstill: steps, and their norm."""
    size = run.weight_norm.isel(layer=0).values
    inside = (size > LINEAR[0]) & (size < LINEAR[1])
    return run.step.values[inside], size[inside]


def _zero_runs(kept: xr.Dataset, batch: str, vanishing: bool) -> Iterator[xr.Dataset]:
    """The finite runs of two or more layers that start at zero, biases too, with an activation that vanishes at 0, or not."""
    if batch not in kept.batch or 0 not in kept.constant:
        return
    for run in each_run(kept.sel(batch=[batch], constant=[0])):
        phi = float(ACTIVATIONS[run.activation.item()].value(np.zeros(1))[0])
        if run.layers.item() > 1 and run.bias.item() == 0 and (phi == 0) == vanishing:
            yield run


def escaping(kept: xr.Dataset) -> dict[str, xr.Dataset]:
    """By name, the runs in float64 that leave a balanced standstill by rounding; in float32 there is no room to see it."""
    runs = [run for run in _zero_runs(kept, "balanced", vanishing=False) if run.layers.item() == 2 and run.loss.dtype == float]
    settings = [dim for dim in kept.valid.dims if kept.sizes[dim] > 1 and dim not in ("batch", "layers", "constant", "seed")]
    return {
        ", ".join(setting_word(str(dim), run[dim].item()) for dim in settings) or run.activation.item(): run for run in runs
    }
