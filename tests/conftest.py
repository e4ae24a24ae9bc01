"""Tests run on two CPU devices, under strict dtype and rank promotion."""

import os
from collections.abc import Iterator

import jax
import pytest
from hypothesis import settings

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
settings.register_profile("compiling", deadline=None)  # the first example compiles
settings.load_profile("compiling")


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Processes that a test starts keep their programs where others of them find them, not in the user's folder."""
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(tmp_path_factory.mktemp("compiled"))


@pytest.fixture
def float64() -> Iterator[None]:
    """The test runs in double precision."""
    from symmetry_jax.sweeps.precision import numerics

    with numerics("float64"):
        yield
