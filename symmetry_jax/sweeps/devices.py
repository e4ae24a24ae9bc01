"""The devices that runs are spread over."""

import os

import jax


def use_all_cores() -> None:
    """As many CPU devices as cores, unless the user chose: one device leaves cores idle on small networks.

    To be called before jax starts, that is before the first array.
    """
    chosen = "JAX_NUM_CPU_DEVICES" in os.environ or "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if not chosen:
        jax.config.update("jax_num_cpu_devices", core_count())


def core_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
