"""What is discovered is what was counted by hand, everywhere in the zoo; and what is said of the rest."""

import contextlib
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from symmetry_jax import Symmetry, UnitAxis, UnitGroup, discover, permute, verify
from symmetry_jax.errors import InputError
from symmetry_jax.symmetry.nested import permute_each
from tests.symmetry.discovery.zoo import ALL
from tests.symmetry.discovery.zoo.linen import experts_chosen, scanned_transformer
from tests.symmetry.discovery.zoo.plain import iterated

every_case = pytest.mark.parametrize("build", ALL, ids=lambda build: f"{build.__module__.rsplit('.', 1)[-1]}-{build.__name__}")


def found_in(case):
    return discover(case.function, case.params, *case.inputs, outputs=case.outputs)


def rows(places, size):
    """For each array and axis of a group the positions of each of its units."""
    positions = {}
    for place in places:
        positions.setdefault((place.path, place.axis), []).append(place.positions(size))
    return {where: tuple(map(tuple, np.sort(np.concatenate(found, 1), 1))) for where, found in positions.items()}


def identity(group, places, left_out):
    kept = [place for place in places if place.path not in left_out]
    return group.size, frozenset(rows(kept, group.size).items())


@every_case
def test_groups_are_those_that_were_counted(build):
    case = build()
    symmetry = found_in(case)
    unused = {rigid.path for rigid in symmetry.rigid if rigid.axis is None}
    assert unused & {place.path for group in case.groups for place in group.places} <= set(case.silent)
    counted = {identity(group, group.places, unused): (group.apart, group.only_where != "") for group in case.groups}
    found = {identity(group, group.axes, unused): (group.sets, group.conditions != ()) for group in symmetry.values()}
    assert found == counted


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
@every_case
def test_every_group_of_the_zoo_is_verified(build):
    case = build()
    errors = verify(found_in(case), case.function, case.params, *case.inputs, key=jax.random.key(0), outputs=case.outputs)
    worst = (max(error.outputs, error.gradients or 0, error.signs or 0, error.scales or 0) for error in errors.values())
    assert all(error < 100 * case.rounding for error in worst)


def functions_of_numbers():
    """Primitives of this version of jax that make, of one to three arrays alone, another of their shape."""
    found = {}
    for primitive in (value for name, value in vars(lax).items() if name.endswith("_p")):
        for dtype, operands in itertools.product((jnp.float32, jnp.int32), (1, 2, 3)):
            with contextlib.suppress(Exception):  # each refuses what it is not made for in its own way
                arrays = [jax.ShapeDtypeStruct((4, 5), dtype)] * operands
                if getattr(jax.eval_shape(primitive.bind, *arrays), "shape", None) == (4, 5):
                    found.setdefault(primitive.name, (primitive.bind, dtype, operands))
    return found


def test_functions_of_numbers_are_found():
    assert functions_of_numbers().keys() >= {"add", "and", "clamp", "erf_inv", "exp", "igamma", "tanh"}


@pytest.mark.parametrize("function", [pytest.param(found, id=name) for name, found in functions_of_numbers().items()])
def test_every_function_of_numbers_lets_units_be_permuted(function):
    """A function that another version of jax brings, and that has no rule, would hide the symmetry of all that use it."""
    apply, dtype, operands = function

    def network(params, x):
        hidden = apply(*[(x @ params["w"]).astype(dtype)] * operands)
        return jnp.real(hidden).astype(x.dtype) @ params["v"]

    params = {"w": jnp.ones((3, 5)), "v": jnp.ones((5, 2))}
    (group,) = discover(network, params, jnp.ones((4, 3))).groups
    assert group.size == 5 and {axis.path for axis in group.axes} == {"w", "v"}


def mlp(params, x):
    return jnp.tanh(x @ params["w1"] + params["b1"][None]) @ params["w2"]


def mlp_params(hidden=4):
    keys = jax.random.split(jax.random.key(0), 3)
    shapes = {"w1": (3, hidden), "b1": (hidden,), "w2": (hidden, 2)}
    return {name: jax.random.normal(key, shape) for key, (name, shape) in zip(keys, shapes.items(), strict=True)}


INPUTS = jnp.ones((5, 3))


def test_arrays_or_their_shapes_give_the_same():
    shapes = jax.eval_shape(mlp_params)
    assert discover(mlp, shapes, jax.ShapeDtypeStruct((5, 3), jnp.float32)) == discover(mlp, mlp_params(), INPUTS)


def test_roles_and_names():
    symmetry = discover(lambda params, x: mlp(params["params"]["block"], x), {"params": {"block": mlp_params()}}, INPUTS)
    paths = ["params/block/w1", "params/block/b1", "params/block/w2"]
    assert list(symmetry) == ["block"]
    assert [(axis.path, axis.role) for axis in symmetry["block"].axes] == list(
        zip(paths, ("fan-in", "bias", "fan-out"), strict=True)
    )


@pytest.mark.parametrize("lift", [lambda function: function, jax.jit])
@pytest.mark.parametrize(
    "function",
    [mlp, lambda params, x: jax.lax.scan(lambda total, row: (total, mlp(params, row[None])), 0.0, x)[1][:, 0]],
)
def test_roles_and_names_where_the_data_is_captured(function, lift):
    data = jnp.asarray(np.random.default_rng(0).normal(size=(5, 3)), jnp.float32)
    alone = discover(lift(lambda params: function(params, data)), mlp_params())
    assert alone.groups == discover(function, mlp_params(), data).groups
    assert [axis.role for axis in alone["w1"].axes] == ["fan-in", "bias", "fan-out"]


