"""Zero weights and scattered biases, against autodiff of the network itself in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from symmetry_jax.learning.models import ACTIVATIONS, MLP
from symmetry_jax.theory.scattered_biases import one_unit_bias, shares

WIDTH, CLASSES, INPUTS, RATE = 6, 4, 5, 0.3
pytestmark = pytest.mark.usefixtures("float64")


def batches(seed, count):
    random = np.random.default_rng(seed)
    return [(jnp.asarray(random.normal(size=(9, INPUTS))), jnp.asarray(random.integers(0, CLASSES, 9))) for _ in range(count)]


def zero_weights(layers, seed):
    """A network with zero weights, and its variables with random biases."""
    random = np.random.default_rng(seed)
    model = MLP((WIDTH,) * (layers - 1), CLASSES)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, INPUTS)))
    return model, jax.tree.map(lambda leaf: jnp.asarray(random.normal(size=leaf.shape) * (len(leaf.shape) == 1)), shapes)


def train(model, variables, examples):
    """The gradients of every step, before it is taken, and the variables in the end."""

    @jax.jit
    def gradient(variables, inputs, labels):
        def loss(variables):
            return optax.softmax_cross_entropy_with_integer_labels(model.apply(variables, inputs), labels).mean()

        return jax.grad(loss)(variables)

    found = []
    for inputs, labels in examples:
        found.append(gradient(variables, inputs, labels))
        variables = jax.tree.map(lambda entry, slope: entry - RATE * slope, variables, found[-1])
    return [step["params"] for step in found], variables["params"]


@pytest.mark.parametrize("activation", ["tanh", "relu", "softplus"])
@pytest.mark.parametrize("layers", [2, 3, 4])
def test_each_layer_moves_first_one_step_after_the_next_by_shares_of_one_direction(layers, activation):
    model, variables = zero_weights(layers, 1)
    model = model.clone(activation=ACTIVATIONS[activation])
    steps, _ = train(model, variables, batches(2, layers))
    start = variables["params"]
    for place, name in enumerate(model.layers):
        for before in steps[: layers - 1 - place]:
            assert not np.any(before[name]["kernel"])
        gradient = steps[layers - 1 - place][name]["kernel"]
        if name == "output":
            share, gradient = model.activation(start[model.layers[-2]]["bias"]), gradient.T
        else:
            share = shares(start[name]["bias"], model.activation)
        expected = np.outer(gradient @ share / (share @ share), share)
        assert np.linalg.norm(gradient) > 1e-9
        np.testing.assert_allclose(gradient, expected, atol=1e-12 * np.max(np.abs(gradient)))


@pytest.mark.parametrize("layers", [2, 3, 4])
def test_relu_units_are_copies_of_one(layers):
    model, variables = zero_weights(layers, 5)
    model = model.clone(activation=jax.nn.relu)
    single = model.clone(widths=(1,) * (layers - 1))
    shapes = jax.eval_shape(single.init, jax.random.key(0), jnp.zeros((1, INPUTS)))["params"]
    folded = {name: {"kernel": jnp.zeros(shapes[name]["kernel"].shape)} for name in model.layers}
    for name in model.layers:
        bias = variables["params"][name]["bias"]
        folded[name]["bias"] = bias if name == "output" else one_unit_bias(bias)
    examples = batches(6, 60)
    _, wide = train(model, variables, examples)
    _, one = train(single, {"params": folded}, examples)
    inputs = examples[0][0]
    outputs = jax.jit(model.apply)({"params": wide}, inputs)
    assert np.ptp(outputs, axis=0).max() > 1e-6  # the network is no longer blind
    np.testing.assert_allclose(jax.jit(single.apply)({"params": one}, inputs), outputs, rtol=1e-10)
    bias = np.asarray(variables["params"]["hidden_0"]["bias"])
    kernel = np.asarray(wide["hidden_0"]["kernel"])
    alive = bias > 0
    assert not np.any(kernel[:, ~alive]) and np.linalg.matrix_rank(kernel) == 1
    copies = np.outer(one["hidden_0"]["kernel"], bias[alive] / np.linalg.norm(bias[alive]))
    np.testing.assert_allclose(kernel[:, alive], copies, rtol=1e-9)
