"""Predicted first moves, against autodiff of the network itself in float64."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symmetry_jax import predict_first_moves
from symmetry_jax.errors import InputError
from symmetry_jax.learning import models
from symmetry_jax.learning.models import MLP
from symmetry_jax.theory.activations import ACTIVATIONS

WIDTH, CLASSES, INPUTS = 4, 7, 9
pytestmark = pytest.mark.usefixtures("float64")


def batches(seed, count, balanced=False):
    """Non-negative random inputs with labels of which there are as many of each class, or not."""
    random = np.random.default_rng(seed)
    labels = np.arange(14) % CLASSES if balanced else np.array([0] * 8 + list(range(1, CLASSES)))
    return [(random.uniform(0.1, 1, (14, INPUTS)), random.permutation(labels)) for _ in range(count)]


@functools.cache
def network(layers, activation, width, classes):
    """The network, and the gradient of its loss, compiled once for all its starts."""
    model = MLP((width,) * (layers - 1), classes, models.ACTIVATIONS[activation])

    @jax.jit
    def gradient(variables, inputs, labels):
        def loss(variables):
            return optax.softmax_cross_entropy_with_integer_labels(model.apply(variables, inputs), labels).mean()

        return jax.grad(loss)(variables)

    return model, gradient


def gradients(layers, activation, constant, bias, learning_rate, examples, steps):
    """The network's own gradients at every step, by autodiff: for each step, a list of (weight, bias) of every layer."""
    model, gradient = network(layers, activation, WIDTH, CLASSES)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, INPUTS)))["params"]
    start = {"kernel": constant, "bias": bias}
    variables = {layer: {name: np.full(each.shape, start[name]) for name, each in shapes[layer].items()} for layer in shapes}
    found = []
    for step in range(steps):
        inputs, labels = examples[min(step, len(examples) - 1)]
        change = jax.tree.map(np.asarray, gradient({"params": variables}, inputs, labels)["params"])
        found.append([change[name] for name in model.layers])
        variables = jax.tree.map(lambda entry, slope: entry - learning_rate * slope, variables, change)
    return found


def first_above(found, layer, part, floor):
    name = {"weight": "kernel", "bias": "bias"}[part]
    norms = [np.linalg.norm(step[layer - 1][name]) for step in found]
    return next(((number + 1, norm) for number, norm in enumerate(norms) if norm > floor), (None, None))


@pytest.mark.parametrize("balanced", [False, True], ids=["counts differ", "balanced"])
@pytest.mark.parametrize("constant", [0.0, 0.3, -0.2])
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_steps_and_sizes_are_those_of_autodiff(activation, constant, balanced):
    for layers in (1, 2, 4):
        examples = batches(layers, 6, balanced)
        predicted = predict_first_moves(layers, activation, constant, examples, CLASSES, width=WIDTH, learning_rate=0.5)
        found = gradients(layers, activation, constant, 0.0, 0.5, examples, 6)
        # the smallest of all first gradients in this test is 1e-12, the largest rounding of a zero 1e-16
        for move in predicted:
            step, size = first_above(found, move.layer, move.part, 1e-14)
            assert (move.step, move.size is None) == (step, size is None), (layers, move)
            if size is not None:
                np.testing.assert_allclose(move.size, size, rtol=1e-7)


@pytest.mark.parametrize("batch", ["full", "balanced"])
def test_what_holds_of_any_batch_is_what_holds_of_this_one(batch):
    for layers, activation, constant in itertools.product((1, 2, 4), ACTIVATIONS, (0.0, 0.3, -0.2)):
        general = predict_first_moves(layers, activation, constant, batch, CLASSES)
        special = predict_first_moves(layers, activation, constant, batches(0, 1, batch == "balanced"), CLASSES)
        for one, other in zip(general, special, strict=True):
            assert (one.step, one.before, one.rows, one.rank) == (other.step, other.before, other.rows, other.rank)
            assert one.size is None and one.visible is None


@pytest.mark.parametrize("constant", [0.0, 0.3])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_rows_and_ranks_are_those_of_autodiff(activation, constant):
    for layers in (1, 3):
        examples = batches(7, 1)
        predicted = predict_first_moves(layers, activation, constant, examples, CLASSES, width=WIDTH)
        found = gradients(layers, activation, constant, 0.0, 0.1, examples, 40)
        for move in (move for move in predicted if move.part == "weight"):
            weights = constant - 0.1 * np.cumsum([step[move.layer - 1]["kernel"].T for step in found], axis=0)
            assert max(np.linalg.matrix_rank(matrix, 1e-10) for matrix in weights) == move.rank
            if move.step is None:
                continue
            first = np.asarray(found[move.step - 1][move.layer - 1]["kernel"].T)  # a row for each unit
            if move.rows == "equal":
                np.testing.assert_allclose(first, np.broadcast_to(first[:1], first.shape), rtol=1e-12)
            else:
                assert abs(first.sum(0)).max() < 1e-14 < abs(first).max()


