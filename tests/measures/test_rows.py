"""Measures of a softmax classifier's rows, against numpy."""

import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.process import State
from symmetry_jax.learning.tasks import Batch
from symmetry_jax.learning.training import Aux
from symmetry_jax.measures import rows
from symmetry_jax.theory.softmax_rows import batch_rows, with_bias
from tests.drawing import drawn

MODEL, CLASSES, INPUTS = MLP((), 4), 4, 6
STEP = jnp.asarray(0, jnp.int32)
RECORDED = [
    rows.row_norm(MODEL),
    rows.row_cosine(MODEL),
    rows.input_norm(),
    rows.first_label(),
    rows.bias_gradient(),
    rows.still_weights(),
    rows.silent_inputs(),
    rows.gradient_range(),
    rows.largest_curvature(),
]


def layer(weights, biases):
    return {"params": {"output": {"kernel": jnp.asarray(weights.T), "bias": jnp.asarray(biases)}}}


@pytest.fixture(name="run")
def case(float64):
    del float64
    random = np.random.default_rng(0)
    inputs, labels = random.normal(size=(9, 2, 3)), random.integers(0, CLASSES, 9)
    inputs[:, 1, 2] = 0  # the last input
    gradient, weights = random.normal(size=(2, CLASSES, INPUTS))
    gradient[:, 5] = 0
    gradient[3] = 0
    aux = Aux(
        jnp.zeros(()), jnp.zeros((9, CLASSES)), Batch(jnp.asarray(inputs), jnp.asarray(labels)), layer(gradient, np.arange(4.0))
    )
    numbers = {"constant": jnp.asarray(0.5), "learning_rate": jnp.asarray(0.1)}
    return State(layer(weights, np.zeros(4))), aux, None, numbers, STEP


def test_readings_of_a_gradient(run):
    _, aux, *_ = run
    gradient, inputs = np.asarray(aux.gradients["params"]["output"]["kernel"]).T, np.asarray(aux.batch.inputs).reshape(9, -1)
    mean, sizes = inputs.mean(0), np.linalg.norm(gradient, axis=1)
    cosines = np.divide(gradient @ mean, sizes * np.linalg.norm(mean), out=np.zeros(4), where=sizes > 0)
    expected = {
        "row_norm": sizes,
        "row_cosine": cosines,
        "input_norm": np.linalg.norm(mean),
        "label": np.asarray(aux.batch.targets)[0],
        "bias_gradient": 3 / abs(gradient).max(),
        "still_weights": 9 / 24,
        "silent_inputs": 1 / 6,
        "gradient_range": [abs(gradient[gradient != 0]).min(), abs(gradient).max()],
        "curvature": (np.square(inputs).sum(1) + 1).mean() / 2,
    }
    found = {measure.name: measure.read(*run) for measure in RECORDED}
    assert set(found) == set(expected) and found["row_cosine"][3] == 0
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-13)


def test_a_row_error_sees_weights_and_biases(run):
    state, aux, *rest = run
    found = np.array(batch_rows(with_bias(aux.batch.inputs.reshape(9, -1)), aux.batch.targets, CLASSES))
    error = rows.row_error(MODEL, batch_rows)

    def read(changed):
        gradients = layer(changed[:, :-1], changed[:, -1])
        return float(error.read(state, Aux(aux.loss, aux.outputs, aux.batch, gradients), *rest))

    assert read(found) == 0
    for place in ((1, 2), (0, INPUTS)):
        changed = found.copy()
        changed[place] += 1e-3
        assert read(changed) == pytest.approx(1e-3 / abs(found).max())
    drop = rows.predicted_drop(MODEL, batch_rows).read(state, aux, *rest)
    np.testing.assert_allclose(drop, 0.1 * np.sum(found**2), rtol=1e-13)


def test_readings_of_weights(run):
    state, _, *rest = run
    weights = np.asarray(state.variables["params"]["output"]["kernel"]).T
    at_end = (state, None, *rest)
    means, moved = weights.mean(0), abs(weights - 0.5) / 0.1
    np.testing.assert_allclose(rows.class_mean().read(*at_end), [means.min(), means.max()], rtol=1e-13)
    np.testing.assert_allclose(rows.largest_weight().read(*at_end), abs(weights).max())
    np.testing.assert_allclose(rows.moved_range().read(*at_end), [moved.min(), moved.max()], rtol=1e-13)
    kept = rows.output_weights(MODEL, {"row": 2, "column": 3})
    assert kept.dims == ("class", "row", "column") and kept.when == "ends"
    np.testing.assert_array_equal(kept.read(*at_end), weights.reshape(4, 2, 3))


@pytest.mark.parametrize("rank", range(5))
def test_rank_is_that_of_singular_values(float64, rank):
    del float64
    left, right = (np.asarray(part) for part in drawn((jnp.zeros((4, rank)), jnp.zeros((rank, INPUTS))), seed=rank))
    for decades in (0, 2):
        weights = 1e-3 * (left * 10.0 ** (-decades * np.arange(rank))) @ right
        found = rows.row_rank().read(State(layer(weights, np.zeros(4))), None, None, {}, STEP)
        assert found.dtype == jnp.int32 and found == rank == np.linalg.matrix_rank(weights, rtol=1e-8)


def test_rows_that_sum_to_zero_have_one_rank_less(float64):
    del float64
    weights = np.random.default_rng(3).normal(size=(4, INPUTS))
    weights -= weights.mean(0)
    for constant, rank in ((0.0, 3), (1e-6, 4)):
        state = State(layer(weights + constant, np.zeros(4)))
        assert rows.row_rank().read(state, None, None, {}, STEP) == rank
