"""Compiling the kernels, each time in a process of its own."""

import os
import shutil
import subprocess
import sys

import pytest

PROGRAM = """
import hashlib
import jax, jax.numpy as jnp, numpy as np
from symmetry_jax.kernels import library
from symmetry_jax.learning.convolution import convolve
compiled = []

def hear(event, *_, **__):
    if event == library.COMPILED:
        compiled.append(event)

jax.monitoring.register_event_duration_secs_listener(hear)
random = np.random.default_rng(0)
images, kernel = (jnp.asarray(random.normal(size=shape), jnp.float32) for shape in ((3, 6, 5, 4), (3, 3, 3, 2)))
results = jax.jit(jax.grad(lambda images, kernel: jnp.sum(jnp.sin(convolve(images, kernel, (2, 1)))), (0, 1)))(images, kernel)
print(library.is_at_hand(), len(compiled), hashlib.sha256(b"".join(map(bytes, map(np.asarray, results)))).hexdigest())
"""

pytestmark = pytest.mark.skipif(shutil.which("c++") is None, reason="no compiler of C++")


@pytest.fixture
def ask(tmp_path):
    """Whether a process has the kernels, whether it compiled them, a digest of a convolution's gradients, and what it said."""

    def run(**environment):
        usual = {name: value for name, value in os.environ.items() if name != "CXX"}
        settings = usual | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "kept"), "JAX_PLATFORMS": "cpu"} | environment
        done = subprocess.run([sys.executable, "-c", PROGRAM], env=settings, capture_output=True, text=True, check=True)
        at_hand, compiled, digest = done.stdout.split()
        return at_hand == "True", int(compiled), digest, done.stderr

    return run


def test_kernels_are_compiled_once_and_the_same_is_computed_without_them(ask, tmp_path):
    at_hand, compiled, digest, _ = ask()
    assert at_hand and compiled == 1
    assert ask()[:3] == (True, 0, digest)
    assert ask(CXX="")[:3] == (False, 0, digest)
    assert ask(CXX="c++ -DOTHER")[:3] == (True, 1, digest)
    assert len(list((tmp_path / "kept").glob("patches-*.so"))) == 2


def test_where_no_programs_are_kept_no_kernels_are(ask, tmp_path):
    at_hand, compiled, _, _ = ask(JAX_ENABLE_COMPILATION_CACHE="false")
    assert at_hand and compiled == 1
    assert not (tmp_path / "kept").exists()


def test_a_compiler_that_fails_is_told_and_one_that_is_not_there_is_not(ask):
    at_hand, compiled, digest, said = ask(CXX="c++ -Dnamespace=nonsense")
    assert not at_hand and not compiled and "patches.cc cannot be compiled" in said and "error: " in said
    at_hand, _, other, said = ask(CXX="no-such-compiler")
    assert not at_hand and other == digest and "patches.cc" not in said


@pytest.mark.slow
def test_a_library_that_was_cut_is_compiled_again(ask, tmp_path):
    assert ask()[0]
    (path,) = (tmp_path / "kept").glob("patches-*.so")
    whole = path.read_bytes()
    for damaged in (whole[:100], whole[: len(whole) // 2], whole[:-1] + b"x"):
        path.write_bytes(damaged)
        assert ask()[:2] == (True, 1)
        assert path.read_bytes() == whole


def test_where_nothing_can_be_kept_they_are_compiled_each_time(ask, tmp_path):
    (tmp_path / "file").touch()
    assert ask(JAX_COMPILATION_CACHE_DIR=str(tmp_path / "file" / "beneath"))[:2] == (True, 1)
