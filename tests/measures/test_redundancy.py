"""How alike units are in what they read."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax import tie
from symmetry_jax.learning.models import CNN, MLP
from symmetry_jax.learning.process import State
from symmetry_jax.measures.redundancy import duplicates, redundancy
from tests.drawing import inputs_of, variables_of

pytestmark = pytest.mark.usefixtures("float64")


def read(measure, variables):
    return np.asarray(jax.jit(lambda tree: measure.read(State(tree), None, None, {}, jnp.int32(0)))(variables))


def cosines(kernel, bias):
    units = np.concatenate([np.asarray(kernel).reshape(-1, len(bias)), np.asarray(bias)[None]])
    directions = units / np.linalg.norm(units, axis=0)
    return abs(directions.T @ directions)


@pytest.mark.parametrize("model, shape", [(MLP((4, 6), 3), (5,)), (CNN((4, 6), 3, (1, 2)), (4, 4, 2))])
def test_every_layer_against_numpy(model, shape):
    variables, symmetry = variables_of(model, inputs_of(shape)), model.symmetry(shape)
    found = read(redundancy(symmetry, list(symmetry)), variables)
    for row, name in zip(found, symmetry, strict=True):
        layer = variables["params"][name]
        alike = cosines(layer["kernel"], layer["bias"])[np.triu_indices(len(layer["bias"]), 1)]
        np.testing.assert_allclose(row, [alike.mean(), alike.max()], rtol=1e-12)


def test_duplicates_are_units_like_one_before_them_whatever_their_length_and_sign():
    model = MLP((6,), 3)
    variables, symmetry = variables_of(model, inputs_of((5,))), model.symmetry((5,))
    measure = duplicates(symmetry, ["hidden_0"])
    assert read(measure, variables) == 0
    variables = tie(variables, symmetry["hidden_0"], [(0, 1, 2), (3, 4)])
    layer = variables["params"]["hidden_0"]
    for name in ("kernel", "bias"):
        layer[name] = layer[name] * jnp.asarray([1.0, -2.0, 1.0, 1.0, 0.1, 1.0]).reshape((1,) * (layer[name].ndim - 1) + (6,))
    assert read(measure, variables) == 3


def test_one_unit_is_like_no_other():
    model = MLP((1,), 3)
    variables, symmetry = variables_of(model, inputs_of((5,))), model.symmetry((5,))
    assert np.isnan(read(redundancy(symmetry, ["hidden_0"]), variables)).all()
    assert read(duplicates(symmetry, ["hidden_0"]), variables) == 0
