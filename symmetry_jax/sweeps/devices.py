"""The devices that runs are spread over."""

import ctypes
import os

import jax

ARENAS = 4096  # of memory: more than a study has threads
M_ARENA_MAX = -8  # a parameter of `mallopt`, in glibc's malloc.h


def use_all_cores() -> None:
    """As many CPU devices as cores, unless the user chose: one device leaves cores idle on small networks.

    Each thread may have an arena of memory of its own, too. To be called before jax starts, that is before the first array.
    """
    chosen = "JAX_NUM_CPU_DEVICES" in os.environ or "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if not chosen:
        jax.config.update("jax_num_cpu_devices", core_count())
    _part_arenas()


def _part_arenas() -> None:
    """Lets each thread have an arena of memory of its own, unless the user chose, where the C library is glibc.

    By default eight arenas a core are shared among all threads: those of zarr and Orbax leave holes in the arenas of XLA's
    threads, which ask for memory in every product and then look for it longer.
    """
    if os.name == "posix" and "MALLOC_ARENA_MAX" not in os.environ:
        library = ctypes.CDLL(None)
        if hasattr(library, "gnu_get_libc_version"):
            library.mallopt(M_ARENA_MAX, ARENAS)


def core_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
