"""Gradient descent as a process, one run at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax.learning.convolution import lowered
from symmetry_jax.learning.data.digits import digits
from symmetry_jax.learning.models import ACTIVATIONS, CNN, MLP
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.process import State
from symmetry_jax.learning.schedules import SCHEDULES
from symmetry_jax.learning.starts import INITIALIZERS, draw, tied
from symmetry_jax.learning.tasks import Batch, Dataset, classification
from symmetry_jax.learning.training import descend
from symmetry_jax.sweeps.precision import cast, numerics
from symmetry_jax.symmetry.separation import separation

HPARAMS = {"learning_rate": 0.2, "weight_decay": 0.01, "momentum": 0.8, "beta1": 0.9, "beta2": 0.99, "adam_eps": 1e-6}


def hparams(precision, **others):
    values = {**HPARAMS, **others}
    return {"seed": jnp.asarray(3, jnp.int32)} | {name: jnp.asarray(value, precision) for name, value in values.items()}


def trained(process, data, numbers, steps):
    """The final state and the loss of each step, by a loop in one compiled program."""

    @jax.jit
    def run(state, data, numbers):
        def body(state, step):
            state, aux = process.step(state, data, numbers, step)
            return state, aux.loss

        return jax.lax.scan(body, state, jnp.arange(steps, dtype=jnp.int32))

    return run(begun(process, data, numbers), data, numbers)


def begun(process, data, numbers):
    """The state at step 0; random numbers are quicker to compile at a low level of optimization."""
    return jax.jit(process.init, compiler_options={"xla_backend_optimization_level": 0})(data, numbers)


@pytest.mark.usefixtures("float64")
def test_a_step_of_a_linear_softmax_model_is_the_one_derived_by_hand():
    random = np.random.default_rng(0)
    inputs, targets = random.normal(size=(20, 4)), random.integers(0, 3, 20).astype(np.int32)
    data = Dataset(Batch(jnp.asarray(inputs), jnp.asarray(targets)), Batch(jnp.asarray(inputs), jnp.asarray(targets)))
    model = MLP((), 3)
    task = classification(model, 5, "per_seed")
    process = descend(task, OPTIMIZERS["sgd"], draw(model, INITIALIZERS["lecun"]))
    numbers = hparams("float64")
    state = begun(process, data, numbers)
    after, aux = jax.jit(process.step)(state, data, numbers, jnp.asarray(7, jnp.int32))
    weights, bias = (np.array(state.variables["params"]["output"][name]) for name in ("kernel", "bias"))
    x, y = np.array(aux.batch.inputs), np.array(aux.batch.targets)
    scores = np.exp(x @ weights + bias)
    error = scores / scores.sum(1, keepdims=True) - np.eye(3)[y]
    np.testing.assert_allclose(aux.loss, -np.log((scores / scores.sum(1, keepdims=True))[range(5), y]).mean(), rtol=1e-12)
    expected = weights - 0.2 * (x.T @ error / 5 + 0.01 * weights)
    np.testing.assert_allclose(after.variables["params"]["output"]["kernel"], expected, rtol=1e-12)
    np.testing.assert_allclose(after.variables["params"]["output"]["bias"], bias - 0.2 * error.mean(0), rtol=1e-12)


def test_minibatches_differ_by_step_and_by_seed_unless_shared():
    data = cast(digits(), "float32")

    def batch(minibatches, seed, step):
        task = classification(MLP((), 10), 16, minibatches)
        return np.array(task.batch(data, {"seed": jnp.asarray(seed)}, jnp.asarray(step)).inputs)

    for minibatches in ("per_seed", "shared"):
        assert np.any(batch(minibatches, 0, 0) != batch(minibatches, 0, 1))
        np.testing.assert_array_equal(batch(minibatches, 5, 2), batch(minibatches, 5, 2))
    assert np.any(batch("per_seed", 0, 0) != batch("per_seed", 1, 0))
    np.testing.assert_array_equal(batch("shared", 0, 3), batch("shared", 1, 3))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rates_multiply_the_final_update_of_every_optimizer(name):
    data, model = cast(digits(), "float32"), MLP((4,), 10)
    task, start = classification(model, 8, "per_seed"), draw(model, INITIALIZERS["lecun"])
    numbers, factor = hparams("float32"), {"params": {"hidden_0": jnp.asarray(0.0), "output": jnp.asarray(0.5)}}
    plain = descend(task, OPTIMIZERS[name], start)
    rated = descend(task, OPTIMIZERS[name], start, rates=lambda hparams, step: factor)
    state = plain.init(data, numbers)
    ends = [jax.jit(process.step)(state, data, numbers, jnp.asarray(0))[0].variables["params"] for process in (plain, rated)]
    begin = state.variables["params"]
    np.testing.assert_array_equal(ends[1]["hidden_0"]["kernel"], begin["hidden_0"]["kernel"])
    moves = [end["output"]["kernel"] - begin["output"]["kernel"] for end in ends]
    np.testing.assert_allclose(moves[1], moves[0] / 2, rtol=1e-3, atol=1e-6)


def test_schedule_multiplies_the_learning_rate():
    data, model = cast(digits(), "float32"), MLP((), 10)
    task, start = classification(model, 8, "per_seed"), draw(model, INITIALIZERS["lecun"])
    process = descend(task, OPTIMIZERS["sgd"], start, SCHEDULES["step"])
    numbers = hparams("float32", drop_every=1, drop_factor=0.0, weight_decay=0.0)
    state = begun(process, data, numbers)
    first, _ = process.step(state, data, numbers, jnp.asarray(0, jnp.int32))
    second, _ = process.step(first, data, numbers, jnp.asarray(1, jnp.int32))
    kernels = [each.variables["params"]["output"]["kernel"] for each in (state, first, second)]
    assert np.any(kernels[0] != kernels[1])
    np.testing.assert_array_equal(kernels[1], kernels[2])


def test_a_process_may_continue_from_another():
    data, model = cast(digits(), "float32"), MLP((), 10)
    process = descend(classification(model, 8, "per_seed"), OPTIMIZERS["momentum"], draw(model, INITIALIZERS["lecun"]))
    previous = State({"params": {"output": {"kernel": jnp.ones((64, 10)), "bias": jnp.zeros(10)}}})
    state = process.init(data, hparams("float32"), previous)
    np.testing.assert_array_equal(state.variables["params"]["output"]["kernel"], np.ones((64, 10)))


TIED = [
    (MLP((16, 32), 10), "hidden_0", "patches"),
    (MLP((16, 32), 10, ACTIVATIONS["relu"]), "hidden_1", "patches"),
    (CNN((8, 8), 10, (1, 2)), "conv_0", "patches"),
    (CNN((8, 8), 10, (1, 2), activation=ACTIVATIONS["relu"]), "conv_1", "patches"),
    (CNN((5, 7), 10, (1, 2), head="average"), "conv_1", "xla"),
]


@pytest.mark.parametrize("optimizer, precision", [("momentum", "float32"), ("adamw", "float64")])
@pytest.mark.parametrize("model, group, lowering", TIED)
def test_tied_twins_stay_equal_in_every_bit(model, group, lowering, optimizer, precision):
    with numerics(precision), lowered(lowering):
        data = cast(digits(), precision)
        symmetry = model.symmetry(data.shape)
        start = tied(draw(model, INITIALIZERS["lecun"]), symmetry, {group: [(0, 1)]})
        process = descend(classification(model, 32, "per_seed"), OPTIMIZERS[optimizer], start)
        state, losses = trained(process, data, hparams(precision, learning_rate=0.01), 150)
        assert losses[-1] < losses[0]
        for tree in (state.variables, state.memory):
            inside = symmetry[group].within(tree)
            apart = jax.jit(separation, static_argnums=1)(tree, inside)
            assert apart[0, 1] == 0 and np.max(apart) > 0


@pytest.mark.parametrize("width, stays", [(7, False), (8, True)])
def test_where_a_whole_tied_layer_stays_tied_is_a_matter_of_its_width(width, stays):
    """XLA on CPU computes the last columns of a product otherwise, but for widths such as 8; others depend on its version."""
    with numerics("float64"):
        data, model = cast(digits(), "float64"), MLP((width,), 10)
        symmetry = model.symmetry(data.shape)
        start = tied(draw(model, INITIALIZERS["lecun"]), symmetry, {"hidden_0": [tuple(range(width))]})
        process = descend(classification(model, 64, "per_seed"), OPTIMIZERS["sgd"], start)
        state, _ = trained(process, data, hparams("float64"), 100)
        apart = jax.jit(separation, static_argnums=1)(state.variables, symmetry["hidden_0"])
        assert bool(np.all(apart == 0)) is stays
        assert apart[0, 1] == 0 and np.max(apart) < 1e-6


def test_first_steps_are_what_they_were():
    """A golden record. Update it when the start, the minibatches or the arithmetic change on purpose, and say so."""
    data, model = cast(digits(), "float32"), CNN((8, 8), 10, (1, 2))
    process = descend(classification(model, 32, "per_seed"), OPTIMIZERS["sgd"], draw(model, INITIALIZERS["lecun"]))
    _, losses = trained(process, data, hparams("float32"), 4)
    np.testing.assert_allclose(losses, [2.330102, 2.258222, 2.318496, 2.231022], rtol=1e-5)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_statistics_of_batches_are_moved_by_batches_and_by_nothing_else(optimizer):
    model, data = MLP((4,), 10, batch_norm=True), cast(digits(), "float64")
    process = descend(classification(model, 16, "per_seed"), OPTIMIZERS[optimizer], draw(model, INITIALIZERS["lecun"]))
    numbers = hparams("float64", weight_decay=0.5)
    start = begun(process, data, numbers)
    state, aux = jax.jit(process.step)(start, data, numbers, jnp.int32(0))
    sums = np.asarray(aux.batch.inputs).reshape(16, -1) @ np.asarray(start.variables["params"]["hidden_0"]["kernel"])
    running = state.variables["batch_stats"]["hidden_0_units"]["norm"]
    np.testing.assert_allclose(running["mean"], 0.01 * sums.mean(0), rtol=1e-9)
    np.testing.assert_allclose(running["var"], 0.99 + 0.01 * sums.var(0), rtol=1e-9)
    assert set(aux.gradients) == {"params"} and "batch_stats" not in str(jax.tree.structure(state.memory))
    assert np.any(state.variables["params"]["hidden_0_units"]["norm"]["scale"] != 1)
