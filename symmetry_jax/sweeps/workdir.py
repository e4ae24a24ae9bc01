"""A work directory: everything a study leaves behind, with what is needed to understand it."""

import datetime
import importlib.metadata
import json
import platform
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from symmetry_jax.errors import InputError

CONFIG, MANIFEST = "config.json", "manifest.json"
LIBRARIES = ("jax", "jaxlib", "flax", "optax", "numpy", "xarray", "zarr", "ml-collections")


def is_finished(workdir: Path, config: ConfigDict) -> bool:
    """Whether this study was already computed there; a directory that is not there or empty is free to use.

    Raises:
        InputError: if the directory holds anything else, which is left as it is.
    """
    if not workdir.exists() or (workdir.is_dir() and not any(workdir.iterdir())):
        return False
    if not workdir.is_dir() or not (workdir / CONFIG).exists():
        raise InputError(f"--workdir={workdir} holds something else: name a new or an empty directory")
    if json.loads((workdir / CONFIG).read_text()) != as_json(config):
        raise InputError(f"--workdir={workdir} holds a study with other settings: name a new directory")
    if "finished" not in read_manifest(workdir):
        raise InputError(f"--workdir={workdir} holds this study unfinished and cannot be resumed: remove it, or name another")
    return True


def as_json(config: ConfigDict) -> dict[str, Any]:
    """A config as plain data."""
    return json.loads(config.to_json_best_effort())


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes a JSON file in one stroke, so that a reader sees all of it or none."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    partial.replace(path)


def read_config(workdir: Path) -> dict[str, Any]:
    """The settings that a study was run with."""
    if not (workdir / CONFIG).exists():
        raise InputError(f"--workdir={workdir} holds no study: it has no {CONFIG}")
    return json.loads((workdir / CONFIG).read_text())


def read_manifest(workdir: Path) -> dict[str, Any]:
    """What a study was run on, and how long it took."""
    path = workdir / MANIFEST
    return json.loads(path.read_text()) if path.exists() else {}


def describe_machine(config: ConfigDict, command: str, tile: int) -> dict[str, Any]:
    """The manifest of a study that begins: versions, commit, devices, precision, tile, command."""
    devices = jax.local_devices()
    return {
        "command": command,
        "started": now(),
        "versions": {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in LIBRARIES},
        "commit": _commit(),
        "devices": {"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices)},
        "precision": config.precision,
        "tile": tile,
        "programs": [],
    }


def peak_memory() -> int:
    """Largest resident size of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def now() -> str:
    """The time, in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _commit() -> str | None:
    """The commit of the code that runs, marked if files differ from it; None outside a git checkout."""
    if shutil.which("git") is None:
        return None
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None
