"""Measures read what they say, of a state and of a step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax import separation, tie
from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.process import State
from symmetry_jax.learning.starts import INITIALIZERS, draw, even_blocks
from symmetry_jax.learning.tasks import Batch, Dataset, classification
from symmetry_jax.learning.training import descend
from symmetry_jax.measures import separation as symmetry_measures
from symmetry_jax.measures import training
from tests.drawing import variables_of

MODEL, PAIRS = MLP((4, 6), 3), {"hidden_0": (0, 1), "hidden_1": (2, 5)}
SYMMETRY, TASK = MODEL.symmetry((5,)), classification(MODEL, 8, "per_seed")
STEP = jnp.asarray(0, jnp.int32)


@pytest.fixture(name="run")
def case(float64):
    del float64
    random = np.random.default_rng(0)
    batches = [
        Batch(jnp.asarray(random.normal(size=(n, 5))), jnp.asarray(random.integers(0, 3, n), jnp.int32)) for n in (30, 17)
    ]
    state = State(variables_of(MODEL, batches[0].inputs))
    numbers = {"seed": jnp.asarray(0), "learning_rate": jnp.asarray(0.1), "weight_decay": jnp.asarray(0.0)}
    process = descend(TASK, OPTIMIZERS["sgd"], draw(MODEL, INITIALIZERS["lecun"]))
    data = Dataset(*batches)
    memory = OPTIMIZERS["sgd"](numbers).init(state.variables)
    _, aux = jax.jit(process.step)(State(state.variables, memory), data, numbers, STEP)
    return state, aux, data, numbers, STEP


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def test_loss_and_accuracy_of_the_minibatch(run):
    state, aux, *_ = run
    logits, labels = np.array(jax.jit(MODEL.apply)(state.variables, aux.batch.inputs)), np.array(aux.batch.targets)
    np.testing.assert_allclose(training.minibatch_loss().read(*run), -log_softmax(logits)[range(8), labels].mean(), rtol=1e-12)
    np.testing.assert_allclose(training.minibatch_accuracy().read(*run), np.mean(logits.argmax(1) == labels))


def test_loss_and_accuracy_on_the_test_set(run):
    state, _, data, *rest = run
    logits, labels = np.array(jax.jit(MODEL.apply)(state.variables, data.test.inputs)), np.array(data.test.targets)
    at_end = (state, None, data, *rest)
    expected = -log_softmax(logits)[range(17), labels].mean()
    np.testing.assert_allclose(training.evaluate_loss(TASK).read(*at_end), expected, rtol=1e-12)
    np.testing.assert_allclose(training.evaluate_accuracy(TASK).read(*at_end), np.mean(logits.argmax(1) == labels))


def test_loss_and_accuracy_on_the_training_set_are_named_for_it(run):
    state, _, data, *rest = run
    swapped = (state, None, Dataset(data.test, data.train), *rest)
    for evaluate in (training.evaluate_loss, training.evaluate_accuracy):
        measure = evaluate(TASK, "train")
        assert measure.name.startswith("train_")
        np.testing.assert_array_equal(measure.read(state, None, data, *rest), evaluate(TASK).read(*swapped))


@pytest.mark.parametrize("copies, layers, expected", [(2, 2, [0, 0]), (2, 1, [0, 0]), (3, 2, [1, 1]), (1, 2, [0, 0])])
def test_block_spread_reads_every_array_that_a_unit_has(run, copies, layers, expected):
    """Units tied in twos have no spread in twos, and some in threes; a difference in memory alone is seen."""
    state, numbers = run[0], {"copies": jnp.asarray(float(copies)), "tied_layers": jnp.asarray(float(layers))}
    tied = state.variables
    for group in SYMMETRY.values():
        tied = tie(tied, group, even_blocks(group.size, 2))
    read = symmetry_measures.block_spread(SYMMETRY).read
    spread = np.asarray(read(State(tied, {"moment": tied}), None, None, numbers, STEP))
    np.testing.assert_array_equal(spread > 0, np.array(expected) > 0)
    moment = jax.tree.map(jnp.copy, tied)
    moment["params"]["hidden_0"]["bias"] = moment["params"]["hidden_0"]["bias"].at[1].add(1e-9)
    seen = np.asarray(read(State(tied, {"moment": moment}), None, None, numbers, STEP))
    assert (seen[0] > 0) == (copies > 1)


def test_gradient_norm_by_finite_differences(run):
    state, aux, *_ = run

    @jax.jit
    def loss(variables):
        return TASK.loss(MODEL.apply(variables, aux.batch.inputs), aux.batch.targets)

    direction = jax.tree.map(lambda leaf: leaf / training.gradient_norm().read(*run), aux.gradients)
    up, down = (
        loss(jax.tree.map(lambda leaf, way, s=size: leaf + s * way, state.variables, direction)) for size in (1e-5, -1e-5)
    )
    np.testing.assert_allclose((up - down) / 2e-5, training.gradient_norm().read(*run), rtol=1e-7)


def test_first_nonfinite_step(run):
    state, *rest = run
    measure = training.first_nonfinite_step()
    assert measure.read(state, *rest) == -1
    assert measure.read(State(state.variables, stopped=jnp.asarray(4, jnp.int32)), *rest) == 4


def test_separation_of_twins_by_parts(run):
    variables = run[0].variables
    measure = symmetry_measures.twin_separation(SYMMETRY, PAIRS)
    found = measure.read(*run)
    assert found.shape == tuple(len(measure.coords[dim]) for dim in measure.dims) == (2, 3)
    first, second = (np.array(variables["params"]["hidden_1"]["kernel"])[:, unit] for unit in PAIRS["hidden_1"])
    biases = np.array(variables["params"]["hidden_1"]["bias"])[list(PAIRS["hidden_1"])]
    out = np.array(variables["params"]["output"]["kernel"])[list(PAIRS["hidden_1"])]
    np.testing.assert_allclose(found[1, 0], np.hypot(np.linalg.norm(first - second), biases[0] - biases[1]), rtol=1e-12)
    np.testing.assert_allclose(found[1, 1], np.linalg.norm(out[0] - out[1]), rtol=1e-12)
    np.testing.assert_allclose(found[:, 2], np.hypot(found[:, 0], found[:, 1]), rtol=1e-12)


def test_angle_of_twins(run):
    found = symmetry_measures.twin_angle(SYMMETRY, PAIRS).read(*run)
    out = np.array(run[0].variables["params"]["output"]["kernel"])[list(PAIRS["hidden_1"])]
    cosine = out[0] @ out[1] / np.linalg.norm(out[0]) / np.linalg.norm(out[1])
    np.testing.assert_allclose(found[1, 1], np.arccos(cosine), rtol=1e-9)


def test_smallest_separation_is_that_of_the_nearest_pair(run):
    state, *rest = run
    measure = symmetry_measures.smallest_separation(SYMMETRY, ["hidden_0", "hidden_1"])
    apart = np.array(separation(state.variables, SYMMETRY["hidden_1"]))
    np.testing.assert_allclose(measure.read(state, *rest)[1], apart[np.triu_indices(6, 1)].min(), rtol=1e-12)
    tied = State(tie(state.variables, SYMMETRY["hidden_1"], [(3, 4)]))
    assert measure.read(tied, *rest)[1] == 0 and measure.read(tied, *rest)[0] > 0


def test_weights_of_twins(run):
    measure = symmetry_measures.twin_weights(SYMMETRY, PAIRS, "hidden_1", {"source": 4})
    kernel = run[0].variables["params"]["hidden_1"]["kernel"]
    np.testing.assert_array_equal(measure.read(*run), kernel.T[np.array(PAIRS["hidden_1"])])
    assert measure.dims == ("twin", "source") and measure.when == "ends"