def test_zero_to_rounding_is_told_from_exactly_zero():
    starts = [gradients(3, "sigmoid", constant, 0.0, 0.1, batches(3, 1), 1)[0] for constant in (0.1, 0.3, 0.7)]
    largest = [float(abs(start[layer]["kernel"]).max()) for start in starts for layer in (0, 1)]
    assert max(largest) > 0 and max(largest) < 1e-15
    assert predict_first_moves(3, "sigmoid", 0.3).at(1, "weight").before == "rounding"
    found = gradients(3, "sigmoid", 0.0, 0.0, 0.1, batches(3, 1), 1)[0]
    assert all(float(abs(found[layer]["kernel"]).max()) == 0 for layer in (0, 1))
    assert predict_first_moves(3, "sigmoid", 0.0).at(1, "weight").before == "exact"


def test_a_bias_that_is_not_zero_lets_any_activation_move():
    examples = batches(1, 1)
    predicted = predict_first_moves(3, "tanh", 0.0, examples, CLASSES, width=WIDTH, bias=0.2, learning_rate=0.5)
    found = gradients(3, "tanh", 0.0, 0.2, 0.5, examples, 4)
    assert [predicted.at(layer, "weight").step for layer in (1, 2, 3)] == [3, 2, 1]
    for move in predicted:
        step, size = first_above(found, move.layer, move.part, 1e-14)
        assert move.step == step
        np.testing.assert_allclose(move.size, size, rtol=1e-7)


def test_balanced_batches_at_first_put_everything_off():
    examples = [*batches(0, 2, balanced=True), *batches(1, 1)]
    predicted = predict_first_moves(3, "sigmoid", 0.0, examples, CLASSES, width=WIDTH, learning_rate=0.5)
    assert [move.step for move in predicted] == [5, 5, 4, 4, 3, 3]
    found = gradients(3, "sigmoid", 0.0, 0.0, 0.5, examples, 6)
    assert [first_above(found, move.layer, move.part, 1e-14)[0] for move in predicted] == [5, 5, 4, 4, 3, 3]
    assert predicted.at(1, "weight").before == "rounding"


def agree(predicted, found, floor=1e-14):
    """Predicted steps and sizes are those of autodiff; what drowns in rounding may be anywhere."""
    for move in predicted:
        step, size = first_above(found, move.layer, move.part, floor)
        if move.visible or move.step is None:
            assert move.step == step, move
            assert size is None or move.size == pytest.approx(size, rel=1e-6)


XOR = (np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0]))


@pytest.mark.parametrize(
    "layers, activation, constant, bias", [(1, "tanh", 0.0, 0.0), (2, "identity", 0.3, 0.0), (2, "tanh", 0.0, 0.4)]
)
def test_what_cancels_in_these_very_examples_never_moves(layers, activation, constant, bias, monkeypatch):
    """Of XOR both classes have the same mean: a linear first layer has nothing to learn."""
    monkeypatch.setitem(globals(), "CLASSES", 2)
    monkeypatch.setitem(globals(), "INPUTS", 2)
    predicted = predict_first_moves(layers, activation, constant, [XOR], 2, width=WIDTH, bias=bias, learning_rate=0.5)
    assert {move.step for move in predicted} == {None} and predicted.at(layers, "weight").rank <= 2
    agree(predicted, gradients(layers, activation, constant, bias, 0.5, [XOR], 10))


def test_a_layer_that_is_dead_on_the_first_batch_alone_moves_later():
    inputs, labels = batches(3, 1)[0]
    examples = [(-inputs, labels), (inputs, labels)]
    predicted = predict_first_moves(2, "relu", 0.3, examples, CLASSES, width=WIDTH, learning_rate=0.5)
    assert [move.step for move in predicted] == [3, 3, 2, 1] and predicted.dead == 0
    agree(predicted, gradients(2, "relu", 0.3, 0.0, 0.5, examples, 10))


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_any_start_on_any_inputs(activation, monkeypatch):
    """Constants and biases of either sign, inputs of either sign, minibatches that differ, one unit and several."""
    random = np.random.default_rng(5)
    for layers, constant, bias, width in ((2, -0.3, 0.2, 1), (3, 0.2, -0.1, 3), (3, 0.0, 0.4, 3), (4, 0.4, 0.0, 1)):
        monkeypatch.setitem(globals(), "WIDTH", width)
        examples = [(random.normal(size=(9, INPUTS)), random.integers(0, CLASSES, 9)) for _ in range(10)]
        settings = {"width": width, "bias": bias, "learning_rate": 0.5}
        predicted = predict_first_moves(layers, activation, constant, examples, CLASSES, **settings)
        agree(predicted, gradients(layers, activation, constant, bias, 0.5, examples, 10), 1e-13)


def test_sizes_do_not_underflow():
    deep = predict_first_moves(7, "sigmoid", 0.0, batches(2, 1), CLASSES, width=WIDTH, learning_rate=1e-3)
    assert deep.at(1, "weight").step == 7 and 0 < deep.at(1, "weight").size < 1e-200


