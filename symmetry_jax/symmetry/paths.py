"""The arrays of a tree by their paths: the keys that lead to them, joined by "/"."""

from collections.abc import Callable
from typing import Any

import jax

PyTree = Any


def leaves(tree: PyTree) -> list[tuple[str, jax.Array]]:
    """Every array of a tree with its path."""
    return [(_name(path), leaf) for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]]


def nodes(tree: PyTree) -> list[str]:
    """The paths of everything in a tree that has nothing below it: of its arrays, and of its empty nodes."""
    return [_name(path) for path, _ in jax.tree_util.tree_flatten_with_path(tree, is_leaf=_is_empty)[0]]


def mapped(function: Callable[[str, jax.Array], jax.Array], tree: PyTree) -> PyTree:
    """The tree with a function of each array and its path."""
    return jax.tree_util.tree_map_with_path(lambda path, leaf: function(_name(path), leaf), tree)


def joined(prefix: str, path: str) -> str:
    """The path of what has this path below the prefix."""
    return f"{prefix}/{path}" if prefix else path


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _is_empty(node: Any) -> bool:
    return not jax.tree.leaves(node)
