"""Where training starts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax import separation
from symmetry_jax.learning.models import CNN, MLP
from symmetry_jax.learning.starts import (
    INITIALIZERS,
    biased,
    copied,
    draw,
    even_blocks,
    evenly_tied,
    gathered,
    near_tied,
    scattered,
    tied,
)

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


@pytest.mark.parametrize(
    "copies, layers, blocks",
    [
        (2, 2, {"conv_0": [(0, 1), (2, 3)], "conv_1": [(0, 1), (2, 3), (4, 5)]}),
        (4, 2, {"conv_0": [range(4)], "conv_1": [range(4)]}),
        (3, 1, {"conv_0": [(0, 1, 2)]}),
        (1, 2, {}),
        (2, 0, {}),
    ],
)
def test_blocks_of_neighbours_are_tied(copies, layers, blocks):
    """What a traced number of copies ties is what named blocks tie; units left over stay alone."""
    start = draw(MODEL, INITIALIZERS["lecun"])
    found = begin(evenly_tied(start, SYMMETRY), copies=copies, tied_layers=layers)
    jax.tree.map(np.testing.assert_array_equal, found, begin(tied(start, SYMMETRY, blocks)))
    for name, group in list(SYMMETRY.items())[:layers]:
        assert [tuple(block) for block in even_blocks(group.size, copies) if copies > 1] == [*map(tuple, blocks.get(name, ()))]


def test_scattered_biases_have_a_scale_and_leave_the_weights_alone():
    start = draw(MLP((2000,), 3), INITIALIZERS["lecun"], scattered)
    none, some, more = (begin(start, shape=(4,), bias_scale=scale)["params"] for scale in (0.0, 0.5, 1.0))
    assert not np.any(none["hidden_0"]["bias"]) and np.std(some["hidden_0"]["bias"]) == pytest.approx(0.5, rel=0.05)
    np.testing.assert_array_equal(2 * some["hidden_0"]["bias"], more["hidden_0"]["bias"])
    np.testing.assert_array_equal(none["hidden_0"]["kernel"], more["hidden_0"]["kernel"])


@pytest.mark.usefixtures("float64")
def test_gathered_units_lie_between_the_first_and_where_they_were():
    start = draw(MODEL, INITIALIZERS["lecun"])
    gather = gathered(start, SYMMETRY, {"conv_0": [range(4)]})
    plain, equal, near, far = (begin(start, "float64"), *(begin(gather, "float64", spread=spread) for spread in (0, 0.1, 1)))
    assert not np.any(jax.jit(separation, static_argnums=1)(equal, SYMMETRY["conv_0"]))
    for one, tie, some, every in zip(*map(jax.tree.leaves, (plain, equal, near, far)), strict=True):
        np.testing.assert_allclose(every, one, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(some, tie + 0.1 * (one - tie), rtol=1e-13, atol=1e-15)
    first, others = (np.asarray(tree["params"]["conv_0"]["kernel"])[..., 0] for tree in (near, plain))
    np.testing.assert_array_equal(first, others)


def test_units_of_different_layers_may_start_with_equal_weights():
    model = MLP((4, 4, 4), 3)
    plain = draw(model, INITIALIZERS["lecun"], scattered)
    before, after = (
        begin(start, shape=(5,), bias_scale=1.0)["params"] for start in (plain, copied(plain, ("hidden_1", 3), ("hidden_2", 0)))
    )
    np.testing.assert_array_equal(after["hidden_2"]["kernel"][:, 0], after["hidden_1"]["kernel"][:, 3])
    assert after["hidden_2"]["bias"][0] == after["hidden_1"]["bias"][3]
    assert abs(before["hidden_2"]["bias"][0] - before["hidden_1"]["bias"][3]) > 1e-3
    np.testing.assert_allclose(after["hidden_2"]["kernel"][:, 1:], before["hidden_2"]["kernel"][:, 1:], rtol=1e-5)
    for name in ("hidden_0", "hidden_1", "output"):
        jax.tree.map(lambda old, new: np.testing.assert_allclose(old, new, rtol=1e-5), before[name], after[name])
