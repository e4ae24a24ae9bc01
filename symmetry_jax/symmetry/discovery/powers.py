"""Rules for charges: by which power of a unit's factor an equation's results are multiplied, given those of its operands.

Signs are charges modulo 2. A primitive that has no rule here takes no charge at all.
"""

import dataclasses
from collections.abc import Callable, Sequence
from fractions import Fraction

import jax.numpy as jnp
import numpy as np

from symmetry_jax.symmetry.discovery.control_flow import CALLS
from symmetry_jax.symmetry.discovery.elementwise import UNCHANGED
from symmetry_jax.symmetry.discovery.equations import Step
from symmetry_jax.symmetry.discovery.forms import Form
from symmetry_jax.symmetry.discovery.grouping import Occurrence
from symmetry_jax.symmetry.discovery.layouts import Layout
from symmetry_jax.symmetry.discovery.ledger import NOTHING, Charge, Ledger, Member, merged
from symmetry_jax.symmetry.discovery.operands import Operand

Rule = Callable[[Ledger, Step], None]
RULES: dict[str, Rule] = {}
FINEST = 64  # exponents that are told from others: multiples of one over this


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Registers the rule for steps of these names."""

    def register(function: Rule) -> Rule:
        for name in names:
            assert name not in RULES, name
            RULES[name] = function
        return function

    return register


def follow_charge(ledger: Ledger, step: Step) -> None:
    """Gives the results of a step their charges, and says which have to be equal or zero."""
    if step.name in ("carried", "carried on") or any(map(ledger.of, step.operands)):
        RULES.get(step.name, opaque)(ledger, step)


def opaque(ledger: Ledger, step: Step) -> None:
    """What is not understood takes no charge."""
    ledger.uncharged(step.operands)


@rule(*CALLS, "linear_map", "scan", "while", "cond", "debug_callback", "debug_print")
def told_already(ledger: Ledger, step: Step) -> None:
    """What happens inside is followed step by step; what is printed is no part of the function."""
    del ledger, step


@rule(
    *"""
    broadcast_in_dim conj cumsum dynamic_slice expand_dims fft imag neg real reduce_sum reduce_window_sum rev squeeze transpose
