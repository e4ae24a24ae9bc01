"""What the difference between the gradients of two units of a layer is made of: in claims."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from symmetry_jax.reports.growth import along
from symmetry_jax.sweeps.study import Claim, Results

EXACT = 1e-12  # of the gradients themselves, in float64, which the study asks for
ALL = 1e-6  # of a difference between gradients that are almost equal
CLOSE = 1e-3  # up to there twins are almost equal
EARLY, LATE = 0.1, 0.5  # of the steps: up to the first, and from the second on
HALF = 0.5  # of a difference: downstream error that makes more makes most of it
NEARLY_ALL = 0.9  # of a difference: what is local where an example falls between kinks
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


def middle(shares: xr.DataArray) -> xr.DataArray:
    """The median over seeds and records of every layer of every setting: (..., pair)."""
    return shares.median(["seed", "step"])


def of_layers(middles: xr.DataArray) -> dict[str, float]:
    """The number of every layer of every setting, by name; of those that have one."""
    found = {
        f"{network}, {activation}, layer {pair.split()[1]}": float(
            middles.sel(network=network, activation=activation, pair=pair)
        )
        for network, activation in settings(middles)
        for pair in middles.pair.values.tolist()
    }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def closest(runs: xr.Dataset) -> xr.Dataset:
    """The runs whose twins start closest."""
    return runs.sel(epsilon=runs.epsilon.min(), drop=True)


def smooth(runs: xr.Dataset) -> xr.Dataset:
    """The runs whose activation has no kink."""
    return runs.sel(activation=runs.activation != KINKED)


def settings(runs: xr.Dataset | xr.DataArray) -> Iterator[tuple[str, str]]:
    """Each network with each activation, by name."""
    for network in runs.network.values.tolist():
        for activation in runs.activation.values.tolist():
            yield network, activation


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
        yield from _linear_claims(runs)
        yield from _kink_claims(runs)
        yield from _driving_claims(runs)
    yield from _held_claims(results)
    grown = [growth_of(results, held) for held in (0, 1)]
    if grown[0] is not None and grown[1] is not None:
        statement = "Closest twins: growth of their fan-ins' distance over that with fan-outs held equal, median, least of all"
        yield Claim.at_least("fan-outs", f"{statement} settings and layers", 1, _least((grown[0] / grown[1]).median("seed")))


def growth_of(results: Results, held: int) -> xr.DataArray | None:
    """The distance between the fan-ins of the closest twins at the end over that at the start; None without such runs."""
    runs = training(results, held)
    if runs is None:
        return None
    apart = closest(runs).distance.sel(pair=[pair for pair in runs.pair.values.tolist() if pair.startswith("twins")])
    return apart.isel(step=-1, drop=True) / apart.sel(step=0, drop=True)


def _linear_claims(runs: xr.Dataset) -> Iterator[Claim]:
    """Whether shares of twins of a smooth activation do not depend on how close they are, as both parts are linear."""
    shares = read(smooth(runs), "downstream", "share", "twins")
    near = np.sort(shares.epsilon.values[shares.epsilon.values <= CLOSE])[:2]
    if len(near) == 2 and shares.size and shares.notnull().any():
        apart = abs(shares.sel(epsilon=near[0]) - shares.sel(epsilon=near[1]))
        statement = f"Smooth activations, twins {near[0]:g} and {near[1]:g} apart: difference between their shares, nine of ten"
        yield Claim.near("linear", statement, 0, float(apart.quantile(0.9)), 0.01)


def _kink_claims(runs: xr.Dataset) -> Iterator[Claim]:
    """Whether relu twins differ in nothing local but at kinks, and there in little else, in three of four records."""
    if KINKED not in runs.activation:
        return
    local, downstream, between, _ = of_relu(runs)
    alike = downstream.where(between == 0)
    if alike.notnull().any():
        statement = f"{KINKED} twins, records with no example between their kinks: share of downstream error less 1, largest"
        yield Claim.near("between no kinks", statement, 0, float(abs(alike - 1).max()), ALL)
    crossing = local.where(between > 0)
    if crossing.notnull().any():
        statement = (
            f"{KINKED} twins, records with an example between their kinks: share of the local derivative, lower quartile of "
            f"{int(crossing.notnull().sum())}"
        )
        yield Claim.at_least("between kinks", statement, NEARLY_ALL, float(crossing.quantile(0.25)))


def of_relu(runs: xr.Dataset) -> tuple[xr.DataArray, ...]:
    """Of relu twins: both shares, the fraction of points between their kinks, and their distance."""
    here = runs.sel(activation=KINKED)
    local, downstream = (read(here, source, "share", "twins") for source in WITHIN)
    return local, downstream, here.between.sel(pair=local.pair), here.distance.sel(pair=local.pair)


def _driving_claims(runs: xr.Dataset) -> Iterator[Claim]:
    """Which source there is more of, early and late, and which drives twins apart."""
    twins = closest(runs)
    for activation in smooth(twins).activation.values.tolist():
        here = twins.sel(activation=activation)
        share, local = (read(here, source, "share", "twins") for source in ("downstream", "local"))
        which = f"{activation}, closest twins"
        statement = (
            f"{which}, first {EARLY:.0%} of the steps: share of downstream error, median, least of all networks and layers"
        )
        yield Claim.at_least(f"early: {activation}", statement, HALF, _least(middle(early(share))))
        grown = middle(late(local)) - middle(early(local))
        statement = f"{which}: share of the local derivative from {LATE:.0%} of the steps on, less early, medians, least"
        yield Claim.at_least(f"late: {activation}", f"{statement} of all networks and layers", 0, _least(grown))
    push = early(read(twins, "downstream", "push", "twins")).mean("step").median("seed")
    statement = (
        "Closest twins: rate at which downstream error drives them apart early, median, least of all settings and layers"
    )
    yield Claim.at_least("driven apart", statement, 0, _least(push))


def _held_claims(results: Results) -> Iterator[Claim]:
    """Whether the difference that the step computed is the local part alone where fan-outs are equal."""
    runs = training(results, held=1)
    if runs is None:
        return
    local = read(smooth(runs), "local", "share", "twins")
    if local.size and local.notnull().any():
        statement = (
            "Smooth activations, twins of equal fan-out: share of the local derivative in the difference between the gradients "
            "that the step computed, less 1, largest"
        )
        yield Claim.near("held", statement, 0, float(abs(local - 1).max()), ALL)
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
