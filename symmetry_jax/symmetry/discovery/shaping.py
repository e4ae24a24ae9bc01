"""Rules for what moves entries to other axes, or takes and joins ranges of them, without looking at them."""

import itertools
import math
from collections.abc import Sequence

from symmetry_jax.symmetry.discovery.equations import Equation, rule, rule_for_positions
from symmetry_jax.symmetry.discovery.families import taken_at
from symmetry_jax.symmetry.discovery.layouts import ONE, Factor, Layout, Product, Ranges, free, freeze, product, unify
from symmetry_jax.symmetry.discovery.operands import Operand, joint_origins, rigid
from symmetry_jax.symmetry.discovery.sources import Reason


@rule_for_positions("broadcast_in_dim")
def broadcast(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Along a new axis all entries are equal."""
    operand, (shape,) = operands[0], equation.shapes
    axes = [free(size) for size in shape]
    for axis, place in zip(operand.axes, equation.params["broadcast_dimensions"], strict=True):
        axes[place] = axis if axis.size == shape[place] else axes[place]
    return [operand.with_axes(axes)]


@rule_for_positions("reshape")
def reshape(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Axes are flattened and unflattened, in groups that hold as many positions before as after."""
    operand, (shape,) = operands[0], equation.shapes
    if equation.params.get("dimensions") is not None or 0 in shape:
        reason = equation.because("its entries are reordered")
        for axis in operand.axes:
            freeze(axis, reason)
        return [rigid(shape, reason)]
    return [operand.with_axes(_regrouped(operand.axes, shape, equation.because("axes are flattened that do not fit")))]


@rule_for_positions("squeeze", "expand_dims")
def squeeze(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Axes of size 1 go or come."""
    return [operands[0].with_axes(_regrouped(operands[0].axes, equation.shapes[0], equation.because()))]


@rule_for_positions("transpose")
def transpose(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Axes in another order."""
    return [operands[0].with_axes([operands[0].axes[axis] for axis in equation.params["permutation"]])]


@rule("concatenate")
def concatenate(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Along one axis, ranges; along the others all are indexed alike."""
    along = equation.params["dimension"]
    axes = _alike(equation, operands, along)
    axes[along] = Ranges(tuple(operand.axes[along] for operand in operands))
    return [Operand(tuple(axes), joint_origins(operands))]


@rule_for_positions("split")
def split(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Ranges of one axis."""
    operand, along = operands[0], equation.params["axis"]
    stops = list(itertools.accumulate(map(int, equation.params["sizes"])))
    return [_part(equation, operand, along, start, stop) for start, stop in zip([0, *stops], stops, strict=False)]


@rule_for_positions("slice")
def take_slice(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """A range of each axis, or every k-th position of it."""
    operand, params = operands[0], equation.params
    strides = params["strides"] or (1,) * len(operand.axes)
    bounds = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    for number, (start, stop, stride) in enumerate(bounds):
        operand = _part(equation, operand, number, start, stop, stride)
    return [operand]


@rule("stack")
def stack(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Arrays one after the other along a new axis; along the others all are indexed alike."""
    along = equation.params["axis"]
    axes = _alike(equation, operands)
    return [Operand((*axes[:along], Ranges((ONE,) * len(operands)), *axes[along:]), joint_origins(operands))]


@rule_for_positions("unstack")
def unstack(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """The positions of one axis, one by one."""
    operand, along = operands[0], equation.params["axis"]
    parts = [_part(equation, operand, along, at, at + 1) for at in range(operand.axes[along].size)]
    return [part.with_axes([*part.axes[:along], *part.axes[along + 1 :]]) for part in parts]


@rule_for_positions("tile")
def tile(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Every axis over and over."""
    operand = operands[0]
    return [
        operand.with_axes([Product((free(n), axis)) for n, axis in zip(equation.params["reps"], operand.axes, strict=True)])
    ]


@rule("pad")
def pad(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """New positions with equal entries before and after an axis, or fewer positions."""
    operand, axes = operands[0], []
    for number, (axis, (low, high, interior)) in enumerate(zip(operand.axes, equation.params["padding_config"], strict=True)):
        cut = max(0, -low) + max(0, -high)
        if (interior and axis.size > 1) or cut > axis.size:
            reason = equation.because("entries are put between those of this axis, or more are cut off than it has")
            freeze(axis, reason)
            equation.note_mixing(operand, [number])
            axes.append(free(equation.shapes[0][number]))
            freeze(axes[-1], reason)
        else:
            kept = _range(axis, max(0, -low), axis.size - max(0, -high), equation.because("positions are cut off"))
            axes.append(Ranges((free(max(0, low)), kept, free(max(0, high)))))
    return [Operand(tuple(axes), joint_origins(operands))]


@rule_for_positions("rev")
def reverse(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Reversed axes are rigid."""
    operand, axes = operands[0], list(operands[0].axes)
    equation.note_mixing(operand, equation.params["dimensions"])
    for axis in equation.params["dimensions"]:
        reason = equation.because("this axis is reversed")
        freeze(axes[axis], reason)
        axes[axis] = free(axes[axis].size)
        freeze(axes[axis], reason)
    return [operand.with_axes(axes)]


def _alike(equation: Equation, operands: Sequence[Operand], but: int | None = None) -> list[Layout]:
    """The axes of arrays that are joined, all but one indexed alike."""
    reason = equation.because("arrays are joined whose other axes do not fit")
    for operand in operands[1:]:
        for axis, (one, other) in enumerate(zip(operands[0].axes, operand.axes, strict=True)):
            if axis != but:
                equation.join(one, other, operands, reason)
    return list(operands[0].axes)


def _part(equation: Equation, operand: Operand, number: int, start: int, stop: int, stride: int = 1) -> Operand:
    """Every stride-th position of one axis, from start to stop."""
    axis = operand.axes[number]
    one = taken_at(equation, operand, number, start) if axis.size > 1 and stop - start == 1 else None
    if one is not None:
        return one
    reason = equation.because("a part of this axis is taken that is no part of what it is made of")
    kept = _every(_range(axis, start, stop, reason), stride, reason)
    return operand.with_axes([*operand.axes[:number], kept, *operand.axes[number + 1 :]])


def _range(axis: Layout, start: int, stop: int, reason: Reason) -> Layout:
    """The positions from start to stop."""
    if stop - start == axis.size:
        return axis
    kept = free(stop - start)
    unify(axis, Ranges((free(start), kept, free(axis.size - stop))), reason)
    return kept


def _every(axis: Layout, stride: int, reason: Reason) -> Layout:
    """Every stride-th position, from the first: the slower digit of a product, the last one maybe by itself."""
    if stride == 1 or axis.size <= 1:
        return axis
    whole, rest = divmod(axis.size, stride)
    kept, last = free(whole), free(1 if rest else 0)
    others = Ranges((ONE, free(stride - 1)))
    unify(axis, Ranges((product((kept, others)), last, free(max(0, rest - 1)))), reason)
    return Ranges((kept, last))


def _regrouped(axes: Sequence[Layout], shape: Sequence[int], reason: Reason) -> list[Layout]:
    """The layouts of the axes into which `axes` are flattened and unflattened, row by row."""
    given = [axis for axis in axes if axis.size != 1]
    wanted = [size for size in shape if size != 1]
    made: list[Layout] = []
    while given:
        before, after = 1, 1
        while before < len(given) or after < len(wanted):
            one, other = math.prod(axis.size for axis in given[:before]), math.prod(wanted[:after])
            if one == other:
                break
            before, after = before + (one < other), after + (other < one)
        made.extend(_unflattened(given[0] if before == 1 else product(given[:before]), wanted[:after], reason))
        given, wanted = given[before:], wanted[after:]
    layouts = iter(made)
    return [ONE if size == 1 else next(layouts) for size in shape]


def _unflattened(axis: Layout, sizes: Sequence[int], reason: Reason) -> list[Layout]:
    if len(sizes) == 1:
        return [axis]
    digits: list[Layout] = [Factor(size) for size in sizes]
    unify(axis, Product(tuple(digits)), reason)
    return digits
