"""Tests run on two CPU devices, under strict dtype and rank promotion."""

import os
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest
from hypothesis import settings

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
settings.register_profile("compiling", deadline=None)  # the first example compiles
settings.load_profile("compiling")

# Compiled programs, those of single operations too, are kept for all workers, for processes that tests start, for later runs.
COMPILED = Path(__file__).parent.parent / ".pytest_cache" / "compiled"
KEPT = {"jax_compilation_cache_dir": str(COMPILED), "jax_persistent_cache_min_compile_time_secs": 0.0}
for name, value in KEPT.items():
    jax.config.update(name, value)
    os.environ[name.upper()] = str(value)


@pytest.fixture
def float64() -> Iterator[None]:
    """The test runs in double precision."""
    from symmetry_jax.sweeps.precision import numerics

    with numerics("float64"):
        yield
