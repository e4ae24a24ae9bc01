"""Permuting, tying and perturbing units."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from symmetry_jax import (
    Charges,
    Symmetry,
    UnitAxis,
    UnitGroup,
    discover,
    permute,
    perturb,
    rescale,
    separation,
    tie,
)
from symmetry_jax.errors import InputError
from symmetry_jax.learning.models import ACTIVATIONS, CNN, MLP
from symmetry_jax.symmetry.separation import displace
from symmetry_jax.symmetry.units import project
from tests.drawing import drawn, inputs_of, variables_of

MODELS = {
    "mlp": (MLP((5, 7, 3), 4), (6,)),
    "mlp of one layer": (MLP((8,), 2), (2, 3)),
    "cnn, flatten": (CNN((4, 6), 3, (1, 2)), (8, 8, 1)),
    "cnn, flatten, three layers": (CNN((3, 5, 4), 2, (2, 1, 1), kernel=2, padding="VALID"), (9, 7, 2)),
    "cnn, average": (CNN((4, 6), 3, (1, 2), head="average"), (5, 8, 3)),
    "cnn, one layer": (CNN((4,), 3, (2,), activation=ACTIVATIONS["gelu"]), (8, 8, 1)),
}
RECURRENT = UnitGroup(
    "cell",
    5,
    (
        UnitAxis("input", 1, "fan-in"),
        UnitAxis("loop", 1, "fan-in"),
        UnitAxis("loop", 0, "fan-out"),
        UnitAxis("out", 0, "fan-out"),
    ),
)


distances = jax.jit(separation, static_argnums=1)


def model_case(name):
    model, shape = MODELS[name]
    inputs = inputs_of(shape)
    return model, variables_of(model, inputs), inputs, model.symmetry(shape)


def recurrent_params(seed=0):
    shapes = {"input": (3, 5), "loop": (5, 5), "out": (5, 2)}
    return drawn({name: jnp.zeros(shape) for name, shape in shapes.items()}, seed)


def recurrent(params, inputs):
    hidden = jnp.zeros((len(inputs), 5))
    for _ in range(3):
        hidden = jnp.tanh(inputs @ params["input"] + hidden @ params["loop"])
    return hidden @ params["out"]


def swapped(size, first, second):
    order = np.arange(size)
    order[[first, second]] = order[[second, first]]
    return order


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", MODELS)
def test_permuting_any_group_leaves_outputs_unchanged(name):
    model, variables, inputs, symmetry = model_case(name)
    apply = jax.jit(model.apply)
    outputs = apply(variables, inputs)
    for group in symmetry.values():
        moved = permute(variables, group, np.roll(np.arange(group.size), 1))
        assert np.any(flat(moved) != flat(variables))
        np.testing.assert_allclose(apply(moved, inputs), outputs, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_groups_cover_all_hidden_units(name):
    model, _, _, symmetry = model_case(name)
    assert [group.size for group in symmetry.values()] == list(model.widths if isinstance(model, MLP) else model.filters)


@pytest.mark.usefixtures("float64")
def test_one_array_may_carry_a_group_on_two_axes():
    params, inputs = recurrent_params(), inputs_of((3,))
    moved = permute(params, RECURRENT, [3, 0, 4, 1, 2])
    np.testing.assert_allclose(recurrent(moved, inputs), recurrent(params, inputs), rtol=1e-12)


@pytest.mark.parametrize("outer, inner, start", [(1, 1, 0), (4, 1, 0), (1, 3, 0), (2, 3, 5)])
def test_units_inside_a_flattened_or_concatenated_axis(outer, inner, start):
    size, tail = 3, 2
    group = UnitGroup("units", size, (UnitAxis("array", 1, "fan-out", outer, inner, start),))
    array = jnp.arange(2 * (start + outer * size * inner + tail)).reshape(2, -1)
    moved = np.array(permute({"array": array}, group, [2, 0, 1])["array"])
    block = np.array(array[:, start : start + outer * size * inner]).reshape(2, outer, size, inner)
    expected = np.array(array)
    expected[:, start : start + outer * size * inner] = block[:, :, [2, 0, 1]].reshape(2, -1)
    np.testing.assert_array_equal(moved, expected)


def test_permutations_compose_under_vmap():
    params = recurrent_params()
    permutations = jnp.stack([jax.random.permutation(jax.random.key(seed), 5) for seed in range(4)])
    there = jax.vmap(lambda order: permute(params, RECURRENT, order))(permutations)
    back = jax.vmap(lambda tree, order: permute(tree, RECURRENT, jnp.argsort(order)))(there, permutations)
    for returned, original in zip(jax.tree.leaves(back), jax.tree.leaves(params), strict=True):
        np.testing.assert_array_equal(returned, np.broadcast_to(original, returned.shape))


def test_tied_units_are_copies_of_the_first_of_their_block():
    params = recurrent_params()
    tied = tie(params, RECURRENT, [(1, 4), (3, 0)])
    first = [3, 1, 2, 3, 1]
    np.testing.assert_array_equal(tied["input"], params["input"][:, np.array(first)])
    np.testing.assert_array_equal(tied["loop"], params["loop"][np.ix_(first, first)])
    np.testing.assert_array_equal(tied["out"], params["out"][np.array(first)])


def test_tie_reaches_optimizer_state():
    _, variables, _, symmetry = model_case("mlp")
    group = symmetry["hidden_1"]
    state = drawn(jax.tree.map(lambda leaf: leaf.astype(jnp.float32), optax.adam(0.1).init(variables)))
    inside = group.within(state)
    assert len(inside.axes) == 2 * len(group.axes)
    apart = distances(tie(state, inside, [(0, 6)]), inside)
    assert apart[0, 6] == 0
    assert np.count_nonzero(apart == 0) == group.size + 2


NAMES_TWICE = UnitGroup("w", 4, (UnitAxis("w", 1, "fan-in"), UnitAxis("v", 0, "fan-out"), UnitAxis("count", 0, "state")))


def names_twice():
    return drawn({"w": jnp.zeros((3, 4)), "v": jnp.zeros((4, 3)), "head": {"w": jnp.zeros((3, 4))}})


def test_discovered_units_within_their_own_parameters_leave_layers_of_the_same_names_alone():
    params, inputs = names_twice(), inputs_of((3,))

    def function(params, x):
        return jnp.tanh(x @ params["w"]) @ params["v"] @ params["head"]["w"]

    group = discover(function, params, inputs)["w"]
    assert group.within(params).axes == group.axes
    changed = tie(params, group.within(params), [(0, 2)])
    np.testing.assert_array_equal(changed["head"]["w"], params["head"]["w"])


def paths_within(group, tree):
    return [axis.path for axis in group.within(tree).axes]


@pytest.mark.parametrize(
    ("build", "prefixes"),
    [
        (lambda params: optax.adam(0.1).init(params), ["0/mu", "0/nu"]),
        (lambda params: {"variables": params, "memory": optax.trace(0.9).init(params)}, ["memory/trace", "variables"]),
        (lambda params: optax.sgd(0.1).init(params), []),
        (lambda params: {"head": params["head"]}, []),
    ],
)
def test_copies_are_whole(build, prefixes):
    """Several copies may stand side by side; a layer that merely has one of the names is none, nor is a count of steps."""
    assert paths_within(NAMES_TWICE, build(names_twice())) == [f"{one}/{name}" for name in ("w", "v") for one in prefixes]


def test_copies_of_a_part_of_the_parameters():
    """Optimizers for parts of the parameters leave empty nodes for all others."""
    params = names_twice()
    labels = {"w": "first", "v": "second", "head": {"w": "second"}}
    state = optax.multi_transform({"first": optax.trace(0.9), "second": optax.trace(0.9)}, labels).init(params)
    where = "inner_states/{}/inner_state/trace/{}"
    assert paths_within(NAMES_TWICE, state) == [where.format("first", "w"), where.format("second", "v")]


def test_a_layer_without_moments_does_not_find_those_of_another():
    """Layers of the same names inside another one, which alone is trained."""
    layers = {"w": jnp.zeros((3, 4)), "v": jnp.zeros((4, 3))}
    params = {**layers, "inner": layers}
    group = UnitGroup("w", 4, (UnitAxis("w", 1, "fan-in"), UnitAxis("v", 0, "fan-out")))
    trained = {"w": False, "v": False, "inner": {"w": True, "v": True}}
    assert paths_within(group, optax.masked(optax.adam(0.1), trained).init(params)) == []


def test_copies_in_a_chain_that_mostly_remembers_nothing():
    params = [jnp.zeros((3, 4)), jnp.zeros((4, 3))]
    group = UnitGroup("0", 4, (UnitAxis("0", 1, "fan-in"), UnitAxis("1", 0, "fan-out")))
    state = optax.chain(optax.clip(1.0), optax.add_decayed_weights(0.1), optax.trace(0.9)).init(params)
    assert paths_within(group, state) == ["2/trace/0", "2/trace/1"]


@pytest.mark.parametrize("blocks", [[(0, 1), (1, 2)], [(0, 5)], [(-1, 2)]])
def test_blocks_that_cannot_be_are_refused(blocks):
    with pytest.raises(ValueError, match="at most once"):
        tie(recurrent_params(), RECURRENT, blocks)


@pytest.mark.parametrize("blocks", [(0, 1), [[]], [(0, 1), []], [(0, 1.5)], [("a", "b")]])
def test_blocks_are_lists_of_units(blocks):
    with pytest.raises(InputError, match="lists of units"):
        tie(recurrent_params(), RECURRENT, blocks)


@pytest.mark.parametrize(
    "order", [[2], [0, 1, 2, 3, 9], [0, 0, 1, 2, 3], [0.0, 1, 2, 3, 4], [[0, 1], [2]], np.eye(5, dtype=int)]
)
def test_permutations_that_are_none_are_refused(order):
    params = recurrent_params()
    with pytest.raises(InputError, match="permutation of 'cell'"):
        permute(params, RECURRENT, order)
    with pytest.raises(InputError, match="permutation of 'cell'"):
        jax.jit(lambda tree: permute(tree, RECURRENT, order))(params)


def test_traced_permutations_and_units_are_checked_by_their_shapes():
    params, order = recurrent_params(), jnp.asarray([3, 0, 4, 1, 2])
    there = jax.jit(lambda tree, order: permute(tree, RECURRENT, order))
    jax.tree.map(np.testing.assert_array_equal, there(params, order), permute(params, RECURRENT, order))
    one_by_one = jax.jit(lambda tree, *order: permute(tree, RECURRENT, list(order)))
    jax.tree.map(np.testing.assert_array_equal, one_by_one(params, *order), permute(params, RECURRENT, order))
    with pytest.raises(InputError, match=r"of shape \(4,\)"):
        there(params, order[:4])
    moved = jax.jit(lambda tree, units: perturb(tree, RECURRENT, units, 0.1, jax.random.key(0)))(params, (1, 3))
    apart = perturb(params, RECURRENT, (1, 3), 0.1, jax.random.key(0))
    np.testing.assert_allclose(flat(moved), flat(apart), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("units", [(1, 1), (0, 9), (-1, 2), (0, 1, 2), (0.5, 2)])
def test_units_that_are_not_two_of_a_group_are_refused(units):
    with pytest.raises(InputError, match=r"units .* of 'cell': .* 0\.\.4"):
        perturb(recurrent_params(), RECURRENT, units, 0.1, jax.random.key(0))
    with pytest.raises(InputError, match=r"units .* of 'cell': .* 0\.\.4"):
        displace(recurrent_params(), RECURRENT, units, jnp.zeros(15))


def test_factors_that_are_not_one_for_each_unit_are_refused():
    charges = Charges((UnitAxis("input", 1, "fan-in"),), (1,))
    with pytest.raises(InputError, match=r"factors of shape \(3,\) for 'cell': \(5,\)"):
        rescale(recurrent_params(), RECURRENT, charges, jnp.ones(3))


@pytest.mark.parametrize(
    "use",
    [
        lambda tree, group: permute(tree, group, np.arange(9)),
        lambda tree, group: tie(tree, group, [(0, 1)]),
        lambda tree, group: perturb(tree, group, (0, 8), 0.1, jax.random.key(0)),
        separation,
    ],
)
@pytest.mark.parametrize("axes", [RECURRENT.axes, RECURRENT.axes[:1], (UnitAxis("out", 2, "fan-out"),)])
def test_a_group_larger_than_its_axis_is_refused(use, axes):
    with pytest.raises(InputError, match="has no 9 units of 'cell' along axis"):
        use(recurrent_params(), UnitGroup("cell", 9, axes))


@pytest.mark.usefixtures("float64")
def test_only_what_carries_the_units_moves():
    """Beside it anything may be in the tree, and in their state."""
    group = dataclasses.replace(RECURRENT, axes=(*RECURRENT.axes, UnitAxis("used", 0, "state")))
    beside = {"flag": jnp.asarray(True), "key": jax.random.key(3), "rate": 0.5, "used": jnp.arange(5)}
    params = tie(recurrent_params(), RECURRENT, [(0, 3)])
    moved = perturb(params | beside, group, (0, 3), 0.1, jax.random.key(5))
    alone = perturb(params, RECURRENT, (0, 3), 0.1, jax.random.key(5))
    for name in params:
        np.testing.assert_array_equal(moved[name], alone[name])
    assert all(moved[name] is kept for name, kept in beside.items())


def test_a_group_that_does_not_fit_the_tree_is_refused():
    with pytest.raises(ValueError, match="not in the tree"):
        permute({"input": jnp.zeros((3, 5))}, RECURRENT, [0, 1, 2, 3, 4])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("epsilon", [1.0, 1e-3, 1e-12])
def test_perturbed_twins_are_epsilon_apart(epsilon):
    params = tie(recurrent_params(), RECURRENT, [(0, 3)])
    apart = distances(perturb(params, RECURRENT, (0, 3), epsilon, jax.random.key(5)), RECURRENT)
    np.testing.assert_allclose(apart[0, 3], epsilon, rtol=1e-3 if epsilon < 1e-6 else 1e-12)


@pytest.mark.usefixtures("float64")
def test_the_direction_depends_on_the_key_alone_and_is_antisymmetric():
    params = tie(recurrent_params(), RECURRENT, [(0, 3)])

    def change(epsilon, seed):
        moved = perturb(params, RECURRENT, (0, 3), epsilon, jax.random.key(seed))
        return jax.tree.map(lambda later, earlier: (later - earlier) / epsilon, moved, params)

    one, other = change(1.0, 0), change(0.25, 0)
    np.testing.assert_allclose(flat(one), flat(other), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(flat(permute(one, RECURRENT, swapped(5, 0, 3))), -flat(one), atol=1e-15)
    assert np.linalg.norm(flat(change(1.0, 1)) - flat(one)) > 0.1
    assert not np.any(np.delete(np.array(one["input"]), [0, 3], axis=1))


def test_epsilon_zero_moves_nothing():
    params = tie(recurrent_params(), RECURRENT, [(0, 3)])
    np.testing.assert_array_equal(flat(perturb(params, RECURRENT, (0, 3), 0.0, jax.random.key(0))), flat(params))


@pytest.mark.usefixtures("float64")
def test_perturbing_twins_leaves_those_of_another_group_where_they_were():
    _, variables, _, symmetry = model_case("cnn, flatten")
    first, second = symmetry["conv_0"], symmetry["conv_1"]

    @jax.jit
    def perturbed(variables):
        variables = tie(tie(variables, first, [(0, 1)]), second, [(0, 1)])
        variables = perturb(variables, first, (0, 1), 0.5, jax.random.key(0), [(second, (0, 1))])
        return perturb(variables, second, (0, 1), 0.25, jax.random.key(1), [(first, (0, 1))])

    moved = perturbed(variables)
    np.testing.assert_allclose(distances(moved, first)[0, 1], 0.5, rtol=1e-12)
    np.testing.assert_allclose(distances(moved, second)[0, 1], 0.25, rtol=1e-12)


def test_symmetry_is_a_mapping_that_prints_as_a_table():
    symmetry = Symmetry((RECURRENT,))
    assert list(symmetry) == ["cell"] and symmetry["cell"] is RECURRENT and "other" not in symmetry
    header, *rows = str(symmetry).splitlines()
    assert header.split() == ["group", "units", "array", "axis", "positions", "role"]
    assert rows[0].split() == ["cell", "5", "input", "1", "fan-in"] and rows[2].split() == ["loop", "0", "fan-out"]
    with pytest.raises(KeyError, match="no unit group 'other'"):
        symmetry["other"]


@pytest.mark.parametrize("name", list(MODELS))
def test_projecting_is_the_mean_over_permutations_of_a_block(name):
    model, shape = MODELS[name]
    params = drawn(variables_of(model, inputs_of(shape)))
    for group in model.symmetry(shape).values():
        block = [0, group.size - 1, 1] if group.size > 2 else [0, 1]
        orders = [np.arange(group.size) for _ in block]
        for turn, order in enumerate(orders):
            order[block] = np.roll(block, turn)  # the cyclic permutations of a block have the same mean as all of them
        turned = [jax.jit(permute, static_argnums=1)(params, group, order) for order in orders]
        expected = jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *turned)
        projecting = jax.jit(lambda tree, group=group, block=block: project(tree, group, [block]))
        projected = projecting(params)
        for one, other in zip(jax.tree.leaves(projected), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        again = projecting(projected)
        for one, other in zip(jax.tree.leaves(again), jax.tree.leaves(projected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)


def test_copies_are_found_in_the_order_of_the_tree():
    """Those that empty nodes stand for, too."""
    group = UnitGroup("h", 3, (UnitAxis("params/h/kernel", 1, "fan-in"), UnitAxis("stats/h/mean", 0, "state")))
    names = ["delta", "alpha", "gamma", "beta", "omega", "kappa"]
    tree = [{"params": {"h": {}}, "stats": {"h": {"mean": jnp.ones(3)}}} for _ in names]
    assert paths_within(group, tree) == [f"{place}/stats/h/mean" for place in range(len(names))]


def test_blocks_may_come_one_by_one():
    params, group = {"w": jnp.arange(6.0).reshape(2, 3)}, UnitGroup("w", 3, (UnitAxis("w", 1, "fan-in"),))
    for change in (tie, project):
        one_by_one = change(params, group, (block for block in [[0, 2]]))
        np.testing.assert_array_equal(one_by_one["w"], change(params, group, [[0, 2]])["w"])
        assert one_by_one["w"][0, 0] == one_by_one["w"][0, 2]
