"""What more filters buy: without a nonlinearity, with ReLU, and where few of them are distinct; in claims and in words.

A family is a way to make a network of one convolution from a number of filters. Runs of one seed draw the same minibatches.
"""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from symmetry_jax.reports.bias_scales import interval
from symmetry_jax.reports.growth import settled
from symmetry_jax.reports.speed import first_step_at
from symmetry_jax.sweeps.study import Claim, Results, Table
from symmetry_jax.theory.linear_filters import convolution_matrix, first_gain, generic_rank

LINEAR, UNPADDED, RELU, TIED = "linear", "linear, unpadded", "ReLU", "ReLU, tied"
NETWORKS = {LINEAR: ("identity", "SAME"), UNPADDED: ("identity", "VALID"), RELU: ("relu", "SAME")}

UNLEARNED = 1.0  # nats: a training loss at the end above which nothing to speak of was learned
REACHED = 0.2  # nats: the training loss whose step tells speed
FOLDED = 1e-5  # of the largest logit: rounding in float32
BENT = 0.01  # of the largest logit: more than any rounding
ERRORS = 4  # standard errors within which a mean is the expected one
SIDE = 8  # of the digits

LIMITS = (
    "Networks of one convolution on 1,437 small images: how much more filters buy elsewhere is not told by these numbers. One "
    "percentage point of accuracy is 3.6 of the 360 test images."
)
COLUMNS = ("family", "labels", "filters", "test accuracy", "deviation", "training loss", "step", "first gain", "last gain")
CAPTION = (
    "Mean test accuracy at the end with its standard deviation over seeds; mean training loss at the end; mean step at which "
    f"it falls to {REACHED} nats (inf if some run never does); gain of the folded matrix, at the start and at the end, which "
    "says something of linear networks only. Of tied networks the number of filters is that of distinct ones."
)


def family(results: Results, name: str, labels: str = "true") -> xr.Dataset:
    """The finite runs of a family along (filters, seed), at the numbers of filters that it was trained with."""
    if name == TIED:
        runs = settled(results["tied_width"]).sel(labels=labels, drop=True)
        most = float(results["filters"].filters.max())
        runs = runs.assign_coords(filters=("copies", most / runs.copies.values)).swap_dims(copies="filters").sortby("filters")
    else:
        activation, padding = NETWORKS[name]
        runs = settled(results["filters"]).sel(activation=activation, padding=padding, labels=labels, drop=True)
    runs = runs.squeeze([dim for dim in runs.valid.dims if dim not in ("filters", "seed")], drop=True)
    return runs.sel(filters=runs.valid.any("seed"))


def families(results: Results, labels: str) -> dict[str, xr.Dataset]:
    """Every family that has runs with these labels, by name."""
    found = {name: family(results, name, labels) for name in (*NETWORKS, TIED)}
    return {name: runs for name, runs in found.items() if runs.sizes["filters"] and bool(runs.valid.any())}


def regressions(results: Results, labels: str = "true") -> xr.Dataset:
    """The finite runs of softmax regression, trained on the same minibatches as the networks: (seed, learning_rate, step)."""
    return settled(results["softmax"]).sel(labels=labels, drop=True).squeeze("weight_decay", drop=True)


def best_regression(results: Results, labels: str = "true") -> xr.Dataset:
    """Softmax regression at that of its rates which gets to the least mean training loss; the test set has no say."""
    runs = regressions(results, labels)
    losses = runs.train_loss.isel(step=-1).mean("seed", skipna=False).fillna(np.inf)
    return runs.isel(learning_rate=int(losses.argmin("learning_rate")))


def long_regression(results: Results, labels: str = "true") -> xr.Dataset:
    """Softmax regression trained for long on all examples at once: one run along (step,)."""
    runs = settled(results["optimum"]).sel(labels=labels)
    return runs.squeeze([dim for dim in runs.valid.dims if dim != "step"])


def least_loss(results: Results, labels: str) -> float:
    """Training loss at the end of softmax regression trained for long."""
    return float(long_regression(results, labels).train_loss[-1])


def ranks(runs: xr.Dataset, padding: str) -> xr.DataArray:
    """The rank of the map from pixels to features: (filters, seed, end); nan where a run went non-finite."""

    def rank(weights: np.ndarray, filters: float) -> float:
        told = weights[:, :, : int(filters)].astype(float)
        return float(np.linalg.matrix_rank(convolution_matrix(told, SIDE, padding))) if np.isfinite(told).all() else np.nan

    dims = [["row", "column", "filter"], []]
    return xr.apply_ufunc(rank, runs.kernels, runs.filters, input_core_dims=dims, vectorize=True)


