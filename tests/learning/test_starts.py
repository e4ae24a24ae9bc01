"""Where training starts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax import separation
from symmetry_jax.learning.models import CNN, MLP
from symmetry_jax.learning.starts import INITIALIZERS, alike, biased, draw, merged, near_tied, scattered, tied
from symmetry_jax.learning.streams import Stream

MODEL, SHAPE = CNN((4, 6), 3, (1, 2)), (8, 8, 1)
SYMMETRY = MODEL.symmetry(SHAPE)
PAIRS = {"conv_0": (0, 1), "conv_1": (2, 5)}


def begin(start, dtype="float32", shape=SHAPE, **hparams):
    traced = {
        name: jnp.asarray(value, jnp.int32 if name == "seed" else dtype) for name, value in {"seed": 0, **hparams}.items()
    }
    return jax.jit(start, compiler_options={"xla_backend_optimization_level": 0})(traced, jnp.zeros((1, *shape), dtype))


@pytest.mark.parametrize("name, value", [("zero", 0.0), ("constant", 0.25)])
def test_all_weights_alike(name, value):
    for layer in begin(draw(MODEL, INITIALIZERS[name]), constant=value)["params"].values():
        np.testing.assert_array_equal(layer["kernel"], np.full(layer["kernel"].shape, value, np.float32))
        np.testing.assert_array_equal(layer["bias"], np.zeros(layer["bias"].shape))


def test_biases_may_start_anywhere():
    variables = begin(draw(MODEL, INITIALIZERS["zero"], biased), bias=0.5)
    assert all(np.all(layer["bias"] == 0.5) and not np.any(layer["kernel"]) for layer in variables["params"].values())


@pytest.mark.parametrize("name, gain", [("lecun", 1.0), ("he", 2.0)])
def test_variance_is_the_gain_over_the_fan_in(name, gain):
    variables = begin(draw(MLP((300,), 2), INITIALIZERS[name]), shape=(200,))
    assert np.var(variables["params"]["hidden_0"]["kernel"]) == pytest.approx(gain / 200, rel=0.03)


def test_weights_depend_on_the_seed():
    start = draw(MODEL, INITIALIZERS["lecun"])
    kernels = [begin(start, seed=seed)["params"]["conv_0"]["kernel"] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.all(kernels[0] != kernels[2])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("epsilon", [0.0, 1e-6, 0.3])
def test_near_tied_twins_are_epsilon_apart_in_every_group(epsilon):
    start = near_tied(draw(MODEL, INITIALIZERS["lecun"]), SYMMETRY, PAIRS)
    variables = begin(start, "float64", epsilon=epsilon)
    for name, (first, second) in PAIRS.items():
        apart = jax.jit(separation, static_argnums=1)(variables, SYMMETRY[name])
        assert apart[first, second] == pytest.approx(epsilon, rel=1e-9)
        assert np.sum(apart < 0.31) == MODEL.filters[int(name[-1])] + 2


def test_twins_change_nothing_else():
    start = draw(MODEL, INITIALIZERS["lecun"])
    plain, moved = begin(start), begin(near_tied(start, SYMMETRY, {"conv_0": (0, 1)}), epsilon=0.1)
    kernel, other = plain["params"]["conv_0"]["kernel"], moved["params"]["conv_0"]["kernel"]
    np.testing.assert_array_equal(kernel[..., 2:], other[..., 2:])
    np.testing.assert_array_equal(plain["params"]["output"]["kernel"], moved["params"]["output"]["kernel"])


@pytest.mark.usefixtures("float64")
def test_merged_start_computes_what_the_tied_one_does():
    blocks = {"conv_0": [(0, 1)], "conv_1": [(0, 2, 4)]}
    start = draw(MODEL, INITIALIZERS["he"])
    inputs = jnp.asarray(np.random.default_rng(0).normal(size=(2, *SHAPE)))
    whole = begin(tied(start, SYMMETRY, blocks), "float64")
    small = begin(merged(start, SYMMETRY, blocks), "float64")
    outputs = jax.jit(CNN((3, 4), 3, (1, 2)).apply)(small, inputs)
    np.testing.assert_allclose(outputs, jax.jit(MODEL.apply)(whole, inputs), rtol=1e-11, atol=1e-13)


def test_scattered_biases_have_a_scale_and_leave_the_weights_alone():
    start = draw(MLP((2000,), 3), INITIALIZERS["lecun"], scattered)
    none, some, more = (begin(start, shape=(4,), bias_scale=scale)["params"] for scale in (0.0, 0.5, 1.0))
    assert not np.any(none["hidden_0"]["bias"]) and np.std(some["hidden_0"]["bias"]) == pytest.approx(0.5, rel=0.05)
    np.testing.assert_array_equal(2 * some["hidden_0"]["bias"], more["hidden_0"]["bias"])
    np.testing.assert_array_equal(none["hidden_0"]["kernel"], more["hidden_0"]["kernel"])


def test_units_alike_are_tied_at_0_their_own_at_1_and_correlated_between():
    model = MLP((400, 300), 3)
    own, common = draw(model, INITIALIZERS["lecun"]), draw(model, INITIALIZERS["lecun"], stream=Stream.TWINS)
    start = alike(own, common, model.symmetry((200,)))
    equal, some, alone = (begin(start, shape=(200,), spread=spread)["params"] for spread in (0.0, 0.6, 1.0))
    assert np.all(equal["hidden_0"]["kernel"][:, :1] == equal["hidden_0"]["kernel"])
    assert np.all(equal["hidden_1"]["kernel"] == equal["hidden_1"]["kernel"][0, 0])  # both of its axes are tied
    drawn = begin(own, shape=(200,))["params"]  # compiled apart, and rounded otherwise
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-6), alone, drawn)
    kernel = np.asarray(some["hidden_0"]["kernel"])
    assert np.corrcoef(kernel.T)[np.triu_indices(400, 1)].mean() == pytest.approx(1 - 0.6**2, abs=0.05)
    assert np.var(kernel) == pytest.approx(1 / 200, rel=0.15)