def test_what_is_not_trained_is_state():
    symmetry = discover(mlp, mlp_params(), INPUTS, trained=lambda path: path != "b1")
    assert {axis.path: axis.role for axis in symmetry["w1"].axes}["b1"] == "state"


def test_what_is_rigid_is_said_with_the_line_that_makes_it_so():
    def function(params, x):
        hidden = jnp.tanh(x @ params["w1"] + params["b1"][None])
        return jnp.cumsum(hidden, axis=1) @ params["w2"]  # the line

    symmetry = discover(function, mlp_params() | {"spare": jnp.ones(2)}, INPUTS)
    line = function.__code__.co_firstlineno + 2
    reasons = {(rigid.path, rigid.axis): rigid.reason for rigid in symmetry.rigid}
    assert len(symmetry) == 0
    assert re.fullmatch(rf"cumsum: what comes before counts, .*test_discover\.py:{line}", reasons["b1", 0])
    assert reasons["w1", 0] == "an axis of the input" and reasons["w2", 1] == "an axis of the output"
    assert reasons["spare", None] == "no output depends on it"


def test_a_primitive_that_is_not_followed_is_named():
    symmetry = discover(lambda params, x: jnp.linalg.inv(params["w"]) @ x, {"w": jnp.eye(3)}, jnp.ones((3, 2)))
    assert len(symmetry) == 0 and any("this primitive is not followed" in rigid.reason for rigid in symmetry.rigid)


def test_outputs_that_do_not_count_hide_nothing():
    def function(params, x):
        hidden = jnp.tanh(x @ params["w1"])
        return hidden @ params["w2"], hidden.mean(0), hidden[:, :3]

    assert list(discover(function, mlp_params(), INPUTS)) == []
    assert list(discover(function, mlp_params(), INPUTS, outputs=lambda results: results[0])) == ["w1"]


def test_statistics_that_only_other_outputs_depend_on_belong_to_their_units():
    def function(params, x):
        hidden = jnp.tanh(x @ params["w1"])
        return hidden @ params["w2"], 0.9 * params["mean"] + 0.1 * hidden.mean(0)

    params = mlp_params() | {"mean": jnp.zeros(4)}
    symmetry = discover(function, params, INPUTS, outputs=lambda results: results[0], trained=lambda path: path != "mean")
    assert [(axis.path, axis.role) for axis in symmetry["w1"].axes] == [("w1", "fan-in"), ("w2", "fan-out"), ("mean", "state")]


def test_a_table_to_read():
    text = str(found_in(experts_chosen()))
    lines = text.splitlines()
    assert lines[0].split() == ["group", "units", "array", "axis", "positions", "role"]
    assert any(line.startswith("up      6 in each of 5  params/up") for line in lines)
    assert re.search(r"router: only if no two of these units tie at top_k, .*linen\.py:\d+", text)
    assert re.search(r"params/down +2 +3 +an axis of the output", text)


def test_what_is_no_array_is_named():
    with pytest.raises(InputError, match="params, activation: a str is no array"):
        discover(mlp, mlp_params() | {"activation": "tanh"}, INPUTS)
    with pytest.raises(InputError, match="inputs, 1: a PjitFunction is no array"):
        discover(mlp, mlp_params(), INPUTS, jnp.tanh)
    with pytest.raises(InputError, match="params holds no arrays"):
        discover(lambda params, x: x, {}, INPUTS)


def test_verify_tells_true_groups_from_false_ones():
    params = mlp_params()
    true = discover(mlp, params, INPUTS)["w1"]
    errors = verify(Symmetry((true, UnitGroup("half", 4, true.axes[:2]))), mlp, params, INPUTS, key=jax.random.key(0))
    assert max(errors["w1"].outputs, errors["w1"].gradients) < 1e-5
    assert min(errors["half"].outputs, errors["half"].gradients) > 1e-2


def test_verify_sees_through_a_start_at_which_all_units_are_equal():
    params = jax.tree.map(jnp.zeros_like, mlp_params())
    false = UnitGroup("half", 4, (UnitAxis("w1", 1, "fan-in"),))
    assert verify(Symmetry((false,)), mlp, params, INPUTS, key=jax.random.key(0))["half"].outputs > 1e-2


def test_verify_compares_imaginary_parts():
    def function(params, x):
        outputs = mlp(params, x)
        return jax.lax.complex(jnp.zeros_like(outputs), outputs)

    false = UnitGroup("half", 4, (UnitAxis("w1", 1, "fan-in"),))
    errors = verify(Symmetry((false,)), function, mlp_params(), INPUTS, key=jax.random.key(0))
    assert errors["half"].outputs > 1e-2


def test_verify_takes_arrays():
    with pytest.raises(InputError, match="params holds shapes"):
        verify(Symmetry(()), mlp, jax.eval_shape(mlp_params), INPUTS, key=jax.random.key(0))


def test_verify_without_gradients_in_reverse():
    case = iterated()
    errors = verify(found_in(case), case.function, case.params, *case.inputs, key=jax.random.key(0))
    assert [(error.outputs < 1e-5, error.gradients) for error in errors.values()] == [(True, None)]


def test_units_are_permuted_alike_or_in_each_set_by_itself():
    case = scanned_transformer()
    group = next(group for group in found_in(case).values() if len(group.inside) > 1)
    order = np.roll(np.arange(group.size), 2)
    alike = permute_each(case.params, group, np.broadcast_to(order, (*(outer.size for outer in group.inside), group.size)))
    jax.tree.map(np.testing.assert_array_equal, alike, permute(case.params, group, order))
