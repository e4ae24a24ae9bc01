"""The quotient network computes the same function, and says how fast its parts must learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax import UnitAxis, UnitGroup, discover, quotient, tie
from symmetry_jax.errors import InputError
from symmetry_jax.learning.models import CNN, MLP
from tests.drawing import inputs_of, variables_of

BLOCKS = {"first": [(0, 1)], "second": [(1, 3, 2), (0, 4)]}


def tied(model, shape, blocks):
    inputs = inputs_of(shape)
    variables = variables_of(model, inputs)
    symmetry = model.symmetry(shape)
    for name, units in blocks.items():
        variables = tie(variables, symmetry[name], units)
    return variables, inputs, symmetry


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "model, smaller, shape, names",
    [
        (MLP((6, 5), 3), MLP((5, 2), 3), (4,), ("hidden_0", "hidden_1")),
        (CNN((6, 5), 3, (1, 2)), CNN((5, 2), 3, (1, 2)), (6, 6, 2), ("conv_0", "conv_1")),
    ],
)
def test_quotient_computes_the_same_function(model, smaller, shape, names):
    blocks = dict(zip(names, BLOCKS.values(), strict=True))
    variables, inputs, symmetry = tied(model, shape, blocks)
    merged, rates = variables, None
    for name, units in blocks.items():
        merged, rates = quotient(merged, symmetry[name], units, rates)
    np.testing.assert_allclose(
        jax.jit(smaller.apply)(merged, inputs), jax.jit(model.apply)(variables, inputs), rtol=1e-11, atol=1e-13
    )
    assert jax.tree.map(jnp.shape, rates) == jax.tree.map(jnp.shape, merged)


def concatenated(params, x):
    hidden = jnp.tanh(x @ params["in"])
    gates = hidden @ jnp.concatenate([params["a"], params["b"]], axis=1)
    forget, new = jnp.split(gates, 2, axis=1)
    return (jax.nn.sigmoid(forget) * hidden + jnp.tanh(new)) @ params["out"]


def added(params, x):
    hidden = jnp.tanh(x @ params["in"])
    return jnp.tanh(hidden @ (params["a"] + jnp.ones_like(params["b"]) * params["b"]) + hidden) @ params["out"]


def in_blocks(params, x):
    hidden = jnp.tanh(x @ params["in"])
    a, b = params["a"], params["b"]
    both = jnp.concatenate([hidden, jnp.sin(hidden)], axis=1) @ jnp.block([[a, b], [b, a]])
    return (both[:, : hidden.shape[1]] + jnp.tanh(both[:, hidden.shape[1] :]) + hidden) @ params["out"]


def padded(params, x):
    hidden = jnp.tanh(x @ params["in"])
    wider = jnp.pad(hidden, [(0, 0), (0, 2)])
    read = [wider @ jnp.pad(params[name], [(0, 2), (0, 0)]) for name in ("a", "b")]
    return (jnp.tanh(read[0]) + read[1] + hidden) @ params["out"]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("function", [concatenated, added, in_blocks, padded])
def test_square_matrices_that_are_joined_keep_their_axes_apart(function):
    """The first one's axes are those of what is made of both."""
    shapes = {"in": (3, 6), "a": (6, 6), "b": (6, 6), "out": (6, 2)}
    draw = np.random.default_rng(0)
    params = {name: jnp.asarray(draw.normal(size=shape)) for name, shape in shapes.items()}
    inputs = inputs_of((3,))
    (group,) = discover(function, params, inputs).groups
    params = tie(params, group, [(0, 1), (2, 5, 3)])
    merged, rates = quotient(params, group, [(0, 1), (2, 5, 3)])
    np.testing.assert_allclose(function(merged, inputs), function(params, inputs), rtol=1e-12)
    np.testing.assert_array_equal(rates["a"], rates["b"])
    np.testing.assert_allclose(rates["a"], np.outer([2, 3, 1], 1 / np.array([2, 3, 1])), rtol=1e-6)


def test_square_matrices_of_which_one_is_chosen_keep_their_axes_apart():
    params = {name: jnp.ones(shape) for name, shape in {"in": (3, 6), "a": (6, 6), "b": (6, 6), "out": (6, 2)}.items()}

    def function(params, x):
        hidden = jnp.tanh(x @ params["in"])
        matrix = jax.lax.cond(params["switch"] > 0, lambda: params["a"], lambda: params["b"])
        return (jnp.tanh(hidden @ matrix) + hidden) @ params["out"]

    (group,) = discover(function, params | {"switch": jnp.ones(())}, inputs_of((3,))).groups
    roles = {(axis.path, axis.axis): axis.role for axis in group.axes}
    assert all(roles[name, 0] == "fan-out" and roles[name, 1] == "fan-in" for name in "ab")


def test_rates_follow_the_multiplicities_of_source_and_target():
    blocks = {"hidden_0": [(0, 1)], "hidden_1": [(1, 3, 2)]}
    variables, _, symmetry = tied(MLP((3, 4), 2), (5,), blocks)
    merged, rates = variables, None
    for name, units in blocks.items():
        merged, rates = quotient(merged, symmetry[name], units, rates)
    source, target = np.array([2, 1]), np.array([1, 3])
    found = rates["params"]
    np.testing.assert_allclose(found["hidden_0"]["kernel"], np.ones((5, 1)) / source)
    np.testing.assert_allclose(found["hidden_0"]["bias"], 1 / source)
    np.testing.assert_allclose(found["hidden_1"]["kernel"], source[:, None] / target, rtol=1e-6)
    np.testing.assert_allclose(found["hidden_1"]["bias"], 1 / target, rtol=1e-6)
    np.testing.assert_allclose(found["output"]["kernel"], target[:, None] * np.ones((2, 2)))
    np.testing.assert_allclose(found["output"]["bias"], np.ones(2))


def test_other_entries_of_a_concatenated_axis_stay_in_order():
    group = UnitGroup("units", 3, (UnitAxis("reader", 0, "fan-out", outer=2, start=1),))
    merged, _ = quotient({"reader": jnp.arange(8.0)}, group, [(0, 2)])
    np.testing.assert_array_equal(merged["reader"], [0, 1 + 3, 2, 4 + 6, 5, 7])


@pytest.mark.parametrize(
    "function",
    [lambda params, x: jnp.tanh(x @ params["w"]) @ params["w"].T, lambda params, x: jnp.tanh(x @ params["w"]).sum(-1)],
)
def test_units_whose_fan_outs_cannot_be_summed_have_no_quotient(function):
    params, inputs = {"w": jnp.ones((3, 4))}, inputs_of((3,))
    group = discover(function, params, inputs)["w"]
    with pytest.raises(InputError, match="no fan-out"):
        quotient(params, group, [(0, 1)])
