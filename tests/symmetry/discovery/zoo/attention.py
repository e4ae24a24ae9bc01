"""Where heads and dimensions lie in attention layers of the libraries."""

from tests.symmetry.discovery.zoo.case import Group, Place, Sets

KEY_BIAS = "a key bias adds the same to the scores of all keys, which the softmax takes away"


def attention_of_flax(path: str, heads: int, dims: int, layers: int = 0, biased: bool = True) -> tuple[Group, Group, Group]:
    """Heads, and dimensions inside them, in kernels (stream, heads, dimensions), on the way out (heads, dimensions, stream).

    Behind the axis of stacked layers, if there are any, and then separate in each layer.
    """
    stacked = (Sets(layers, 0),) if layers else ()
    first = len(stacked)

    def lying(names: tuple[str, ...], inside: bool) -> tuple[Place, ...]:
        head_axes = [(f"{name}/kernel", first + (name != "out")) for name in names]
        head_axes += [(f"{name}/bias", first) for name in names if biased and name != "out"]
        return tuple(
            Place(f"{path}/{name}", axis + inside, sets=(*stacked, Sets(heads, axis)) if inside else stacked)
            for name, axis in head_axes
        )

    apart = max(layers, 1)
    return (
        Group(heads, lying(("query", "key", "value", "out"), False), apart, "heads"),
        Group(dims, lying(("query", "key"), True), apart * heads, "dimensions between query and key"),
        Group(dims, lying(("value", "out"), True), apart * heads, "dimensions of values"),
    )


def attention_flattened(
    between: tuple[tuple[str, int], ...], values: tuple[tuple[str, int], ...], heads: int, sizes: tuple[int, int]
) -> tuple[Group, Group, Group]:
    """The same where heads and dimensions lie on one axis, dimensions fastest.

    Args:
        between: path and axis of every array that has dimensions between query and key.
        values: path and axis of every array that has dimensions of values.
        heads: the number of heads.
        sizes: how many dimensions lie between query and key, and how many are those of values.
    """
    both = ((between, sizes[0]), (values, sizes[1]))
    whole = tuple(Place(path, axis, inner=dims) for arrays, dims in both for path, axis in arrays)
    key, value = (
        tuple(Place(path, axis, outer=heads, sets=(Sets(heads, axis, inner=dims),)) for path, axis in arrays)
        for arrays, dims in both
    )
    return (
        Group(heads, whole, meaning="heads"),
        Group(sizes[0], key, heads, "dimensions between query and key"),
        Group(sizes[1], value, heads, "dimensions of values"),
    )
