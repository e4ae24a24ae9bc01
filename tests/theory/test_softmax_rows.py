"""Closed forms of one softmax layer, against autodiff and brute force in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.theory.softmax_rows import (
    adam_first_step,
    balanced_rows,
    batch_rows,
    curvature_bound,
    decayed_constant,
    decayed_constants,
    example_rows,
    first_loss_drop,
    with_bias,
)

CLASSES = [2, 3, 7]
INPUTS, EXAMPLES = 5, 21
pytestmark = pytest.mark.usefixtures("float64")


def batch(classes, balanced=False, seed=0):
    """Random inputs of either sign, labels of which some class may be missing, or of which there are as many of each."""
    random = np.random.default_rng(seed)
    count = EXAMPLES // classes * classes if balanced else EXAMPLES
    labels = random.permutation(np.arange(count) % classes) if balanced else random.integers(0, classes, count) ** 2 % classes
    return jnp.asarray(random.normal(size=(count, INPUTS))), jnp.asarray(labels, jnp.int32)


def loss(rows, inputs, labels):
    """Mean softmax cross-entropy; the bias is the last column of the rows."""
    return optax.softmax_cross_entropy_with_integer_labels(with_bias(inputs) @ rows.T, labels).mean()


slope = jax.jit(jax.grad(loss))


def gradient(constant, inputs, labels, classes):
    return slope(np.full((classes, INPUTS + 1), constant), inputs, labels)


@pytest.mark.parametrize("constant", [0.0, 0.7, -3.0])
@pytest.mark.parametrize("classes", CLASSES)
def test_rows_are_the_gradient_from_any_constant(classes, constant):
    inputs, labels = batch(classes)
    expected = gradient(constant, inputs, labels, classes)
    np.testing.assert_allclose(batch_rows(with_bias(inputs), labels, classes), expected, atol=1e-14)
    one = gradient(constant, inputs[:1], labels[:1], classes)
    np.testing.assert_allclose(example_rows(with_bias(inputs[0]), labels[0], classes), one, atol=1e-14)


@pytest.mark.parametrize("classes", CLASSES)
def test_the_true_row_points_the_other_way(classes):
    example, label = jnp.asarray(np.random.default_rng(1).normal(size=INPUTS)), jnp.asarray(1)
    rows = np.array(example_rows(example, label, classes))
    size = np.linalg.norm(example)
    lengths = [size * (1 - 1 / classes) if k == 1 else size / classes for k in range(classes)]
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), lengths, rtol=1e-14)
    np.testing.assert_array_equal(np.sign(rows @ example), [-1 if k == 1 else 1 for k in range(classes)])
    np.testing.assert_allclose(rows.sum(0), 0, atol=1e-15)


@pytest.mark.parametrize("classes", CLASSES)
def test_a_balanced_batch_moves_rows_by_class_means_and_no_bias(classes):
    inputs, labels = batch(classes, balanced=True)
    expected = gradient(0.0, inputs, labels, classes)
    rows = np.array(balanced_rows(with_bias(inputs), labels, classes))
    np.testing.assert_allclose(rows, expected, atol=1e-14)
    np.testing.assert_allclose(rows[:, -1], 0, atol=1e-15)
    means = np.stack([np.asarray(inputs)[labels == k].mean(0) for k in range(classes)])
    drop = 0.3 * np.sum((means - np.asarray(inputs).mean(0)) ** 2) / classes**2
    np.testing.assert_allclose(first_loss_drop(rows, 0.3), drop, rtol=1e-13)


def test_the_balanced_form_is_wrong_for_other_batches():
    inputs, labels = batch(2)
    assert abs(balanced_rows(inputs, labels, 2) - batch_rows(inputs, labels, 2)).max() > 0.01


@pytest.mark.parametrize("classes", CLASSES)
def test_the_loss_drops_by_the_derivative_along_the_step(classes):
    inputs, labels = batch(classes)
    rows = batch_rows(with_bias(inputs), labels, classes)

    def after(rate):
        return loss(-rate * rows, inputs, labels)

    np.testing.assert_allclose(first_loss_drop(rows, 1.0), -jax.grad(after)(0.0), rtol=1e-13)


@pytest.mark.parametrize("rate", [1e-3, 0.1, 3.0])
def test_the_drop_lies_between_convexity_and_curvature(rate):
    inputs, labels = batch(3)
    rows = batch_rows(with_bias(inputs), labels, 3)
    drop = np.log(3) - loss(-rate * rows, inputs, labels)
    factor, bound = float(drop / first_loss_drop(rows, rate)), float(curvature_bound(with_bias(inputs)))
    assert 1 - rate * bound / 2 <= factor <= 1


def test_no_curvature_is_above_the_bound():
    inputs, labels = batch(4)
    rows = jnp.asarray(np.random.default_rng(2).normal(size=(4, INPUTS + 1)))
    hessian = jax.jit(jax.hessian(loss))(rows, inputs, labels).reshape(rows.size, rows.size)
    assert np.linalg.eigvalsh(hessian).max() <= curvature_bound(with_bias(inputs))


def train(name, start, numbers, steps, classes=3):
    """Weights and biases (classes, inputs + 1) after each step on one batch."""
    inputs, labels = batch(classes)
    rule = OPTIMIZERS[name]({key: jnp.asarray(value) for key, value in numbers.items()})
    rows, found = jnp.full((classes, INPUTS + 1), start), []
    memory = rule.init(rows)
    for _ in range(steps):
        found.append(np.asarray(rows))
        with jax.numpy_dtype_promotion("standard"):
            update, memory = rule.update(jax.grad(loss)(rows, inputs, labels), memory, rows)
        rows = rows - numbers["learning_rate"] * update
    return np.stack([*found, rows])


NUMBERS = {"learning_rate": 0.2, "weight_decay": 0.05, "momentum": 0.8, "beta1": 0.9, "beta2": 0.99, "adam_eps": 1e-8}


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adamw"])
def test_a_constant_start_is_the_zero_start_shifted(name):
    steps, constant = 12, 0.7
    apart = train(name, constant, NUMBERS, steps) - train(name, 0.0, NUMBERS, steps)
    numbers = [NUMBERS[key] for key in ("learning_rate", "weight_decay")]
    if name in ("momentum", "nesterov"):
        shifts = decayed_constants(constant, *numbers, NUMBERS["momentum"], steps, name == "nesterov")
    else:
        shifts = decayed_constant(constant, *numbers, np.arange(steps + 1))
    assert shifts[-1] < 0.95 * constant
    np.testing.assert_allclose(
        apart, np.broadcast_to(shifts[:, None, None], apart.shape), atol=1e-9 if "adam" in name else 1e-14
    )


def test_the_same_without_momentum_and_for_several_settings_at_once():
    decays = np.array([0.0, 0.1, 0.5])
    for nesterov in (False, True):
        shifts = decayed_constants(2.0, 0.3, decays, 0.0, 4, nesterov)
        np.testing.assert_allclose(shifts, decayed_constant(2.0, 0.3, decays, np.arange(5)[:, None]), rtol=1e-14)


def test_adam_takes_the_sign_of_its_first_gradient():
    rows = np.array(batch_rows(with_bias(batch(3)[0]), batch(3)[1], 3))
    moved = train("adam", 0.0, NUMBERS | {"weight_decay": 0.0}, 1)[1]
    np.testing.assert_allclose(moved, -0.2 * adam_first_step(rows, 1e-8), rtol=1e-12)
    np.testing.assert_allclose(abs(moved[:, :-1]), 0.2, rtol=1e-5)
