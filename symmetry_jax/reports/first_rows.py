"""The first gradient of a softmax classifier with equal rows, in claims and in words, computed from labelled results."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import xarray as xr

from symmetry_jax.sweeps.study import Claim

ROUNDING = 256.0  # relative precisions: what the gradient of a batch may be off by, over its largest entry
TELLING = 0.01  # what is compared with its own size is not claimed where rounding and curvature may be more of it
WHOLE = ("full", "balanced")  # batches that are the same at every step and for every seed
WORDS = {"minibatch": "A minibatch", "full": "All examples", "balanced": "A balanced batch"}


def first_claims(rows: xr.Dataset) -> list[Claim]:
    """What holds of the first step of gradient descent, for each number of classes and each batch."""
    first = rows.sel(step=0, drop=True)
    found = list(_example_claims(first.sel(batch="example")))
    found += [_rows_claim(batch, first.sel(batch=batch)) for batch in first.batch.values if batch != "example"]
    found += _two_class_claims(first)
    drops = [_drop_claim(batch, rows.sel(batch=batch)) for batch in WHOLE if batch in first.batch]
    return found + [claim for claim in drops if claim.tolerance <= TELLING]


def first_lines(rows: xr.Dataset) -> Iterator[str]:
    """The same in numbers, line by line."""
    yield from _example_lines(rows)
    yield from _batch_lines(rows)


def short_answer(rows: xr.Dataset, held: Collection[str]) -> str:
    """In two sentences, where all updates have equal magnitude, and where they do not; `held` names the claims that hold."""
    one = rows.sel(step=0, batch="example", drop=True)
    ratios, off = _ratios(one), rounding(one.row_norm)
    equal = [classes for classes, ratio in ratios.items() if abs(ratio - 1) <= off]
    other = {classes: ratio for classes, ratio in ratios.items() if abs(ratio - 1) > off}
    right = f'"All updates have equal magnitude" is right {_where_equal(one, equal, held)}.'
    if not other:
        return f"{right} Where it is wrong was not seen, for want of more classes."
    far = ", ".join(f"{ratio:.4g} times at K = {classes}" for classes, ratio in other.items())
    by = "K - 1 times" if {f"ratio: {classes} classes" for classes in other} <= set(held) else "not"
    toward, away = (" toward the example", ", which moves away from it") if "directions" in held else ("", "")
    wrong = (
        f"It is wrong for K = {_listed(list(other))}: per example the true class's row moves{toward}, and {by} as far as each "
        f"other row{away} ({far}), and so no constant start that was tried leaves the rows of one layer equal, let alone at "
        "rest."
    )
    return f"{right} {wrong}"


def _where_equal(one: xr.Dataset, equal: Sequence[int], held: Collection[str]) -> str:
    """Where rows move equally far, and how far their weights do."""
    if not equal:
        return "for no number of classes K that was tried"
    opposite = " in opposite directions" if "directions" in held else ""
    batches = " as for any batch" if "two classes" in held and list(equal) == [2] else ""
    words = f"for K = {_listed(equal)}, between classes: the rows move equally far{opposite}, for one example{batches}"
    if "example" not in held:
        return words
    inside, still = float(_inside(one).median()), float(one.still_weights.where(one.valid).mean())
    black = ", those of black pixels" if "still" in held else ""
    return (
        f"{words}, while within a row each weight moves in proportion to its input, for one example {inside:.3g} times as far "
        f"at the most as at the least (median), and {still:.0%} of the weights not at all (mean){black}"
    )


def shares(rows: xr.Dataset) -> xr.Dataset:
    """Norms of the true class's row and of the others, for one example, over that of the example: mean over runs."""
    one = rows.sel(step=0, batch="example", drop=True)
    share, other = (one.row_norm / one.input_norm).where(_real(one)), ~_true(one)
    means = {"true": share.where(~other), "other": share.where(other)}
    return xr.Dataset({name: values.mean([dim for dim in values.dims if dim != "classes"]) for name, values in means.items()})


