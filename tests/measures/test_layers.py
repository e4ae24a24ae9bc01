"""Measures of a perceptron's layers, against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax.learning.models import ACTIVATIONS, MLP
from symmetry_jax.learning.process import State
from symmetry_jax.learning.tasks import Batch
from symmetry_jax.learning.training import Aux
from symmetry_jax.measures.directions import weight_rank
from symmetry_jax.measures.layers import passing, tie_error, weight_norm
from symmetry_jax.symmetry.units import tie
from tests.drawing import drawn

INPUTS = np.random.default_rng(1).normal(size=(20, 6))


@pytest.fixture
def model(float64):
    return MLP((8, 4), 3, ACTIVATIONS["relu"])


@pytest.fixture
def variables(model):
    return drawn(model.init(jax.random.key(0), jnp.zeros((1, 6))))


def read(measure, variables):
    aux = Aux(jnp.zeros(()), jnp.zeros((20, 3)), Batch(jnp.asarray(INPUTS), jnp.zeros(20, jnp.int32)), None)
    return measure.read(State(variables), aux, None, {}, jnp.int32(0))


def test_ranks_and_norms_are_those_of_numpy(model, variables):
    kernel = variables["params"]["hidden_0"]["kernel"]
    variables["params"]["hidden_0"]["kernel"] = kernel[:, :1] @ kernel[:1] + 1e-12 * kernel  # rank 1 but for rounding
    variables["params"]["output"]["kernel"] = jnp.zeros((4, 3))
    assert list(read(weight_rank(model), variables)) == [1, 4, 0]
    expected = [np.linalg.norm(variables["params"][name]["kernel"]) for name in model.layers]
    np.testing.assert_allclose(read(weight_norm(model), variables), expected, rtol=1e-12)


def test_tie_error_is_the_largest_difference_over_the_orbit(model, variables):
    symmetry = model.symmetry((6,))
    for group in symmetry.values():
        variables = tie(variables, group, [range(group.size)])
    np.testing.assert_array_equal(read(tie_error(model), variables), [0, 0, np.nan])
    for path, layer in ((("hidden_0", "kernel"), 0), (("hidden_1", "bias"), 1), (("output", "kernel"), 1)):
        array = variables["params"][path[0]][path[1]]
        changed = {
            **variables["params"],
            path[0]: {**variables["params"][path[0]], path[1]: array.at[(-1,) * array.ndim].add(1e-9)},
        }
        error = np.asarray(read(tie_error(model), {"params": changed}))
        np.testing.assert_allclose(error[layer], 1e-9, rtol=1e-6)
        assert error[1 - layer] == 0


def test_passing_counts_examples_with_a_slope(model, variables):
    params = jax.tree.map(np.asarray, variables["params"])
    first = np.maximum(INPUTS @ params["hidden_0"]["kernel"] + params["hidden_0"]["bias"], 0)
    second = first @ params["hidden_1"]["kernel"] + params["hidden_1"]["bias"]
    np.testing.assert_allclose(read(passing(model), variables), [(first > 0).any(1).mean(), (second > 0).any(1).mean(), 1])
    variables["params"]["hidden_0"]["bias"] = variables["params"]["hidden_0"]["bias"] - 100
    assert read(passing(model), variables)[0] == 0
