"""Rules for what makes, uses or looks for positions: counting, gathering, scattering, sorting, the largest entries."""

import dataclasses
from collections.abc import Sequence

from jax import lax

from symmetry_jax.symmetry.discovery.equations import Equation, rule_for_positions
from symmetry_jax.symmetry.discovery.layouts import Layout, free, freeze, unify
from symmetry_jax.symmetry.discovery.operands import Operand, joint_origins

TIES = "no two of these units tie"
BY_INDEX = "indexed by a position"


@rule_for_positions("iota")
def count(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """The positions of one axis."""
    del operands
    axes = tuple(free(size) for size in equation.shapes[0])
    along = axes[equation.params["dimension"]]
    return [Operand(axes, frozenset(), points=along if along.size > 1 else None)]


@rule_for_positions("argmax", "argmin")
def extreme_position(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Where the largest entry is; of several that are largest, the first."""
    operand, (along,) = operands[0], equation.params["axes"]
    operand.use_as_numbers(equation.because(BY_INDEX))
    equation.note_condition(operand.axes[along], TIES)
    equation.note_mixing(operand, [along])
    rest = [axis for number, axis in enumerate(operand.axes) if number != along]
    return [Operand(tuple(rest), operand.origins, points=operand.axes[along])]


@rule_for_positions("top_k")
def largest(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """The largest entries in order, and where they are."""
    operand = operands[0]
    along = int(equation.params.get("axis", -1)) % len(operand.axes)
    operand.use_as_numbers(equation.because(BY_INDEX))
    equation.note_condition(operand.axes[along], TIES)
    equation.note_mixing(operand, [along])
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
        operand.use_as_numbers(equation.because(BY_INDEX))
    if len(operands) > keys:
        equation.note_condition(axes[along], TIES)
    for operand in operands:
        equation.note_mixing(operand, [along])
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
    freeze(indices.axes[-1], equation.because("numbers along this axis index different axes"))
    wide = max((taken[axis] for axis in indexed), default=1)
    there = _index(equation, array, indices, indexed, numbers.start_index_map, wide)
    spoiled = array.spoiled
    if not there and equation.params["mode"] == lax.GatherScatterMode.FILL_OR_DROP:
        spoiled = spoiled or equation.because("there may be no such position, and a number in its place")
    equation.note_joint([*axes, *(array.axes[axis] for axis in indexed)])
    if array.origins and indices.origins is None:
        for axis in array.axes:
            equation.note_role(array, axis, "fan-in")
    return [dataclasses.replace(array, axes=tuple(axes), origins=joint_origins(operands), constant=None, spoiled=spoiled)]


@rule_for_positions("scatter", "scatter-add", "scatter-sub", "scatter-mul", "scatter-min", "scatter-max")
def scatter(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Updates go to places that indices name: whole axes are indexed alike, axes of which a part changes are indexed."""
    array, indices, updates = operands
    numbers = equation.params["dimension_numbers"]
    for operand in (array, updates):
        operand.use_as_numbers(equation.because("positions along this axis are used as numbers"))
    reason = equation.because("axes of what is put in do not fit")
    batching = zip(numbers.operand_batching_dims, numbers.scatter_indices_batching_dims, strict=True)
    for one, other in batching:
        unify(array.axes[one], indices.axes[other], reason)
    places = [axis for axis in range(len(updates.axes)) if axis not in numbers.update_window_dims]
    for place, axis in zip(places, indices.axes[:-1], strict=True):
        unify(updates.axes[place], axis, reason)
        if equation.name == "scatter" and axis.size > 1:  # of several updates of one entry the last one stays
            freeze(axis, equation.because("updates may overlap"))
    freeze(indices.axes[-1], equation.because("numbers along this axis index different axes"))
    dropped = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    kept = [axis for axis in range(len(array.axes)) if axis not in dropped]
    indexed, widest = list(numbers.inserted_window_dims), 1
    for place, number in zip(numbers.update_window_dims, kept, strict=True):
        if updates.axes[place].size == array.axes[number].size:
            unify(array.axes[number], updates.axes[place], reason)
        else:
            indexed.append(number)
            widest = max(widest, updates.axes[place].size)
            freeze(updates.axes[place], equation.because(BY_INDEX))
    _index(equation, array, indices, indexed, numbers.scatter_dims_to_operand_dims, widest)
    others = [axis for number, axis in enumerate(array.axes) if number not in indexed]
    apart = [axis for number, axis in enumerate(indices.axes[:-1]) if number not in numbers.scatter_indices_batching_dims]
    equation.note_joint([*others, *apart, *(array.axes[axis] for axis in indexed)])
    return [Operand(array.axes, joint_origins(operands))]


@rule_for_positions("dynamic_slice")
def dynamic_slice(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """A part from a position that is computed; axes of which all is taken stay."""
    array, *starts = operands
    axes = list(array.axes)
    for number, size in enumerate(equation.params["slice_sizes"]):
        if size != array.axes[number].size:
            _index(equation, array, starts[number], [number], [number], size)
            axes[number] = free(size)
            freeze(axes[number], equation.because(BY_INDEX))
    return [dataclasses.replace(array, axes=tuple(axes), origins=joint_origins(operands), constant=None)]


@rule_for_positions("dynamic_update_slice")
def dynamic_update_slice(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Part of an array replaced from a position that is computed."""
    array, update, *starts = operands
    for operand in (array, update):
        operand.use_as_numbers(equation.because("positions along this axis are used as numbers"))
    for number, (axis, part) in enumerate(zip(array.axes, update.axes, strict=True)):
        if axis.size == part.size:
            unify(axis, part, equation.because("axes of what is put in do not fit"))
        else:
            freeze(part, equation.because(BY_INDEX))
            _index(equation, array, starts[number], [number], [number], part.size)
    return [Operand(array.axes, joint_origins(operands))]


def _index(
    equation: Equation, array: Operand, indices: Operand, indexed: Sequence[int], named: Sequence[int], wide: int
) -> bool:
    """Axes of an array are indexed: by positions along one of them, which go where it goes, or else by numbers.

    What is `wide` takes the neighbours of a position too, which does not go where they go. Returns whether positions that are
    there for certain are the index.
    """
    reason = equation.because(BY_INDEX)
    equation.note_mixing(array, indexed)
    whole = (
        wide == 1
        and list(indexed) == list(named)
        and len(named) == 1
        and indices.points is not None
        and indices.spoiled is None
    )
    if whole and indices.points is not None and indices.points.size == array.axes[indexed[0]].size:
        unify(array.axes[indexed[0]], indices.points, reason)
        return True
    indices.use_as_numbers(reason)
    for axis in indexed:
        freeze(array.axes[axis], reason)
    return False


def _ordered(equation: Equation, axes: Sequence[Layout], along: int, size: int) -> tuple[Layout, ...]:
    """The axes of a result that is in order along one of them."""
    ordered = free(size)
    freeze(ordered, equation.because("sorted along this axis"))
    return (*axes[:along], ordered, *axes[along + 1 :])
