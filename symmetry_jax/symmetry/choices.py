"""Units that a user names, checked as far as they are known: of what is traced, only the shape is."""

import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from symmetry_jax.errors import InputError

Permutation = jax.Array | np.ndarray | Sequence[int]


def ordered(permutation: Permutation, name: str, shape: Sequence[int]) -> jax.Array:
    """A permutation as an array, or one in each set of units.

    Args:
        permutation: which unit comes where; may be traced.
        name: of the group.
        shape: (the sets..., units) that it must have.

    Raises:
        InputError: if it has another shape, or does not name each unit once.
    """
    known = _known(permutation)
    sizes = jnp.asarray(permutation).shape if known is None else known.shape
    once = known is None or (known.dtype.kind in "iu" and np.array_equal(np.sort(known), _broadcast(shape)))
    if sizes != tuple(shape) or not once:
        found = f"of shape {sizes}" if sizes != tuple(shape) else "that names some unit twice or none"
        raise InputError(f"permutation of {name!r} {found}: shape {tuple(shape)}, each of 0..{shape[-1] - 1} once")
    return jnp.asarray(permutation)


def check_units(units: Sequence[Any], name: str, size: int) -> None:
    """Raises InputError if these are not units of a group; each may be traced."""
    if any(not 0 <= unit < size for unit in _concrete(units)):
        raise InputError(f"units {_listed(units)} of {name!r}: its units are 0..{size - 1}")


def check_pair(units: Sequence[Any], name: str, size: int) -> None:
    """Raises InputError if these are not two different units of a group; each may be traced."""
    check_units(units, name, size)
    known = _concrete(units)
    if len(units) != 2 or len(set(known)) < len(known):
        raise InputError(f"units {_listed(units)} of {name!r}: two different ones of 0..{size - 1}")


def owners(blocks: Sequence[Sequence[int]], name: str, size: int) -> np.ndarray:
    """For each unit of a group, the first unit of its block: (size,).

    Raises:
        InputError: where blocks are empty, overlap or leave the group.
    """
    named = [[_index(unit) for unit in block] if np.iterable(block) else [] for block in blocks]
    every = [unit for block in named for unit in block]
    inside = all(0 <= unit < size for unit in every)
    if not all(named) or not inside or len(set(every)) != len(every):
        raise InputError(f"blocks {_listed(blocks)}: lists of units that name each of {name!r} (0..{size - 1}) at most once")
    first = np.arange(size)
    for block in named:
        first[block] = block[0]
    return first


def _known(values: Any) -> np.ndarray | None:
    """Numbers that are not traced; what numpy makes no array of is none of any length."""
    try:
        return np.asarray(values)
    except jax.errors.JAXTypeError:
        return None
    except ValueError:
        return np.zeros(0)


def _concrete(units: Sequence[Any]) -> list[int]:
    return [_index(unit) for unit in units if not isinstance(unit, jax.core.Tracer)]


def _broadcast(shape: Sequence[int]) -> np.ndarray:
    return np.broadcast_to(np.arange(shape[-1]), shape)


def _index(unit: Any) -> int:
    """A unit's number; -1, which no unit has, for what is no whole number."""
    try:
        return operator.index(unit)
    except TypeError:
        return -1


def _listed(values: Any) -> str:
    return str(values)[:60].replace("\n", " ")
