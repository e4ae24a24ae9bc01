"""Which units train, and which are frozen."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax.learning.freezing import alone, in_turn, one_of, paced, together, unit_rates
from symmetry_jax.learning.models import CNN, MLP
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.tasks import Batch, Dataset, classification
from symmetry_jax.learning.training import descend
from symmetry_jax.symmetry.units import leaves
from tests.drawing import drawn, variables_of
from tests.symmetry.test_separation import GROUP

NONE = {"regime": jnp.asarray(0.0)}


def turns(regime, steps, size=3, hparams=NONE):
    """What trains at each step: (steps, size) bool, (steps,) bool, (steps,) int."""
    every = jax.jit(jax.vmap(lambda step: regime(hparams, step, size)))(jnp.arange(steps, dtype=jnp.int32))
    return np.asarray(every.units), np.asarray(every.rest), np.asarray(every.update)


def test_together_all_train_at_every_step():
    units, rest, update = turns(together, 5)
    assert units.all() and rest.all()
    np.testing.assert_array_equal(update, range(5))


@pytest.mark.parametrize("period", [1, 2, 5])
def test_in_turn_everything_has_the_same_updates_after_a_round(period):
    units, rest, update = turns(in_turn(period), 2 * 3 * period)
    np.testing.assert_array_equal(units.sum(1), 1)
    np.testing.assert_array_equal(units.argmax(1), np.tile(np.repeat(range(3), period), 2))
    for trains in units.T:
        np.testing.assert_array_equal(update[trains], range(2 * period))
    np.testing.assert_array_equal(rest, np.arange(len(rest)) % 3 == 2)
    assert rest.sum() == 2 * period


def test_what_normalises_a_unit_is_frozen_with_it():
    model = MLP((3,), 4, batch_norm=True)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 5)))
    factors = unit_rates(alone(1), model.symmetry((5,))["hidden_0"], shapes)(NONE, jnp.int32(0))
    assert set(factors) == {"params"}
    for name in ("scale", "bias"):
        np.testing.assert_array_equal(factors["params"]["hidden_0_units"]["norm"][name], [False, True, False])


def test_alone_one_trains_for_ever():
    units, rest, update = turns(alone(1), 4)
    np.testing.assert_array_equal(units, [[False, True, False]] * 4)
    assert rest.all()
    np.testing.assert_array_equal(update, range(4))


def test_a_traced_number_chooses_the_regime():
    regimes = (together, in_turn(2), alone(2))
    for number, regime in enumerate(regimes):
        chosen = turns(one_of(regimes), 9, hparams={"regime": jnp.asarray(float(number))})
        for found, expected in zip(chosen, turns(regime, 9), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("model, shape", [(CNN((3, 2), 4, (1, 2)), (4, 4, 1)), (MLP((3, 2), 4), (5,))])
def test_all_that_belongs_to_a_unit_is_frozen_with_it(model, shape):
    """Against arrays in which each entry holds the number of its unit, and size where it belongs to none."""
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, *shape)))
    group = next(iter(model.symmetry(shape).values()))
    first, second = (f"{'conv' if isinstance(model, CNN) else 'hidden'}_{number}" for number in (0, 1))
    owner = {path: np.full(leaf.shape, 3) for path, leaf in leaves(shapes)}
    owner[f"params/{first}/kernel"][...] = np.arange(3)
    owner[f"params/{first}/bias"][...] = np.arange(3)
    reader = owner[f"params/{second}/kernel"]
    reader[...] = np.arange(3)[:, None]
    for regime, step, unit, rest in ((in_turn(1), 4, 1, False), (in_turn(1), 2, 2, True), (alone(0), 7, 0, True)):
        factors = unit_rates(regime, group, shapes)(NONE, jnp.int32(step))
        for path, factor in leaves(factors):
            np.testing.assert_array_equal(factor, (owner[path] == unit) | (rest & (owner[path] == 3)), err_msg=path)


def test_the_head_that_reads_positions_of_a_filter_is_its_fan_out():
    model = CNN((2,), 3, (2,))
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 4, 4, 1)))
    factors = unit_rates(alone(1), model.symmetry((4, 4, 1))["conv_0"], shapes)(NONE, jnp.int32(0))["params"]["output"]
    np.testing.assert_array_equal(factors["kernel"], np.repeat([[False], [True]], 4, axis=0).repeat(3, axis=1))
    assert factors["bias"].all()


def test_what_two_units_share_trains_if_one_of_them_does():
    params = drawn({"in": jnp.zeros((3, 4)), "loop": jnp.zeros((4, 4)), "bias": jnp.zeros(4), "gain": jnp.zeros(2)})
    factors = unit_rates(alone(2), GROUP, params)(NONE, jnp.int32(0))
    own = np.arange(4) == 2
    np.testing.assert_array_equal(factors["loop"], own[:, None] | own)
    np.testing.assert_array_equal(factors["in"], np.broadcast_to(own, (3, 4)))
    np.testing.assert_array_equal(factors["bias"], own)
    assert factors["gain"].all()


@pytest.fixture(name="case")
def small(float64):
    del float64
    random, model = np.random.default_rng(0), MLP((3,), 4)
    batch = Batch(jnp.asarray(random.normal(size=(20, 5))), jnp.asarray(random.integers(0, 4, 20), jnp.int32))
    numbers = {"learning_rate": jnp.asarray(0.3), "weight_decay": jnp.asarray(0.01), "momentum": jnp.asarray(0.9)}
    return model, Dataset(batch, batch), numbers | {"seed": jnp.int32(1)}


def run(case, regime, steps, optimizer="sgd"):
    """The parameters after each step: one tree with (steps + 1, ...) arrays; and the first input of each minibatch."""
    model, data, numbers = case
    group = model.symmetry((5,))["hidden_0"]
    start = variables_of(model, data.train.inputs)
    task = paced(classification(model, 4, "per_seed"), regime, group.size)
    process = descend(task, OPTIMIZERS[optimizer], lambda hparams, inputs: start, rates=unit_rates(regime, group, start))
    state = process.init(data, numbers)
    seen, inputs, step = [state.variables["params"]], [], jax.jit(process.step)
    for number in range(steps):
        state, aux = step(state, data, numbers, jnp.int32(number))
        seen.append(state.variables["params"])
        inputs.append(np.asarray(aux.batch.inputs))
    return jax.tree.map(lambda *arrays: np.stack(arrays), *seen), np.stack(inputs)


def test_together_is_training_without_rates(case):
    model, data, numbers = case
    found, _ = run(case, together, 3, "momentum")
    start = variables_of(model, data.train.inputs)
    process = descend(classification(model, 4, "per_seed"), OPTIMIZERS["momentum"], lambda hparams, inputs: start)
    state = process.init(data, numbers)
    step = jax.jit(process.step)
    for number in range(3):
        state, _ = step(state, data, numbers, jnp.int32(number))
    for plain, (path, array) in zip(jax.tree.leaves(state.variables["params"]), leaves(found), strict=True):
        np.testing.assert_allclose(array[-1], plain, rtol=1e-12, err_msg=path)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_frozen_units_keep_every_bit(case, optimizer):
    """Also while the optimizer remembers what moved them before."""
    found, _ = run(case, in_turn(2), 12, optimizer)
    moved = np.diff(found["hidden_0"]["kernel"], axis=0).any(1)  # (step, unit)
    np.testing.assert_array_equal(moved.argmax(1), np.tile(np.repeat(range(3), 2), 2))
    np.testing.assert_array_equal(moved.sum(1), 1)
    np.testing.assert_array_equal(np.diff(found["output"]["kernel"], axis=0).any(2), moved)
    np.testing.assert_array_equal(np.diff(found["output"]["bias"], axis=0).any(1), np.arange(12) % 3 == 2)


def test_updates_are_on_the_same_minibatches(case):
    _, inputs = run(case, together, 4)
    _, slower = run(case, in_turn(2), 12)
    expected = [0, 1] * 3 + [2, 3] * 3
    np.testing.assert_array_equal(slower, inputs[expected])
