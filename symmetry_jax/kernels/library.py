"""The C++ of this folder, compiled on the machine that it runs on, for the processor at hand, and kept in the cache folder."""

import contextlib
import ctypes
import functools
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import jax
import jaxlib

from symmetry_jax.caching import cache_folder

SOURCE = Path(__file__).with_name("patches.cc")
TARGETS = ("symmetry_jax_patches", "symmetry_jax_overlap_add")
OPTIONS = "-std=c++17 -O3 -march=native -shared -fPIC".split()
COMPILED = "/symmetry_jax/kernels/compile_duration"  # the event that tells jax.monitoring how long it took

_lock = threading.Lock()


def is_at_hand() -> bool:
    """Whether XLA on CPU knows the kernels: they are compiled, if that was not done before, and made known to it.

    The compiler is `CXX`, or `c++`. Where there is none, what is written in jax is computed instead; so it is, with a warning,
    where it cannot compile them.
    """
    with _lock:
        return _make_known()


@functools.cache
def _make_known() -> bool:
    try:
        compiler = shlex.split(os.environ.get("CXX", "c++"))
        if not compiler or shutil.which(compiler[0]) is None:
            return False
        library = _load(compiler)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).splitlines()
        reason = next((line for line in said if "error" in line), said[0])
        warnings.warn(
            f"{SOURCE.name} cannot be compiled or loaded; the same is computed without, slower: {reason}", stacklevel=3
        )
        return False
    for target in TARGETS:
        jax.ffi.register_ffi_target(target, jax.ffi.pycapsule(getattr(library, target)), platform="cpu")
    return True


def _load(compiler: Sequence[str]) -> ctypes.CDLL:
    """From the cache folder, where it is kept and whole; where nothing can be kept, from one that is then gone."""
    kept = cache_folder()
    if kept is not None:
        name = f"{SOURCE.stem}-{_digest(compiler)}"
        for path in kept.glob(f"{name}-*.so"):
            if path.stem == f"{name}-{_content(path)}":
                return ctypes.CDLL(str(path))
        with contextlib.suppress(OSError):
            kept.mkdir(parents=True, exist_ok=True)
            return _compile(compiler, kept, name)
    with tempfile.TemporaryDirectory() as folder:
        return _compile(compiler, Path(folder), SOURCE.stem)


def _digest(compiler: Sequence[str]) -> str:
    """Of all that decides what the compiler makes: itself and the processor, which its macros tell of, source and headers."""
    macros = _run([*compiler, *OPTIONS, "-dM", "-E", "-x", "c++", os.devnull])
    known = [*compiler, *OPTIONS, macros, jaxlib.__version__, SOURCE.read_text()]
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:16]


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _compile(compiler: Sequence[str], folder: Path, name: str) -> ctypes.CDLL:
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder) as own:  # other processes may compile it at the same time
        made = Path(own) / "made.so"
        _run([*compiler, *OPTIONS, "-isystem", jax.ffi.include_dir(), str(SOURCE), "-o", str(made)])
        path = made.replace(folder / f"{name}-{_content(made)}.so")
    jax.monitoring.record_event_duration_secs(COMPILED, time.perf_counter() - begun)
    return ctypes.CDLL(str(path))


def _run(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=True).stdout
