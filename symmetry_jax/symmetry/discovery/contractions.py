"""Rules for what sums over positions: products of arrays, convolutions and reductions."""

from collections.abc import Sequence

from symmetry_jax.symmetry.discovery.equations import Equation, rule
from symmetry_jax.symmetry.discovery.layouts import Layout, Product, free, freeze, unify
from symmetry_jax.symmetry.discovery.operands import Operand, joint_origins
from symmetry_jax.symmetry.units import Role

REDUCTIONS = ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_and", "reduce_or", "reduce_xor")


@rule(*REDUCTIONS)
def reduction(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """The order along an axis that is summed over does not matter."""
    axes = set(equation.params["axes"])
    return [operand.with_axes([layout for axis, layout in enumerate(operand.axes) if axis not in axes]) for operand in operands]


@rule("dot_general")
def contraction(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Contracted axes, and batch axes, are indexed alike."""
    left, right = operands
    contracted, batch = equation.params["dimension_numbers"]
    reason = equation.because("axes are contracted that are made up in ways that do not fit each other")
    for pairs in (contracted, batch):
        for one, other in zip(*pairs, strict=True):
            unify(left.axes[one], right.axes[other], reason)
    rest = [
        [axis for number, axis in enumerate(operand.axes) if number not in {*contracted[side], *batch[side]}]
        for side, operand in enumerate(operands)
    ]
    shared = [left.axes[axis] for axis in batch[0]]
    summed = [left.axes[axis] for axis in contracted[0]]
    equation.note_joint([*shared, *rest[0], *rest[1], *summed])
    _note_roles(
        equation, operands, [[operand.axes[axis] for axis in contracted[side]] for side, operand in enumerate(operands)]
    )
    return [Operand((*shared, *rest[0], *rest[1]), joint_origins(operands))]


@rule("conv_general_dilated")
def convolution(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Channels are contracted, in groups that are one digit of them; positions along which a window moves are rigid."""
    images, kernel = operands
    params, numbers = equation.params, equation.params["dimension_numbers"]
    into, out = kernel.axes[numbers.rhs_spec[1]], kernel.axes[numbers.rhs_spec[0]]
    batch, channels = images.axes[numbers.lhs_spec[0]], images.axes[numbers.lhs_spec[1]]
    reason = equation.because("groups of channels do not fit what the channels are made up of")
    groups, batches = free(params["feature_group_count"]), free(params["batch_group_count"])
    each, per_batch = free(out.size // (groups.size * batches.size)), free(batch.size // batches.size)
    unify(channels, Product((groups, into)), reason)
    unify(batch, Product((batches, per_batch)), reason)
    unify(out, Product((groups, batches, each)), reason)
    _note_roles(equation, operands, [[channels], [into]])
    axes: list[Layout] = [free(size) for size in equation.shapes[0]]
    axes[numbers.out_spec[0]], axes[numbers.out_spec[1]] = per_batch, out
    _windows(equation, operands, axes)
    equation.note_joint([groups, batches, each, per_batch, into])
    return [Operand(tuple(axes), joint_origins(operands))]


def _windows(equation: Equation, operands: Sequence[Operand], axes: list[Layout]) -> None:
    """Sets the layouts of the positions: rigid, but where the window is one position wide and meets each."""
    (images, kernel), params, numbers = operands, equation.params, equation.params["dimension_numbers"]
    reason = equation.because("a window moves along this axis")
    for number, (before, window, after) in enumerate(
        zip(numbers.lhs_spec[2:], numbers.rhs_spec[2:], numbers.out_spec[2:], strict=True)
    ):
        still = params["window_strides"][number] == 1 == params["lhs_dilation"][number]
        if kernel.axes[window].size == 1 and still and tuple(params["padding"][number]) == (0, 0):
            axes[after] = images.axes[before]
        else:
            for axis in (images.axes[before], kernel.axes[window], axes[after]):
                freeze(axis, reason)


def _note_roles(equation: Equation, operands: Sequence[Operand], contracted: Sequence[Sequence[Layout]]) -> None:
    """Parameters read the units along the axes which are contracted with activations, and make those along the others."""
    if joint_origins(operands) is None:
        for operand, summed in zip(operands, contracted, strict=True):
            for axis in operand.axes:
                role: Role = "fan-out" if any(axis is other for other in summed) else "fan-in"
                equation.note_role(operand, axis, role)
