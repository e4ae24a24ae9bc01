"""Rules for what is done at each position alone: all operands are indexed alike."""

import dataclasses
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symmetry_jax.symmetry.discovery.equations import Equation, rule_for_positions
from symmetry_jax.symmetry.discovery.layouts import Layout, free, resolved, unify
from symmetry_jax.symmetry.discovery.operands import Operand, joint_origins

# the entries are what they were, but for the type, which `reading` looks at
UNCHANGED = """
    convert_element_type copy device_put layout_constraint mesh_cast name optimization_barrier pcast pvary reshard
    sharding_constraint stage stop_gradient
""".split()
FUNCTIONS = """
    abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil clz complex conj cos cosh digamma
    div eq_to erf erf_inv erfc exp exp2 expm1 floor igamma igamma_grad_a igammac imag integer_pow is_finite le_to lgamma log
    log1p log2 logistic lt_to max min mul mulhi neg nextafter not one_minus_square or polygamma polynomial population_count pow
    random_gamma_grad real reduce_precision regularized_incomplete_beta rem round rsqrt shift_left shift_right_arithmetic
    shift_right_logical sign sin sinh sqrt square sub tan tanh xor zeta
""".split()
BOUNDS: dict[str, Callable[[Any, Any], Any]] = {"lt": operator.lt, "ge": operator.ge, "le": operator.le, "gt": operator.gt}


@rule_for_positions(*UNCHANGED)
def unchanged(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """The same numbers."""
    return list(operands)


@rule_for_positions(*FUNCTIONS)
def function(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Any function of the operands' entries at one position."""
    return [_spoiled(equation, operands, _aligned(equation, operands))]


@rule_for_positions("eq", "ne")
def equality(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Two positions are the same whatever order they are counted in."""
    result = _aligned(equation, operands)
    one, other = operands
    if not (_is_position(one) and _is_position(other)) or _points(one).size != _points(other).size:
        return [_spoiled(equation, operands, result)]
    unify(_points(one), _points(other), equation.because("positions along axes of other forms are compared"))
    equation.note_joint([*result.axes, _points(one)])
    return [result]


@rule_for_positions(*BOUNDS)
def order(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Positions are known to be at least 0, which indexing asks before it counts from the end."""
    one, other = operands
    result = _aligned(equation, operands)
    if equation.name in ("lt", "ge") and _is_position(one) and other.constant is not None and other.constant <= 0:
        return [dataclasses.replace(result, constant=np.bool_(equation.name == "ge"))]
    if one.constant is not None and other.constant is not None:
        return [dataclasses.replace(result, constant=BOUNDS[equation.name](one.constant, other.constant))]
    return [_spoiled(equation, operands, result)]


@rule_for_positions("select_n")
def select(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """One of several arrays at each position; known at once where the choice is."""
    which, *cases = operands
    result = _aligned(equation, operands)
    if which.constant is not None:
        chosen = cases[int(which.constant)]
        axes = result.axes if which.axes or len(chosen.axes) == len(result.axes) else chosen.axes
        return [dataclasses.replace(chosen, axes=axes)]
    if which.points is None and all(_is_position(case) for case in cases):
        for case in cases[1:]:
            unify(_points(cases[0]), _points(case), equation.because("positions along axes of other forms"))
        return [dataclasses.replace(result, points=cases[0].points)]
    return [_spoiled(equation, operands, result)]


@rule_for_positions("clamp")
def clamp(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Clamping positions to the axis's length changes nothing."""
    least, values, most = operands
    result = _aligned(equation, operands)
    bounds = (least.constant, most.constant)
    if _is_position(values) and None not in bounds and bounds[0] <= 0 and bounds[1] >= _points(values).size - 1:
        return [dataclasses.replace(result, points=values.points)]
    return [_spoiled(equation, operands, result)]


def align(equation: Equation, operands: Sequence[Operand], shape: Sequence[int]) -> tuple[Layout, ...]:
    """The layouts of a result whose operands are indexed like it, axis by axis; scalars and axes of size 1 fit any."""
    reason = equation.because("its operands' axes are made up in ways that do not fit each other")
    axes: list[Layout] = []
    for axis, size in enumerate(shape):
        given = [operand.axes[axis] for operand in operands if operand.axes and operand.axes[axis].size == size]
        axes.append(given[0] if given else free(size))
        for layout in given[1:]:
            equation.join(axes[-1], layout, operands, reason)
    return tuple(axes)


def _aligned(equation: Equation, operands: Sequence[Operand]) -> Operand:
    origins = joint_origins(operands)
    if origins is None:
        for operand in operands:
            for axis in operand.axes:
                equation.note_role(operand, axis, "bias")
    return Operand(align(equation, operands, equation.shapes[0]), origins)


def _spoiled(equation: Equation, operands: Sequence[Operand], result: Operand) -> Operand:
    """The result, in which positions are numbers from now on; that is held against their axis once it is used."""
    reason = equation.because("positions along this axis are used as numbers")
    pointing = [operand for operand in operands if operand.points is not None]
    if not pointing:
        return result
    first, *others = pointing
    for operand in others:
        if resolved(_points(operand)) is not resolved(_points(first)):
            operand.use_as_numbers(reason)
    return dataclasses.replace(result, points=first.points, spoiled=first.spoiled or reason)


def _is_position(operand: Operand) -> bool:
    return operand.points is not None and operand.spoiled is None


def _points(operand: Operand) -> Layout:
    assert operand.points is not None
    return operand.points
