"""Distances and angles between units."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symmetry_jax import UnitAxis, UnitGroup, permute, perturb, separation, tie
from symmetry_jax.sweeps.precision import numerics
from symmetry_jax.symmetry.separation import angle, difference, displace, move, norm, orbits, sizes
from tests.drawing import drawn

GROUP = UnitGroup(
    "cell",
    4,
    (UnitAxis("in", 1, "fan-in"), UnitAxis("loop", 1, "fan-in"), UnitAxis("loop", 0, "fan-out"), UnitAxis("bias", 0, "bias")),
)


def params(seed=0, wide=None):
    shapes = {"in": (3, 4), "loop": (4, 4), "bias": (4,)} | (wide or {})
    return drawn({name: jnp.zeros(shape) for name, shape in shapes.items()}, seed)


distances = jax.jit(separation, static_argnums=(1, 2))


@pytest.mark.usefixtures("float64")
def test_complex_units_are_as_far_apart_as_their_real_and_imaginary_parts():
    random, both = np.random.default_rng(0), (params(0), params(1))
    complex_params = jax.tree.map(jax.lax.complex, *both)
    found = distances(complex_params, GROUP)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, np.hypot(*(distances(part, GROUP) for part in both)), rtol=1e-12)
    tied = tie(complex_params, GROUP, [(1, 3)])
    epsilon = random.uniform(0.1, 1)
    assert distances(perturb(tied, GROUP, (1, 3), epsilon, jax.random.key(3)), GROUP)[1, 3] == pytest.approx(epsilon)


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


RANGES = UnitGroup(  # one after the other along one axis, with others in between and along another one
    "head",
    4,
    (
        *(UnitAxis("in", 1, "fan-in", outer=2), UnitAxis("in", 1, "fan-in", inner=2, start=10)),
        *(UnitAxis("loop", 0, "fan-out"), UnitAxis("loop", 1, "fan-in", start=5), UnitAxis("loop", 0, "fan-out", start=4)),
        UnitAxis("bias", 0, "bias"),
    ),
)


FORWARD = UnitGroup("unit", 4, (UnitAxis("in", 1, "fan-in"), UnitAxis("loop", 0, "fan-out"), UnitAxis("bias", 0, "bias")))

BLOCKS = UnitGroup("map", 4, (UnitAxis("in", 1, "fan-in", outer=2, inner=3, start=5), UnitAxis("loop", 0, "fan-out", start=2)))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "group, wide",
    [(GROUP, {}), (FORWARD, {}), (RANGES, {"in": (3, 18), "loop": (8, 9)}), (BLOCKS, {"in": (3, 30), "loop": (7, 2)})],
)
def test_separation_is_the_transverse_component_of_the_parameters(group, wide):
    theta = params(wide=wide)
    apart, permuted = distances(theta, group), jax.jit(permute, static_argnums=1)
    for i in range(4):
        for j in range(4):
            order = np.arange(4)
            order[[i, j]] = order[[j, i]]
            transverse = flat(theta) - flat(permuted(theta, group, order))
            np.testing.assert_allclose(apart[i, j], np.linalg.norm(transverse) / np.sqrt(2), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("size", range(1, 7))
@pytest.mark.parametrize("group", [GROUP, FORWARD])
def test_separation_has_each_pair_in_its_place(group, size):
    group = dataclasses.replace(group, size=size)
    theta = drawn({"in": jnp.zeros((3, size)), "loop": jnp.zeros((size, size)), "bias": jnp.zeros(size)}, size)
    apart = jax.jit(lambda theta, i, j: norm(difference(theta, group, (i, j))))
    expected = [[apart(theta, i, j) for j in range(size)] for i in range(size)]
    np.testing.assert_allclose(distances(theta, group), expected, rtol=1e-6)


@pytest.mark.usefixtures("float64")
def test_parts_of_a_unit_add_up():
    theta = params()
    parts = [distances(theta, GROUP, (role,)) for role in ("fan-in", "bias", "fan-out")]
    np.testing.assert_allclose(sum(part**2 for part in parts), distances(theta, GROUP) ** 2, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype, tiny", [("float32", 1e-30), ("float64", 1e-250)])
def test_separation_does_not_underflow(dtype, tiny):
    with numerics(dtype):
        theta = tie(jax.tree.map(jnp.zeros_like, params()), GROUP, [(0, 1)])
        theta["in"] = theta["in"].at[0, 0].set(jnp.asarray(tiny, theta["in"].dtype))
        np.testing.assert_allclose(distances(theta, GROUP)[0, 1], tiny, rtol=1e-5)


def test_tied_units_are_exactly_together():
    apart = distances(tie(params(), GROUP, [(1, 2)]), GROUP)
    assert apart[1, 2] == 0 and np.count_nonzero(apart) == 10


def test_separation_of_units_chosen_by_traced_indices():
    theta = params()
    found = jax.vmap(lambda j: norm(jnp.subtract(*orbits(theta, GROUP, (0, j)))))(jnp.arange(4))
    np.testing.assert_allclose(found, distances(theta, GROUP)[0], rtol=1e-6)


@pytest.mark.usefixtures("float64")
def test_displaced_units_differ_by_what_was_asked_for_and_nothing_else_moves():
    """Also where an array carries the units on two axes: entries between the two units count once."""
    theta, units = params(), (0, 2)
    apart = difference(drawn(theta, 1), GROUP, units)
    moved = displace(theta, GROUP, units, apart)
    np.testing.assert_allclose(difference(moved, GROUP, units) - difference(theta, GROUP, units), apart, atol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(flat(moved) - flat(theta)), norm(apart) / np.sqrt(2), rtol=1e-13)
    swapped = [permute(tree, GROUP, [2, 1, 0, 3]) for tree in (moved, theta)]
    np.testing.assert_allclose(flat(moved) + flat(swapped[0]), flat(theta) + flat(swapped[1]), atol=1e-14)


@pytest.mark.usefixtures("float64")
def test_one_unit_moves_alone():
    theta, units = params(), (1, 3)
    before, after = orbits(theta, GROUP, units), orbits(drawn(theta, 1), GROUP, units)
    moved = orbits(move(theta, GROUP, units, (after[0] - before[0], jnp.zeros_like(after[1]))), GROUP, units)
    np.testing.assert_allclose(moved[0], after[0], atol=1e-14)
    np.testing.assert_allclose(moved[1], before[1], atol=1e-14)


def test_no_array_with_the_role_asked_for():
    for group in (GROUP, FORWARD):
        for read in (sizes, separation):
            with pytest.raises(ValueError, match="no array with a role"):
                read(params(), group, ("state",))


@given(st.floats(1e-6, 3.1415), st.integers(0, 10))
def test_angle_of_a_rotated_vector(expected, seed):
    random = np.random.default_rng(seed)
    first, other = np.linalg.qr(random.normal(size=(5, 2)))[0].T
    second = np.cos(expected) * first + np.sin(expected) * other
    measured = angle(jnp.asarray(3 * first, jnp.float32), jnp.asarray(0.2 * second, jnp.float32))
    np.testing.assert_allclose(measured, expected, rtol=1e-4, atol=5e-7)


def test_angle_between_equal_vectors_is_zero():
    vector = jnp.asarray([0.3, -1.7, 2.9])
    assert angle(vector, vector) == 0


@pytest.mark.usefixtures("float64")
def test_rows_have_each_their_own_norm_and_angle():
    first, second = np.random.default_rng(0).normal(size=(2, 3, 5)) * np.array([1e-200, 1.0, 1e200])[:, None]
    np.testing.assert_allclose(jax.jit(norm)(first), [np.hypot.reduce(row) for row in first], rtol=1e-12)
    found = jax.jit(angle)(first, second)
    np.testing.assert_allclose(found, [angle(*map(jnp.asarray, rows)) for rows in zip(first, second, strict=True)], rtol=1e-12)
    units = [[np.divide(row, np.hypot.reduce(row)) for row in rows] for rows in (first, second)]
    np.testing.assert_allclose(found, np.arccos(np.sum(np.multiply(*units), axis=1)), rtol=1e-9)


@pytest.mark.usefixtures("float64")
def test_sizes_are_the_norms_of_orbits():
    theta = params()
    expected = [np.linalg.norm(orbits(theta, GROUP, (unit, unit))[0]) for unit in range(4)]
    np.testing.assert_allclose(jax.jit(sizes, static_argnums=1)(theta, GROUP), expected, rtol=1e-12)
