"""Every group of the zoo is a symmetry, no array can be left out of it, and what is called rigid is."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.symmetry.discovery.zoo import ALL
from tests.symmetry.discovery.zoo.case import Group, permuted

pytestmark = pytest.mark.usefixtures("float64")

CHANGE = 1e-4  # relative to the largest output: far above any rounding

every_case = pytest.mark.parametrize("build", ALL, ids=lambda build: f"{build.__module__.rsplit('.', 1)[-1]}-{build.__name__}")


@functools.cache
def prepared(build):
    """A case and its outputs as one vector, as a function of the parameters: on its inputs and on their opposites."""
    case = build()
    function = jax.jit(lambda params, inputs: case.outputs(case.function(params, *inputs)))
    opposite = jax.tree.map(lambda x: -x if jnp.issubdtype(x.dtype, jnp.floating) else x, case.inputs)

    def outputs(params):
        leaves = jax.tree.leaves([function(params, inputs) for inputs in (case.inputs, opposite)])
        return np.concatenate([np.ravel(np.asarray(leaf, float)) for leaf in leaves])

    before = outputs(case.params)
    assert np.isfinite(before).all()
    return case, lambda params: np.abs(outputs(params) - before).max() / np.abs(before).max()


def drawn_orders(group, apart, seed=0):
    """For each set an order of its units, none of them the present one; the same in all sets unless `apart`."""
    random = np.random.default_rng(seed)

    def draw():
        while True:
            order = random.permutation(group.size)
            if (order != np.arange(group.size)).any():
                return order

    return np.stack([draw() for _ in range(group.apart)]) if apart else np.tile(draw(), (group.apart, 1))


def differs(tree, other):
    return any(
        (np.asarray(a) != np.asarray(b)).any() for a, b in zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True)
    )


def pieces(group):
    """The group with one of its places alone."""
    return [Group(group.size, (place,), group.apart, group.meaning) for place in group.places]


@every_case
def test_permuting_a_group_leaves_the_outputs(build):
    case, change = prepared(build)
    for group in case.groups:
        assert group.size >= 2
        for apart in {False, group.apart > 1}:
            moved = permuted(case.params, group, drawn_orders(group, apart))
            assert differs(moved, case.params), group
            assert change(moved) < case.rounding, (group, apart)


@every_case
def test_no_place_moves_without_the_others(build):
    case, change = prepared(build)
    for group in case.groups:
        if len(group.places) > 1:
            for piece in pieces(group):
                moved = permuted(case.params, piece, drawn_orders(piece, False))
                assert differs(moved, case.params), piece
                if piece.places[0].path in case.silent:
                    assert change(moved) < case.rounding, f"{piece} is not silent"
                else:
                    assert change(moved) > CHANGE, piece


@every_case
def test_what_is_rigid_is_no_group(build):
    case, change = prepared(build)
    for group in case.rigid:
        assert change(permuted(case.params, group, drawn_orders(group, False))) > CHANGE, group


def test_names_are_unique_and_every_count_is_argued():
    cases = [prepared(build)[0] for build in ALL]
    assert len({case.name for case in cases}) == len(cases)
    assert all(case.note for case in cases)
