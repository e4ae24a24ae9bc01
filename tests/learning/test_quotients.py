"""The quotient network trains like the network with tied units, whatever the optimizer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax.learning.data.digits import digits
from symmetry_jax.learning.models import CNN
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.quotients import merged, merged_optimizer
from symmetry_jax.learning.starts import INITIALIZERS, draw, tied
from symmetry_jax.learning.tasks import classification
from symmetry_jax.learning.training import descend
from symmetry_jax.sweeps.precision import cast
from tests.drawing import drawn
from tests.learning.test_training import hparams, trained

pytestmark = pytest.mark.usefixtures("float64")

MODEL, SMALLER = CNN((4, 6), 10, (1, 2)), CNN((3, 3), 10, (1, 2))
BLOCKS = {"conv_0": [(0, 1)], "conv_1": [(0, 2, 4), (1, 3)]}
SYMMETRY, START = MODEL.symmetry((8, 8, 1)), draw(MODEL, INITIALIZERS["he"])
# large enough that leaving any of them out of the rule shows
NUMBERS = {"weight_decay": 0.05, "adam_eps": 0.02}
RATES = {"sgd": 0.05, "momentum": 0.02, "nesterov": 0.02, "adam": 0.01, "adamw": 0.01}


def shapes(data, model=MODEL):
    return jax.eval_shape(model.init, jax.random.key(0), data.train.inputs[:1])


@pytest.fixture(scope="module")
def data():
    return digits()


def test_merged_start_computes_what_the_tied_one_does(data):
    numbers, inputs = hparams("float64"), jnp.asarray(data.test.inputs[:2])
    whole = tied(START, SYMMETRY, BLOCKS)(numbers, inputs)
    small = merged(START, SYMMETRY, BLOCKS)(numbers, inputs)
    np.testing.assert_allclose(SMALLER.apply(small, inputs), MODEL.apply(whole, inputs), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_tied_units_train_like_their_quotient(name, data):
    data, numbers = cast(data, "float64"), hparams("float64", learning_rate=RATES[name], **NUMBERS)
    optimizer = OPTIMIZERS[name]

    def losses(model, start, optimizer):
        return trained(descend(classification(model, 16, "per_seed"), optimizer, start), data, numbers, 60)[1]

    whole = losses(MODEL, tied(START, SYMMETRY, BLOCKS), optimizer)
    small = merged(START, SYMMETRY, BLOCKS)
    assert whole[-1] < whole[0] / 1.5
    factored = losses(SMALLER, small, merged_optimizer(optimizer, shapes(data), SYMMETRY, BLOCKS))
    np.testing.assert_allclose(factored, whole, rtol=0, atol=1e-12)
    assert np.max(abs(losses(SMALLER, small, optimizer) - whole)) > 1e-3


def test_units_that_are_normalised_train_like_their_quotient(data):
    model, smaller = MODEL.clone(batch_norm=True), SMALLER.clone(batch_norm=True)
    data, numbers = cast(data, "float64"), hparams("float64", learning_rate=0.05, weight_decay=0.05)
    symmetry, start = model.symmetry((8, 8, 1)), draw(model, INITIALIZERS["he"])
    losses = []
    for network, begin, optimizer in (
        (model, tied(start, symmetry, BLOCKS), OPTIMIZERS["sgd"]),
        (
            smaller,
            merged(start, symmetry, BLOCKS),
            merged_optimizer(OPTIMIZERS["sgd"], shapes(data, model), symmetry, BLOCKS),
        ),
    ):
        losses.append(trained(descend(classification(network, 16, "per_seed"), optimizer, begin), data, numbers, 40)[1])
    np.testing.assert_allclose(*losses, rtol=0, atol=1e-11)
    assert losses[0][-1] < losses[0][0] / 1.5


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_rule_by_hand(name, data):
    """m_p opt(G / m_q, W / m_p), with the multiplicities of every array written out."""
    first, second = np.array([2, 1, 1]), np.array([3, 2, 1])
    where = shapes(cast(data, "float64"))
    small = jax.eval_shape(SMALLER.init, jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
    params, gradients = drawn(small, 0), drawn(small, 1)
    numbers = hparams("float64", **NUMBERS)
    with jax.numpy_dtype_promotion("standard"):
        ours, plain = merged_optimizer(OPTIMIZERS[name], where, SYMMETRY, BLOCKS)(numbers), OPTIMIZERS[name](numbers)
        found, _ = ours.update(gradients, ours.init(params), params)
        expected = {}
        multiplicities = {
            ("conv_0", "kernel"): (np.ones(1), first),
            ("conv_0", "bias"): (np.ones(3), first),
            ("conv_1", "kernel"): (first[:, None], second),
            ("conv_1", "bias"): (np.ones(3), second),
            ("output", "kernel"): (np.repeat(second, 16)[:, None], np.ones(10)),
            ("output", "bias"): (np.ones(10), np.ones(10)),
        }
        for (layer, array), (sources, targets) in multiplicities.items():
            weight, gradient = (np.asarray(tree["params"][layer][array]) for tree in (params, gradients))
            copy = jnp.asarray(weight / sources)
            update, _ = plain.update(jnp.asarray(gradient / targets), plain.init(copy), copy)
            expected.setdefault(layer, {})[array] = sources * np.asarray(update)
    for layer, arrays in expected.items():
        for array, value in arrays.items():
            np.testing.assert_allclose(found["params"][layer][array], value, rtol=1e-12, atol=1e-15)
