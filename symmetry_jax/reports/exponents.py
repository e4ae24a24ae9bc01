"""The map of the transverse exponent: where twins part, stay and merge, in claims, in words and in a figure."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colors
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from symmetry_jax.reports.growth import along
from symmetry_jax.sweeps.study import Claim, Picture

AGREED = 0.75  # of seeds, to be called a region
CLOSE = 1.1  # twins whose distance changed by less than this factor in the second half stay as they are
FATES = {1: "part", 0: "stay", -1: "merge"}
MIXED = 2  # seeds do not agree
MET = 1e3  # nats a step: what is told for twins that became equal within a step, of which the log growth is -inf

DIMS = ("seed", "learning_rate", "weight_decay", "label_noise")

CAPTION = (
    "Top: transverse exponent in the second half of training, per thousand steps: log of the factor by which an infinitesimal "
    "distance between the twins grows; medians over seeds, on a scale that is linear within 0.1 and logarithmic beyond. Signs "
    f"where {AGREED:.0%} of seeds agree: + twins part, - they merge, = their distance changes by less than a factor of "
    f"{CLOSE:g}; no sign where seeds do not agree, x where a run diverged. Bottom: test accuracy at the end, medians. It says "
    "nothing of twins that start far apart, nor of longer training: as the loss falls so does the exponent."
)


def exponents(mapped: xr.Dataset) -> xr.DataArray:
    """The mean exponent per step over the second half of training, of finite runs: (..., seed); -inf where twins met."""
    growth = along(mapped, *DIMS).log_growth
    last, middle = growth.isel(step=-1, drop=True), growth.isel(step=_middle(mapped), drop=True)
    late = ((last - middle) / _late_steps(mapped)).where(last > -np.inf, -np.inf)
    return late.where(along(mapped, *DIMS).first_nonfinite_step.sel(end="last", drop=True) < 0)


def _middle(mapped: xr.Dataset) -> int:
    """The place of the record from which the second half is counted; there are records after it."""
    return (mapped.sizes["step"] - 1) // 2


def _late_steps(mapped: xr.Dataset) -> float:
    return float(mapped.step[-1] - mapped.step[_middle(mapped)])


def fates(mapped: xr.Dataset) -> xr.DataArray:
    """What becomes of twins at each point: a key of `FATES`, or MIXED; nan where a run diverged."""
    late = exponents(mapped)
    kinds = xr.where(abs(late) <= np.log(CLOSE) / _late_steps(mapped), 0, np.sign(late))
    found = xr.full_like(kinds.isel(seed=0, drop=True), MIXED)
    for fate in FATES:
        found = found.where((kinds == fate).mean("seed") < AGREED, fate)
    return found.where(late.notnull().all("seed"))


def map_claims(mapped: xr.Dataset) -> Iterator[Claim]:
    """Whether the twins that are followed stay tied, and where they part and merge."""
    apart = abs(mapped.separation).where(mapped.valid, 0).max(skipna=False)
    yield Claim.near("tied", "Twins whose exponent is mapped stay exactly equal at every record", 0, float(apart), 0)
    late = exponents(mapped)
    if 0 in mapped.weight_decay and 0 in mapped.label_noise:
        least = float(late.sel(weight_decay=0, label_noise=0).median("seed").min())
        statement = "No weight decay, no label noise: least exponent of all learning rates (median over seeds, per step)"
        yield Claim.at_least("parting", statement, 0, least)
    varied = [name for name in ("weight_decay", "label_noise") if mapped.sizes[name] > 1]
    if varied:
        least = float(late.median("seed").clip(-MET).min())
        statement = (
            f"Least exponent over {' and '.join(varied)} (median over seeds, per step; {-MET:g} where twins met): they merge"
        )
        yield Claim.at_most("merging", statement, 0, least)


def map_lines(mapped: xr.Dataset) -> Iterator[str]:
    """What the map says, region by region."""
    found, accuracy = fates(mapped), _accuracy(mapped)
    points = int(found.size)
    for fate, word in FATES.items():
        here = found == fate
        if not here.any():
            yield f"Nowhere on the map do twins {word}."
            continue
        spread = ", ".join(f"{name} {_range(here, name)}" for name in ("learning_rate", "weight_decay", "label_noise"))
        right = accuracy.where(here)
        learned = f"accuracy {right.min():.0%} to {right.max():.0%}"
        yield f"Twins {word} at {int(here.sum())} of {points} points ({spread}); {learned}."
    mixed, lost = int((found == MIXED).sum()), int(found.isnull().sum())
    yield f"Points where it depends on the seed: {mixed}; where a run diverged: {lost}."
    for noise in found.label_noise.values:
        yield _line(found.sel(label_noise=noise), noise)


def map_sentence(mapped: xr.Dataset) -> str:
    """The map in one sentence."""
    found, accuracy = fates(mapped), _accuracy(mapped)
    share = {fate: float((found == fate).mean()) for fate in FATES}
    merged = accuracy.where(found == -1)
    most = f"; in the median seed none of those classifies more than {merged.max():.0%} of the test digits right"
    return (
        f"In {AGREED:.0%} of seeds or more twins part at {share[1]:.0%} of the points of the map, stay at {share[0]:.0%}, and "
        f"merge at {share[-1]:.0%}{most if merged.notnull().any() else ''}."
    )


def map_picture(mapped: xr.Dataset) -> Picture:
    """The exponent and the accuracy over learning rate and weight decay, a column for each label noise."""
    middle, found, accuracy = 1000 * exponents(mapped).median("seed"), fates(mapped), _accuracy(mapped)
    noises = mapped.label_noise.values
    figure, panels = plt.subplots(
        2, len(noises), figsize=(2.3 * len(noises) + 1.6, 5), squeeze=False, sharex=True, sharey=True, layout="constrained"
    )
    finite = middle.where(abs(middle) < np.inf)
    most = float(abs(finite).max()) if finite.notnull().any() else 1.0
    shade = colors.SymLogNorm(0.1, vmin=-max(most, 0.2), vmax=max(most, 0.2))
    for column, noise in zip(panels.T, noises, strict=True):
        drawn = _tiles(column[0], middle.sel(label_noise=noise).clip(-max(most, 0.2)), cmap="RdBu_r", norm=shade)
        _signs(column[0], found.sel(label_noise=noise))
        shown = _tiles(column[1], accuracy.sel(label_noise=noise), cmap="viridis", vmin=0, vmax=1)
        column[0].set_title(f"label noise {noise:g}")
        column[1].set_xlabel("learning rate")
    for row in panels:
        row[0].set_ylabel("weight decay")
    figure.colorbar(drawn, ax=panels[0], label="exponent per 1,000 steps")
    figure.colorbar(shown, ax=panels[1], label="test accuracy")
    return Picture("map", figure, CAPTION)


def _accuracy(mapped: xr.Dataset) -> xr.DataArray:
    return along(mapped, *DIMS).test_accuracy.sel(end="last", drop=True).median("seed")


def _range(here: xr.DataArray, name: str) -> str:
    """The values on an axis at which something is so somewhere."""
    values = here[name].values[here.any([dim for dim in here.dims if dim != name]).values]
    return f"{values[0]:.3g}" if len(values) == 1 else f"{values.min():.3g} to {values.max():.3g}"


def _line(found: xr.DataArray, noise: float) -> str:
    """At one label noise, from which weight decay on twins merge."""
    merging = [decay for decay in found.weight_decay.values if (found.sel(weight_decay=decay) == -1).any()]
    start = f"from a weight decay of {min(merging):.2g} on, at some learning rate" if merging else "nowhere"
    return f"Label noise {noise:g}: twins merge {start}; they part at {float((found == 1).mean()):.0%} of the points."


def _tiles(panel: Axes, values: xr.DataArray, **colouring: Any) -> AxesImage:
    """A tile for each point, axes evenly spaced and labelled by their values."""
    array = values.transpose("weight_decay", "learning_rate")
    panel.set_facecolor("0.7")
    panel.grid(False)
    for name, axis in (("learning_rate", panel.xaxis), ("weight_decay", panel.yaxis)):
        places = np.unique(np.linspace(0, values.sizes[name] - 1, 5).round().astype(int))
        axis.set_ticks(places, [f"{values[name].values[place]:.2g}" for place in places])
    return panel.imshow(array, origin="lower", aspect="auto", **colouring)


def _signs(panel: Axes, found: xr.DataArray) -> None:
    marks: Mapping[float, str] = {1: "+", 0: "=", -1: "\N{MINUS SIGN}"}
    for (row, column), fate in np.ndenumerate(found.transpose("weight_decay", "learning_rate").values):
        mark = "x" if np.isnan(fate) else marks.get(fate, "")
        panel.text(column, row, mark, ha="center", va="center", fontsize=5.5)
