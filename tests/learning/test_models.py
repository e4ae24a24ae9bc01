"""Networks against their definitions written out in other words."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from symmetry_jax.errors import InputError
from symmetry_jax.learning.models import ACTIVATIONS, CNN, MLP
from tests.drawing import inputs_of, variables_of

pytestmark = pytest.mark.usefixtures("float64")


def test_mlp_is_a_chain_of_affine_maps_and_activations():
    model = MLP((5, 4), 3, ACTIVATIONS["tanh"])
    inputs = inputs_of((2, 3))
    variables = variables_of(model, inputs)
    hidden = np.array(inputs).reshape(3, 6)
    for name in ("hidden_0", "hidden_1", "output"):
        layer = variables["params"][name]
        hidden = hidden @ np.array(layer["kernel"]) + np.array(layer["bias"])
        hidden = np.tanh(hidden) if name != "output" else hidden
    np.testing.assert_allclose(jax.jit(model.apply)(variables, inputs), hidden, rtol=1e-12)


class Usual(nn.Module):
    """The CNN as it is usually written in flax: (batch, height, width, channel)."""

    head: str
    padding: str

    @nn.compact
    def __call__(self, maps):
        for number, (filters, stride) in enumerate([(4, 1), (3, 2)]):
            layer = nn.Conv(filters, (3, 3), (stride, stride), self.padding, param_dtype=maps.dtype, name=f"conv_{number}")
            maps = nn.relu(layer(maps))
        # channels first, as the head of CNN reads them
        flat = maps.mean((1, 2)) if self.head == "average" else maps.transpose(0, 3, 1, 2).reshape(len(maps), -1)
        return nn.Dense(5, param_dtype=maps.dtype, name="output")(flat)


@pytest.mark.parametrize("lowering", ["patches", "xla"])
@pytest.mark.parametrize("head", ["flatten", "average"])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_cnn_is_the_usual_one(lowering, head, padding):
    model = CNN((4, 3), 5, (1, 2), 3, padding, head, ACTIVATIONS["relu"], lowering=lowering)
    inputs = inputs_of((8, 7, 2))
    variables = variables_of(model, inputs)
    expected = jax.jit(Usual(head, padding).apply)(variables, inputs)
    np.testing.assert_allclose(jax.jit(model.apply)(variables, inputs), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    "name, formula",
    [
        ("tanh", np.tanh),
        ("erf", lambda z: np.vectorize(math.erf)(z / np.sqrt(2))),
        ("relu", lambda z: np.maximum(z, 0)),
        ("gelu", lambda z: z * (1 + np.vectorize(math.erf)(z / np.sqrt(2))) / 2),
        ("silu", lambda z: z / (1 + np.exp(-z))),
        ("sigmoid", lambda z: 1 / (1 + np.exp(-z))),
        ("softplus", lambda z: np.log(1 + np.exp(z))),
        ("identity", lambda z: z),
    ],
)
def test_activations(name, formula):
    points = np.linspace(-4, 4, 41)
    np.testing.assert_allclose(ACTIVATIONS[name](jnp.asarray(points)), formula(points), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"filters": ()}, "at least one convolution"),
        ({"filters": (4, 0)}, r"filters=\(4, 0\): whole numbers, at least 1"),
        ({"filters": (4, 4.5)}, r"filters=\(4, 4.5\): whole numbers"),
        ({"filters": ("4", 4)}, r"filters=\('4', 4\): whole numbers"),
        ({"kernel": 0}, "kernel=0: whole numbers"),
        ({"outputs": 0}, "outputs=0: whole numbers"),
        ({"strides": (1,)}, "one stride for each layer"),
        ({"strides": (1, -1)}, r"strides=\(1, -1\): whole numbers"),
    ],
)
def test_networks_that_cannot_be_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        CNN(**{"filters": (4, 4), "outputs": 2, "strides": (1, 1)} | wrong)


@pytest.mark.parametrize("widths, outputs", [((4, 0), 2), ((4,), -1), ((2.5,), 2)])
def test_perceptrons_that_cannot_be_are_refused(widths, outputs):
    with pytest.raises(InputError, match="whole numbers, at least 1"):
        MLP(widths, outputs)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"strides": (9, 1)}, r"strides=\(9, 1\): at most 8 for layer conv_0, which reads maps of 8x8"),
        ({"kernel": 16}, "kernel=16: at most 15 for images of 8x8"),
        ({"kernel": 9, "padding": "VALID"}, "a kernel of 9x9 does not fit maps of 8x8"),
        ({"filters": (40_000, 40_000)}, "weights, and at most 268,435,456 are possible"),
    ],
)
def test_networks_that_do_not_fit_their_images_are_refused(settings, message):
    network = CNN(**{"filters": (4, 4), "outputs": 2, "strides": (1, 1)} | settings)
    with pytest.raises(InputError, match=message):
        network.symmetry((8, 8, 1))


def test_every_weight_of_the_largest_kernel_meets_a_pixel():
    network = CNN((2,), 3, (1,), kernel=7)
    inputs = inputs_of((4, 4, 1))
    variables = variables_of(network, inputs)
    slopes = jax.grad(lambda variables: jnp.sum(network.apply(variables, inputs) ** 2))(variables)
    assert (slopes["params"]["conv_0"]["kernel"] != 0).all()
