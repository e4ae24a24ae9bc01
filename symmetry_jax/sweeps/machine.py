"""The machine that a study runs on: what it is, and how much it holds."""

import datetime
import importlib.metadata
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import psutil

MAPPINGS_SHARE = 0.5  # of the memory mappings that Linux grants a process, beyond which it is crowded
LIBRARIES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "xarray", "zarr", "ml-collections")


def describe_machine() -> dict[str, Any]:
    """What a study is computed on now: versions, commit, devices, processes."""
    devices = jax.devices()
    return {
        "started": now(),
        "versions": {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in LIBRARIES},
        "commit": _commit(),
        "devices": {"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices)},
        "processes": jax.process_count(),
    }


def changes(then: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """What of a machine may change bits, `name then -> here`.

    XLA compiles otherwise for one device than for several; how many several are, and of how many processes, changed nothing
    where it was tried.
    """
    pairs = [
        *((name, then["versions"].get(name), here["versions"].get(name)) for name in LIBRARIES),
        *((f"devices: {name}", then["devices"][name], here["devices"][name]) for name in ("platform", "kind")),
        ("devices", *("one" if machine["devices"]["count"] == 1 else "several" for machine in (then, here))),
        ("commit", then["commit"], here["commit"]),
    ]
    return [f"{name} {old} -> {new}" for name, old, new in pairs if old != new]


def host_memory() -> int:
    """Bytes of memory that this host has to spare."""
    return psutil.virtual_memory().available


def device_memory() -> int:
    """Bytes of memory of one device; on CPU its share of what the host has to spare."""
    device = jax.local_devices()[0]
    stats = device.memory_stats() if device.platform != "cpu" else None
    return int(stats["bytes_limit"]) if stats else host_memory() // jax.local_device_count()


def is_crowded() -> bool:
    """Whether this process uses up the memory mappings that Linux grants it, 65,530 by default; without one more it crashes.

    XLA on CPU takes 300 to 900 of them for a compiled program.
    """
    try:
        granted = int(Path("/proc/sys/vm/max_map_count").read_text())
        with Path("/proc/self/maps").open("rb") as mappings:
            return sum(1 for _ in mappings) > MAPPINGS_SHARE * granted
    except OSError:  # another system, which counts none
        return False


def free_disk(folder: Path) -> int:
    """Bytes free where a folder is, or will be made."""
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(existing).free


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
