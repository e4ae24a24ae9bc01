"""Damages every file of a work directory in turn and lets the study go on: `make damage`, a quarter of an hour.

Each file of a study, finished and reported or killed half-way, has one bit changed, or is cut in half, emptied or removed. What
can then be loaded of it must be right; and the study is run and reported again, and must end with the bits of one that was left
alone, a damaged file of its report with those that it had. The record of the last run is `results/damage.json`.
"""

import contextlib
import dataclasses
import io
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from symmetry_jax.errors import DamagedError, InputError
from symmetry_jax.reports.report import CLAIMS, write_report
from symmetry_jax.reports.report import FOLDER as REPORT
from symmetry_jax.sweeps.devices import use_all_cores
from symmetry_jax.sweeps.machine import describe_machine
from symmetry_jax.sweeps.sealed import digest, read_sealed, write_json
from symmetry_jax.sweeps.workdir import read_manifest
from trials.studies import ROOT, bits, bits_of_results, record_parser, temporary_folder
from trials.walks import STUDY, run

HALF_WAY = "checkpoints/000/0001"  # of the second wave of the first program


def _flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :] if content else b"\x10"


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "one bit changed": _flip,
    "cut in half": lambda content: content[: len(content) // 2],
    "emptied": lambda content: b"",
    "removed": lambda content: None,
}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of damage to one file.

    Attributes:
        kind: of file: its path, with numbers and digests left out.
        damage: what was done to it.
        loaded_wrong: whether something could be loaded that is not what was computed.
        told: whether the study said that something was damaged when it went on; if not, nothing was missing.
        repaired: whether it then ended with the right bits.
    """

    kind: str
    damage: str
    loaded_wrong: bool
    told: bool
    repaired: bool


def main() -> None:
    """Damages everything, prints a table and writes the record; fails if a number was wrong."""
    arguments = record_parser(__doc__).parse_args()
    use_all_cores()
    with temporary_folder() as name:
        folder = Path(name)
        finished, killed = prepare(folder)
        found = {"finished": [*damage_all(finished, finished)], "killed half-way": [*damage_all(killed, finished)]}
    record = {state: table(outcomes) for state, outcomes in found.items()}
    arguments.results.mkdir(parents=True, exist_ok=True)
    write_json(arguments.results / "damage.json", {**record, "machine": describe_machine()})
    for state, rows in record.items():
        print(f"\nA study that was {state}:", *map(_line, rows), sep="\n")
    if any(row["loaded_wrong"] or row["repaired"] < row["tried"] for rows in record.values() for row in rows):
        raise SystemExit("damage led to a wrong number")


def prepare(folder: Path) -> tuple[Path, Path]:
    """A work directory of a finished study with its report, and one of a study that was killed half-way.

    Raises:
        SystemExit: if the second one was finished too before it could be killed.
    """
    finished, killed = folder / "finished", folder / "killed"
    _quietly(finished)
    process = subprocess.Popen([sys.executable, "-m", "trials.walking", killed], cwd=ROOT, stderr=subprocess.DEVNULL)
    while process.poll() is None and len([*(killed / HALF_WAY).glob("[0-9]*")]) < 2:
        time.sleep(0.001)
    process.kill()
    process.wait()
    if "finished" in read_manifest(killed):
        raise SystemExit("the study that should be killed half-way was finished before")
    return finished, killed


def damage_all(workdir: Path, finished: Path, files: Sequence[Path] | None = None) -> Iterator[Outcome]:
    """Tries every damage on files of a work directory (all of them by default), each on a copy."""
    expected, loaded = bits(finished), _loaded(workdir)
    every = sorted(path for path in workdir.rglob("*") if path.is_file() and path.name != "lock")
    for file in files if files is not None else every:
        for damage in DAMAGES:
            yield _try(workdir, file.relative_to(workdir), damage, loaded, expected)


def table(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """Outcomes counted by kind of file and damage."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for outcome in outcomes:
        blank = {"kind": outcome.kind, "damage": outcome.damage, "tried": 0, "loaded_wrong": 0, "told": 0, "repaired": 0}
        row = rows.setdefault((outcome.kind, outcome.damage), blank)
        row["tried"] += 1
        for name in ("loaded_wrong", "told", "repaired"):
            row[name] += getattr(outcome, name)
    return [*rows.values()]


def _try(workdir: Path, file: Path, damage: str, loaded: dict[str, Any], expected: dict[str, str]) -> Outcome:
    copy = workdir.with_name("copy")
    shutil.copytree(workdir, copy)
    content = DAMAGES[damage]((copy / file).read_bytes())
    (copy / file).unlink()
    if content is not None:
        (copy / file).write_bytes(content)
    wrong = any(loaded.get(name) != found for name, found in _loaded(copy).items())
    told = any("damaged" in line for line in _quietly(copy))
    outcome = Outcome(_kind(file), damage, wrong, told, _is_repaired(copy, workdir, file, expected))
    shutil.rmtree(copy)
    return outcome


def _is_repaired(copy: Path, workdir: Path, file: Path, expected: dict[str, str]) -> bool:
    if file.parts[0] == REPORT and not ((copy / file).exists() and (copy / file).read_bytes() == (workdir / file).read_bytes()):
        return False
    return bits(copy) == expected


def _loaded(workdir: Path) -> dict[str, Any]:
    """What can be loaded, in digests, but for what is said to be damaged."""
    found: dict[str, Any] = {}
    with contextlib.suppress(InputError):
        found["results"] = bits_of_results(workdir)
    with contextlib.suppress(DamagedError, FileNotFoundError):
        found["claims"] = digest(read_sealed(workdir / CLAIMS))
    return found


def _quietly(workdir: Path) -> list[str]:
    """Runs and reports, as the command line does; returns what was said."""
    with contextlib.redirect_stderr(io.StringIO()):
        said = run(workdir)
        write_report(STUDY, workdir)
        return said


def _kind(file: Path) -> str:
    parts = [re.sub(r"^([0-9]+|[0-9a-f]{32})$", "*", part) for part in file.parts]
    return "/".join(parts[:2] + (["..."] if len(parts) > 4 else []) + parts[2:][-2:])


def _line(row: dict[str, Any]) -> str:
    counts = "{tried:>4} tried {told:>4} told {repaired:>4} repaired {loaded_wrong:>3} loaded wrong".format(**row)
    return f"{row['kind']:<60}{row['damage']:<18}{counts}"


if __name__ == "__main__":
    main()
