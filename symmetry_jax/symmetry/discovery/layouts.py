"""Layouts: how the positions along an array's axis are made of indices that may be permuted.

An axis is a factor (its positions are the index itself), a product of layouts (flattened, the first slowest) or a sequence of
ranges (concatenated). Where two axes have to be indexed alike their layouts are made one: a factor takes the other's form, a
product meets a product factor by factor, ranges meet ranges. Where the forms do not fit, what does not fit is frozen: nothing
is permuted along it. So whatever order the facts come in, what is left are permutations that fit all of them.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence

from symmetry_jax.symmetry.discovery.sources import Reason


class Factor:
    """Indices that may be permuted among each other, until something shows otherwise.

    Attributes:
        size: their number.
        rigid: why they may not be permuted, or None.
        form: the layout that turned out to be this one, or None.
        loose: whether rigid positions meet others in a way that the layouts do not tell, so that an index is no longer the
            same one in all arrays.
    """

    __slots__ = ("form", "loose", "rigid", "size")

    def __init__(self, size: int, rigid: Reason | None = None, loose: bool = False) -> None:
        self.size, self.rigid, self.loose = size, rigid, loose
        self.form: Layout | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Product:
    """A flattened index: position = (i_0 n_1 + i_1) n_2 + ..."""

    parts: "tuple[Layout, ...]"

    @property
    def size(self) -> int:
        """The number of positions."""
        return math.prod(part.size for part in self.parts)


@dataclasses.dataclass(frozen=True, eq=False)
class Ranges:
    """Indices one after the other."""

    parts: "tuple[Layout, ...]"

    @property
    def size(self) -> int:
        """The number of positions."""
        return sum(part.size for part in self.parts)


Layout = Factor | Product | Ranges
Pieces = tuple[Layout, Layout] | None
Split = Callable[[Layout, int], Pieces]  # in two at a size, or None where that cannot be
ONE = Product(())  # the layout of an axis of size 1
NONE = Ranges(())  # and of size 0
ONE_BY_ONE = Reason("positions along this axis are taken one by one")


def free(size: int) -> Layout:
    """A layout about which nothing is known yet."""
    if size > 1:
        return Factor(size)
    return ONE if size else NONE


def product(layouts: Sequence[Layout]) -> Layout:
    """The axis into which several are flattened."""
    return resolved(Product(tuple(layouts)))


def resolved(layout: Layout) -> Layout:
    """What a layout has turned out to be: products hold no products, ranges no ranges, and neither holds one part alone."""
    while isinstance(layout, Factor) and layout.form is not None:
        layout = layout.form
    if isinstance(layout, Factor):
        return layout
    same = type(layout)
    neutral = 1 if same is Product else 0
    parts: list[Layout] = []
    for part in map(resolved, layout.parts):
        if isinstance(part, same):
            parts.extend(part.parts)
        elif part.size != neutral:
            parts.append(part)
    return parts[0] if len(parts) == 1 else same(tuple(parts))


def factors(layout: Layout) -> Iterator[Factor]:
    """Every factor of a layout, as it has turned out to be, in order; one for each time it occurs."""
    layout = resolved(layout)
    if isinstance(layout, Factor):
        yield layout
    else:
        for part in layout.parts:
            yield from factors(part)


def ones(layout: Layout) -> int:
    """The number of ranges that hold one position, which is permuted with no other."""
    layout = resolved(layout)
    if isinstance(layout, Factor):
        return 0
    own = sum(part.size == 1 for part in layout.parts) if isinstance(layout, Ranges) else 0
    return own + sum(map(ones, layout.parts))


def stillness(layout: Layout) -> Reason | None:
    """Why nothing at all is permuted along a layout, or None where something may be."""
    reasons = [factor.rigid for factor in factors(layout)]
    return None if None in reasons else next(iter(reasons), ONE_BY_ONE)


def freeze(layout: Layout, reason: Reason) -> None:
    """Nothing is permuted along this layout; a factor that is rigid already keeps its reason."""
    for factor in factors(layout):
        factor.rigid = factor.rigid or reason


def loosen(layout: Layout, reason: Reason) -> None:
    """Nothing is permuted along this layout, and how it meets another one is not told."""
    freeze(layout, reason)
    for factor in factors(layout):
        factor.loose = True


def unify(one: Layout, other: Layout, reason: Reason) -> None:
    """Two axes are indexed alike; `reason` is given where their forms do not fit and are frozen."""
    one, other = resolved(one), resolved(other)
    if one.size != other.size:
        raise AssertionError(f"axes of {one.size} and {other.size} positions cannot be indexed alike")
    if one is other or one.size <= 1:
        return
    if isinstance(other, Factor):
        one, other = other, one
    if isinstance(one, Factor):
        _take_form(one, other)
    elif (why := stillness(one)) or (why := stillness(other)):
        loosen(one, why)
        loosen(other, why)
    elif isinstance(one, Product) and isinstance(other, Product):
        _meet(list(one.parts), list(other.parts), _divide, reason)
    else:
        _meet(list(_ranges(one)), list(_ranges(other)), _cut, reason)


def _take_form(factor: Factor, form: Layout) -> None:
    if factor.rigid is not None:
        (loosen if factor.loose else freeze)(form, factor.rigid)
    factor.form = form


def _ranges(layout: Layout) -> tuple[Layout, ...]:
    return layout.parts if isinstance(layout, Ranges) else (layout,)


def _meet(ones: list[Layout], others: list[Layout], split: Split, reason: Reason) -> None:
    """Unifies two sequences of parts whose sizes have the same product or sum, splitting where one is longer."""
    while ones and others:
        one, other = (_first(parts, split) for parts in (ones, others))
        if one.size != other.size:
            longer = one if one.size > other.size else other
            pieces = _split(longer, min(one.size, other.size), split)
            if pieces is None:
                for part in (*ones, *others):
                    loosen(part, reason)
                return
            (ones if longer is one else others)[:1] = pieces
        else:
            unify(one, other, reason)
            del ones[0], others[0]


def _split(layout: Layout, size: int, split: Split) -> Pieces:
    """Two pieces; where nothing is permuted, of whatever sizes are asked for."""
    if (why := stillness(layout)) and not isinstance(layout, Factor):
        loosen(layout, why)
        whole = Factor(layout.size, why, loose=True)
        return split(whole, size)
    return split(layout, size)


def _first(parts: list[Layout], split: Split) -> Layout:
    """The first part as it is by now: unifying earlier parts may have given it parts of its own."""
    first = resolved(parts[0])
    inner = Product if split is _divide else Ranges
    if isinstance(first, inner):
        parts[:1] = first.parts
    else:
        parts[0] = first
    return parts[0]


def _cut(layout: Layout, length: int) -> Pieces:
    """The first `length` positions and the rest, of what is not made of ranges."""
    if isinstance(layout, Factor):
        pieces = _piece(layout, length), _piece(layout, layout.size - length)
        layout.form = Ranges(pieces)
        return pieces
    slowest, rest = layout.parts[0], product(layout.parts[1:])
    number, left = divmod(length, rest.size)
    halves = _split_ranges(slowest, number)
    if halves is None or not left:
        return halves and (product((halves[0], rest)), product((halves[1], rest)))
    one, inside = _split_ranges(halves[1], 1), _split_ranges(rest, left)  # in the middle of one value of the slowest digit
    if one is None or inside is None:
        return None
    before, after = (product((halves[0], rest)), inside[0]), (inside[1], product((one[1], rest)))
    return resolved(Ranges(before)), resolved(Ranges(after))


def _split_ranges(layout: Layout, length: int) -> Pieces:
    layout = resolved(layout)
    if length in (0, layout.size):
        return (layout, NONE) if length else (NONE, layout)
    if not isinstance(layout, Ranges):
        return _cut(layout, length)
    before: list[Layout] = []
    for number, part in enumerate(layout.parts):
        if part.size > length:
            halves = _cut(part, length) if length else (Ranges(()), part)
            rest = layout.parts[number + 1 :]
            return halves and (resolved(Ranges((*before, halves[0]))), resolved(Ranges((halves[1], *rest))))
        before.append(part)
        length -= part.size
    raise AssertionError("a cut beyond the end")


def _divide(layout: Layout, outer: int) -> Pieces:
    """The slower and the faster digit of what is not a product, the slower one of size `outer`."""
    if layout.size % outer:
        return None
    inner = layout.size // outer
    if isinstance(layout, Factor):
        pieces = _piece(layout, outer), _piece(layout, inner)
        layout.form = Product(pieces)
        return pieces
    return _divide_ranges([resolved(part) for part in layout.parts], inner)


def _divide_ranges(parts: list[Layout], inner: int) -> Pieces:
    """Ranges whose lengths are all multiples of `inner` are products with one faster digit."""
    if any(part.size % inner for part in parts):
        return None
    digit = free(inner)
    slower = [free(part.size // inner) for part in parts]
    reason = Reason("ranges that do not divide alike")
    for part, number in zip(parts, slower, strict=True):
        unify(part, Product((number, digit)), reason)
    return resolved(Ranges(tuple(slower))), resolved(digit)


def _piece(factor: Factor, size: int) -> Layout:
    return ONE if size == 1 else Factor(size, factor.rigid, factor.loose)
