"""A study in a child process, and everything that it found, in bits."""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import jax
import numpy as np

from symmetry_jax.reports.report import CLAIMS
from symmetry_jax.sweeps.checkpoints import Checkpoints
from symmetry_jax.sweeps.loading import load_sweeps
from symmetry_jax.sweeps.precision import numerics
from symmetry_jax.sweeps.sealed import read_sealed

ROOT = Path(__file__).parent.parent

NOTHING: Mapping[str, str] = {}
Command = Callable[[Path], Sequence[str]]  # from a work directory, what Python is to run

# a small network, trained by Adam in three waves, that saves every few steps
SMALL = (
    "--config=configs/near_identical_filters.py:smoke",
    "--config.sweep.activation=relu",
    "--config.sweep.optimizer=adam",
    "--config.sweep.learning_rate=0.01",
    "--config.filters=(4,4)",
    "--config.batch_size=8",
    "--config.wave=4",
    "--config.save_steps=6",
)


def study(*settings: str) -> Command:
    """A study with some settings, as a user would run it."""
    return lambda workdir: ["-m", "symmetry_jax", "run", f"--workdir={workdir}", *settings]


def walk(workdir: Path) -> Sequence[str]:
    """The walk, which is quicker."""
    return ["-m", "trials.walking", str(workdir)]


def leave_devices_to_children() -> None:
    """Lets this process compute on the CPU alone: a GPU's memory is taken by the first that asks for it."""
    jax.config.update("jax_platforms", "cpu")


def start(command: Command, workdir: Path, cache: Path, environment: Mapping[str, str] = NOTHING) -> "subprocess.Popen[bytes]":
    """Starts a study, or goes on with it.

    Args:
        command: which.
        workdir: its work directory.
        cache: where compiled programs are kept, so that children after the first start sooner.
        environment: variables of the child besides those of this process.
    """
    kept = {"JAX_COMPILATION_CACHE_DIR": str(cache), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    variables = {**os.environ, **kept, **environment}
    with log_of(workdir).open("a") as log:
        arguments = [sys.executable, *command(workdir)]
        return subprocess.Popen(arguments, cwd=ROOT, env=variables, stdout=log, stderr=subprocess.STDOUT)


def finish(command: Command, workdir: Path, cache: Path, environment: Mapping[str, str] = NOTHING) -> str:
    """Lets a study go on to its end, as `start` does; returns what it said.

    Raises:
        SystemExit: if it ended in any other way.
    """
    log_of(workdir).unlink(missing_ok=True)
    code = start(command, workdir, cache, environment).wait()
    said = log_of(workdir).read_text()
    if code != 0:
        raise SystemExit(f"a study that was left alone ended with {code}:\n{said}")
    return said


def machine_of(workdir: Path) -> dict[str, Any]:
    """What a study was computed on: of its manifest, since this process may have other devices."""
    manifest = read_sealed(workdir / "manifest.json")
    return {name: manifest[name] for name in ("started", "versions", "commit", "devices", "processes")}


def record_parser(description: str | None) -> argparse.ArgumentParser:
    """The command line of a trial: `--results` is the folder of its record."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "trials" / "results", help="where the record is written")
    return parser


def record_name(trial: str, machine: Mapping[str, Any]) -> str:
    """The file of a record that depends on the kind of device."""
    return f"{trial}_{re.sub(r'[^a-z0-9]+', '_', machine['devices']['kind'].lower()).strip('_')}.json"


def log_of(workdir: Path) -> Path:
    """Where a child's words are kept."""
    return workdir.with_name(f"{workdir.name}.log")


def bits(workdir: Path) -> dict[str, str]:
    """A digest of every array of results, of the last states of every wave, and of the claims."""
    digests = bits_of_results(workdir)
    for folder in sorted((workdir / "checkpoints").glob("*/*")):
        for name, leaf in _last_states(folder):
            digests[f"{folder.relative_to(workdir)} {name}"] = _digest(leaf)
    claims = workdir / CLAIMS
    return digests | ({"claims": hashlib.sha256(claims.read_bytes()).hexdigest()} if claims.exists() else {})


def unequal(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Names of the arrays whose digests differ, or that are in one alone."""
    return [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]


def bits_of_results(workdir: Path) -> dict[str, str]:
    """A digest of every array of results.

    Raises:
        InputError: if they are damaged.
    """
    return {
        f"{sweep} {name}": _digest(values.values)
        for sweep, results in load_sweeps(workdir).items()
        for name, values in results.variables.items()
    }


def leftovers(workdir: Path) -> list[str]:
    """What a finished study should not leave: temporary files, and more than one checkpoint of a wave."""
    names = [path.relative_to(workdir).as_posix() for path in workdir.rglob("*")]
    temporary = [name for name in names if "tmp" in name or name.endswith(".partial")]
    folders = [folder for folder in (workdir / "checkpoints").glob("*/*") if len(list(folder.iterdir())) > 1]
    return [*temporary, *(folder.relative_to(workdir).as_posix() for folder in folders)]


def _last_states(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    with closing(Checkpoints(folder, read_only=True)) as checkpoints, numerics("float64"):
        (step,) = checkpoints.steps()
        shapes = checkpoints.shapes(step)
        target = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here), shapes)
        for path, leaf in jax.tree_util.tree_leaves_with_path(checkpoints.restore(step, target)):
            yield jax.tree_util.keystr(path), np.asarray(leaf)


def _digest(values: np.ndarray[Any, Any]) -> str:
    content = repr(values.tolist()).encode() if values.dtype.kind in "OU" else np.ascontiguousarray(values).tobytes()
    return hashlib.sha256(f"{values.dtype.kind} {values.shape}".encode() + content).hexdigest()


def temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder for studies that is removed in the end."""
    return tempfile.TemporaryDirectory(prefix="symmetry_jax_")