def expected_ranks(runs: xr.Dataset, padding: str) -> xr.DataArray:
    """The rank that kernels in general position have: (filters,)."""
    counts = map(int, runs.filters.values)
    return xr.DataArray([generic_rank(SIDE, runs.sizes["row"], padding, count) for count in counts], {"filters": runs.filters})


def expected_gains(runs: xr.Dataset) -> xr.DataArray:
    """The mean gain at the start, with padding "SAME": (filters,)."""
    counts = map(int, runs.filters.values)
    return xr.DataArray([first_gain(SIDE, runs.sizes["row"], "SAME", count) for count in counts], {"filters": runs.filters})


def steps_to_loss(runs: xr.Dataset) -> xr.DataArray:
    """The step at which the training loss falls to `REACHED`: (filters, seed)."""
    return first_step_at(runs.train_loss, REACHED)


def capacity_claims(results: Results) -> Iterator[Claim]:
    """Whether linear networks are softmax regression and no more, and whether ReLU's filters are; the latter once trained."""
    yield from _fold_claims(results)
    yield from _rank_claims(results)
    several = results["filters"].sizes["seed"] > 1  # one seed has no spread to hold a mean against
    if several:
        yield _gain_claim(results)
    spread = settled(results["tied_width"]).block_spread.where(results["tied_width"].valid, 0)
    statement = "ReLU, tied in blocks and not held: largest difference in a block at any record"
    yield Claim.near("tied: width", statement, 0, float(spread.max(skipna=False)), 0)
    least = least_loss(results, "random")
    statement = "Random labels, no nonlinearity: least training loss of any run, against softmax regression trained for long"
    losses = family(results, LINEAR, "random").train_loss.isel(step=-1)
    yield Claim.at_least("by heart: linear", statement, least, float(losses.min()))
    if trained(results):
        yield _by_heart_claim(results)
        if several:
            yield from _accuracy_claims(results)
            yield from _distinct_claims(results)
            yield _speed_claim(results)


def trained(results: Results) -> bool:
    """Whether every run with and without a nonlinearity gets to a training loss of `REACHED`: else accuracy tells speed."""
    steps = [steps_to_loss(family(results, name)) for name in (LINEAR, RELU)]
    return all(bool((each < np.inf).all()) for each in steps)


def _fold_claims(results: Results) -> Iterator[Claim]:
    filters = settled(results["filters"])
    linear, bent = (filters.sel(activation=name).fold_gap for name in ("identity", "relu"))
    statement = "No nonlinearity: logits of the network less those of the softmax regression that it folds to, over the largest"
    yield Claim.near("fold: linear", statement, 0, float(linear.max()), FOLDED)
    statement = "ReLU: the same difference, the smallest of all runs at the end"
    yield Claim.at_least("fold: ReLU", statement, BENT, float(bent.sel(end="last").min()))


def _rank_claims(results: Results) -> Iterator[Claim]:
    for name in (LINEAR, UNPADDED):
        padding, runs = NETWORKS[name][1], family(results, name)
        expected, found = expected_ranks(runs, padding), ranks(runs, padding)
        as_expected = (found == expected).where(found.notnull())
        told = ", ".join(f"{int(rank)} with {float(rank.filters):g}" for rank in expected)
        statement = f"{name}: fraction of kernels, drawn and trained, whose map from pixels to features has rank {told}"
        yield Claim.near(f"rank: {name}", statement, 1, float(as_expected.mean()), 0)


def _by_heart_claim(results: Results) -> Claim:
    by_heart = family(results, RELU, "random").train_loss.isel(step=-1, filters=-1)
    statement = (
        f"Random labels, ReLU, {float(by_heart.filters):g} filters: largest training loss of any run, against softmax "
        "regression trained for long"
    )
    return Claim.at_most("by heart: ReLU", statement, least_loss(results, "random"), float(by_heart.max(skipna=False)))


