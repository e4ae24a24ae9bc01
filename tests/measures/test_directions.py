"""Directions that weights span, against numpy's singular values; shares of a gradient; units that live."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.process import State
from symmetry_jax.learning.tasks import Batch, Dataset
from symmetry_jax.learning.training import Aux
from symmetry_jax.measures.directions import distances, off_line, weight_rank
from symmetry_jax.measures.layers import living
from symmetry_jax.measures.shares import share_error
from symmetry_jax.theory.scattered_biases import shares
from tests.drawing import drawn, variables_of

MODEL = MLP((5, 4), 3)
pytestmark = pytest.mark.usefixtures("float64")


def state_of(model=MODEL, inputs=6):
    return State(variables_of(model, jnp.zeros((1, inputs))))


def read(measure, state, aux=None, data=None):
    # from arguments, as in a study: XLA multiplies constants together whether or not their product underflows
    return np.asarray(jax.jit(measure.read)(state, aux, data, {}, jnp.asarray(0)))


@pytest.mark.parametrize("rank", [0, 1, 2, 4])
@pytest.mark.parametrize("scale", [1.0, 1e-200])
def test_as_many_distances_as_directions(rank, scale):
    random = np.random.default_rng(rank)
    matrix = random.normal(size=(7, rank)) @ random.normal(size=(rank, 4))
    found = np.asarray(jax.jit(distances)(jnp.asarray(matrix * scale))) / scale
    assert found.shape == (4,) and np.all(np.diff(found) <= 1e-15)
    assert np.sum(found > 1e-12) == rank == np.linalg.matrix_rank(matrix)
    if rank == 4:  # a volume does not depend on the order in which it is built up
        volume = np.sqrt(np.linalg.det(matrix.T @ matrix))
        assert found[0] == pytest.approx(np.linalg.norm(matrix, axis=1).max()) and np.prod(found) <= volume * (1 + 1e-12)


def test_distances_of_two_vectors():
    found = jax.jit(distances)(jnp.asarray([[0.0, 3e-14, 0.0], [4.0, 0.0, 0.0]]))
    np.testing.assert_allclose(found, [4.0, 3e-14], rtol=1e-12)


def test_span_and_distance_from_a_line():
    params = state_of().variables["params"]
    line = jnp.outer(jnp.arange(6.0), jnp.ones(5))
    kernels = {"hidden_0": line.at[0, 2].set(1e-4), "hidden_1": jnp.zeros((5, 4)), "output": params["output"]["kernel"]}
    state = State({"params": {name: {**params[name], "kernel": kernel} for name, kernel in kernels.items()}})
    assert list(read(weight_rank(MODEL), state)) == [2, 0, 3]
    apart = read(off_line(MODEL), state)
    assert apart[0] == pytest.approx(1e-4 / np.sqrt(55), rel=1e-6) and np.isnan(apart[1]) and apart[2] > 0.1


@pytest.mark.parametrize("units", [2, 8, 30])
def test_what_rounding_leaves_is_no_direction(units):
    model = MLP((units,), 3)
    random = np.random.default_rng(units)
    state = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), state_of(model, 30))
    state.variables["params"]["hidden_0"]["kernel"] = jnp.asarray(
        random.normal(size=(30, 2)) @ random.normal(size=(2, units)), "f4"
    )
    found = read(weight_rank(model), state)
    assert list(found) == [np.linalg.matrix_rank(layer["kernel"]) for layer in state.variables["params"].values()]
    assert found[0] == 2


def test_one_unit_is_on_a_line():
    model = MLP((1, 4), 3)
    assert list(read(off_line(model), state_of(model))[:2]) == [0, 0]  # one unit; units with one input


def test_shares_of_a_gradient():
    state = state_of()
    gradients = drawn(state.variables, 4)["params"]
    params = state.variables["params"]
    first = shares(params["hidden_0"]["bias"], jnp.tanh)
    gradients["hidden_0"]["kernel"] = jnp.outer(jnp.arange(6.0), first)
    gradients["output"]["kernel"] = jnp.outer(jnp.tanh(params["hidden_1"]["bias"]), jnp.arange(3.0))
    gradients["hidden_1"]["kernel"] = gradients["hidden_1"]["kernel"] * 1e-180
    found = read(share_error(MODEL), state, Aux(jnp.zeros(()), jnp.zeros((2, 3)), None, {"params": gradients}))
    assert found[0] < 1e-15 and found[2] < 1e-15
    share = shares(params["hidden_1"]["bias"], jnp.tanh)
    gradient = gradients["hidden_1"]["kernel"] * 1e180
    left = gradient - np.outer(gradient @ share, share) / (share @ share)
    assert found[1] == pytest.approx(np.linalg.norm(left) / np.linalg.norm(gradient), rel=1e-12)


def test_units_that_live():
    model = MODEL.clone(activation=jax.nn.relu)
    params = state_of().variables["params"]
    params["hidden_0"]["bias"] = params["hidden_0"]["bias"].at[:2].set(-100)
    params["hidden_1"]["kernel"] = jnp.abs(params["hidden_1"]["kernel"])
    params["hidden_1"]["bias"] = jnp.asarray([1.0, 1.0, -100.0, 1.0])
    batch = Batch(drawn(jnp.zeros((40, 6))), jnp.zeros(40, jnp.int32))
    np.testing.assert_allclose(read(living(model), State({"params": params}), None, Dataset(batch, batch)), [0.6, 0.75])
