"""What the difference between the gradients of two units of a layer is made of: in claims and in words."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from symmetry_jax.reports.growth import along
from symmetry_jax.sweeps.study import Claim, Results

EXACT = 1e-12  # in float64, of the gradients themselves
ALL = 1e-6  # of a difference between gradients that are almost equal
CLOSE = 1e-3  # up to there twins are almost equal
EARLY, LATE = 0.1, 0.5  # of the steps: up to the first, and from the second on
KINKED = "relu"
WITHIN = ("local", "downstream")  # what may differ between units of a layer


def training(results: Results, held: int = 0) -> xr.Dataset | None:
    """The runs whose twins' fan-outs are trained freely, or held equal: (network, activation, seed, epsilon).

    None if there are none, or none that is finite.
    """
    runs = results["training"]
    if held not in runs.held:
        return None
    runs = along(runs.sel(held=held, drop=True), "network", "activation", "seed", "epsilon")
    return runs if runs.sources.notnull().any() else None


def read(runs: xr.Dataset, term: str, reading: str, kind: str = "") -> xr.DataArray:
    """One reading of one term, of pairs of a kind, or of all."""
    chosen = [pair for pair in runs.pair.values.tolist() if pair.startswith(kind)]
    return runs.sources.sel(term=term, reading=reading, pair=chosen, drop=True)


def early(values: xr.DataArray) -> xr.DataArray:
    """The records of the first part of training."""
    return values.sel(step=values.step <= EARLY * values.step[-1])


def late(values: xr.DataArray) -> xr.DataArray:
    """The records of the last part."""
    return values.sel(step=values.step >= LATE * values.step[-1])


def closest(runs: xr.Dataset) -> xr.Dataset:
    """The runs whose twins start closest."""
    return runs.sel(epsilon=runs.epsilon.min(), drop=True)


def smooth(runs: xr.Dataset) -> xr.Dataset:
    """The runs whose activation has no kink."""
    return runs.sel(activation=runs.activation != KINKED)


def residue_claim(runs: xr.Dataset, name: str, which: str) -> Iterator[Claim]:
    """Whether the sources add up to what the training step made of the two gradients."""
    sizes = read(runs, "residue", "size")
    if sizes.notnull().any():
        statement = f"{which}: what the sources leave of the difference between two gradients, over their size: largest"
        yield Claim.near(name, statement, 0, float(sizes.max()), EXACT)


def share_claims(results: Results) -> Iterator[Claim]:
    """What the split is, for units of one layer, and which source there is more of."""
    runs = training(results)
    if runs is not None:
        yield from residue_claim(runs, "split", "Units of a layer")
        statement = "Units of a layer: size of the upstream part of the difference between their gradients: largest"
        yield Claim.near("upstream", statement, 0, float(abs(read(runs, "upstream", "size")).max()), 0)
        yield from _linear_claims(runs)
        yield from _kink_claims(runs)
        yield from _driving_claims(runs)
    yield from _held_claims(results)


def _linear_claims(runs: xr.Dataset) -> Iterator[Claim]:
    """Whether shares of twins of a smooth activation do not depend on how close they are, as both parts are linear."""
    shares = read(smooth(runs), "downstream", "share", "twins")
    near = np.sort(shares.epsilon.values[shares.epsilon.values <= CLOSE])[:2]
    if len(near) == 2 and shares.size and shares.notnull().any():
        apart = abs(shares.sel(epsilon=near[0]) - shares.sel(epsilon=near[1]))
        statement = f"Smooth activations, twins {near[0]:g} and {near[1]:g} apart: difference between their shares, nine of ten"
        yield Claim.near("linear", statement, 0, float(apart.quantile(0.9)), 0.01)


def _kink_claims(runs: xr.Dataset) -> Iterator[Claim]:
    """Whether relu twins differ in nothing local but at kinks, and there in little else."""
    if KINKED not in runs.activation:
        return
    local, downstream, between, apart = _of_relu(runs)
    alike = downstream.where(between == 0)
    if alike.notnull().any():
        statement = f"{KINKED} twins, records with no example between their kinks: share of downstream error less 1, largest"
        yield Claim.near("between no kinks", statement, 0, float(abs(alike - 1).max()), ALL)
    crossing = local.where((between > 0) & (apart <= CLOSE))
    if crossing.notnull().any():
        statement = (
            f"{KINKED} twins up to {CLOSE:g} apart, records with an example between their kinks: share of the local "
            f"derivative, median of {int(crossing.notnull().sum())}"
        )
        yield Claim.at_least("between kinks", statement, 0.9, float(crossing.median()))


def _of_relu(runs: xr.Dataset) -> tuple[xr.DataArray, ...]:
    """Of relu twins: both shares, the fraction of points between their kinks, and their distance."""
    here = runs.sel(activation=KINKED)
    local, downstream = (read(here, source, "share", "twins") for source in WITHIN)
    return local, downstream, here.between.sel(pair=local.pair), here.distance.sel(pair=local.pair)


def _driving_claims(runs: xr.Dataset) -> Iterator[Claim]:
    """Which source there is more of, early and late, and which drives twins apart."""
    twins = closest(runs)
    shares = read(twins, "downstream", "share", "twins")
    statement = (
        f"Closest twins, first {EARLY:.0%} of the steps: share of downstream error, median, least of all settings and layers"
    )
    yield Claim.at_least("early", statement, 0.5, _least(early(shares).median(["seed", "step"])))
    local = read(smooth(twins), "local", "share", "twins")
    if local.size:
        grown = late(local).median(["seed", "step"]) - early(local).median(["seed", "step"])
        statement = (
            f"Smooth activations, closest twins: share of the local derivative from {LATE:.0%} of the steps on, less early"
        )
        yield Claim.at_least("late", f"{statement}, medians, least of all settings and layers", 0, _least(grown))
    push = early(read(twins, "downstream", "push", "twins")).mean("step").median("seed")
    statement = (
        "Closest twins: rate at which downstream error drives them apart early, median, least of all settings and layers"
    )
    yield Claim.at_least("driven apart", statement, 0, _least(push))


def _held_claims(results: Results) -> Iterator[Claim]:
    """Whether nothing differs downstream where fan-outs are equal."""
    runs = training(results, held=1)
    if runs is None:
        return
    statement = "Twins of equal fan-out: size of the downstream part of the difference between their gradients, largest"
    yield Claim.near("held", statement, 0, float(read(runs, "downstream", "size", "twins").max()), EXACT)
    if KINKED in runs.activation:
        here = runs.sel(activation=KINKED)
        sizes = read(here, "difference", "size", "twins")
        alike = sizes.where(here.between.sel(pair=sizes.pair) == 0)
        if alike.notnull().any():
            statement = (
                f"{KINKED} twins of equal fan-out, no example between their kinks: difference between gradients, largest"
            )
            yield Claim.near("held between no kinks", statement, 0, float(alike.max()), EXACT)


def _least(values: xr.DataArray) -> float:
    """The least number, nan if there are none."""
    return float(values.min())


def share_sentence(results: Results) -> str:
    """What units of a layer differ in, in a sentence."""
    runs = training(results)
    if runs is None:
        return "No runs with trained fan-outs remained finite to tell what units of a layer differ in."
    upstream = float(abs(read(runs, "upstream", "size")).max())
    first = (
        f"Of the difference between the gradients of two units of a layer nothing is upstream (at most {upstream:g} in size)"
    )
    curved = smooth(closest(runs))
    words = []
    for kind, name in (("twins", "almost equal units"), ("unlike", "units that start at random")):
        shares = read(curved, "downstream", "share", kind)
        if shares.size:
            parts = [part(shares).median(["seed", "step"]) for part in (early, late)]
            words.append(f"{_range(parts[0])} of it early and {_range(parts[1])} late between {name}")
    if not words:
        return f"{first}."
    return (
        f"{first}: downstream error makes {' and '.join(words)} (smooth activations, medians), the local derivative the rest."
    )


def _range(values: xr.DataArray) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.0%} to {high:.0%}"


def share_lines(results: Results) -> Iterator[str]:
    """Shares and pushes of every setting, what kinks do, and what is left where fan-outs are equal."""
    runs = training(results)
    if runs is not None:
        for network, activation in settings(runs):
            yield _setting_line(closest(runs).sel(network=network, activation=activation), f"{network}, {activation}")
        if KINKED in runs.activation:
            yield from _kink_lines(runs)
    held = training(results, held=1)
    if held is not None:
        sizes = [float(read(held, source, "size", "twins").max()) for source in WITHIN]
        yield (
            f"Twins whose fan-outs are held equal differ in the local derivative alone: the downstream part is at most "
            f"{sizes[1]:.1g} of their gradients, the local one up to {sizes[0]:.2g}."
        )


def settings(runs: xr.Dataset) -> Iterator[tuple[str, str]]:
    """Each network with each activation, by name."""
    for network in runs.network.values.tolist():
        for activation in runs.activation.values.tolist():
            yield network, activation


def _setting_line(runs: xr.Dataset, name: str) -> str:
    words = []
    for kind in ("twins", "unlike"):
        shares = read(runs, "downstream", "share", kind)
        apart = read(runs, "difference", "size", kind)
        words.append(
            f"{kind} {float(early(shares).median()):.0%} early, {float(late(shares).median()):.0%} late "
            f"(difference {float(early(apart).median()):.2g} of the gradients)"
        )
    rates = [float(early(read(runs, source, "push", "twins")).mean("step").median()) for source in WITHIN]
    return (
        f"- {name}: share of downstream error between {', '.join(words)}; early on the local derivative drives twins apart by "
        f"{rates[0]:+.2g} and downstream error by {rates[1]:+.2g} of their distance per step and learning rate."
    )


def _kink_lines(runs: xr.Dataset) -> Iterator[str]:
    local, _, between, apart = _of_relu(runs)
    told = local.notnull()
    crossing = local.where((between > 0) & (apart <= CLOSE))
    if crossing.notnull().any():
        yield (
            f"An example falls between the kinks of {KINKED} twins at {float((between > 0).where(told).mean()):.0%} of "
            f"records; where it does and they are up to {CLOSE:g} apart, {float(crossing.median()):.0%} of the difference is "
            "local (median), and where none does, nothing."
        )
