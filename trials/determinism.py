"""Whether a study repeats its bits, as it is and with deterministic operations: `make determinism`, some minutes.

On a GPU some operations add in any order, and for some the fastest kernel is chosen each time they are compiled. A small study
of equal filters, and of networks whose units all start equal, is computed three times as it is, and three times with
`--xla_gpu_deterministic_ops=true`: first, again with the programs that were compiled first, and compiled anew. The record holds
which arrays differ from those computed first, and between the two modes, and in how many runs units parted that nothing but
arithmetic can part. On a CPU nothing differs.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from symmetry_jax.sweeps.loading import load_sweeps
from symmetry_jax.sweeps.sealed import write_json
from trials.compare import compare
from trials.studies import (
    Command,
    finish,
    leave_devices_to_children,
    machine_of,
    record_name,
    record_parser,
    study,
    temporary_folder,
)

MODES = {"as it is": "", "deterministic operations": "--xla_gpu_deterministic_ops=true"}
SOURCES = study(
    "--config=configs/symmetry_breakers.py",
    "--config.sweep.source=minibatches,batch_norm",
    "--config.arithmetic.width=7,8",
    "--config.arithmetic.floats=float32",
    "--config.followed=8",
    "--config.dropout.seed=0:512",
    "--config.steps=200",
    "--config.arithmetic_steps=300",
    "--config.tile=8",  # what is fastest may be another tile the next time
)


def main() -> None:
    """Prints and writes what was found; fails if deterministic operations do not repeat their bits."""
    arguments = record_parser(__doc__).parse_args()
    leave_devices_to_children()
    with temporary_folder() as folder:
        found = repeat(SOURCES, Path(folder))
        parted = {mode: count_parted(first_of(Path(folder), mode)) for mode in MODES}
        machine = machine_of(first_of(Path(folder), "as it is"))
    for mode, differences in found.items():
        apart = [f"{what}: {told(arrays)}" for what, arrays in differences.items()]
        units = [f"{where}: units parted in {counts}" for where, counts in parted.get(mode, {}).items()]
        print(mode, *apart, *units, sep="\n  ")
    arguments.results.mkdir(parents=True, exist_ok=True)
    record = {"xla_flags": os.environ.get("XLA_FLAGS", ""), "differences": found, "units_parted": parted, "machine": machine}
    write_json(arguments.results / record_name("determinism", machine), record)
    if any(found["deterministic operations"].values()):
        raise SystemExit("deterministic operations do not repeat their bits")


def repeat(command: Command, folder: Path) -> dict[str, dict[str, Mapping[str, str]]]:
    """Computes a study three times in each mode; returns what differs from the first time, and between the modes."""
    found: dict[str, dict[str, Mapping[str, str]]] = {}
    for mode, flag in MODES.items():
        first, cache = first_of(folder, mode), folder / f"cache {mode}"
        flags = {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()}
        finish(command, first, cache, flags)
        again, anew = folder / f"again {mode}", folder / f"anew {mode}"
        finish(command, again, cache, flags)
        finish(command, anew, folder / f"empty cache {mode}", flags)
        found[mode] = {"again": compare(first, again), "compiled anew": compare(first, anew)}
    between = compare(*(first_of(folder, mode) for mode in MODES))
    return found | {"one mode beside the other": {"first": between}}


def first_of(folder: Path, mode: str) -> Path:
    """Where a mode's study is first computed."""
    return folder / f"first {mode}"


def count_parted(workdir: Path) -> dict[str, str]:
    """For each source that should part no units, and each width, in how many runs units ever differed in a bit."""
    sweeps, counts = load_sweeps(workdir), {}
    for sweep, axis in (("sources", "source"), ("arithmetic", "width")):
        after = sweeps[sweep].parted_after.where(sweeps[sweep].valid)
        for value in after[axis].values:
            runs = after.sel({axis: value, "end": "last"}).values.ravel()
            runs = runs[runs == runs]
            counts[f"{axis} {value}"] = f"{int((runs >= 0).sum())} of {len(runs)} runs"
    return counts


def told(arrays: Mapping[str, str]) -> str:
    """Differences in a line."""
    if not arrays:
        return "every bit is the same"
    return f"{len(arrays)} arrays differ: " + "; ".join(f"{name} {how}" for name, how in list(arrays.items())[:3])


if __name__ == "__main__":
    main()
