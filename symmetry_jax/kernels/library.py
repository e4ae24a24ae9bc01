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
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import jaxlib

from symmetry_jax.caching import cache_folder

SOURCE = Path(__file__).with_name("patches.cc")
TARGETS = ("symmetry_jax_patches", "symmetry_jax_overlap_add")
OPTIONS = "-std=c++17 -O3 -march=native -shared -fPIC".split()
COMPILED = "/symmetry_jax/kernels/compile_duration"  # the event that tells jax.monitoring how long it took


@functools.cache
def is_at_hand() -> bool:
    """Whether XLA on CPU knows the kernels: they are compiled, if that was not done before, and made known to it.

    The compiler is `CXX`, or `c++`. Where there is none, what is written in jax is computed instead; so it is, with a warning,
    where it cannot compile them.
    """
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    if not compiler or shutil.which(compiler[0]) is None:
        return False
    try:
        library = _load(compiler)
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).splitlines()
        reason = next((line for line in said if "error" in line), said[0])
        warnings.warn(f"{SOURCE.name} cannot be compiled; the same is computed without it, slower: {reason}", stacklevel=2)
        return False
    for target in TARGETS:
        jax.ffi.register_ffi_target(target, jax.ffi.pycapsule(getattr(library, target)), platform="cpu")
    return True


def _load(compiler: Sequence[str]) -> ctypes.CDLL:
    with _folder() as folder:
        path = folder / f"{SOURCE.stem}-{_digest(compiler)}.so"
        with contextlib.suppress(OSError):  # it is not there, or damaged
            return ctypes.CDLL(str(path))
        _compile(compiler, path)
        return ctypes.CDLL(str(path))


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """The cache folder; where nothing is kept one for now, which a library can be loaded from and then be gone."""
    kept = cache_folder()
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _digest(compiler: Sequence[str]) -> str:
    """Of all that decides what the compiler makes: itself and the processor, which its macros tell of, source and headers."""
    macros = _run([*compiler, *OPTIONS, "-dM", "-E", "-x", "c++", os.devnull])
    known = [*compiler, *OPTIONS, macros, jaxlib.__version__, SOURCE.read_text()]
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:16]


def _compile(compiler: Sequence[str], path: Path) -> None:
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # other processes may compile it at the same time
        made = Path(folder) / path.name
        _run([*compiler, *OPTIONS, "-isystem", jax.ffi.include_dir(), str(SOURCE), "-o", str(made)])
        made.replace(path)
    jax.monitoring.record_event_duration_secs(COMPILED, time.perf_counter() - begun)


def _run(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