def _accuracy_claims(results: Results) -> Iterator[Claim]:
    """Test accuracies at the end, in pairs of runs that drew the same minibatches."""
    linear, bent = (family(results, name).test_accuracy.isel(step=-1) for name in (LINEAR, RELU))
    fewest, most = linear.filters.values[[0, -1]]
    regression = best_regression(results).test_accuracy.isel(step=-1)
    statement = (
        f"No nonlinearity, {most:g} filters: test accuracy less that of softmax regression after as many steps at rate "
        f"{float(regression.learning_rate):g}, of its rates that of the least training loss, upper end of 95% interval"
    )
    yield Claim.at_most("accuracy: linear", statement, 0, interval(linear.sel(filters=most) - regression)[2])
    statement = (
        f"ReLU, {most:g} filters: test accuracy less that of softmax regression after as many steps at rate "
        f"{float(regression.learning_rate):g}, of its rates that of the least training loss, lower end of 95% interval"
    )
    yield Claim.at_least("accuracy: ReLU, softmax", statement, 0, interval(bent.sel(filters=most) - regression)[0])
    lower = interval(bent.sel(filters=most) - linear.sel(filters=most))[0]
    statement = f"{most:g} filters: test accuracy with ReLU less that without a nonlinearity, lower end of 95% interval"
    yield Claim.at_least("accuracy: ReLU", statement, 0, lower)
    gains = [runs.sel(filters=most) - runs.sel(filters=fewest) for runs in (bent, linear)]
    statement = (
        f"From {fewest:g} to {most:g} filters: test accuracy that they buy with ReLU less that without a nonlinearity, lower "
        "end of 95% interval"
    )
    yield Claim.at_least("accuracy: more filters", statement, 0, interval(gains[0] - gains[1])[0])


def _speed_claim(results: Results) -> Claim:
    steps = steps_to_loss(family(results, LINEAR))
    fewest, most = steps.filters.values[[0, -1]]
    ratio = interval(steps.sel(filters=most) / steps.sel(filters=fewest))[2]
    statement = (
        f"No nonlinearity: steps to a training loss of {REACHED} with {most:g} filters over those with {fewest:g}, upper end "
        "of 95% interval"
    )
    return Claim.at_most("speed: linear", statement, 1, ratio)


def _distinct_claims(results: Results) -> Iterator[Claim]:
    """Whether filters of which k are distinct learn by heart what k filters learn, not what as many distinct ones do."""
    copied, real = (family(results, name, "random").train_loss.isel(step=-1) for name in (TIED, RELU))
    distinct, most = np.intersect1d(copied.filters, real.filters), float(real.filters[-1])
    gap, saved = (copied - real.sel(filters=most, drop=True)).sel(filters=distinct), real.sel(filters=distinct) - copied
    if distinct.size:
        ends = [interval((gap - saved).sel(filters=count))[0] for count in distinct]
        statement = (
            f"Random labels, ReLU, {most:g} filters of which fewer are distinct: nats of training loss that the rest would buy "
            "if they were, less what they buy as copies; least lower end of 95% intervals"
        )
        yield Claim.at_least("by heart: distinct", statement, 0, float(np.min(ends)))


def _gain_claim(results: Results) -> Claim:
    runs = family(results, LINEAR)
    first, expected = runs.gain.isel(step=0), expected_gains(runs)
    errors = abs(first.mean("seed") - expected) / (first.std("seed", ddof=1) / np.sqrt(first.sizes["seed"]))
    statement = (
        "No nonlinearity: mean gain at the start less its closed form, in standard errors, largest of all numbers of filters"
    )
    return Claim.at_most("gain: linear", statement, ERRORS, float(errors.max(skipna=False)))


def capacity_sentence(results: Results) -> str:
    """What more filters buy without a nonlinearity, and with one, beside softmax regression; on true labels, and by heart."""
    linear, bent = (family(results, name).test_accuracy.isel(step=-1).mean("seed") for name in (LINEAR, RELU))
    fewest, most = linear.filters.values[[0, -1]]
    as_long = float(best_regression(results, "random").train_loss.isel(step=-1).mean("seed"))
    by_heart = [float(family(results, name, "random").train_loss.isel(step=-1).mean("seed")[-1]) for name in (LINEAR, RELU)]
    gap = float(settled(results["filters"]).sel(activation="identity").fold_gap.max())
    return (
        f"Without a nonlinearity {fewest:g} to {most:g} filters are softmax regression, to {gap:.0e} of the largest logit, and "
        f"get {float(linear[0]):.1%} to {float(linear[-1]):.1%} of the test digits right, with ReLU {float(bent[0]):.1%} to "
        f"{float(bent[-1]):.1%}. {_beside_regression(results)} "
        f"Labels in a random order {most:g} filters learn to {by_heart[0]:.2f} nats without and {by_heart[1]:.2f} with ReLU, "
        f"softmax regression to {as_long:.2f} in as many steps and to {least_loss(results, 'random'):.2f} trained for long."
    )


