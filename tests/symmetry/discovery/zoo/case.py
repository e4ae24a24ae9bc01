"""What is counted: the unit groups of one model, written down by hand, and how they are permuted.

Nothing here uses the package that is tested.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

PyTree = Any


@dataclasses.dataclass(frozen=True)
class Sets:
    """Where one index of the set lies that a unit belongs to, such as the head of a dimension.

    Position p of the axis belongs to set `(p - start) // inner % count`.
    """

    count: int
    axis: int
    inner: int = 1
    start: int = 0


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the units of a group lie in one array: unit u of U fills `start + (o U + u) inner + i` for o < outer, i < inner.

    `sets` says, for units that may be permuted separately in each of several sets, where the index of the set lies in the
    same array: one entry for each index (layer and head, say), in the same order in all places of a group.
    """

    path: str
    axis: int
    outer: int = 1
    inner: int = 1
    start: int = 0
    sets: tuple[Sets, ...] = ()

    def positions(self, size: int) -> np.ndarray:
        """The positions of each unit along the axis: (size, outer * inner)."""
        outer, unit, inner = np.ogrid[: self.outer, :size, : self.inner]
        return np.moveaxis(self.start + (outer * size + unit) * self.inner + inner, 1, 0).reshape(size, -1)


@dataclasses.dataclass(frozen=True)
class Group:
    """Interchangeable units, permuted as a whole in every array that mentions them.

    Attributes:
        size: how many units: at least 2.
        places: where they lie; an array with the units in several ranges or axes has several places.
        apart: number of sets inside which the units may be permuted separately (dimensions inside each head).
        meaning: what the units are.
        only_where: what must hold of the values for the symmetry to be exact.
    """

    size: int
    places: tuple[Place, ...]
    apart: int = 1
    meaning: str = ""
    only_where: str = ""


@dataclasses.dataclass(frozen=True)
class Case:
    """A model with all of its unit groups.

    Attributes:
        function: called as function(params, *inputs).
        params: arrays drawn at random.
        inputs: arrays drawn at random.
        groups: every unit group there is.
        outputs: which of the results count.
        rigid: what looks like a group and is none: permuting it changes the outputs.
        silent: arrays of counted groups that the outputs do not depend on, or not in a way that ties them, and why. They
            belong to the group by what they mean, and permuting them alone leaves the outputs unchanged.
        rounding: how far the outputs may move by rounding alone in double precision, relative to the largest.
        name: the library and the name of the function that builds the case.
        note: what is rigid and why, and why there is no other group: the docstring of that function.
    """

    function: Callable[..., Any]
    params: PyTree
    inputs: tuple[Any, ...]
    groups: tuple[Group, ...]
    outputs: Callable[[Any], Any] = lambda result: result
    rigid: tuple[Group, ...] = ()
    silent: Mapping[str, str] = dataclasses.field(default_factory=dict)
    rounding: float = 1e-10
    name: str = ""
    note: str = ""


def counted(build: Callable[[], Case]) -> Callable[[], Case]:
    """Names a case after the function that builds it, and lets it run under the everyday rules of promotion.

    A case is built in the precision that is on.
    """

    @functools.wraps(build)
    def built() -> Case:
        case = build()
        name = f"{build.__module__.rsplit('.', 1)[-1]}/{build.__name__}"
        return dataclasses.replace(case, function=everyday(case.function), name=name, note=inspect.getdoc(build) or "")

    return built


def everyday(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function under jax's default rules of promotion, which the layers of libraries rely on."""

    @functools.wraps(function)
    def relaxed(*arguments: Any) -> Any:
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return function(*arguments)

    return relaxed


class Draw:
    """Draws arrays of normal numbers, one after the other, in the precision that is on."""

    def __init__(self, seed: int = 0, scale: float = 0.7):
        self.random = np.random.default_rng(seed)
        self.scale = scale

    def __call__(self, *shape: int) -> jax.Array:
        """Normal numbers of a shape."""
        return jnp.asarray(self.scale * self.random.normal(size=shape), jnp.zeros(()).dtype)

    def positive(self, *shape: int) -> jax.Array:
        """Numbers between 0.5 and 2."""
        return jnp.asarray(self.random.uniform(0.5, 2, size=shape), jnp.zeros(()).dtype)

    def tokens(self, count: int, *shape: int) -> jax.Array:
        """Integers below `count`."""
        return jnp.asarray(self.random.integers(count, size=shape))

    def like(self, tree: PyTree) -> PyTree:
        """Normal numbers for every floating leaf of a tree of shapes, zeros for the others; variances are positive."""

        def leaf(path: Any, shape: Any) -> jax.Array:
            if not jnp.issubdtype(shape.dtype, jnp.floating):
                return jnp.zeros(shape.shape, shape.dtype)
            variance = any(part.startswith("var") for part in name_of(path).split("/"))
            return (self.positive if variance else self)(*shape.shape)

        return jax.tree_util.tree_map_with_path(leaf, tree)


def name_of(path: Any) -> str:
    """The path of a leaf, joined by "/"."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def permuted(params: PyTree, group: Group, orders: np.ndarray) -> PyTree:
    """The parameters with new unit k of set s being old unit `orders[s, k]`, in every place of a group: (apart, size)."""
    missing = {place.path for place in group.places} - {
        name_of(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)
    }
    assert not missing, f"no arrays {sorted(missing)}"

    def leaf(path: Any, array: jax.Array) -> jax.Array:
        for place in group.places:
            if place.path == name_of(path):
                array = jnp.asarray(_moved(np.asarray(array), place, group, orders))
        return array

    return jax.tree_util.tree_map_with_path(leaf, params)


def _moved(array: np.ndarray, place: Place, group: Group, orders: np.ndarray) -> np.ndarray:
    assert np.prod([sets.count for sets in place.sets], dtype=int) == group.apart, f"{place} does not say where the sets lie"
    length = array.shape[place.axis]
    positions = place.positions(group.size)
    assert positions.max() < length, f"{place} leaves the axis of {length}"
    sources = np.tile(np.arange(length), (group.apart, 1))  # of each set, for each position
    for source, order in zip(sources, orders, strict=True):
        source[positions] = positions[order]
    member = np.zeros((1,) * array.ndim, int)  # the set that each entry belongs to
    for sets in place.sets:
        member = member * sets.count + _along(
            sets.axis, array, (np.arange(array.shape[sets.axis]) - sets.start) // sets.inner % sets.count
        )
    index = sources[member, _along(place.axis, array, np.arange(length))]
    return np.take_along_axis(array, np.broadcast_to(index, array.shape), place.axis)


def _along(axis: int, array: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values that lie along one axis of an array, ready to broadcast against it."""
    return values.reshape([-1 if other == axis else 1 for other in range(array.ndim)])