def spreads(rows: xr.Dataset) -> xr.DataArray:
    """The longest row of a first gradient over the shortest: median over runs, (classes, batch)."""
    first = rows.sel(step=0, drop=True)
    norms = first.row_norm.where(_real(first))
    spread = norms.max("class") / norms.min("class")
    return spread.median([dim for dim in spread.dims if dim not in ("classes", "batch")])


def shortfalls(rows: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """How far a drop is from its prediction, and how far it may be; the largest of all runs: (batch, classes, rate)."""
    whole = rows.sel(batch=rows.batch.isin(WHOLE))
    apart = abs(1 - _drop_factors(whole)), _drop_doubt(whole)
    others = [dim for dim in apart[0].dims if dim not in ("batch", "classes", "learning_rate")]
    return apart[0].where(whole.valid).max(others), apart[1].where(whole.valid).max(others)


def rounding(values: xr.DataArray) -> float:
    """What the entries of a gradient may be off by, over the largest."""
    return float(ROUNDING * np.finfo(values.dtype).eps)


def worst(errors: xr.DataArray, real: xr.DataArray) -> float:
    """The largest magnitude of what there is; nan if some of it is nan."""
    return float(abs(errors).where(real, 0).max(skipna=False))


def farthest(values: xr.DataArray, real: xr.DataArray, expected: float) -> float:
    """The value of all that there are that is farthest from the expected one; nan if one of them is nan."""
    apart = (values - expected).where(real, 0).values.ravel()
    return float(expected + apart[np.argmax(abs(apart))])  # argmax finds a nan first


def _example_claims(one: xr.Dataset) -> Iterator[Claim]:
    """One example: what the learner derived."""
    tolerance = rounding(one.row_norm)
    form = "One example: row k of the gradient, with the bias, is (1/K - 1[k = y]) x for every K and every constant"
    yield Claim.near("example", f"{form}: largest error over the largest entry", 0, worst(one.row_error, one.valid), tolerance)
    share = one.row_norm / one.input_norm - xr.where(_true(one), 1 - 1 / one.classes, 1 / one.classes)
    norms = "One example: the true class's row has the norm (1 - 1/K) ||x||, all others ||x||/K: largest error over ||x||"
    yield Claim.near("norms", norms, 0, worst(share, _real(one)), tolerance)
    cosine = one.row_cosine + xr.where(_true(one), 1, -1)
    ways = "One example: the true class's row points along -x, all others along x: largest error of a cosine"
    yield Claim.near("directions", ways, 0, worst(cosine, _real(one)), tolerance)
    for classes in one.classes.values.tolist():
        ratio = "One example, K = {}: the true class's row is {} as any other: the ratio that is farthest from it"
        statement = ratio.format(classes, "as long" if classes == 2 else f"{classes - 1} times as long")
        some = one.sel(classes=classes)
        found = farthest(_true_ratio(some), _real(some) & ~_true(some), classes - 1)
        yield Claim.near(f"ratio: {classes} classes", statement, classes - 1, found, tolerance * (classes - 1))
    still = "One example: the weights that do not move are those of inputs that are 0: largest difference of the two fractions"
    yield Claim.near("still", still, 0, worst(one.still_weights - one.silent_inputs, one.valid), 0)


def _rows_claim(batch: str, first: xr.Dataset) -> Claim:
    forms = {
        "minibatch": "A minibatch: row k of the gradient is xbar/K - f_k xbar_k, f_k the frequency of class k",
        "full": "All examples: row k of the gradient is xbar/K - f_k xbar_k, f_k the frequency of class k",
        "balanced": "A balanced batch: row k of the gradient is (xbar - xbar_k)/K, and 0 for the biases",
    }
    statement = f"{forms[batch]}: largest error over the largest entry"
    return Claim.near(f"rows: {batch}", statement, 0, worst(first.row_error, first.valid), rounding(first.row_norm))


def _two_class_claims(first: xr.Dataset) -> Iterator[Claim]:
    """With two classes rows are opposite whatever the batch is."""
    if 2 in first.classes:
        two = first.sel(classes=2)
        ratio = two.row_norm.sel({"class": 0}) / two.row_norm.sel({"class": 1})
        statement = "Any batch, K = 2: both rows of the gradient have one norm: the ratio that is farthest from it"
        yield Claim.near("two classes", statement, 1, farthest(ratio, two.valid, 1), rounding(first.row_norm))


def _drop_claim(batch: str, rows: xr.Dataset) -> Claim:
    """The loss is convex with curvatures up to L, so that its drop is lr ||G||^2 times 1 - lr L/2 to 1."""
    factors, doubt = _drop_factors(rows), _drop_doubt(rows)
    largest = doubt.where(rows.valid).max([dim for dim in doubt.dims if dim != "learning_rate"])
    rate = float(largest.idxmin())
    form = {"full": "lr ||G||^2", "balanced": "lr sum_k ||xbar_k - xbar||^2 / K^2"}[batch]
    statement = f"{WORDS[batch]}, lr {rate:g}: the loss drops by {form}: the ratio that is farthest from 1"
    found = farthest(factors.sel(learning_rate=rate), rows.valid.sel(learning_rate=rate), 1)
    return Claim.near(f"drop: {batch}", statement, 1, found, float(largest.min()))


def _drop_factors(rows: xr.Dataset) -> xr.DataArray:
    """The drop of the loss in the first step, over that predicted to first order."""
    return (rows.loss.sel(step=0) - rows.loss.sel(step=1)) / rows.predicted_drop.sel(step=0)


def _drop_doubt(rows: xr.Dataset) -> xr.DataArray:
    """How far that may be from 1: by curvature, lr L/2, and by the rounding of two losses."""
    first = rows.sel(step=0)
    return rows.learning_rate * first.curvature / 2 + 16 * np.finfo(rows.loss.dtype).eps * first.loss / first.predicted_drop


def _example_lines(rows: xr.Dataset) -> Iterator[str]:
    """One example."""
    found = shares(rows)
    for classes in found.classes.values.tolist():
        true, other = (float(found[name].sel(classes=classes)) for name in ("true", "other"))
        yield (
            f"One example, K = {classes}: the row of the true class has {true:.6g} of the norm of the example, each other row "
            f"{other:.6g}; 1 - 1/K is {1 - 1 / classes:.6g} and 1/K is {1 / classes:.6g}."
        )


def _batch_lines(rows: xr.Dataset) -> Iterator[str]:
    """Batches: their rows differ in norm as the means of the classes lie, and the bias sees the frequencies alone."""
    first, most = rows.sel(step=0, drop=True), int(rows.classes.max())
    spread_of, biases = spreads(rows), first.bias_gradient.where(first.valid)
    for batch in first.batch.values.tolist():
        if batch != "example":
            spread, bias = float(spread_of.sel(batch=batch, classes=most)), float(biases.sel(batch=batch).max())
            yield (
                f"{WORDS[batch]}, K = {most}: the longest row is {spread:.3g} times the shortest (median); the largest "
                f"gradient of a bias is {bias:.2g} of the largest of a weight, at any K."
            )


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _ratios(one: xr.Dataset) -> dict[int, float]:
    """For each K the norm of the true class's row over that of another, which is farthest from 1."""
    found = {}
    for classes in one.classes.values.tolist():
        some = one.sel(classes=classes)
        found[classes] = farthest(_true_ratio(some), _real(some) & ~_true(some), 1)
    return found


def _inside(one: xr.Dataset) -> xr.DataArray:
    """The largest entry of the gradient of one example over the smallest that is not 0, within a row."""
    ratio = one.gradient_range.sel(extreme="largest") / one.gradient_range.sel(extreme="smallest")
    return ratio.where(one.valid) / (one.classes - 1)  # of which the true class's row makes up K - 1


def _true(first: xr.Dataset) -> xr.DataArray:
    """Whether a class is that of the first example."""
    return first["class"] == first.label


def _real(first: xr.Dataset) -> xr.DataArray:
    """Whether there is such a run, with such a class."""
    return first.valid & (first["class"] < first.classes)


def _true_ratio(one: xr.Dataset) -> xr.DataArray:
    """The norm of the true class's row over that of each class."""
    return one.row_norm.where(_true(one)).max("class") / one.row_norm
