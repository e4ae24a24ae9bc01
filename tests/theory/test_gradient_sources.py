"""The split of a difference between gradients, against the orders of exchange written out and against the twin curvature."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax.theory.activations import ACTIVATIONS
from symmetry_jax.theory.gradient_sources import Factors, first_kick, split_difference
from symmetry_jax.theory.twin_curvature import twin_curvature

pytestmark = pytest.mark.usefixtures("float64")


def units(seed, points=7, numbers=3):
    random = np.random.default_rng(seed)
    return [(random.normal(size=(points, numbers)), random.normal(size=points), random.normal(size=points)) for _ in range(2)]


def gradient(inputs, slope, error):
    return np.sum(inputs * (slope * error)[:, None], axis=0)


def found(first, second):
    return np.asarray(split_difference(*(Factors(*map(jnp.asarray, unit)) for unit in (first, second))))


def by_orders(first, second):
    """What each factor changes when it is exchanged, averaged over all orders of exchange: (source, numbers)."""
    shares, orders = np.zeros((3, first[0].shape[1])), list(itertools.permutations(range(3)))
    for order in orders:
        factors = list(second)
        for place in order:
            before = gradient(*factors)
            factors[place] = first[place]
            shares[place] += (gradient(*factors) - before) / len(orders)
    return shares


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_exchanging_factors_one_by_one_changes_on_average(seed):
    first, second = units(seed)
    np.testing.assert_allclose(found(first, second), by_orders(first, second), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(found(first, second).sum(0), gradient(*first) - gradient(*second), rtol=1e-11)


def test_units_of_one_layer_differ_in_two_terms():
    (inputs, *first), (_, *second) = units(0)
    slopes, errors = zip(first, second, strict=True)
    upstream, local, downstream = found((inputs, *first), (inputs, *second))
    np.testing.assert_array_equal(upstream, 0)
    np.testing.assert_allclose(downstream, gradient(inputs, sum(slopes) / 2, errors[0] - errors[1]), rtol=1e-12)
    np.testing.assert_allclose(local, gradient(inputs, slopes[0] - slopes[1], sum(errors) / 2), rtol=1e-12)


@pytest.mark.parametrize("place", range(3))
def test_a_factor_that_does_not_differ_contributes_nothing(place):
    first, second = (list(unit) for unit in units(1))
    second[place] = first[place]
    parts = found(first, second)
    np.testing.assert_array_equal(parts[place], 0)
    assert all(np.abs(parts[other]).max() > 0.1 for other in range(3) if other != place)


def test_exchanged_units_have_opposite_sources():
    first, second = units(2)
    np.testing.assert_allclose(found(first, second), -found(second, first), rtol=1e-13)


def perceptron(seed=0, examples=20, numbers=4, classes=3):
    random = np.random.default_rng(seed)
    inputs = np.concatenate([random.normal(size=(examples, numbers)), np.ones((examples, 1))], axis=1)
    return inputs, random.normal(size=(examples, classes)), random.normal(size=numbers + 1), random.normal(size=classes), random


def test_sources_of_almost_equal_units_are_the_blocks_of_the_curvature_between_them():
    """With l' as if it were fixed: it is even in what the twins differ in, so that this changes nothing to first order."""
    inputs, errors, fan_in, fan_out, random = perceptron()
    phi, apart_in, apart_out = ACTIVATIONS["tanh"], random.normal(size=5), random.normal(size=3)
    curvature = twin_curvature(phi, inputs[:, None], errors[:, None], fan_in, fan_out)
    distance = 1e-6

    def factors(sign):
        z = inputs @ (fan_in + sign * distance / 2 * apart_in)
        return inputs, phi.slope(z), errors @ (fan_out + sign * distance / 2 * apart_out)

    upstream, local, downstream = found(factors(1), factors(-1)) / distance
    np.testing.assert_array_equal(upstream, 0)
    np.testing.assert_allclose(local, curvature[:5, :5] @ apart_in, rtol=1e-7)
    np.testing.assert_allclose(downstream, curvature[:5, 5:] @ apart_out, rtol=1e-7)


def test_the_downstream_part_drives_apart_along_all_directions_in_which_twins_part_and_no_other():
    signs = set()
    for seed in range(5):
        inputs, errors, fan_in, fan_out, _ = perceptron(seed)
        curvature = twin_curvature(ACTIVATIONS["tanh"], inputs[:, None], errors[:, None], fan_in, fan_out)
        values, vectors = np.linalg.eigh(curvature)
        for value, w, a in zip(values, vectors[:5].T, vectors[5:].T, strict=True):
            if abs(value) > 1e-9:
                downstream, local = -w @ curvature[:5, 5:] @ a, -w @ curvature[:5, :5] @ w
                assert np.sign(downstream) == -np.sign(value)
                np.testing.assert_allclose(downstream + local, -value * (w @ w), rtol=1e-9, atol=1e-12)
                signs.add((np.sign(value), np.sign(local)))
    assert len(signs) == 4  # the local part may do either


def test_a_kick_is_the_difference_between_the_gradients_of_a_step():
    """A perceptron with two equal units that differ in their fan-outs, by jax.grad."""
    inputs, _, fan_in, fan_out, random = perceptron()
    apart, labels = random.normal(size=3), jnp.asarray(random.integers(0, 3, len(inputs)), jnp.int32)
    outs = jnp.asarray(np.stack([fan_out + apart / 2, fan_out - apart / 2]))

    def loss(kernel):
        logits = jnp.tanh(jnp.asarray(inputs) @ kernel) @ outs
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels])

    kernel = jnp.asarray(np.stack([fan_in, fan_in], axis=1))
    slope = jax.grad(loss)(kernel)
    logits = np.tanh(inputs @ np.asarray(kernel)) @ np.asarray(outs)
    errors = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True) - np.eye(3)[np.asarray(labels)]) / len(labels)
    slopes = ACTIVATIONS["tanh"].slope(inputs @ fan_in)
    arrays = [jnp.asarray(array) for array in (inputs[:, None], slopes[:, None], errors)]
    np.testing.assert_allclose(first_kick(*arrays, jnp.asarray(apart[None])), slope[:, 0] - slope[:, 1], rtol=1e-9)
    even = jnp.full((1, 3), 0.7)
    np.testing.assert_allclose(first_kick(*arrays, even), 0, atol=1e-15)