def _beside_regression(results: Results) -> str:
    """How softmax regression does, and the network with ReLU and the most filters beside it."""
    bent, regression = (runs.test_accuracy.isel(step=-1) for runs in (family(results, RELU), best_regression(results)))
    alone = (
        f"Softmax regression itself gets {float(regression.mean('seed')):.1%} after as many steps, at that of "
        f"{results['softmax'].sizes['learning_rate']} learning rates which ends at the least training loss, where networks "
        "have one rate"
    )
    if bent.sizes["seed"] < 2:  # one seed has no spread
        return f"{alone}."
    low, mean, high = (100 * end for end in interval(bent.isel(filters=-1) - regression))
    told = f"{mean:+.2f} points, 95% interval {low:+.2f} to {high:+.2f}"
    return f"{alone}; what {float(bent.filters[-1]):g} filters with ReLU get differs from that by {told}."


def capacity_lines(results: Results) -> Iterator[str]:
    """Accuracy, speed and rank of each family."""
    for name, runs in families(results, "true").items():
        accuracy = runs.test_accuracy.isel(step=-1).median("seed")
        steps = steps_to_loss(runs).median("seed")
        when = [f"step {float(step):.0f}" if step < np.inf else "never" for step in steps]
        rows = zip(runs.filters.values, accuracy, when, strict=True)
        each = "; ".join(f"{count:g}: {float(right):.1%}, {step}" for count, right, step in rows)
        what = "distinct filters" if name == TIED else "filters"
        told = f"test digits right, step of a training loss of {REACHED}"
        yield f"- {name}, by {what}, median seed: {told}: {each}.{_unlearned(runs)}"
    for name, runs in families(results, "random").items():
        losses = runs.train_loss.isel(step=-1).mean("seed")
        each = ", ".join(f"{float(loss.filters):g}: {float(loss):.3f}" for loss in losses)
        yield f"- {name}, random labels, mean training loss at the end: {each}."
    runs = family(results, LINEAR)
    first, last = (runs.gain.isel(step=place).mean("seed") for place in (0, -1))
    yield (
        f"Why accuracy still moves without a nonlinearity: the folded matrix learns faster than softmax regression's, at the "
        f"start {float(first[0]):.2g} times with {runs.filters.values[0]:g} and {float(first[-1]):.2g} times with "
        f"{runs.filters.values[-1]:g} filters, at the end {float(last[0]):.2g} and {float(last[-1]):.2g} times."
    )
    yield from _softmax_lines(results)


def _unlearned(runs: xr.Dataset) -> str:
    """The runs that learned nothing to speak of, if there are any."""
    lost = (runs.train_loss.isel(step=-1) > UNLEARNED).sum("seed")
    told = [f"{int(count)} of {runs.sizes['seed']} with {float(count.filters):g}" for count in lost if count > 0]
    return f" Above {UNLEARNED:g} nat at the end: {', '.join(told)}." if told else ""


def _softmax_lines(results: Results) -> Iterator[str]:
    """How far softmax regression gets."""
    for labels in map(str, results["softmax"].labels.values):
        runs, long = regressions(results, labels).isel(step=-1).mean("seed"), long_regression(results, labels)
        each = [f"{float(loss.learning_rate):g}: {float(loss):.3f}" for loss in runs.train_loss]
        right = ", ".join(f"{float(rate):.1%}" for rate in runs.test_accuracy) if labels == "true" else ""
        last, most = (f"{float(each):.1%}" for each in (long.test_accuracy[-1], long.test_accuracy.max()))
        told = f"; test digits right {right}, at the end of long training {last} (at its best record {most})" if right else ""
        yield (
            f"Softmax regression, {labels} labels, training loss after as many steps by learning rate: {', '.join(each)}; "
            f"trained for long, {int(long.step[-1])} steps on all examples: {float(long.train_loss[-1]):.3f}, with a "
            f"gradient of norm {float(long.gradient_norm[-1]):.1e} left{told}."
        )


def capacity_table(results: Results) -> Table:
    """A row for each family, kind of labels and number of filters."""
    rows = [
        (name, labels, float(count), *_row(runs.sel(filters=count)))
        for labels in ("true", "random")
        for name, runs in families(results, labels).items()
        for count in runs.filters.values
    ]
    return Table("filters", COLUMNS, tuple(rows), CAPTION)


def _row(runs: xr.Dataset) -> tuple[float, ...]:
    right, loss = runs.test_accuracy.isel(step=-1), runs.train_loss.isel(step=-1)
    gains = [float(runs.gain.isel(step=place).mean()) if "gain" in runs else np.nan for place in (0, -1)]
    return float(right.mean()), float(right.std()), float(loss.mean()), float(steps_to_loss(runs).mean()), *gains
