"""What units compute beside the outputs, against the network written out in numpy and against differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax.learning.activity import downstream_errors, observe, slopes
from symmetry_jax.learning.models import ACTIVATIONS, CNN, MLP
from tests.drawing import inputs_of, normalising, variables_of

pytestmark = pytest.mark.usefixtures("float64")


def test_the_units_of_a_perceptron_are_seen_before_and_after_their_activations():
    model = MLP((5, 4), 3, ACTIVATIONS["sigmoid"])
    inputs = inputs_of((6,))
    variables = variables_of(model, inputs)
    outputs, activity = jax.jit(lambda: observe(model, variables, inputs))()
    hidden = np.array(inputs)
    for name in ("hidden_0", "hidden_1"):
        layer = variables["params"][name]
        before = hidden @ np.array(layer["kernel"]) + np.array(layer["bias"])
        hidden = 1 / (1 + np.exp(-before))
        np.testing.assert_allclose(activity.before[name], before, rtol=1e-12)
        np.testing.assert_allclose(activity.after[name], hidden, rtol=1e-12)
        np.testing.assert_allclose(slopes(model, activity)[name], hidden * (1 - hidden), rtol=1e-10)
    np.testing.assert_allclose(outputs, jax.jit(model.apply)(variables, inputs), rtol=1e-12)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("network", [MLP((4, 3), 2), CNN((4, 3), 2, (1, 2), head="average")], ids=["mlp", "cnn"])
def test_downstream_errors_are_what_gradients_of_weights_are_made_of(network, batch_norm):
    """dL/db of unit u is the sum over everything else of dL/dh phi'(z): the chain rule, of which jax.grad knows the end."""
    model = network.clone(batch_norm=batch_norm, activation=ACTIVATIONS["gelu"])
    inputs = inputs_of((5, 4, 2))
    variables = variables_of(model, inputs)
    variables = normalising(variables) if batch_norm else variables

    def loss(outputs):
        return jnp.sum(outputs**3)

    errors = jax.jit(lambda: downstream_errors(model, loss, variables, inputs))()
    passed_on = slopes(model, observe(model, variables, inputs)[1])
    gradient = jax.jit(jax.grad(lambda params: loss(model.apply({**variables, "params": params}, inputs))))(variables["params"])
    for name in model.layers[:-1]:
        of_units = np.asarray(errors[name] * passed_on[name])
        summed = of_units.sum(0) if isinstance(model, MLP) else of_units.sum((1, 2, 3))
        own = gradient[f"{name}_units"]["norm"] if batch_norm else gradient[name]
        np.testing.assert_allclose(own["bias"], summed, rtol=1e-9)
