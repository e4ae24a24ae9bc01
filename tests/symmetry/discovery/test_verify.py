"""What verify tells of groups that are right, and of groups that are wrong where that is hard to see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from symmetry_jax import Symmetry, UnitAxis, UnitGroup, discover, verify

KEY = jax.random.key(0)
INPUTS = jnp.asarray(np.random.default_rng(0).normal(size=(5, 3)), jnp.float32)


def arrays(**shapes):
    random = np.random.default_rng(1)
    return {name: jnp.asarray(random.normal(size=shape), jnp.float32) for name, shape in shapes.items()}


def network(params, x):
    return jnp.tanh(x @ params["w"]) @ params["v"]


PARAMS = arrays(w=(3, 4), v=(4, 2))
RIGHT = UnitGroup("right", 4, (UnitAxis("w", 1, "fan-in"), UnitAxis("v", 0, "fan-out")))
WRONG = UnitGroup("wrong", 4, (UnitAxis("w", 1, "fan-in"),))


def errors(group, function, params, *inputs):
    return verify(Symmetry((group,)), function, params, *inputs, key=KEY)[group.name]


def masked(params, x):
    logits = network(params, x)
    return jnp.where(jnp.arange(2)[None] == 0, -jnp.inf, logits), jnp.where(logits > 0, jnp.nan, 1.0), logits


def test_equal_infinities_and_what_is_no_number_twice_are_equal():
    found = errors(RIGHT, masked, PARAMS, INPUTS)
    assert found.outputs < 1e-5 and found.gradients < 1e-5


def test_numbers_that_become_none_are_seen():
    group = UnitGroup("b", 4, (UnitAxis("b", 0, "bias"),))
    shifts = jnp.asarray([0.0, 10, 20, 30])
    found = errors(group, lambda params: (jnp.sum(params["b"]), jnp.log(params["b"])), {"b": jnp.asarray([1.0, -1, 2, -2])})
    assert found.outputs == np.inf
    right = errors(group, lambda params: (jnp.sum(params["b"]), jnp.sum(jnp.log(-jnp.abs(params["b"])))), {"b": shifts})
    assert right.outputs < 1e-5


def test_a_large_array_does_not_hide_a_small_one():
    def function(params, x):
        return 1e9 * jnp.sum(params["w"]), network(params, x)

    assert errors(WRONG, function, PARAMS, INPUTS).outputs > 1e-2
    assert errors(RIGHT, function, PARAMS, INPUTS).outputs < 1e-5


def test_what_is_zero_but_for_rounding_is_no_error():
    """A shift of all logits changes no probability, and keys that are shifted alike no attention."""

    def function(params, x):
        hidden = jnp.tanh(x @ params["w"])
        weights = jax.nn.softmax(hidden @ params["q"] @ (hidden @ params["q"] + params["b"][None]).T)
        return weights @ hidden @ params["v"], jnp.sum(weights, 1) - 1

    params = PARAMS | arrays(q=(4, 6), b=(6,))
    for error in verify(discover(function, params, INPUTS), function, params, INPUTS, key=KEY).values():
        assert error.outputs < 1e-5 and error.gradients < 1e-4


@pytest.mark.parametrize("counts", [jnp.arange(4), jnp.asarray([True, False, True, True])])
def test_groups_may_carry_whole_numbers(counts):
    group = UnitGroup("right", 4, (*RIGHT.axes, UnitAxis("counts", 0, "state")))

    def function(params, x):
        return jnp.tanh(x @ params["w"] * params["counts"].astype(jnp.float32)[None]) @ params["v"]

    found = errors(group, function, PARAMS | {"counts": counts}, INPUTS)
    assert found.outputs < 1e-5 and found.gradients < 1e-5
    assert errors(RIGHT, function, PARAMS | {"counts": counts}, INPUTS).outputs > 1e-2


def called_back(x):
    return jax.pure_callback(np.tanh, jax.ShapeDtypeStruct(x.shape, x.dtype), x, vmap_method="sequential")


@jax.custom_batching.sequential_vmap
def one_by_one(x):
    return jnp.tanh(x)


def solved(x):
    return lax.custom_linear_solve(lambda y: 2 * y, x, lambda matvec, b: b / 2)


def decomposed(x):
    return jnp.linalg.svd(x, full_matrices=True)[1][:, None]


@pytest.mark.parametrize("last", [called_back, one_by_one, solved, decomposed])
def test_functions_without_a_derivative(last):
    for group, right in ((RIGHT, True), (WRONG, False)):
        found = errors(group, lambda params, x: last(network(params, x)), PARAMS, INPUTS)
        assert (found.outputs < 1e-5) is right
        assert found.gradients is None or last is one_by_one


def test_mistakes_in_the_function_are_told():
    with pytest.raises(TypeError, match="dot_general requires"):
        errors(RIGHT, lambda params, x: x @ params["w"].T, PARAMS, INPUTS)


@jax.custom_jvp
def flat(x, scale):
    return x


@flat.defjvp
def _(primals, tangents):
    x, scale = primals
    return x, tangents[0] * scale


def test_gradients_of_complex_outputs_are_compared():
    """Outputs that do not depend on the order of units, with gradients that do."""
    scale = jnp.arange(1.0, 5.0)[None]

    def function(params, x):
        outputs = flat(jnp.tanh(x @ params["w"]), scale) @ params["v"]
        return lax.complex(jnp.zeros_like(outputs), outputs)

    found = errors(RIGHT, function, PARAMS, INPUTS)
    assert found.outputs < 1e-5 and found.gradients > 1e-2


@pytest.mark.parametrize("value", [0, 1, 1j])
def test_complex_parameters_are_moved(value):
    """At a start at which all units are equal."""
    params = jax.tree.map(lambda leaf: jnp.full(leaf.shape, value, jnp.complex64), PARAMS)
    for group, right in ((RIGHT, True), (WRONG, False)):
        found = errors(group, network, params, INPUTS.astype(jnp.complex64))
        assert (found.outputs < 1e-5) is right and (found.gradients < 1e-5) is right


def test_a_function_without_parameters_has_nothing_to_verify():
    assert verify(Symmetry(()), lambda params, x: 2 * x, {}, INPUTS, key=KEY) == {}


@pytest.mark.parametrize("kind", [jnp.float16, jnp.bfloat16])
def test_parameters_of_several_kinds_are_moved_each_in_its_own(kind):
    """Whole numbers among them stay as they are."""
    params = {**PARAMS, "v": jnp.zeros((4, 2), kind), "count": jnp.arange(3), "none": jnp.zeros((0, 2))}

    def function(params, x):
        outputs = network({**params, "v": params["v"].astype(jnp.float32)}, x)
        return jnp.where((params["count"] == jnp.arange(3)).all(), outputs, 0)

    found, wrong = errors(RIGHT, function, params, INPUTS), errors(WRONG, function, params, INPUTS)
    assert found.outputs < 1e-5 and found.gradients < 1e-2 and wrong.outputs > 0.1
