"""What unifying random layouts leaves free keeps all of them aligned, and nothing is frozen where the forms fit."""

import itertools
import math
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from symmetry_jax.symmetry.discovery.grouping import unit_axes
from symmetry_jax.symmetry.discovery.layouts import (
    ONE,
    Factor,
    Layout,
    Product,
    Ranges,
    factors,
    free,
    freeze,
    ones,
    resolved,
    stillness,
    unify,
)
from symmetry_jax.symmetry.discovery.sources import Reason

WHY = Reason("because")
SIZES = (2, 3, 4, 5, 6, 8, 12)
randomly = settings(max_examples=500, derandomize=True, deadline=None)
draws = given(st.randoms(use_true_random=False))


def drawn(random: Random, size: int, known: list[Layout], depth: int = 3) -> Layout:
    """A layout of a size, made of new factors and of layouts that are known already."""
    fitting = [layout for layout in known if layout.size == size]
    kind = random.choice(["new", "known", "product", "ranges", "ones"]) if depth else "new"
    if kind == "known" and fitting:
        return random.choice(fitting)
    divisors = [number for number in range(2, size) if size % number == 0]
    if kind == "product" and divisors:
        outer = random.choice(divisors)
        made: Layout = Product(tuple(drawn(random, part, known, depth - 1) for part in (outer, size // outer)))
    elif kind == "ranges" and size > 1:
        start = random.randrange(1, size)
        made = Ranges(tuple(drawn(random, part, known, depth - 1) for part in (start, size - start)))
    elif kind == "ones" and random.random() < 0.2:
        made = Ranges((ONE,) * size)
    else:
        made = free(size)
    known.append(made)
    return made


class Orders(dict):
    """An order of each factor that may be permuted, or whose indices are at least the same in all layouts."""

    def __init__(self, random: np.random.Generator, rigid_too: bool):
        super().__init__()
        self.random, self.rigid_too = random, rigid_too

    def __missing__(self, factor):
        moves = factor.rigid is None or (self.rigid_too and not factor.loose)
        self[factor] = self.random.permutation(factor.size) if moves else np.arange(factor.size)
        return self[factor]


def moved(layout: Layout, orders: Orders) -> np.ndarray:
    """Where each position along a layout comes from."""
    while isinstance(layout, Factor) and layout.form is not None:
        layout = layout.form
    if isinstance(layout, Factor):
        return orders[layout]
    parts = [moved(part, orders) for part in layout.parts]
    if isinstance(layout, Ranges):
        starts = np.cumsum([0, *(part.size for part in parts)])
        return np.concatenate([start + part for start, part in zip(starts[:-1], parts, strict=True)] or [np.zeros(0, int)])
    together = np.zeros(1, int)
    for part in parts:
        together = (together[:, None] * part.size + part[None, :]).ravel()
    return together


def facts(random: Random) -> tuple[list[Layout], list[tuple[Layout, Layout]], list[Layout]]:
    """Random layouts, pairs of them that were unified, and some that were frozen."""
    known: list[Layout] = []
    pairs, frozen = [], []
    for _ in range(random.randrange(2, 9)):
        size = random.choice(SIZES)
        pair = drawn(random, size, known), drawn(random, size, known)
        if random.random() < 0.2:
            frozen.append(random.choice(known))
            freeze(frozen[-1], WHY)
        unify(*pair, WHY)
        pairs.append(pair)
    return known, pairs, frozen


@randomly
@draws
def test_what_is_left_free_keeps_unified_layouts_aligned(random):
    known, pairs, frozen = facts(random)
    for rigid_too in (False, True):  # indices of what is rigid tell sets apart, unless it is loose
        orders = Orders(np.random.default_rng(random.randrange(1000)), rigid_too)
        for one, other in pairs:
            np.testing.assert_array_equal(moved(one, orders), moved(other, orders))
        for layout in known:
            np.testing.assert_array_equal(moved(layout, orders), moved(resolved(layout), orders))
    orders = Orders(np.random.default_rng(0), False)
    for layout in frozen:
        np.testing.assert_array_equal(moved(layout, orders), np.arange(layout.size))


@randomly
@draws
def test_what_is_resolved_is_in_its_normal_form(random):
    known, _, _ = facts(random)
    for layout in map(resolved, known):
        levels = [layout]
        while levels:
            one = levels.pop()
            if isinstance(one, Factor):
                assert one.form is None
            else:
                assert len(one.parts) != 1
                assert not any(isinstance(part, type(one)) for part in one.parts)
                assert one.size == (sum if isinstance(one, Ranges) else math.prod)(part.size for part in one.parts)
                levels.extend(one.parts)
        assert ones(layout) <= layout.size
        if stillness(layout):
            assert all(factor.rigid for factor in factors(layout))


@randomly
@draws
def test_the_places_of_units_are_those_of_the_layout(random):
    known, _, _ = facts(random)
    for layout in known:
        orders = Orders(np.random.default_rng(1), False)
        positions = np.arange(layout.size)
        for factor in dict.fromkeys(factors(layout)):
            for place in unit_axes("path", 0, layout, factor, "fan-in"):
                own = place.positions(factor.size)
                before = positions.copy()
                positions[own] = before[own[orders[factor]]]
        np.testing.assert_array_equal(positions, moved(layout, orders))


def partitions(random: Random, parts: list[int]) -> list[list[int]]:
    """The same parts in order, in groups."""
    cuts = sorted(random.sample(range(1, len(parts)), random.randrange(len(parts))))
    return [parts[start:stop] for start, stop in itertools.pairwise([0, *cuts, len(parts)])]


def nothing_is_frozen(random: Random, kind: type, sizes: list[int]) -> None:
    total = math.prod if kind is Product else sum
    axes = [kind(tuple(Factor(total(group)) for group in partitions(random, sizes))) for _ in range(4)]
    pairs = list(itertools.combinations(axes, 2))
    random.shuffle(pairs)
    for one, other in pairs:
        unify(one, other, WHY)
    forms = [list(factors(axis)) for axis in axes]
    assert all(form == forms[0] for form in forms)
    assert not any(factor.rigid for factor in forms[0])


@randomly
@draws
def test_products_that_fit_are_not_frozen(random):
    nothing_is_frozen(random, Product, [random.choice((2, 3, 5)) for _ in range(random.randrange(1, 5))])


@randomly
@draws
def test_ranges_that_fit_are_not_frozen(random):
    nothing_is_frozen(random, Ranges, [random.randrange(2, 6) for _ in range(random.randrange(1, 5))])


def test_a_product_is_cut_within_one_value_of_its_slowest_digit():
    taps, channels = Factor(9), Factor(4)
    unify(Product((Factor(3), Factor(3), channels)), Ranges((channels,) * 9), WHY)
    assert channels.rigid is None and resolved(channels) is channels
    unify(Product((taps, channels)), Ranges((Factor(6), Factor(30))), WHY)
    assert [factor.size for factor in factors(channels)] == [2, 2] and not any(factor.rigid for factor in factors(channels))


def test_rigid_positions_that_meet_untold_are_loose():
    heads, dims, pairs = Factor(2, WHY), Factor(3, WHY), [Factor(3), Factor(2)]
    unify(Product((heads, dims)), Product(tuple(pairs)), WHY)
    assert all(factor.loose for layout in (heads, dims, *pairs) for factor in factors(layout))
    unify(told := Factor(6, WHY), Product((free(2), free(3))), WHY)
    assert not any(factor.loose for factor in factors(told))
