"""Positions of an axis that are taken one by one: what differs from one to the next, and what only seems to."""

import jax.numpy as jnp
import pytest
from jax import lax

from tests.symmetry.discovery.test_nothing_false import drawn, holds

pytestmark = pytest.mark.usefixtures("float64")


def parts_flattened_alike(p):
    """The same position of two arrays that turn out to be laid out alike, once both have been taken apart further."""
    one, other = p["a"].reshape(3, 6), p["b"].reshape(3, 6)
    parts = [jnp.square(part[0].reshape(2, 3)).sum(0).prod() for part in (one, other)]
    return parts[0] * parts[1] + jnp.sum(jnp.sin(one + other))


def part_of_a_part_that_comes_first(p):
    """Taken apart twice, along digits of which the second is the faster one: its parts are no ranges of the parameter."""
    return p["a"].reshape(2, 3, 3)[0][:, 1] @ jnp.arange(3.0) + jnp.sum(p["a"])


def rows_and_columns(p):
    """Taken apart along two axes, each of which differs from the other one's parts."""
    cube = p["cube"].reshape(2, 3, 4)
    return jnp.sum(jnp.sin(cube[0])) + jnp.tanh(cube[:, 1]) @ jnp.arange(4.0)


def heads_mixed_in_the_first_of_two(p):
    """What heads do before a part is taken counts, whichever of two arrays that meet it happens in."""
    one, other = p["first"].reshape(3, 3, 4), p["second"].reshape(3, 3, 4)
    one += jnp.tanh(one.sum(1, keepdims=True))
    return jnp.sum(jnp.tanh(one[0] * other[0]))


def heads_mixed_before_both_parts(p):
    """Or before a part of a part is taken."""
    four = p["four"].reshape(2, 3, 3, 4)
    four += jnp.tanh(four.sum(2, keepdims=True))
    return jnp.sum(jnp.tanh(four[0][0] * jnp.sin(four[0][1])))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (parts_flattened_alike, {"a:2": "2", "a:3": "3"}),
        (part_of_a_part_that_comes_first, {}),
        (rows_and_columns, {}),
        (heads_mixed_in_the_first_of_two, {"first:3": "3 in each of 4", "first:4": "4"}),
        (heads_mixed_before_both_parts, {"four:3": "3 in each of 4", "four:4": "4"}),
    ],
)
def test_parts_that_only_seem_to_be_apart(function, expected):
    assert holds(function, drawn(a=18, b=18, cube=24, first=36, second=36, four=72)) == expected


def matrix_along(x, y):
    mixed = jnp.einsum("ab,bhd->ahd", jnp.tanh(jnp.einsum("ahd,bhd->ab", x, x)), x)
    return jnp.sum(jnp.tanh(mixed[0]) * mixed[2])


def joined_in_another_order(x, y):
    first, second, third = x
    return jnp.sum(jnp.tanh(jnp.stack([third, first, second]) * x))


def one_set_at_the_largest_of_another(x, y):
    return jnp.sum(x[0][:, jnp.argmax(x, axis=2)[1]])


def each_step_meets_the_first(x, y):
    return jnp.sum(jnp.tanh(lax.scan(lambda carry, part: (jnp.tanh(carry * x[0] + part), None), x[2], x)[0]))


def either_of_two(x, y):
    return jnp.sum(jnp.tanh(lax.cond(x.sum() > 0, lambda: x[0], lambda: x[1])))


def one_of_them_replaced(x, y):
    x = x.at[1].set(jnp.sin(x[0]))
    return jnp.sum(jnp.tanh(x[1] * x[2]))


def next_to_each_other(x, y):
    """Each part meets the next one of another array, and the last one is in order."""
    return jnp.sum(jnp.tanh(x[0] * y[1])) + jnp.sum(jnp.sin(x[1] * y[2])) + jnp.sum(x[2] @ jnp.arange(4.0))


HEADS = {"a:2": "2 in each of 4", "a:4": "4 in each of 2"}
TWICE = {**HEADS, "a:2:2": "2 in each of 4", "a:4:2": "4 in each of 2"}


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x, y: jnp.sum(jnp.tanh(x[0])) + jnp.sum(jnp.tanh(x.sum(0))), HEADS),
        (lambda x, y: jnp.sum(jnp.tanh(jnp.cumsum(x, axis=0)[0] * x[1])), HEADS),
        (lambda x, y: jnp.sum(jnp.tanh((x + jnp.roll(x, 1, axis=0))[0])), HEADS),
        (matrix_along, HEADS),
        (joined_in_another_order, HEADS),
        (one_set_at_the_largest_of_another, {"a:2": "2", "a:4": "4", "a:2:2": "2"}),
        (each_step_meets_the_first, HEADS),
        (either_of_two, HEADS),
        (one_of_them_replaced, HEADS),
        (next_to_each_other, {**TWICE, "a:2:3": "2"}),
        (lambda x, y: jnp.sum(jnp.tanh(x[0] * x[1])) + jnp.sum(jnp.sin(x * y)), HEADS),
    ],
)
def test_parts_that_meet(function, expected):
    assert holds(lambda p: function(p["a"].reshape(3, 2, 4), p["b"].reshape(3, 2, 4)), drawn(a=24, b=24)) == expected
