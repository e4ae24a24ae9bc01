"""What pushes units apart, against numpy and against what theory says of almost equal units."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax.errors import InputError
from symmetry_jax.learning.data.digits import digits
from symmetry_jax.learning.models import ACTIVATIONS, CNN, MLP
from symmetry_jax.learning.optimizers import sgd
from symmetry_jax.learning.regularizers import REGULARIZERS, decorrelation, fan_in, orthogonality
from symmetry_jax.learning.starts import INITIALIZERS, draw, gathered
from symmetry_jax.learning.tasks import classification
from symmetry_jax.learning.training import descend
from symmetry_jax.sweeps.axes import Axes
from symmetry_jax.sweeps.precision import cast
from symmetry_jax.sweeps.program import Program
from symmetry_jax.symmetry.separation import separation
from tests.drawing import inputs_of, variables_of

NETWORKS = {"mlp": MLP((4, 5), 3), "cnn": CNN((4, 5), 3, (1, 2), activation=ACTIVATIONS["gelu"])}
SHAPE = (6, 5, 2)


def mean_over_pairs(found):
    return np.mean([found[i, j] ** 2 for i, j in itertools.combinations(range(len(found)), 2)])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", NETWORKS)
def test_costs_are_mean_squares_over_pairs_of_the_last_hidden_layer(name):
    model, inputs = NETWORKS[name], inputs_of(SHAPE, batch=7)
    variables = variables_of(model, inputs)
    kernel = np.asarray(variables["params"][model.layers[1]]["kernel"]).reshape(-1, 5)
    kernel = kernel / np.linalg.norm(kernel, axis=0)
    hparams = {"orthogonality": jnp.float64(2), "decorrelation": jnp.float64(3)}
    found = jax.jit(lambda: orthogonality(model)(variables, inputs, hparams))()
    assert found == pytest.approx(2 * mean_over_pairs(kernel.T @ kernel), rel=1e-12)

    _, seen = model.apply(variables, inputs, mutable="intermediates")
    after = np.asarray(seen["intermediates"][f"{model.layers[1]}_units"]["after"])
    samples = after.reshape(5, -1) if name == "cnn" else after.T
    found = jax.jit(lambda: decorrelation(model)(variables, inputs, hparams))()
    assert found == pytest.approx(3 * mean_over_pairs(np.corrcoef(samples)), rel=1e-10)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", REGULARIZERS)
def test_the_scale_of_a_unit_changes_nothing(name):
    model, inputs = MLP((5,), 3, ACTIVATIONS["relu"]), inputs_of((6,), batch=7)
    variables = variables_of(model, inputs)
    cost = jax.jit(REGULARIZERS[name](model, name).cost)
    larger = jax.tree.map(lambda leaf: leaf.at[..., 1].multiply(50), variables["params"]["hidden_0"])
    moved = {"params": {**variables["params"], "hidden_0": larger}}
    assert cost(moved, inputs) == pytest.approx(float(cost(variables, inputs)), rel=1e-10)


@pytest.mark.usefixtures("float64")
def test_almost_equal_units_are_pushed_apart_at_the_rate_that_is_told():
    model, units, common = MLP((4,), 2), 4, np.array([1.0, 2.0, -2.0])
    apart = np.random.default_rng(0).normal(size=(units, 3))
    apart -= apart.mean(0) + np.outer(apart @ common, common) / 9 - np.outer((apart @ common).mean(), common)[0] / 9
    params = {"hidden_0": {"kernel": jnp.asarray((common + 1e-5 * apart).T), "bias": jnp.zeros(4)}}
    slope = jax.jit(jax.grad(lambda params: orthogonality(model).cost({"params": params}, jnp.zeros((1, 3)))))(params)
    expected = -4 / ((units - 1) * 9) * 1e-5 * apart
    np.testing.assert_allclose(slope["hidden_0"]["kernel"].T, expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("name", REGULARIZERS)
def test_training_adds_the_gradient_at_its_strength_and_reports_the_loss_of_the_data(name):
    model, data = MLP((8,), 10, ACTIVATIONS["tanh"]), jax.tree.map(jnp.asarray, cast(digits(), "float32"))
    task, start, pushed = (
        classification(model, 16, "per_seed"),
        draw(model, INITIALIZERS["lecun"]),
        REGULARIZERS[name](model, "push"),
    )
    numbers = {"seed": jnp.int32(2), "learning_rate": jnp.float32(0.1), "weight_decay": jnp.float32(0)}
    plain, other = descend(task, sgd, start), descend(task, sgd, start, regularizers=[pushed])
    state = plain.init(data, numbers)
    _, before = jax.jit(plain.step)(state, data, numbers, jnp.int32(0))
    for strength in (0.0, 0.7):
        _, aux = jax.jit(other.step)(state, data, {**numbers, "push": jnp.float32(strength)}, jnp.int32(0))
        assert aux.loss == before.loss
        extra = jax.jit(jax.grad(pushed.cost))(state.variables, aux.batch.inputs)
        expected = jax.tree.map(lambda one, two, strength=strength: one + strength * two, before.gradients, extra)
        jax.tree.map(lambda one, two: np.testing.assert_allclose(one, two, atol=1e-6), aux.gradients, expected)


@pytest.mark.parametrize("name", REGULARIZERS)
def test_equal_units_stay_equal_in_every_bit_and_almost_equal_ones_do_not(name):
    model, data = CNN((16,), 10, (2,), activation=ACTIVATIONS["relu"]), jax.tree.map(jnp.asarray, cast(digits(), "float32"))
    symmetry = model.symmetry(data.shape)
    group = symmetry["conv_0"]
    start = gathered(draw(model, INITIALIZERS["lecun"]), symmetry, {"conv_0": [range(16)]})
    task = classification(model, 16, "per_seed")
    process = descend(task, sgd, start, regularizers=[REGULARIZERS[name](model, "strength")])

    @jax.jit
    def run(spread, strength):
        numbers = {"seed": jnp.int32(0), "learning_rate": jnp.float32(0.1), "weight_decay": jnp.float32(0)}
        numbers |= {"spread": spread, "strength": strength}

        def body(state, step):
            return process.step(state, data, numbers, step)[0], None

        state = jax.lax.scan(body, process.init(data, numbers), jnp.arange(200, dtype=jnp.int32))[0]
        return jnp.max(separation(state.variables, group)), jnp.linalg.matrix_rank(fan_in(model, state.variables), 0.1)

    assert run(jnp.float32(0), jnp.float32(1))[0] == 0 == run(jnp.float32(0), jnp.float32(0))[0]
    (still, one), (apart, several) = run(jnp.float32(1e-3), jnp.float32(0)), run(jnp.float32(1e-3), jnp.float32(10))
    assert apart > 2 * still > 0 and one == 1 < several


@pytest.mark.parametrize("name", REGULARIZERS)
def test_one_unit_is_pushed_from_nothing(name):
    model, inputs = MLP((1,), 3), jnp.ones((4, 5))
    with pytest.raises(InputError, match="it has one, and at least 2 are needed"):
        REGULARIZERS[name](model, "push").cost(model.init(jax.random.key(0), inputs), inputs)


def test_a_strength_that_cannot_be():
    model, data = MLP((4,), 10), digits()
    process = descend(
        classification(model, 4, "per_seed"), sgd, draw(model, INITIALIZERS["lecun"]), regularizers=[orthogonality(model)]
    )
    with pytest.raises(InputError, match="axis orthogonality: -1 is outside of"):
        Program("one", process, (), Axes.of({"orthogonality": [-1]}), data, (0, 1))
