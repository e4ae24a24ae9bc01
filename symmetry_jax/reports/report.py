"""The report of a study, computed from its results alone: claims, figures, one self-contained page."""

import base64
import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from symmetry_jax.errors import InputError
from symmetry_jax.sweeps.loading import load_sweeps
from symmetry_jax.sweeps.sealed import write_sealed
from symmetry_jax.sweeps.study import Claim, Picture, Results, Study, Table
from symmetry_jax.sweeps.workdir import read_config, read_manifest

CLAIMS = "claims.json"
FOLDER = "report"
PAGE = "index.html"
DRAWN = (1e-100, 1e100)  # of a logarithmic axis: matplotlib looks for ticks far beyond, which have to be numbers too
TICKS = [1e-300, 1e-200, 1e-100, 1, 1e100, 1e200, 1e300]  # of one that reaches farther
FARTHEST = (1e-307, 1.7e308)

STYLE: Any = {
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.hashsalt": "symmetry_jax",
}


def write_report(study: Study, workdir: Path) -> str:
    """Writes `claims.json`, the figures and `report/index.html` of a work directory.

    Returns:
        The question, the answer, the claims and the path of the page, as text.
    """
    config, manifest = read_config(workdir), read_manifest(workdir)
    if "finished" not in manifest:
        raise InputError(f"--workdir={workdir} holds a study that is not finished")
    results = load_sweeps(workdir)
    prepared = study.prepare(results)
    claims = study.claims(prepared)
    answer = study.answer(prepared, claims)
    summary = {"study": config["study"], "question": study.question, "claims": [claim.to_json() for claim in claims]}
    folder = workdir / FOLDER
    folder.mkdir(exist_ok=True)
    with mpl.rc_context(STYLE):
        pictures = study.pictures(prepared)
        images = [_draw(picture, folder) for picture in pictures]
    tables = study.tables(prepared)
    shown = {"figures": _captions(pictures), "tables": _captions(tables)}
    write_sealed(workdir / CLAIMS, summary | {"answer": answer} | shown)
    for table in tables:
        _write_csv(table, folder)
    page = _page(study, answer, claims, images, tables, results, config, manifest)
    (folder / PAGE).write_text(page)
    return "\n".join([study.question, answer, "", *map(claim_line, claims), "", f"report: {folder / PAGE}"])


def claim_line(claim: Claim) -> str:
    """A claim with its numbers in one line."""
    mark = "holds" if claim.holds else "FAILS"
    tolerance = f" +- {claim.tolerance:g}" if claim.tolerance else ""
    expected, measured = in_words(claim.expected), in_words(claim.measured)
    return f"[{mark}] {claim.statement}: expected {expected}{tolerance}, measured {measured}"


def _draw(picture: Picture, folder: Path) -> dict[str, str]:
    """Saves a figure as a file and returns it as data for the page."""
    _make_drawable(picture.figure)
    stream = io.BytesIO()
    picture.figure.savefig(stream, format="png")
    plt.close(picture.figure)
    (folder / f"{picture.name}.png").write_bytes(stream.getvalue())
    return {
        "name": picture.name.replace("_", " "),
        "caption": picture.caption,
        "data": base64.b64encode(stream.getvalue()).decode(),
    }


def _make_drawable(figure: Figure) -> None:
    """Mends logarithmic axes that would fail.

    One along which there is nothing, where all runs diverged at once, say, becomes linear; and one that reaches beyond `DRAWN`
    is given its limits and ticks.
    """
    for panel in figure.axes:
        shared = {"x": panel.get_shared_x_axes(), "y": panel.get_shared_y_axes()}
        for name, axis in (("x", panel.xaxis), ("y", panel.yaxis)):
            sharing = [getattr(one, f"{name}axis") for one in shared[name].get_siblings(panel)]
            if axis.get_scale() != "log":
                continue
            low, high = min(one.get_minpos() for one in sharing), max(one.get_data_interval()[1] for one in sharing)
            if not math.isfinite(low):
                panel.set(**{f"{name}scale": "linear"})
            elif low < DRAWN[0] or high > DRAWN[1]:
                axis.set_major_locator(FixedLocator(TICKS))
                axis.set_minor_locator(NullLocator())
                panel.set(**{f"{name}lim": np.clip([low / 10, high], *FARTHEST)})


def _captions(shown: Sequence[Picture | Table]) -> dict[str, str]:
    return {item.name: item.caption for item in shown}


def _write_csv(table: Table, folder: Path) -> None:
    with (folder / f"{table.name}.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(table.rows)


def _page(
    study: Study,
    answer: str,
    claims: Sequence[Claim],
    images: Sequence[Mapping[str, str]],
    tables: Sequence[Table],
    results: Results,
    config: Mapping[str, Any],
    manifest: Mapping[str, Any],
) -> str:
    source = (Path(__file__).parent / "page.html").read_text()
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["number"] = in_words
    sweeps = {
        name: {dimension: _range(dataset[dimension].values.tolist()) for dimension in dataset.valid.dims}
        for name, dataset in results.items()
    }
    return environment.from_string(source).render(
        question=study.question,
        answer=answer,
        claims=claims,
        images=images,
        tables=tables,
        sweeps=sweeps,
        config=json.dumps(config, indent=2),
        manifest=manifest,
    )


def _range(values: Sequence[Any]) -> str:
    """The values of an axis in a few words."""
    if len(values) <= 4:
        return ", ".join(map(in_words, values))
    return f"{in_words(values[0])}, {in_words(values[1])}, ..., {in_words(values[-1])} ({len(values)} values)"


def in_words(value: Any) -> str:
    """A number, a bound or nothing, as a reader sees it."""
    return f"{value:.4g}" if isinstance(value, float) else "nothing" if value is None else str(value)
