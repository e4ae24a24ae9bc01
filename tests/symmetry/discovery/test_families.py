"""Positions of an axis that are taken one by one: what differs from one to the next, and what only seems to."""

import jax.numpy as jnp
import pytest

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
