"""Kills a study at random moments and lets it go on: `make chaos`, about ten minutes.

A moment is any time after the start of the process, or while a checkpoint is being written, or just after the results changed.
In the end every bit is compared with those of a study that was left alone. The record of the last run is `results/chaos.json`.
"""

import contextlib
import dataclasses
import random
import signal
import statistics
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

from symmetry_jax.errors import INTERRUPTED
from symmetry_jax.sweeps.sealed import write_json
from trials.studies import (
    SMALL,
    Command,
    bits,
    finish,
    leave_devices_to_children,
    leftovers,
    machine_of,
    record_parser,
    start,
    study,
    temporary_folder,
    unequal,
    walk,
)

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)  # half of the kills cannot be heard
MOMENTS = ("any time", "saving a checkpoint", "writing results")
STARTING = 3.0  # seconds in which Python itself may not be ready for a signal, where nothing tells when it is
POLL = 0.001  # seconds


@dataclasses.dataclass(frozen=True)
class Kill:
    """One kill and what came of it; `seconds` from the signal to the end of the process."""

    number: signal.Signals
    moment: str
    exit_code: int
    seconds: float


def main() -> None:
    """Kills until there were enough, prints a summary and writes the record; fails if a bit differs."""
    parser = record_parser(__doc__)
    parser.add_argument("--kills", type=int, default=100, help="kills for the record, half of them of each study")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    arguments = parser.parse_args()
    leave_devices_to_children()
    draw, record = random.Random(arguments.seed), {}
    for name, command in {"a small network": study(*SMALL), "a walk of three programs": walk}.items():
        with temporary_folder() as folder:
            record[name] = chaos(command, Path(folder), -(-arguments.kills // 2), draw)
        print(f"\n{name}", *(f"{what}: {found}" for what, found in record[name].items()), sep="\n")
    arguments.results.mkdir(parents=True, exist_ok=True)
    write_json(arguments.results / "chaos.json", record)
    if any(found[wrong] for found in record.values() for wrong in ("differences", "leftovers", "other_exits")):
        raise SystemExit("a study that was killed is not what it should be")


def chaos(command: Command, folder: Path, kills: int, draw: random.Random) -> dict[str, Any]:
    """Kills studies in a folder so many times, each until it is finished.

    Returns:
        Counts of kills, exit codes that should not be, and what differs in studies that were killed: nothing, one hopes.
    """
    cache, undisturbed = folder / "cache", folder / "undisturbed"
    finish(command, folder / "first", cache)  # compiles
    begun = time.monotonic()
    finish(command, undisturbed, cache)
    seconds = time.monotonic() - begun
    expected = bits(undisturbed)
    found: list[Kill] = []
    differences, remains, studies = [], [], 0
    while len(found) < kills:
        workdir = folder / f"study{studies}"
        studies += 1
        found += _torment(command, workdir, cache, draw, seconds, expected, kills - len(found))
        finish(command, workdir, cache)
        differences += [f"{workdir.name}: {name}" for name in unequal(bits(workdir), expected)]
        remains += [f"{workdir.name}: {name}" for name in leftovers(workdir)]
    return {
        "kills": len(found),
        "studies": studies,
        "arrays_compared_in_each": len(expected),
        "by_signal": dict(Counter(kill.number.name for kill in found)),
        "by_moment": dict(Counter(kill.moment for kill in found)),
        "differences": differences,
        "leftovers": remains,
        "other_exits": [dataclasses.asdict(kill) for kill in found if kill.exit_code != _expected_exit(kill.number)],
        "seconds_from_signal_to_exit": _spread([kill.seconds for kill in found if kill.number != signal.SIGKILL]),
        "seconds_undisturbed": round(seconds, 2),
        "machine": machine_of(undisturbed),
    }


def _torment(
    command: Command, workdir: Path, cache: Path, draw: random.Random, seconds: float, expected: dict[str, str], most: int
) -> list[Kill]:
    """Kills one study, again and again, until it is finished or was killed often enough."""
    found: list[Kill] = []
    while len(found) < most:
        kill = _run_and_kill(command, workdir, cache, draw, seconds)
        if kill is None or (_died_unheard(kill) and bits(workdir) == expected):
            break
        found.append(kill)
    return found


def _run_and_kill(command: Command, workdir: Path, cache: Path, draw: random.Random, seconds: float) -> Kill | None:
    """Starts the study and kills it; none if it was finished before the moment came."""
    number, moment = draw.choice(SIGNALS), draw.choice(MOMENTS)
    process = start(command, workdir, cache)
    _wait_until_it_listens(process)
    if moment == "any time":
        _wait(process, draw.uniform(0, seconds))
    else:
        _wait(process, draw.uniform(0, seconds / 2))
        before = _trace(workdir, moment)
        while process.poll() is None and _trace(workdir, moment) == before:
            time.sleep(POLL)
        _wait(process, draw.uniform(0, 0.05))
    begun = time.monotonic()
    process.send_signal(number)
    code = process.wait()
    return Kill(number, moment, code, time.monotonic() - begun) if code != 0 else None  # it may have ended before


def _died_unheard(kill: Kill) -> bool:
    """Whether a signal that can be heard was not: right before it exits, Python itself lets go of the handlers."""
    return kill.number != signal.SIGKILL and kill.exit_code == -kill.number


def _trace(workdir: Path, moment: str) -> object:
    """What changes at a moment: the temporary checkpoints there are, or when the results were last written."""
    if moment == "saving a checkpoint":
        return sorted(path.name for path in workdir.glob("checkpoints/*/*/*tmp*"))
    groups = [path for path in workdir.glob("results.zarr/*") if path.is_dir()]
    return sorted((path.name, path.stat().st_mtime_ns) for path in groups)


def _wait_until_it_listens(process: "subprocess.Popen[bytes]") -> None:
    """Waits until the process handles SIGTERM: before, Python itself is only starting."""
    status = Path(f"/proc/{process.pid}/status")  # on Linux
    if not status.exists():
        _wait(process, STARTING)
        return
    while process.poll() is None and not _catches(status.read_text(), signal.SIGTERM):
        time.sleep(POLL)


def _catches(status: str, number: int) -> bool:
    masks = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


def _wait(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def _expected_exit(number: signal.Signals) -> int:
    return -signal.SIGKILL if number == signal.SIGKILL else INTERRUPTED


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 2), "max": round(max(values), 2)} if values else {}


if __name__ == "__main__":
    main()
