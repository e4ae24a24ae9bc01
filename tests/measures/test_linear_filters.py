"""Measures of networks of one convolution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax.learning.models import ACTIVATIONS, CNN
from symmetry_jax.learning.process import State
from symmetry_jax.learning.tasks import Batch, Dataset
from symmetry_jax.measures.linear_filters import fold_gap, folded_gain, kernels
from symmetry_jax.theory.linear_filters import gain
from tests.drawing import inputs_of, variables_of

pytestmark = pytest.mark.usefixtures("float64")


def case(activation, padding):
    model = CNN((3,), 4, (1,), padding=padding, activation=ACTIVATIONS[activation])
    inputs = inputs_of((6, 6, 1), batch=9)
    batch = Batch(inputs, jnp.zeros(9, jnp.int32))
    return model, State(variables_of(model, inputs)), Dataset(batch, batch)


def read(measure, state, data):
    return jax.jit(measure.read)(state, None, data, {}, jnp.int32(0))


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_a_linear_network_is_the_softmax_regression_that_it_folds_to(padding):
    model, state, data = case("identity", padding)
    assert 0 <= read(fold_gap(model), state, data) < 1e-13
    curved, _, _ = case("relu", padding)
    assert read(fold_gap(curved), state, data) > 0.01
    state.variables["params"]["conv_0"]["bias"] += 1  # what all of the network says is folded, biases of filters too
    assert read(fold_gap(model), state, data) < 1e-13


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_kernels_and_gain(padding):
    model, state, data = case("identity", padding)
    params = state.variables["params"]
    np.testing.assert_array_equal(read(kernels(model), state, data), params["conv_0"]["kernel"][:, :, 0])
    told = np.asarray(params["conv_0"]["kernel"])[:, :, 0], np.asarray(params["output"]["kernel"])
    assert read(folded_gain(model), state, data) == pytest.approx(gain(*told, 6, padding), rel=1e-12)
