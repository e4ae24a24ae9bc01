"""Where a tree, such as an optimizer's state, holds copies of the arrays of a unit group."""

from collections.abc import Iterable, Iterator, Sequence

from symmetry_jax.symmetry.axes import TRAINED, UnitAxis
from symmetry_jax.symmetry.paths import PyTree, joined, leaves, nodes


def prefixes(axes: Sequence[UnitAxis], size: int, tree: PyTree) -> list[str]:
    """The prefixes P, in the tree's order, under which it holds `P/path` for every array that is trained, or for all others.

    An empty node of the tree stands for all that could be below it, so that a state of a part of the parameters is found. A
    prefix inside another one is none: it belongs to another layer whose arrays have the same names.

    Args:
        axes: where the units lie in the arrays.
        size: the number of units.
        tree: the tree.
    """
    arrays, every = dict(leaves(tree)), list(nodes(tree))
    held, empty = set(every), [node for node in every if node not in arrays]

    def holds(path: str) -> bool:
        parts = path.split("/")
        return any("/".join(parts[:number]) in held for number in range(1, len(parts) + 1))

    found: dict[str, None] = {}
    for trained in (True, False):
        wanted = {axis.path: axis for axis in axes if (axis.role in TRAINED) == trained}
        ends = ((path, axis) for path in arrays for axis in wanted.values() if f"/{path}".endswith(f"/{axis.path}"))
        # a count of steps is no count of units
        met = (path[: -len(axis.path)] for path, axis in ends if trained or axis.fits(arrays[path], size))
        whole = dict.fromkeys([*(prefix.removesuffix("/") for prefix in met), *_around(empty, wanted)])
        found |= {prefix: None for prefix in whole if all(holds(joined(prefix, path)) for path in wanted)}
    return [one for one in found if not any(other != one and f"{one}/".startswith(joined(other, "")) for other in found)]


def _around(empty: Iterable[str], paths: Iterable[str]) -> Iterator[str]:
    """The prefixes P for which `P/path` would lie in an empty node: nothing of the group is there, but others are inside P.

    Not the root, where empty nodes are those of transforms that remember nothing.
    """
    for node in empty:
        for path in paths:
            parts = path.split("/")
            heads = ("/".join(parts[:number]) for number in range(1, len(parts) + 1))
            yield from (node.removesuffix(f"/{head}") for head in heads if node.endswith(f"/{head}"))