""".split()
)
def linear(ledger: Ledger, step: Step) -> None:
    """Linear in the first operand, along whose axes units stay where they are or are summed over."""
    array, *others = step.operands
    ledger.uncharged(others)
    for result in step.results:
        ledger.give(result, ledger.of(array))


@rule(*UNCHANGED)
def unchanged(ledger: Ledger, step: Step) -> None:
    """The same numbers, unless they become integers."""
    for operand, result in zip(step.operands, step.results, strict=True):
        if jnp.issubdtype(step.params.get("new_dtype", jnp.float32), jnp.inexact):
            ledger.give(result, ledger.of(operand))
        else:
            ledger.uncharged([operand])


@rule("reduce_precision")
def rounded(ledger: Ledger, step: Step) -> None:
    """Rounding, which may be as coarse as it likes, is alike for both signs."""
    if ledger.signs:
        linear(ledger, step)
    else:
        opaque(ledger, step)


@rule("add", "add_any", "sub", "chosen", "complex", "stack", "dynamic_update_slice")
def summed(ledger: Ledger, step: Step) -> None:
    """Summands, or what is put beside each other, are multiplied alike."""
    number = 2 if step.name == "dynamic_update_slice" else len(step.operands)
    ledger.uncharged(step.operands[number:])
    ledger.give(step.results[0], alike(ledger, step.operands[:number], step.results[0]))


@rule("select_n")
def selected(ledger: Ledger, step: Step) -> None:
    """What may be chosen is multiplied alike; where the choice is known, nothing else matters."""
    which, *cases = step.operands
    ledger.uncharged([which])
    known = cases if which.constant is None else [cases[int(which.constant)]]
    ledger.give(step.results[0], alike(ledger, known, step.results[0]))


@rule("max", "min")
def extreme(ledger: Ledger, step: Step) -> None:
    """Positive multiples are in the same order."""
    if ledger.signs:
        ledger.uncharged(step.operands)
    else:
        summed(ledger, step)


@rule("reduce_max", "reduce_min", "cummax", "cummin", "reduce_window_max", "reduce_window_min", "sort", "top_k")
def ordered(ledger: Ledger, step: Step) -> None:
    """Positive multiples are in the same order, along axes that are not those of the units."""
    if ledger.signs:
        ledger.uncharged(step.operands)
    elif step.name == "top_k":
        ledger.give(step.results[0], ledger.of(step.operands[0]))
    else:
        for operand, result in zip(step.operands, step.results, strict=True):
            ledger.give(result, ledger.of(operand))


@rule("argmax", "argmin")
def extreme_place(ledger: Ledger, step: Step) -> None:
    """Positive multiples have their largest entry at the same place, along an axis that is not that of the units."""
    (array,) = step.operands
    axes = [axis for number, axis in enumerate(array.axes) if number not in step.params["axes"]]
    ledger.fit(ledger.of(array), [] if ledger.signs else axes)


@rule("eq", "ne")
def compared(ledger: Ledger, step: Step) -> None:
    """Numbers that are multiplied alike stay equal or different."""
    alike(ledger, step.operands, step.results[0])


@rule("lt", "le", "gt", "ge")
def put_in_order(ledger: Ledger, step: Step) -> None:
    """Positive multiples are in the same order."""
    if ledger.signs:
        ledger.uncharged(step.operands)
    else:
        alike(ledger, step.operands, step.results[0])


@rule("mul")
def product(ledger: Ledger, step: Step) -> None:
    """Charges of factors add up."""
    one, other = (ledger.fit(ledger.of(operand), step.results[0].axes) for operand in step.operands)
    ledger.give(step.results[0], ledger.plus(one, other))


@rule("div")
def quotient(ledger: Ledger, step: Step) -> None:
    """Charges are subtracted. By what may be zero of another sign nothing is divided."""
    one, other = (ledger.fit(ledger.of(operand), step.results[0].axes) for operand in step.operands)
    if ledger.signs:
        ledger.vanish(other.values())
    ledger.give(step.results[0], ledger.plus(one, other, -1))


@rule("dot_general")
def contraction(ledger: Ledger, step: Step) -> None:
    """Charges of factors add up; to zero, along axes that are summed over."""
    left, right = step.operands
    ((along, _), _) = step.params["dimension_numbers"]
    _contract(ledger, step.results[0], [ledger.of(left), ledger.of(right)], [left.axes[axis] for axis in along])


@rule("conv_general_dilated")
def convolution(ledger: Ledger, step: Step) -> None:
    """Charges of factors add up; to zero, along channels that are summed over."""
    images, kernel = step.operands
    numbers, groups = step.params["dimension_numbers"], step.params["feature_group_count"]
    channels, into = images.axes[numbers.lhs_spec[1]], kernel.axes[numbers.rhs_spec[1]]
    each = kernel.axes[numbers.rhs_spec[0]].size // groups
    charge: dict[Occurrence, Form] = {}
    for place, form in ledger.of(images).items():
        there = _in_kernel(ledger, place, groups, into, each) if ledger.census.lies(place, channels) else place
        if there is None:
            ledger.vanish([form])
        else:
            charge[there] = form
    _contract(ledger, step.results[0], [charge, ledger.of(kernel)], [into])


def _in_kernel(ledger: Ledger, place: Occurrence, groups: int, into: Layout, each: int) -> Occurrence | None:
    """Where units along channels of images, which are (groups, channels into each), lie along an axis of the kernel."""
    inside = ledger.census.along(into)
    if place.factor in inside:
        of_each = {
            dataclasses.replace(one, outer=merged([(groups, into.size), *one.outer])): one for one in inside[place.factor]
        }
        return of_each.get(place)
    strides = (place.inner, place.start, *(stride for _, stride in place.outer))
    if isinstance(place, Member) or any(stride % into.size for stride in strides):
        return None
    inner, start, *others = (stride // into.size * each for stride in strides)
    outer = tuple((number, stride) for (number, _), stride in zip(place.outer, others, strict=True))
    return Occurrence(place.factor, outer, inner, start)


def _contract(ledger: Ledger, result: Operand, charges: Sequence[Charge], along: Sequence[Layout]) -> None:
    """The array of all products has the axes of the result and those that are summed over."""
    one, other = (ledger.fit(charge, (*result.axes, *along)) for charge in charges)
    ledger.give(result, ledger.plus(one, other))


@rule("abs", "sign", "is_finite")
def size_or_sign(ledger: Ledger, step: Step) -> None:
    """Sizes have no sign, and signs have no size."""
    if step.name == ("sign" if ledger.signs else "abs"):
        linear(ledger, step)


@rule(*"asin asinh atan atanh bessel_i1e erf erf_inv sin sinh tan tanh".split())
def odd(ledger: Ledger, step: Step) -> None:
    """Odd functions keep a sign."""
    if ledger.signs:
        linear(ledger, step)
    else:
        ledger.uncharged(step.operands)


@rule("bessel_i0e", "cos", "cosh", "one_minus_square")
def even(ledger: Ledger, step: Step) -> None:
    """Even functions lose a sign."""
    if not ledger.signs:
        ledger.uncharged(step.operands)


@rule("integer_pow", "square", "sqrt", "rsqrt", "cbrt", "pow")
def power(ledger: Ledger, step: Step) -> None:
    """Charges are multiplied. The sign of what may be zero goes into no power that is negative."""
    exponent = _exponent(step)
    ledger.uncharged(step.operands[1:])
    odd_root = step.name == "cbrt"
    whole = exponent is not None and exponent.denominator == 1 and step.name != "pow"
    if exponent is None or (ledger.signs and not (odd_root or (whole and (exponent > 0 or exponent % 2 == 0)))):
        ledger.uncharged(step.operands)
        return
    times = 1 if ledger.signs and odd_root else exponent
    charge = ledger.of(step.operands[0])
    ledger.give(step.results[0], ledger.plus(NOTHING, charge, times))


def _exponent(step: Step) -> Fraction | None:
    known = {"square": Fraction(2), "sqrt": Fraction(1, 2), "rsqrt": Fraction(-1, 2), "cbrt": Fraction(1, 3)}
    if step.name in known:
        return known[step.name]
    value = step.params["y"] if step.name == "integer_pow" else step.operands[1].constant
    if value is None or not np.isrealobj(value) or not np.isfinite(float(value)):
        return None
    exponent = Fraction(float(value))
    return exponent if exponent.denominator <= FINEST else None


def alike(ledger: Ledger, operands: Sequence[Operand], result: Operand) -> Charge:
    """The one charge of several arrays that are indexed like the result."""
    return ledger.alike([ledger.fit(ledger.of(operand), result.axes) for operand in operands if not fits_any(ledger, operand)])


def fits_any(ledger: Ledger, operand: Operand) -> bool:
    """Whether an array is known to be what it is whatever it is multiplied by: zero, no number, or, by c > 0, infinite."""
    value = operand.constant
    return value is not None and bool(value == 0 or np.isnan(value) or (np.isinf(value) and not ledger.signs))
