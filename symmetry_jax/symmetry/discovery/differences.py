"""How far the arrays that a function makes are from those that it should make, beside what rounding does to each."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from symmetry_jax.symmetry.units import PyTree


def difference(one: PyTree, other: PyTree, scales: Sequence[float]) -> float:
    """The largest difference in any array over its scale; equal infinities are equal, and so are two that are no numbers."""
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), scales, strict=True)
    return max((_apart(first, second) / scale for first, second, scale in pairs), default=0.0)


def scales_of(tree: PyTree, nearby: Sequence[PyTree], eps: float) -> list[float]:
    """What the differences of each array are measured by: its largest entry, or more where it is a rest of what cancelled.

    How much cancelled is told by the same function of arguments that differ by `eps`: rounding moves it as much as that does.
    Nothing counts for more than the largest entry of all arrays.

    Args:
        tree: what a function makes.
        nearby: what it makes of arguments moved by rounding alone.
        eps: by how much these were moved, as a fraction.
    """
    arrays = jax.tree.leaves(tree)
    sizes = [_largest(array) for array in arrays]
    most = max(sizes, default=0.0)
    moved = zip(*map(jax.tree.leaves, nearby), strict=True) if nearby else [()] * len(arrays)
    shaky = [max((_apart(array, other) for other in others), default=0.0) for array, others in zip(arrays, moved, strict=True)]
    return [max(size, min(by / eps, most)) or most or 1.0 for size, by in zip(sizes, shaky, strict=True)]


def _largest(leaf: Any) -> float:
    array = _numbers(leaf)
    return float(np.max(abs(array[np.isfinite(array)]), initial=0))


def _apart(one: Any, other: Any) -> float:
    """The largest difference of two arrays; inf where one entry is no number and the other is."""
    first, second = _numbers(one), _numbers(other)
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0, abs(first - second))
    return float(np.max(np.where(np.isnan(apart), np.inf, apart), initial=0))


def _numbers(leaf: Any) -> np.ndarray:
    return np.asarray(leaf, np.complex128 if jnp.iscomplexobj(leaf) else np.float64)
