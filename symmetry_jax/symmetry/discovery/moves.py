"""Rules for charges of entries that go to other places: flattened, joined, cut, gathered, carried through loops."""

import dataclasses
from collections.abc import Iterator, Mapping

from jax import lax

from symmetry_jax.symmetry.discovery.equations import Step
from symmetry_jax.symmetry.discovery.forms import Form
from symmetry_jax.symmetry.discovery.grouping import Occurrence
from symmetry_jax.symmetry.discovery.layouts import Layout, resolved
from symmetry_jax.symmetry.discovery.ledger import Charge, Ledger, Member
from symmetry_jax.symmetry.discovery.operands import Operand
from symmetry_jax.symmetry.discovery.powers import fits_any, rule

MOST_REPEATS = 4096  # of units in one place that are looked at one by one


@rule("scanned")
def scanned(ledger: Ledger, step: Step) -> None:
    """One step's slices of arrays, or the arrays that steps put together."""
    for operand, result in zip(step.operands, step.results, strict=True):
        ledger.give(result, ledger.of(operand))


@rule("carried")
def carried(ledger: Ledger, step: Step) -> None:
    """A loop begins: zeros may have any charge that the loop keeps."""
    for start, begin in zip(step.operands, step.results, strict=True):
        ledger.give(begin, ledger.any_charge(begin) if fits_any(ledger, start) else ledger.of(start))


@rule("carried on")
def carried_on(ledger: Ledger, step: Step) -> None:
    """A step of a loop ends as it began."""
    for end, begin in zip(step.operands, step.results, strict=True):
        if not fits_any(ledger, end):
            ledger.alike([ledger.of(begin), ledger.of(end)])


@rule("reshape")
def reshaped(ledger: Ledger, step: Step) -> None:
    """Units lie in the same places of the flattened array."""
    (array,), (result,) = step.operands[:1], step.results
    every = ledger.census.every(result.axes)
    places = {flat: place for place in every if (flat := ledger.census.flat(result.axes, place)) is not None}
    moved: dict[Occurrence, Form] = {}
    others: dict[Occurrence, Form] = {}
    for place, form in ledger.of(array).items():
        flat = ledger.census.flat(array.axes, place)
        if flat in places:
            moved[places.pop(flat)] = form
        elif flat is not None and flat.repeats <= MOST_REPEATS:
            others[flat] = form
        else:
            ledger.vanish([form])
    ledger.give(result, moved | _one_by_one(ledger, others, places))


def _one_by_one(ledger: Ledger, charge: Charge, places: Mapping[Occurrence, Occurrence]) -> dict[Occurrence, Form]:
    """A charge in other places of a flattened array, where units that lie in one place here lie in several there.

    Args:
        ledger: of the charges.
        charge: in the flattened array.
        places: by their places in it, those that the charge may move to.
    """
    known = {piece: form for place, form in charge.items() for piece in place.apart()}
    moved: dict[Occurrence, Form] = {}
    for flat, place in places.items():
        found = [known.pop(piece, {}) for piece in flat.apart()] if flat.repeats <= MOST_REPEATS else []
        if found:
            moved[place] = ledger.alike([{place: form} for form in found]).get(place, {})
    ledger.vanish(known.values())
    return moved


@rule("concatenate")
def concatenated(ledger: Ledger, step: Step) -> None:
    """Units along the axis keep their charge beside others; along other axes all have one charge."""
    along = step.params["dimension"]
    joined: dict[Occurrence, Form] = {}
    rest, start = [], 0
    for operand in step.operands:
        charge = ledger.any_charge(operand) if fits_any(ledger, operand) else ledger.of(operand)
        own, beside = _divided(ledger, charge, operand.axes[along])
        joined.update(_shifted(own, start))
        rest.append(beside)
        start += operand.axes[along].size
    ledger.give(step.results[0], {**ledger.alike(rest), **joined})


@rule("pad")
def padded(ledger: Ledger, step: Step) -> None:
    """Zeros are put around units."""
    array, fill = step.operands
    if not fits_any(ledger, fill):
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
