"""What the machine can do: its rate of products of large matrices, and the bandwidth of its memory."""

import time

import jax
import jax.numpy as jnp

from benchmarks.works import Work
from symmetry_jax.learning.process import PyTree

SIDE = 2048  # of the matrices
NUMBERS = 2**25  # of the array that is read and written: larger than any cache
FLOAT = 4  # bytes


class Limits:
    """Measures both, whenever asked, on one device; on CPU the threads of one are those of all."""

    def __init__(self) -> None:
        key = jax.random.key(0)
        self._matrix = jax.random.normal(key, (SIDE, SIDE))
        self._array = jnp.ones(NUMBERS)
        self._product = jax.jit(lambda matrix: matrix @ matrix)
        self._moved = jax.jit(lambda array: array + 1, donate_argnums=0)  # in place: new memory is slow to be had
        self.measure()  # compiles

    def measure(self) -> tuple[float, float]:
        """Floating-point operations per second, and bytes per second."""
        begun = time.perf_counter()
        jax.block_until_ready(self._product(self._matrix))
        multiplied = time.perf_counter()
        self._array = jax.block_until_ready(self._moved(self._array))
        moved = time.perf_counter()
        return 2 * SIDE**3 / (multiplied - begun), 2 * FLOAT * NUMBERS / (moved - multiplied)


def bytes_moved(work: Work, params: PyTree) -> int:
    """Bytes of a step of one run: parameters and their memory read and written, examples read; from caches, if they fit."""
    numbers = sum(leaf[0].size for leaf in jax.tree.leaves(params))
    examples = work.batch_size * work.image[0] * work.image[1] * work.image[2]
    return FLOAT * (2 * numbers * (3 if work.optimizer == "adam" else 1) + examples)
