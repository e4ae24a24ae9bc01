"""Rules for charges: by which power of a unit's factor an equation's results are multiplied, given those of its operands.

Signs are charges modulo 2. A primitive that has no rule here takes no charge at all.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
from jax import lax

from symmetry_jax.symmetry.discovery.control_flow import CALLS
from symmetry_jax.symmetry.discovery.elementwise import UNCHANGED
from symmetry_jax.symmetry.discovery.equations import Step
from symmetry_jax.symmetry.discovery.forms import Form
from symmetry_jax.symmetry.discovery.grouping import Occurrence
from symmetry_jax.symmetry.discovery.layouts import Layout, resolved
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


@rule(*CALLS, "scan", "while", "cond", "debug_callback", "debug_print")
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
    """The same numbers but for rounding."""
    linear(ledger, step)


@rule("scanned")
def scanned(ledger: Ledger, step: Step) -> None:
    """One step's slices of arrays, or the arrays that steps put together."""
    for operand, result in zip(step.operands, step.results, strict=True):
        ledger.give(result, ledger.of(operand))


@rule("carried")
def carried(ledger: Ledger, step: Step) -> None:
    """A loop begins: zeros may have any charge that the loop keeps."""
    for start, begin in zip(step.operands, step.results, strict=True):
        ledger.give(begin, ledger.any_charge(begin) if _fits_any(ledger, start) else ledger.of(start))


@rule("carried on")
def carried_on(ledger: Ledger, step: Step) -> None:
    """A step of a loop ends as it began."""
    for end, begin in zip(step.operands, step.results, strict=True):
        if not _fits_any(ledger, end):
            ledger.alike([ledger.of(begin), ledger.of(end)])


@rule("add", "add_any", "sub", "chosen", "complex", "stack", "dynamic_update_slice")
def summed(ledger: Ledger, step: Step) -> None:
    """Summands, or what is put beside each other, are multiplied alike."""
    number = 2 if step.name == "dynamic_update_slice" else len(step.operands)
    ledger.uncharged(step.operands[number:])
    ledger.give(step.results[0], _alike(ledger, step.operands[:number], step.results[0]))


@rule("select_n")
def selected(ledger: Ledger, step: Step) -> None:
    """What may be chosen is multiplied alike; where the choice is known, nothing else matters."""
    which, *cases = step.operands
    ledger.uncharged([which])
    known = cases if which.constant is None else [cases[int(which.constant)]]
    ledger.give(step.results[0], _alike(ledger, known, step.results[0]))


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
        scanned(ledger, step)


@rule("argmax", "argmin")
def extreme_place(ledger: Ledger, step: Step) -> None:
    """Positive multiples have their largest entry at the same place, along an axis that is not that of the units."""
    (array,) = step.operands
    axes = [axis for number, axis in enumerate(array.axes) if number not in step.params["axes"]]
    ledger.fit(ledger.of(array), [] if ledger.signs else axes)


@rule("eq", "ne")
def compared(ledger: Ledger, step: Step) -> None:
    """Numbers that are multiplied alike stay equal or different."""
    _alike(ledger, step.operands, step.results[0])


@rule("lt", "le", "gt", "ge")
def put_in_order(ledger: Ledger, step: Step) -> None:
    """Positive multiples are in the same order."""
    if ledger.signs:
        ledger.uncharged(step.operands)
    else:
        _alike(ledger, step.operands, step.results[0])


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
        if ledger.census.lies(place, channels):
            place = _in_kernel(ledger, place, groups, into, each)
        charge[place] = form
    _contract(ledger, step.results[0], [charge, ledger.of(kernel)], [into])


