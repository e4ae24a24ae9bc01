"""What the machine can do: its rate of products of large matrices, and the bandwidth of its memory."""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp

from benchmarks.works import Work
from symmetry_jax.learning.process import PyTree

SIDE = 2048  # of the matrices
NUMBERS = 2**25  # of the array that is read and written: larger than any cache
FLOAT = 4  # bytes


class Limits:
    """Measures both, whenever asked, by jax on all devices it sees as one machine."""

    def __init__(self) -> None:
        key = jax.random.key(0)
        self._matrix = jax.random.normal(key, (SIDE, SIDE))
        self._array = jnp.ones(NUMBERS)
        self._product = jax.jit(lambda matrix: matrix @ matrix)
        self._moved = jax.jit(lambda array: array + 1)
        self.measure()  # compiles

    def measure(self) -> tuple[float, float]:
        """Floating-point operations per second, and bytes per second."""
        return 2 * SIDE**3 / _seconds(self._product, self._matrix), 2 * FLOAT * NUMBERS / _seconds(self._moved, self._array)


def bytes_moved(work: Work, params: PyTree) -> int:
    """Bytes that a step of one run moves at least: its parameters and its memory read and written, its examples read."""
    numbers = sum(leaf[0].size for leaf in jax.tree.leaves(params))
    examples = work.batch_size * work.image[0] * work.image[1] * work.image[2]
    return FLOAT * (2 * numbers * (3 if work.optimizer == "adam" else 1) + examples)


def _seconds(function: Callable[[jax.Array], jax.Array], argument: jax.Array) -> float:
    begun = time.perf_counter()
    jax.block_until_ready(function(argument))
    return time.perf_counter() - begun
