"""Rules for what makes, uses or looks for positions: counting, gathering, scattering, sorting, the largest entries."""

import dataclasses
from collections.abc import Sequence

from jax.lax import GatherScatterMode

from symmetry_jax.symmetry.discovery.equations import Equation, rule_for_positions
from symmetry_jax.symmetry.discovery.layouts import Layout, free, freeze, unify
from symmetry_jax.symmetry.discovery.operands import Operand, joint_origins

NARROW = "positions along this axis are numbers of a type too narrow for them"
TIES = "no two of these units tie"
BY_INDEX = "indexed by a position"


@rule_for_positions("iota")
def count(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """The positions of one axis."""
    del operands
    axes = tuple(free(size) for size in equation.shapes[0])
    along = axes[equation.params["dimension"]]
    counted = Operand(axes, frozenset(), points=along if along.size > 1 else None)
    return [counted.counted_in(equation.params["dtype"], equation.because(NARROW))]


@rule_for_positions("argmax", "argmin")
def extreme_position(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Where the largest entry is; of several that are largest, the first."""
    operand, (along,) = operands[0], equation.params["axes"]
    operand.use(equation.because(BY_INDEX))
    equation.holds_unless(operand.axes[along], TIES)
    rest = [axis for number, axis in enumerate(operand.axes) if number != along]
    found = Operand(tuple(rest), operand.origins, points=operand.axes[along])
    return [found.counted_in(equation.params["index_dtype"], equation.because(NARROW))]


@rule_for_positions("top_k")
def largest(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """The largest entries in order, and where they are."""
    operand = operands[0]
    along = int(equation.params.get("axis", -1)) % len(operand.axes)
    operand.use(equation.because(BY_INDEX))
    equation.holds_unless(operand.axes[along], TIES)
    equation.mixes(operand, [along])
    values = Operand(_ordered(equation, operand.axes, along, equation.params["k"]), operand.origins)
    return [values, dataclasses.replace(values, points=operand.axes[along])]


@rule_for_positions("sort")
def sort(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Sorted entries are the same whatever their order was, but for ties where other arrays are sorted along with them."""
    along, keys = equation.params["dimension"], equation.params["num_keys"]
    axes = list(operands[0].axes)
    reason = equation.because("arrays are sorted together whose axes do not fit")
    for operand in operands[1:]:
        for one, other in zip(axes, operand.axes, strict=True):
            unify(one, other, reason)
    for operand in operands[:keys]:
        operand.use(equation.because(BY_INDEX))
    if len(operands) > keys:
        equation.holds_unless(axes[along], TIES)
    for operand in operands:
        equation.mixes(operand, [along])
    ordered = _ordered(equation, axes, along, axes[along].size)
    return [
        dataclasses.replace(operand.with_axes(ordered), origins=joint_origins(operands), constant=None) for operand in operands
    ]


@rule_for_positions("gather")
def gather(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Parts of an array from places that indices name: whole axes stay, axes of which a part is taken are indexed."""
    array, indices = operands
    numbers, taken = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    places = [axis for axis in range(len(equation.shapes[0])) if axis not in numbers.offset_dims]
    axes: list[Layout] = [free(size) for size in equation.shapes[0]]
    for place, axis in zip(places, indices.axes[:-1], strict=True):
        axes[place] = axis
    batching = zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True)
    for one, other in batching:
        unify(array.axes[one], indices.axes[other], equation.because("axes do not fit those of the indices"))
    dropped = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    kept = [axis for axis in range(len(array.axes)) if axis not in dropped]
    indexed = list(numbers.collapsed_slice_dims)
    for place, number in zip(numbers.offset_dims, kept, strict=True):
        if taken[number] == array.axes[number].size:
            axes[place] = array.axes[number]
        else:
            indexed.append(number)
            freeze(axes[place], equation.because(BY_INDEX))
    _index(equation, array, indices, indexed, numbers.start_index_map, taken)
    _meets_all(equation, array, indices, numbers.start_indices_batching_dims)
    if array.origins and indices.origins is None:
        for axis in array.axes:
            equation.meets(array, axis, "fan-in")
    if equation.params["mode"] == GatherScatterMode.FILL_OR_DROP:
        array = array.spoil(equation.because("another number than a position may be filled in"))
    return [dataclasses.replace(array, axes=tuple(axes), origins=joint_origins(operands), constant=None)]


@rule_for_positions("scatter", "scatter-add", "scatter-sub", "scatter-mul", "scatter-min", "scatter-max")
def scatter(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Updates go to places that indices name: whole axes are indexed alike, axes of which a part changes are indexed."""
    array, indices, updates = operands
    numbers = equation.params["dimension_numbers"]
    for operand in (array, updates):
        operand.use(equation.because("positions along this axis are used as numbers"))
    reason = equation.because("axes of what is put in do not fit")
    batching = zip(numbers.operand_batching_dims, numbers.scatter_indices_batching_dims, strict=True)
    for one, other in batching:
        unify(array.axes[one], indices.axes[other], reason)
    places = [axis for axis in range(len(updates.axes)) if axis not in numbers.update_window_dims]
    for place, axis in zip(places, indices.axes[:-1], strict=True):
        unify(updates.axes[place], axis, reason)
        if equation.name == "scatter" and axis.size > 1:  # of several updates of one entry the last one stays
            freeze(axis, equation.because("updates may overlap"))
    dropped = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    kept = [axis for axis in range(len(array.axes)) if axis not in dropped]
    indexed, put = list(numbers.inserted_window_dims), [1] * len(array.axes)
    for place, number in zip(numbers.update_window_dims, kept, strict=True):
        if updates.axes[place].size == array.axes[number].size:
            unify(array.axes[number], updates.axes[place], reason)
        else:
            indexed.append(number)
            put[number] = updates.axes[place].size
            freeze(updates.axes[place], equation.because(BY_INDEX))
    _index(equation, array, indices, indexed, numbers.scatter_dims_to_operand_dims, put)
    _meets_all(equation, array, indices, numbers.scatter_indices_batching_dims)
    return [Operand(array.axes, joint_origins(operands))]


@rule_for_positions("dynamic_slice")
def dynamic_slice(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """A part from a position that is computed; axes of which all is taken stay."""
    array, *starts = operands
    axes = list(array.axes)
    for number, size in enumerate(equation.params["slice_sizes"]):
        if size != array.axes[number].size:
            _index(equation, array, starts[number], [number], [number], equation.params["slice_sizes"])
            axes[number] = free(size)
            freeze(axes[number], equation.because(BY_INDEX))
    return [dataclasses.replace(array, axes=tuple(axes), origins=joint_origins(operands), constant=None)]


@rule_for_positions("dynamic_update_slice")
def dynamic_update_slice(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Part of an array replaced from a position that is computed."""
    array, update, *starts = operands
    for operand in (array, update):
        operand.use(equation.because("positions along this axis are used as numbers"))
    for number, (axis, part) in enumerate(zip(array.axes, update.axes, strict=True)):
        if axis.size == part.size:
            unify(axis, part, equation.because("axes of what is put in do not fit"))
        else:
            freeze(part, equation.because(BY_INDEX))
            _index(equation, array, starts[number], [number], [number], update.sizes)
    return [Operand(array.axes, joint_origins(operands))]


def _index(
    equation: Equation, array: Operand, indices: Operand, indexed: Sequence[int], named: Sequence[int], taken: Sequence[int]
) -> None:
    """Axes of an array are indexed: by positions along one of them, which go where it goes, or else by numbers.

    Where more than one entry is taken from a position on, what counts is which positions come next.
    """
    reason = equation.because(BY_INDEX)
    equation.mixes(array, indexed)
    alone = list(indexed) == list(named) and len(named) == 1 and taken[named[0]] == 1
    if alone and indices.points is not None and indices.spoiled is None and indices.points.size == array.sizes[named[0]]:
        unify(array.axes[indexed[0]], indices.points, reason)
        return
    indices.use(reason)
    for axis in indexed:
        freeze(array.axes[axis], reason)


def _meets_all(equation: Equation, array: Operand, indices: Operand, alike: Sequence[int]) -> None:
    """Notes that each index may name each entry of an array, but for axes along which both are indexed alike."""
    equation.sums([*(axis for number, axis in enumerate(indices.axes[:-1]) if number not in alike), *array.axes])


def _ordered(equation: Equation, axes: Sequence[Layout], along: int, size: int) -> tuple[Layout, ...]:
    """The axes of a result that is in order along one of them."""
    ordered = free(size)
    freeze(ordered, equation.because("sorted along this axis"))
    return (*axes[:along], ordered, *axes[along + 1 :])
