"""Networks against their definitions written out in other words."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from symmetry_jax.errors import InputError
from symmetry_jax.learning.activity import observe
from symmetry_jax.learning.convolution import lowered
from symmetry_jax.learning.layers import INPUTS
from symmetry_jax.learning.models import ACTIVATIONS, CNN, MLP
from symmetry_jax.symmetry.units import permute
from tests.drawing import inputs_of, normalising, variables_of

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
    model = CNN((4, 3), 5, (1, 2), 3, padding, head, ACTIVATIONS["relu"])
    inputs = inputs_of((8, 7, 2))
    variables = variables_of(model, inputs)
    expected = jax.jit(Usual(head, padding).apply)(variables, inputs)
    with lowered(lowering):
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


@pytest.mark.parametrize("network", [MLP((4,), 3), CNN((4,), 3, (1,))], ids=["mlp", "cnn"])
def test_batch_norm_takes_statistics_of_the_batch_in_training_and_running_ones_otherwise(network):
    model = network.clone(batch_norm=True, activation=ACTIVATIONS["identity"])
    inputs = inputs_of((4, 3, 2), batch=6)
    variables = normalising(variables_of(model, inputs))
    [layer] = model.layers[:-1]
    norm, running = (jax.tree.map(np.asarray, variables[part][f"{layer}_units"]["norm"]) for part in ("params", "batch_stats"))
    sums = np.asarray(
        observe(network, {"params": {name: variables["params"][name] for name in model.layers}}, inputs)[1].before[layer]
    )
    sums = sums.T if isinstance(model, MLP) else sums  # units first
    flat = sums.reshape(4, -1)

    def expected(mean, var):
        normal = (flat - mean[:, None]) / np.sqrt(var + 1e-5)[:, None] * norm["scale"][:, None] + norm["bias"][:, None]
        read = normal.reshape(-1, len(inputs)).T  # as the head reads them
        return read @ np.asarray(variables["params"]["output"]["kernel"]) + np.asarray(variables["params"]["output"]["bias"])

    outputs = jax.jit(model.apply)(variables, inputs)
    np.testing.assert_allclose(outputs, expected(running["mean"], running["var"]), rtol=1e-9)
    outputs, moved = jax.jit(lambda: model.apply(variables, inputs, True, mutable=["batch_stats"]))()
    mean, var = flat.mean(1), flat.var(1)
    np.testing.assert_allclose(outputs, expected(mean, var), rtol=1e-9)
    found = moved["batch_stats"][f"{layer}_units"]["norm"]
    np.testing.assert_allclose(found["mean"], 0.99 * running["mean"] + 0.01 * mean, rtol=1e-12)
    np.testing.assert_allclose(found["var"], 0.99 * running["var"] + 0.01 * var, rtol=1e-9)


@pytest.mark.parametrize("chance", [0.2, 0.7])
@pytest.mark.parametrize("place", ["hidden_0", INPUTS])
def test_dropout_leaves_the_mean_as_it_is_and_adds_the_variance_of_its_masks(place, chance):
    """Of a linear network: each part h of a sum comes with a factor of mean 1 and variance p / (1 - p)."""
    model = MLP((30,), 3, ACTIVATIONS["identity"], dropped=(place,))
    inputs = inputs_of((20,))
    variables = variables_of(model, inputs)
    first, last = (np.asarray(variables["params"][name]["kernel"]) for name in model.layers)
    exact, activity = observe(model, variables, inputs)
    kept = (
        np.asarray(inputs)[:, :, None] * first @ last
        if place == INPUTS
        else np.asarray(activity.after[place])[:, :, None] * last
    )
    variance = chance / (1 - chance) * np.square(kept).sum(1)
    train = jax.jit(lambda key: model.apply(variables, inputs, True, chance, rngs={"dropout": key}))
    drawn = np.stack([train(jax.random.key(number)) for number in range(2000)])
    np.testing.assert_allclose(drawn.var(0), variance, rtol=0.2)
    np.testing.assert_array_less(np.abs(drawn.mean(0) - exact) / np.sqrt(variance / len(drawn)), 4)
    np.testing.assert_array_equal(drawn[0], train(jax.random.key(0)))


@pytest.mark.parametrize("place", ["conv_0", INPUTS])
def test_dropout_at_a_chance_of_0_and_in_evaluation_drops_nothing(place):
    model = CNN((4,), 3, (1,), dropped=(place,))
    inputs = inputs_of((5, 5, 1))
    variables = variables_of(model, inputs)
    exact = jax.jit(CNN((4,), 3, (1,)).apply)(variables, inputs)
    train = jax.jit(lambda chance: model.apply(variables, inputs, True, chance, rngs={"dropout": jax.random.key(0)}))
    np.testing.assert_allclose(train(0.0), exact, rtol=1e-12)
    np.testing.assert_allclose(jax.jit(model.apply)(variables, inputs), exact, rtol=1e-12)
    assert np.all(train(0.5) != exact)


def test_dropout_is_refused_where_there_is_no_such_layer():
    with pytest.raises(InputError, match="unknown dropped 'hidden_1': choose from inputs, hidden_0"):
        MLP((4,), 3, dropped=("hidden_1",))


@pytest.mark.parametrize("network", [MLP((4, 3), 3), CNN((4, 3), 3, (1, 2))], ids=["mlp", "cnn"])
def test_units_that_are_normalised_may_be_permuted(network):
    model = network.clone(batch_norm=True)
    inputs = inputs_of((4, 3, 2))
    variables = normalising(variables_of(model, inputs))
    train = jax.jit(lambda variables: model.apply(variables, inputs, True, mutable=["batch_stats"]))
    for name, group in model.symmetry(inputs.shape[1:]).items():
        order = np.random.default_rng(0).permutation(group.size)
        outputs, moved = train(permute(variables, group, order))
        expected, found = train(variables)
        np.testing.assert_allclose(outputs, expected, rtol=1e-9, err_msg=name)
        states = group.only(["state"])
        assert len(states.axes) == 2
        later = permute({"batch_stats": found["batch_stats"]}, states, order)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9), {"batch_stats": moved["batch_stats"]}, later)


def test_an_mlp_too_large_for_any_machine():
    with pytest.raises(InputError, match=r"widths=\(100000, 100000\): .* weights, and at most 268,435,456 are possible"):
        MLP((100_000, 100_000), 3).symmetry((5,))
