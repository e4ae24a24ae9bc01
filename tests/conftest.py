"""Tests run on two CPU devices, under strict dtype and rank promotion."""

from collections.abc import Iterator

import jax
import pytest
from hypothesis import settings

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
settings.register_profile("compiling", deadline=None)  # the first example compiles
settings.load_profile("compiling")


@pytest.fixture
def float64() -> Iterator[None]:
    """The test runs in double precision."""
    from symmetry_jax.sweeps.precision import numerics

    with numerics("float64"):
        yield
