"""What sums over classes do while a softmax classifier trains, in claims and in words, computed from labelled results.

`left` is what is left of the constant at which all weights started: (optimizer, ..., step), missing where no number says it.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from symmetry_jax.reports.first_rows import worst
from symmetry_jax.sweeps.study import Claim

SUMMING = ("sgd", "momentum", "nesterov")  # optimizers that treat a sum over classes as they treat each class
ADAPTIVE = ("adam", "adamw")
SEEN = 0.01  # of the largest weight: far above rounding, to be called a change; if rounding may be more, nothing is claimed
PIXELS = ["class", "row", "column", "channel"]  # the dimensions of the weights


def sum_claims(long: xr.Dataset, left: xr.DataArray) -> list[Claim]:
    """Whether rows sum to what is left of the constant, whether training from it is that from zero, shifted, and the ranks."""
    return [*_sum_claims(long, left), *_shift_claims(long, left), *_rank_claims(long)]


def sum_lines(long: xr.Dataset, left: xr.DataArray) -> Iterator[str]:
    """Long training."""
    steps, most = int(long.step[-1]), int(long.classes.max())
    for optimizer in long.optimizer.values.tolist():
        _, _, total, shifted, zero, constant, *accuracies = sum_row(long, left, optimizer, most)
        line = (
            f"{optimizer}, K = {most}, {steps:,} steps from zero: the mean of the rows is up to {total:.1e} of the largest "
            f"weight, their rank up to {zero}, mean test accuracy {accuracies[0]:.1%}"
        )
        shift = (
            f"; a constant start ends {shifted:.1e} of it off the shifted zero start, with a rank up to {constant} and "
            f"{accuracies[1]:.1%}"
        )
        yield f"{line}{shift if long.sizes['constant'] > 1 else ''}."


def sum_row(long: xr.Dataset, left: xr.DataArray, optimizer: str, classes: int) -> tuple[str | float | int, ...]:
    """What became of the runs of one program."""
    runs = long.sel(optimizer=[optimizer], classes=classes)
    zero, constant = runs.sel(constant=[0]), runs.sel(constant=runs.constant != 0)
    shifted = _shift_error(runs, left).where(runs.valid & (runs.constant != 0)).max()
    ranks = (int(part["rank"].where(part.valid).max()) if part.valid.any() else "" for part in (zero, constant))
    accuracy = (float(part.test_accuracy.sel(end="last").mean()) for part in (zero, constant))
    return optimizer, classes, float(_sum_error(zero, left).max()), float(shifted), *ranks, *accuracy


def worst_sums(long: xr.Dataset, left: xr.DataArray) -> xr.DataArray:
    """How far the mean of the rows is from 0 in training from zero: the largest of all runs, (classes, optimizer, step)."""
    errors = _sum_error(long.sel(constant=[0]), left)
    return errors.max([dim for dim in errors.dims if dim not in ("classes", "optimizer", "step")])


def _sum_claims(long: xr.Dataset, left: xr.DataArray) -> Iterator[Claim]:
    """Whether rows sum to zero for ever, or to what is left of the constant."""
    errors, steps = _sum_error(long, left), int(long.step[-1])
    form = "rows sum to 0 from zero, and from c to K times what weight decay leaves of c"
    for optimizer in _present(long, SUMMING):
        if _drift(long, optimizer) > SEEN:
            continue
        statement = f"{optimizer}, {steps:,} steps: {form}: largest error of their mean over the largest weight"
        found = worst(errors.sel(optimizer=optimizer), long.valid.sel(optimizer=optimizer))
        yield Claim.near(f"sum: {optimizer}", statement, 0, found, _drift(long, optimizer))
    for optimizer in _present(long, ADAPTIVE):
        for classes in long.classes.values.tolist() if _drift(long, optimizer) <= SEEN else ():
            chosen = {"optimizer": optimizer, "classes": classes, "constant": 0}
            yield _adaptive_sum_claim(f"{optimizer}, {classes} classes", steps, errors.sel(chosen), long.sel(chosen))


def _adaptive_sum_claim(name: str, steps: int, errors: xr.DataArray, runs: xr.Dataset) -> Claim:
    """Adam divides each row by its own sizes, which are the same for both rows of two classes."""
    words = f"{name}, from zero, {steps:,} steps: mean of the rows over the largest weight"
    if runs.classes == 2:
        return Claim.near(f"sum: {name}", f"{words}, at its largest", 0, worst(errors, runs.valid), _drift(runs, "adam"))
    largest = errors.max("step", skipna=False).where(runs.valid, np.inf)
    return Claim.at_least(
        f"sum: {name}", f"{words}, at its largest, in the run where that is least", SEEN, float(largest.min(skipna=False))
    )


def _shift_claims(long: xr.Dataset, left: xr.DataArray) -> Iterator[Claim]:
    """Whether training from a constant is that from zero, shifted."""
    if long.sizes["constant"] == 1:
        return
    errors = _shift_error(long, left)
    for optimizer in long.optimizer.values.tolist():
        if _drift(long, optimizer) > SEEN:
            continue
        runs = long.sel(optimizer=optimizer)
        coupled = optimizer == "adam"  # its weight decay is part of a gradient of which only the sign matters
        rest = "c, without weight decay" if coupled else "what weight decay leaves of c"
        statement = f"{optimizer}: {int(long.step[-1]):,} steps from c end where those from zero do, shifted by {rest}"
        found = worst(errors.sel(optimizer=optimizer), runs.valid & (runs.weight_decay == 0) if coupled else runs.valid)
        yield Claim.near(
            f"shift: {optimizer}", f"{statement}: largest error over the largest weight", 0, found, _drift(long, optimizer)
        )


def _rank_claims(long: xr.Dataset) -> Iterator[Claim]:
    """The most that the rank of the weights ever is, less K."""
    zero, constant = long.sel(constant=[0]), long.sel(constant=long.constant != 0)
    family = long.optimizer.isin(SUMMING)
    cases = [
        ("rank: zero", "From zero, without Adam, the rank of the weights is K - 1 at most", zero.sel(optimizer=family), -1),
        ("rank: constant", "From a constant the rank of the weights is K at most", constant, 0),
        (
            "rank: adam",
            "From zero, with Adam and K > 2, it is K at most",
            zero.sel(optimizer=~family, classes=zero.classes > 2),
            0,
        ),
    ]
    for name, statement, runs, expected in cases:
        if runs.valid.any():
            found = float((runs["rank"] - runs.classes).where(runs.valid).max())
            yield Claim.near(name, f"{statement}, and that is reached: the largest rank less K", expected, found, 0)


def _sum_error(long: xr.Dataset, left: xr.DataArray) -> xr.DataArray:
    """How far the mean of the rows is from what is left of the constant, for the worst input, over the largest weight."""
    apart = abs(long.class_mean - left).max("extreme", skipna=False)
    return apart / long.largest_weight.where(long.largest_weight != 0, 1)


def _shift_error(long: xr.Dataset, left: xr.DataArray) -> xr.DataArray:
    """How far the last weights are from those of the run from zero, shifted, for the worst weight, over the largest weight."""
    last = long.weights.sel(end="last")
    apart = abs(last - last.sel(constant=0, drop=True) - left.isel(step=-1, drop=True))
    apart = apart.where(long["class"] < long.classes, 0).max(PIXELS, skipna=False)
    return apart / long.largest_weight.isel(step=-1, drop=True)


def _present(long: xr.Dataset, optimizers: Sequence[str]) -> list[str]:
    return [optimizer for optimizer in long.optimizer.values.tolist() if optimizer in optimizers]


def _drift(long: xr.Dataset, optimizer: str) -> float:
    """What rounding may add up to, over the largest weight: one relative precision a step.

    Adam divides a gradient, and its rounding, by what may be as little as its eps.
    """
    once = np.finfo(long.class_mean.dtype).eps
    enlarged = float((long.learning_rate / long.adam_eps).max()) if optimizer in ADAPTIVE else 1.0
    return float(long.step[-1] * once) * max(enlarged, 1.0)
