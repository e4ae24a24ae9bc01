"""What all studies found, on one page made of the claims of real runs.

    python -m symmetry_jax.reports.answers FOLDER PAGE [WORKDIR ...]

Copies claims, manifest, figures and tables of finished studies from their work directories into FOLDER, a folder for each
study, and writes PAGE, in Markdown, from all that is there. `make answers` does it for `experiments/answers` and
`experiments/README.md`.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from symmetry_jax.errors import DamagedError, InputError
from symmetry_jax.reports.report import CLAIMS, FOLDER, in_words
from symmetry_jax.sweeps.sealed import read_sealed
from symmetry_jax.sweeps.workdir import MANIFEST, read_manifest

HEAD = """# What the studies found

Made by `make answers` from the claims of runs of the default presets, which are kept in `answers/`; nothing here is typed. A
claim that fails is shown like one that holds.
"""


def keep(workdir: Path, folder: Path) -> None:
    """Copies claims, manifest, figures and tables of a finished study into `folder`, under the study's name.

    Raises:
        InputError: if there is no finished study with a report.
        DamagedError: if its claims are damaged.
    """
    if not (workdir / CLAIMS).exists() or "finished" not in read_manifest(workdir):
        raise InputError(f"{workdir} holds no finished study with claims")
    target = folder / read_sealed(workdir / CLAIMS)["study"]
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    shown = [path for kind in ("*.png", "*.csv") for path in (workdir / FOLDER).glob(kind)]
    for path in (workdir / CLAIMS, workdir / MANIFEST, *shown):
        shutil.copy(path, target)


def render(folder: Path) -> str:
    """The page of all studies that are kept in a folder, in Markdown; links are relative to the folder's parent.

    Raises:
        DamagedError: if claims or a manifest are damaged.
    """
    kept = [path.parent for path in sorted(folder.glob(f"*/{CLAIMS}"))]
    return "\n".join([HEAD, *(_section(study, folder.name) for study in kept)])


def _section(study: Path, link: str) -> str:
    summary, manifest = (read_sealed(study / name) for name in (CLAIMS, MANIFEST))
    short, _, detail = summary["answer"].partition("\n\n")
    claims, place = summary["claims"], f"{link}/{study.name}"
    return "\n".join(
        [
            f"## {study.name}: {summary['question']}\n",
            f"{short}\n",
            *_shown(summary, place),
            *_folded("In detail", [_item(line) for line in detail.splitlines() if line]),
            f"{sum(claim['holds'] for claim in claims)} of {len(claims)} claims hold:\n",
            "| claim | expected | measured | |",
            "| --- | --- | --- | --- |",
            *(f"| {_cell(claim)} |" for claim in claims),
            f"\n{_cost(manifest)}\n",
            f"```\n{manifest['command']}\n```\n",
        ]
    )


def _shown(summary: Mapping[str, Any], place: str) -> Iterator[str]:
    """The first figure with its caption, and where the others and the tables are."""
    figures = [(name, f"{place}/{name}.png", caption) for name, caption in summary["figures"].items()]
    tables = [(name, f"{place}/{name}.csv", caption) for name, caption in summary["tables"].items()]
    for name, path, caption in figures[:1]:
        yield f"![{_spoken(name)}]({path})\n" + (f"\n*{caption}*\n" if caption else "")
    if others := [*figures[1:], *tables]:
        yield from _folded("Other figures and tables", [f"- [{_spoken(name)}]({path}): {text}" for name, path, text in others])


def _item(line: str) -> str:
    """A line of a list, which some are already."""
    return line if line.startswith(("- ", " ")) else f"- {line}"


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _folded(title: str, lines: Sequence[str]) -> list[str]:
    """Lines that a reader has to open."""
    return [f"<details><summary>{title}</summary>\n", *lines, "\n</details>\n"] if lines else []


def _cell(claim: Mapping[str, Any]) -> str:
    tolerance = f" ± {claim['tolerance']:.2g}" if claim["tolerance"] else ""
    expected, measured = in_words(claim["expected"]), in_words(claim["measured"])
    cells = (claim["statement"], expected + tolerance, measured, "holds" if claim["holds"] else "**fails**")
    return " | ".join(cell.replace("|", "\\|") for cell in cells)


def _cost(manifest: Mapping[str, Any]) -> str:
    """What a run took: all that was computed, and where."""
    programs, devices = manifest["programs"], manifest["devices"]
    seconds = manifest.get("calibration", {}).get("seconds", 0.0) + sum(program["seconds"] for program in programs)
    runs = sum(program["runs"] for program in programs)
    run_steps = sum(program["run_steps"] for program in programs)
    return (
        f"{runs:,} runs in {len(programs)} programs, {run_steps:,} run-steps: {_duration(seconds)} on {devices['count']} x "
        f"{devices['kind']} (jax {manifest['versions']['jax']})."
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def main() -> None:
    """Keeps what work directories hold, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where claims, manifests and figures are kept")
    parser.add_argument("page", type=Path, help="the page to write")
    parser.add_argument("workdirs", type=Path, nargs="*", help="work directories of finished studies")
    arguments = parser.parse_args()
    try:
        for workdir in arguments.workdirs:
            keep(workdir, arguments.folder)
        arguments.page.write_text(render(arguments.folder))
    except (InputError, DamagedError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