def _in_kernel(ledger: Ledger, place: Occurrence, groups: int, into: Layout, each: int) -> Occurrence:
    """Where units along channels of images, which are (groups, channels into each), lie along an axis of the kernel."""
    for inside in ledger.census.along(into).get(place.factor, ()):
        if dataclasses.replace(inside, outer=merged([(groups, into.size), *inside.outer])) == place:
            return inside
    if place.inner % into.size:
        return place
    outer = tuple((number, stride // into.size * each) for number, stride in place.outer)
    return dataclasses.replace(place, outer=outer, inner=place.inner // into.size * each, start=place.start // into.size * each)


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


@rule("bessel_i0e", "cos", "cosh")
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


# moving entries


@rule("reshape")
def reshaped(ledger: Ledger, step: Step) -> None:
    """Units lie in the same places of the flattened array."""
    (array,), (result,) = step.operands[:1], step.results
    every = ledger.census.every(result.axes)
    places = {flat: place for place in every if (flat := ledger.census.flat(result.axes, place)) is not None}
    moved: dict[Occurrence, Form] = {}
    for place, form in ledger.of(array).items():
        flat = ledger.census.flat(array.axes, place)
        if flat in places:
            moved[places[flat]] = form
        else:
            ledger.vanish([form])
    ledger.give(result, moved)


@rule("concatenate")
def concatenated(ledger: Ledger, step: Step) -> None:
    """Units along the axis keep their charge beside others; along other axes all have one charge."""
    along = step.params["dimension"]
    joined: dict[Occurrence, Form] = {}
    rest, start = [], 0
    for operand in step.operands:
        charge = ledger.any_charge(operand) if _fits_any(ledger, operand) else ledger.of(operand)
        own, beside = _divided(ledger, charge, operand.axes[along])
        joined.update(_shifted(own, start))
        rest.append(beside)
        start += operand.axes[along].size
    ledger.give(step.results[0], {**ledger.alike(rest), **joined})


@rule("pad")
def padded(ledger: Ledger, step: Step) -> None:
    """Zeros are put around units."""
    array, fill = step.operands
    if not _fits_any(ledger, fill):
        ledger.uncharged(step.operands)
        return
    charge = ledger.of(array)
    for axis, (low, _, _) in zip(array.axes, step.params["padding_config"], strict=True):
        own, beside = _divided(ledger, charge, axis)
        charge = {**beside, **dict(_shifted(own, low))}
    ledger.give(step.results[0], charge)


@rule("slice")
def sliced(ledger: Ledger, step: Step) -> None:
    """Ranges of units stay or are left out."""
    array, charge = step.operands[0], ledger.of(step.operands[0])
    strides = step.params["strides"] or (1,) * len(array.axes)
    bounds = zip(step.params["start_indices"], step.params["limit_indices"], strides, strict=True)
    for number, (start, stop, stride) in enumerate(bounds):
        charge = _within(ledger, array, charge, number, start, stop if stride == 1 else start)
    ledger.give(step.results[0], charge)


@rule("split")
def split(ledger: Ledger, step: Step) -> None:
    """Ranges of units go to one result each."""
    array, start, along = step.operands[0], 0, step.params["axis"]
    for result, size in zip(step.results, step.params["sizes"], strict=True):
        ledger.give(result, _within(ledger, array, ledger.of(array), along, start, start + int(size)))
        start += int(size)


@rule("unstack")
def unstacked(ledger: Ledger, step: Step) -> None:
    """The positions of an axis that is no axis of units, one by one."""
    array, along = step.operands[0], step.params["axis"]
    for at, result in enumerate(step.results):
        ledger.give(result, _within(ledger, array, ledger.of(array), along, at, at + 1))


@rule("gather")
def gathered(ledger: Ledger, step: Step) -> None:
    """Units along axes of which all is taken stay; nothing is known of others."""
    array, indices = step.operands
    ledger.uncharged([indices])
    sizes, dropped = step.params["slice_sizes"], step.params["dimension_numbers"]
    gone = {*dropped.collapsed_slice_dims, *dropped.operand_batching_dims}
    axes = [axis for number, axis in enumerate(array.axes) if number not in gone and sizes[number] == axis.size]
    fill = step.params["fill_value"]
    filled = step.params["mode"] == lax.GatherScatterMode.FILL_OR_DROP and fill is not None and fill != 0
    charge = ledger.fit(ledger.of(array), [] if filled else axes)
    ledger.give(step.results[0], charge)


def _within(ledger: Ledger, array: Operand, charge: Charge, number: int, start: int, stop: int) -> Charge:
    """The charge from start to stop along an axis: ranges of units are kept or left out, and no part of one."""
    axis = array.axes[number]
    if (start, stop) == (0, axis.size):
        return charge
    own, kept = _divided(ledger, charge, axis)
    for place, form in own.items():
        last = place.start + sum((size - 1) * stride for size, stride in place.outer) + place.factor.size * place.inner
        if start <= place.start and last <= stop:
            kept.update(_shifted({place: form}, -start))
        elif start == stop or (place.start < stop and start < last):
            ledger.vanish([form])
    members = [place for place in kept if isinstance(place, Member) and place.beside is resolved(axis)]
    taken = {place.taken(): kept.pop(place) for place in members if (start, stop) == (place.at, place.at + 1)}
    ledger.vanish(kept.pop(place) for place in members if place in kept and (start == stop or start <= place.at < stop))
    return {place: form for place, form in kept.items() if place not in members} | taken


def _divided(ledger: Ledger, charge: Charge, axis: Layout) -> tuple[dict[Occurrence, Form], dict[Occurrence, Form]]:
    """The charge of units along an axis, and of others."""
    own = {place: form for place, form in charge.items() if ledger.census.lies(place, axis)}
    return own, {place: form for place, form in charge.items() if place not in own}


def _shifted(charge: Charge, by: int) -> Iterator[tuple[Occurrence, Form]]:
    return ((dataclasses.replace(place, start=place.start + by), form) for place, form in charge.items())


def _alike(ledger: Ledger, operands: Sequence[Operand], result: Operand) -> Charge:
    """The one charge of several arrays that are indexed like the result."""
    return ledger.alike([ledger.fit(ledger.of(operand), result.axes) for operand in operands if not _fits_any(ledger, operand)])


def _fits_any(ledger: Ledger, operand: Operand) -> bool:
    """Whether an array is known to be what it is whatever it is multiplied by: zero, no number, or, by c > 0, infinite."""
    value = operand.constant
    return value is not None and bool(value == 0 or np.isnan(value) or (np.isinf(value) and not ledger.signs))