def test_relu_dies_after_a_step_that_is_too_large():
    examples = batches(2, 1)
    large = predict_first_moves(3, "relu", 1.0, examples, CLASSES, width=WIDTH, learning_rate=3.0)
    assert large.dead is not None and large.dead >= 2
    found = gradients(3, "relu", 1.0, 0.0, 3.0, examples, large.dead + 3)
    alive = [float(abs(step[0]["kernel"]).max()) > 0 for step in found]
    assert alive[1 : large.dead] == [True] * (large.dead - 1) and not any(alive[large.dead :])
    assert predict_first_moves(3, "relu", 0.1, examples, CLASSES, width=WIDTH, learning_rate=0.01).dead is None
    assert predict_first_moves(3, "relu", -0.1, examples, CLASSES, width=WIDTH).dead == 0


def test_a_saturated_layer_moves_too_little_to_be_seen():
    examples = [(30 * inputs, labels) for inputs, labels in batches(2, 1)]
    weight = predict_first_moves(3, "tanh", 1.0, examples, CLASSES, width=16).at(1, "weight")
    assert weight.step == 2 and 0 < weight.size < 1e-25 and weight.visible is False
    deep = predict_first_moves(5, "sigmoid", 0.0, batches(2, 1), CLASSES, width=WIDTH, learning_rate=1e-6)
    assert deep.at(1, "weight").size < 1e-45 and deep.at(1, "weight").visible
    assert (
        not predict_first_moves(5, "sigmoid", 0.0, batches(2, 1), CLASSES, width=WIDTH, learning_rate=1e-6, precision="float32")
        .at(1, "weight")
        .visible
    )


@given(st.floats(-30, 30, allow_subnormal=False), st.sampled_from(sorted(ACTIVATIONS)))
def test_activations_and_their_slopes_are_those_of_jax(z, name):
    value, slope = jax.value_and_grad(models.ACTIVATIONS[name])(jnp.float64(z))
    assert ACTIVATIONS[name].value(np.float64(z)) == pytest.approx(float(value), rel=1e-9, abs=1e-14)
    assert ACTIVATIONS[name].slope(np.float64(z)) == pytest.approx(float(slope), rel=1e-9, abs=1e-14)


def test_it_prints_as_a_table():
    lines = str(predict_first_moves(2, "relu", 0.0)).splitlines()
    assert len(lines) == 5 and lines[0].split()[:4] == ["layer", "part", "first", "move"]
    assert "never" in lines[1] and "what it reads is 0" in lines[3] and "step 1" in lines[4]


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((0, "tanh", 0.0), "layers=0: a whole number from 1"),
        ((2.0, "tanh", 0.0), "layers=2.0: a whole number from 1"),
        ((2, "tahn", 0.0), "unknown activation 'tahn': choose from tanh"),
        ((2, "tanh", float("nan")), "constant=nan: a finite number"),
        ((2, "tanh", 0.0, "half"), "unknown batch 'half': choose from minibatch, full, balanced"),
        ((2, "tanh", 0.0, "full", 1), "classes=1: a whole number from 2"),
        ((2, "tanh", 0.0, [(np.ones((2, 3)), np.array([0, 3]))], 3), "labels from 0 to 3, and classes=3 allows 0..2"),
        ((2, "tanh", 0.0, [(np.ones((2, 3)), np.array([0.0, 1.0]))], 3), "one whole number for each example"),
        ((2, "tanh", 0.0, [(np.ones((2, 3)), np.array([0]))], 3), "2 examples and labels of shape (1,)"),
        ((2, "tanh", 0.0, []), "batch: no batch"),
        ((2, "tanh", 0.0, (np.ones((2, 3)), np.array([0, 1]))), "a list of batches is wanted, each a pair (inputs, labels)"),
        ((2, "tanh", 0.0, [(np.ones((0, 3)), np.array([], int))]), "0 examples and labels of shape (0,)"),
        ((2, "tanh", "0.1"), "constant='0.1': a finite number"),
    ],
)
def test_what_cannot_be_is_told(arguments, words):
    with pytest.raises(InputError) as caught:
        predict_first_moves(*arguments)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (np.ones((14, INPUTS + 1)), "of 9 and of 10 numbers"),
        (np.full((14, INPUTS), np.nan), "finite"),
        (np.inf * np.ones((14, 9)), "finite"),
    ],
)
def test_batches_fit_each_other_and_are_finite(second, words):
    (first, labels), _ = batches(0, 2)
    with pytest.raises(InputError, match=words):
        predict_first_moves(2, "tanh", 0.1, [(first, labels), (second, labels)], CLASSES)


def test_without_examples_a_constant_and_a_bias_leave_it_open():
    with pytest.raises(InputError, match="the inputs decide, so give the batches themselves"):
        predict_first_moves(3, "relu", -0.1, "full", bias=0.5)
