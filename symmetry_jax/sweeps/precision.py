"""Precision is explicit: one for everything that a program computes."""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any, Literal

import jax
import numpy as np

from symmetry_jax.learning.process import PyTree

Precision = Literal["float32", "float64"]

PRECISIONS: dict[str, Precision] = {"float32": "float32", "float64": "float64"}

# jax.experimental had it before jax 0.8
_enable_x64: Any = (jax if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental")).enable_x64


@contextlib.contextmanager
def numerics(precision: Precision) -> Iterator[None]:
    """Everything inside is traced and run in one precision, with products at full precision on every device."""
    with _enable_x64(precision == "float64"), jax.default_matmul_precision("highest"):
        yield


def cast(tree: PyTree, precision: Precision) -> PyTree:
    """A tree of arrays on the host, floating ones in the given precision."""

    def leaf(array: jax.Array | np.ndarray) -> np.ndarray:
        array = np.asarray(array)
        return array.astype(precision) if array.dtype.kind == "f" else array

    return jax.tree.map(leaf, tree)
