"""Twins that are apart, held against what the transverse exponent predicts, setting by setting."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt

from symmetry_jax.reports.figures import band
from symmetry_jax.reports.growth import along, growth, nearest_epsilon, settled
from symmetry_jax.reports.twins import KINKED
from symmetry_jax.sweeps.study import Claim, Picture, Results, Table
from symmetry_jax.theory.twin_separation import trusted_epsilons

TOLERANCE = 0.02  # of growth
FEW = 1e-4  # the distance at the start of which words tell

COLUMNS = (
    "setting",
    "group",
    "log growth predicted",
    "5%",
    "95%",
    "trusted from",
    "trusted to",
    "runs in that range",
    "deviation",
    "distance",
    "log growth of the angle",
    "loss",
)
TABLE_CAPTION = (
    "Settings that differ from the default in one thing. Log growth of the distance that the exponent predicts, median over "
    "seeds and quantiles; the distances at the start between which rounding and saturation let it be trusted, medians; seeds "
    "times distances in that range; the deviation of their growth from the predicted one that nine in ten stay below, as a "
    f"fraction; log growth of the angle between twins that start {FEW:g} apart, median; minibatch loss at the end, median."
)
CAPTION = (
    "Growth of the distance between twins until the end, over what the transverse exponent predicts, against their distance at "
    "the start; medians and quartiles over seeds, a colour for each layer. Shaded: where the prediction may be trusted "
    "(medians over seeds), above rounding and below saturation. Dashed: 2% off. Relu twins leave it where an example falls "
    "between their kinks, which no exponent knows of: nothing is shaded there. What is off by more than a factor of two is "
    "beyond the axis."
)


def settings_of(results: Results) -> Iterator[tuple[str, str, xr.Dataset, xr.Dataset]]:
    """For each setting and group: their names, the tangents, along (seed, step), and the twins, along (seed, epsilon, step)."""
    tangents, twins = (settled(results[sweep]) for sweep in ("tangents", "twins"))
    for setting, group in itertools.product(tangents.setting.values.tolist(), tangents.group.values.tolist()):
        point = {"setting": setting, "group": group}
        here = along(tangents.sel(point), "seed"), along(twins.sel(point), "seed", "epsilon")
        if here[0].log_growth.notnull().any() and here[1].separation.notnull().any():
            yield setting, group, *here


def trusted(tangents: xr.Dataset) -> xr.DataArray:
    """The distances at the start between which growth until the end is predicted within `TOLERANCE`: (seed, bound)."""

    def bounds(climb: np.ndarray, size: float) -> np.ndarray:
        if np.isnan(climb).any():
            return np.full(2, np.nan)
        return np.array(trusted_epsilons(tangents.step.values, climb, size, str(tangents.log_growth.dtype), TOLERANCE))

    arrays = tangents.log_growth, tangents["size"].max("end")
    dims = [["step"], []]
    found = xr.apply_ufunc(bounds, *arrays, input_core_dims=dims, output_core_dims=[["bound"]], vectorize=True)
    return found.assign_coords(bound=["low", "high"])


def ratio(tangents: xr.Dataset, twins: xr.Dataset) -> xr.DataArray:
    """Growth of the distance until the end over the predicted one: (seed, epsilon)."""
    return growth(twins).isel(step=-1, drop=True) / np.exp(tangents.log_growth.isel(step=-1, drop=True).astype(float))


def within(ratios: xr.DataArray, bounds: xr.DataArray) -> xr.DataArray:
    """The ratios of twins that start at a distance that may be trusted; nan elsewhere."""
    low, high = (bounds.sel(bound=bound, drop=True) for bound in ("low", "high"))
    return ratios.where((ratios.epsilon >= low) & (ratios.epsilon <= high))


def deviation(ratios: xr.DataArray) -> float:
    """How far off growth is from what was predicted, as a fraction: what nine in ten stay below; nan for none."""
    off = abs(ratios.values[ratios.notnull().values] - 1)
    return float(np.quantile(off, 0.9)) if off.size else np.nan


def forecast_claims(results: Results) -> Iterator[Claim]:
    """Whether growth is as predicted where the prediction says that it may be trusted; relu has claims of its own."""
    for setting, group, tangents, twins in settings_of(results):
        inside = within(ratio(tangents, twins), trusted(tangents))
        if not setting.startswith(KINKED) and inside.notnull().any():
            statement = f"{setting}, {group}: growth over the predicted one, less 1, in nine of ten runs of the trusted range"
            yield Claim.near(f"forecast: {setting} {group}", statement, 0, deviation(inside), TOLERANCE)


def forecast_lines(results: Results) -> Iterator[str]:
    """What is predicted in each setting, and how near twins come to it."""
    rows = list(_rows(results))
    for row in rows:
        low, middle, high, angle = np.exp([row.low, row.climb, row.high, row.angle])
        yield (
            f"{row.setting}, {row.group}: predicted distance x {middle:.3g} ({low:.3g} to {high:.3g} in nine seeds of ten); "
            f"{_trust(row)}; angle of twins {row.near:.2g} apart x {angle:.3g}; loss {row.loss:.2g}."
        )
        if row.angle < 0 < row.climb:
            yield f"{row.setting}, {row.group}: the twins' distance grows and their angle shrinks: they only grow longer."
    lost = [name for name in results["tangents"].setting.values.tolist() if name not in {row.setting for row in rows}]
    if lost:
        yield f"All runs went non-finite: {', '.join(lost)}."


def _trust(row: "_Row") -> str:
    """Where the prediction may be trusted, in words."""
    if row.setting.startswith(KINKED):
        return "kinks, of which it knows nothing, are told apart"
    if not row.start < row.end:
        return "no distance is between rounding and saturation"
    bounds = f"trusted from {row.start:.1e} to {row.end:.1e}"
    return (
        f"{bounds}, where {row.runs} pairs end within {row.off:.1e} of it (nine in ten)" if row.runs else f"{bounds}, not tried"
    )


def forecast_sentence(results: Results) -> str:
    """How well growth is predicted, in one sentence."""
    inside = [
        abs(within(ratio(tangents, twins), trusted(tangents)).values - 1)
        for setting, _, tangents, twins in settings_of(results)
        if not setting.startswith(KINKED)
    ]
    layers = [off[np.isfinite(off)] for off in inside if np.isfinite(off).any()]
    if not layers:
        return "No twins started where the exponent may be trusted."
    off = np.concatenate(layers)
    tells = "tells" if np.quantile(off, 0.9) <= TOLERANCE else "does not tell"
    return (
        f"The exponent, read where twins are tied, {tells} how far twins that are apart grow between rounding and saturation: "
        f"{len(off):,} pairs in {len(layers)} layer{'s' * (len(layers) > 1)} of smooth networks end {np.median(off):.1e} off "
        f"in the median, {np.mean(off <= TOLERANCE):.1%} of them within {TOLERANCE:.0%}."
    )


def forecast_table(results: Results) -> Table:
    """A row for each layer of each setting."""
    return Table("settings", COLUMNS, tuple(_rows(results)), TABLE_CAPTION)


class _Row(NamedTuple):
    """A layer of a setting, in the order of `COLUMNS`; log growths are medians, with quantiles of that of the distance."""

    setting: str
    group: str
    climb: float
    low: float
    high: float
    start: float
    end: float
    runs: int
    off: float
    near: float
    angle: float
    loss: float


def _rows(results: Results) -> Iterator[_Row]:
    for setting, group, tangents, twins in settings_of(results):
        climb = tangents.log_growth.isel(step=-1)  # -inf where twins met
        low, middle, high = climb.quantile([0.05, 0.5, 0.95], method="nearest").values.tolist()
        start, end = trusted(tangents).median("seed").values.tolist()
        ratios = within(ratio(tangents, twins), trusted(tangents))
        near = nearest_epsilon(twins, FEW)
        angle = np.log(growth(twins, "angle").isel(step=-1).sel(epsilon=near).median())
        loss = float(tangents.loss.isel(step=-1).median())
        counted, off = int(ratios.notnull().sum()), deviation(ratios)
        yield _Row(setting, group, middle, low, high, start, end, counted, off, near, float(angle), loss)


def forecast_pictures(results: Results) -> Iterator[Picture]:
    """Growth over the predicted one against the distance at the start, a panel for each setting."""
    names = list(dict.fromkeys(setting for setting, *_ in settings_of(results)))
    if not names:
        return
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    size = (2.6 * columns, 2.1 * rows)
    figure, panels = plt.subplots(rows, columns, figsize=size, squeeze=False, sharex=True, sharey=True, layout="constrained")
    for panel in panels.flat[len(names) :]:
        panel.set_visible(False)
    shown = dict(zip(names, panels.flat, strict=False))
    for setting, group, tangents, twins in settings_of(results):
        panel = shown[setting]
        color = f"C{len(panel.get_lines())}"
        band(panel, ratio(tangents, twins), "epsilon", color, label=group, marker="o")
        low, high = trusted(tangents).median("seed").values
        kinked = setting.startswith(KINKED)  # then rounding and saturation do not tell where it may be trusted
        if low < high and not kinked:
            panel.axvspan(low, high, color=color, alpha=0.12, linewidth=0)
        elif not kinked:
            panel.text(0.5, 0.3, f"{group}: nothing\nto be trusted", transform=panel.transAxes, ha="center", fontsize=7)
        panel.set(xscale="log", yscale="log", ylim=(0.5, 2), title=setting)
        panel.legend(fontsize=6)
    for panel in shown.values():
        for edge in (1 - TOLERANCE, 1 + TOLERANCE):
            panel.axhline(edge, color="black", linewidth=0.7, linestyle="--")
        panel.set_yticks([0.5, 1, 2], ["0.5", "1", "2"])
        panel.minorticks_off()
    figure.supxlabel("distance at the start", fontsize=9)
    figure.supylabel("growth / predicted growth", fontsize=9)
    yield Picture("forecasts", figure, CAPTION)
