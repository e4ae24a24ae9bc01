"""Sources of noise in a step of training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax import sweep
from symmetry_jax.errors import InputError
from symmetry_jax.learning.breakers import (
    flipped_labels,
    noisy_gradients,
    noisy_weights,
    shifted_images,
    stochastic_rounding,
)
from symmetry_jax.learning.data.digits import digits
from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.starts import INITIALIZERS, draw, tied
from symmetry_jax.learning.tasks import Batch, classification
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.separation import twin_separation
from symmetry_jax.measures.training import minibatch_loss

MANY = 4000


def changed(breaker, value, step=5, seed=0, **strength):
    hparams = {"seed": jnp.int32(seed)} | {name: jnp.float32(number) for name, number in strength.items()}
    return breaker.change(value, hparams, jnp.int32(step))


def labels(**strength):
    batch = Batch(jnp.zeros((MANY, 1)), jnp.full(MANY, 2, jnp.int32))
    return np.asarray(changed(flipped_labels(4), batch, **strength).targets)


def test_labels_are_flipped_as_often_as_asked():
    np.testing.assert_array_equal(labels(label_noise=0.0), 2)
    counts = np.bincount(labels(label_noise=1.0), minlength=4) / MANY
    np.testing.assert_allclose(counts, 0.25, atol=0.04)
    assert np.mean(labels(label_noise=0.4) != 2) == pytest.approx(0.4 * 3 / 4, abs=0.04)


def test_noise_is_drawn_anew_at_every_step_and_from_the_seed_alone():
    first = labels(label_noise=0.5)
    np.testing.assert_array_equal(labels(label_noise=0.5), first)
    assert np.any(labels(label_noise=0.5, step=6) != first) and np.any(labels(label_noise=0.5, seed=1) != first)


def noisy_parts(name, strength):
    """Arrays of ones to which normal noise was added."""
    ones = jnp.ones((MANY, 1))
    breaker = {"gradient_noise": noisy_gradients, "weight_noise": noisy_weights}[name]()
    return jax.tree.leaves(changed(breaker, {"a": ones, "b": ones}, **{name: strength}))


@pytest.mark.parametrize("name", ["gradient_noise", "weight_noise"])
def test_normal_noise_has_the_strength_asked_for(name):
    for strength in (0.0, 0.3):
        for part in noisy_parts(name, strength):
            assert np.std(part) == pytest.approx(strength, rel=0.05) and np.mean(part) == pytest.approx(1, abs=0.02)


def test_every_array_has_noise_of_its_own():
    first, second = noisy_parts("gradient_noise", 0.3)
    assert np.all(first != second)


def test_images_are_moved_by_a_pixel_at_most_and_as_often_as_asked():
    images = np.random.default_rng(0).normal(size=(900, 4, 5, 2)).astype(np.float32)
    bordered = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    places = [(down, right) for down in range(3) for right in range(3)]
    candidates = np.stack([bordered[:, down : down + 4, right : right + 5] for down, right in places], axis=1)
    for chance in (0.0, 0.4, 1.0):
        batch = Batch(jnp.asarray(images), jnp.zeros(len(images), jnp.int32))
        moved = np.asarray(changed(shifted_images(), batch, augmentation=chance).inputs)
        matches = (candidates == moved[:, None]).all((2, 3, 4))
        assert np.all(matches.sum(1) == 1)
        shares = matches.mean(0)
        expected = np.full(9, chance / 9)
        expected[places.index((1, 1))] += 1 - chance
        np.testing.assert_allclose(shares, expected, atol=0.05 if chance else 0)


def test_stochastic_rounding_is_to_multiples_and_right_on_average():
    values = jnp.full((MANY,), 0.33)
    np.testing.assert_array_equal(changed(stochastic_rounding(), values, rounding=0.0), values)
    rounded = np.asarray(changed(stochastic_rounding(), values, rounding=0.25))
    assert set(rounded) == {0.25, 0.5} and rounded.mean() == pytest.approx(0.33, abs=0.01)


DATA = digits()
MODEL = MLP((8,), 10)
SYMMETRY = MODEL.symmetry(DATA.shape)
PAIRS = {"hidden_0": (0, 1)}
START = tied(draw(MODEL, INITIALIZERS["lecun"]), SYMMETRY, {"hidden_0": [(0, 1)]})


@pytest.mark.parametrize(
    "breaker, apart",
    [
        (flipped_labels(10), False),
        (shifted_images(), False),
        (noisy_gradients(), True),
        (noisy_weights(), True),
        (stochastic_rounding(), True),
    ],
)
def test_what_parts_equal_units(breaker, apart):
    task = classification(MODEL, 16, "per_seed")
    process = descend(task, OPTIMIZERS["sgd"], START, breakers=(breaker,))
    axes = {"seed": [0], "learning_rate": [0.1], "weight_decay": [0.0], breaker.name: [0.0, 0.1]}
    found = sweep(process, [twin_separation(SYMMETRY, PAIRS), minibatch_loss()], axes, 5, data=DATA, records=6).isel(seed=0)
    off, on = (found.sel({breaker.name: strength}, method="nearest") for strength in (0, 0.1))
    assert float(off.separation.max()) == 0 and (float(on.separation.max()) > 0) == apart == bool(process.obstacles)
    assert np.any(off.loss != on.loss)


def test_a_strength_that_cannot_be():
    process = descend(classification(MODEL, 16, "per_seed"), OPTIMIZERS["sgd"], START, breakers=(flipped_labels(10),))
    axes = {"seed": [0], "learning_rate": [0.1], "weight_decay": [0.0], "label_noise": [1.5]}
    with pytest.raises(InputError, match=r"axis label_noise: 1.5 is outside of \[0, 1\]"):
        sweep(process, [minibatch_loss()], axes, 5, data=DATA)
