"""The interaction of units, against a Hessian of all parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from symmetry_jax import tie
from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.process import State
from symmetry_jax.learning.tasks import Batch, classification
from symmetry_jax.learning.training import Aux
from symmetry_jax.measures.interaction import interaction, response
from tests.drawing import inputs_of, variables_of

MODEL = MLP((4, 3), 3)
GROUP = MODEL.symmetry((5,))["hidden_0"]
TASK = classification(MODEL, 6, "per_seed")
PAIRS = ((0, 1), (2, 0))


@pytest.fixture(name="case", params=[False, True], ids=["apart", "equal"])
def small(request, float64):
    """A state with its step's gradients, and the flat vectors and matrices of the same."""
    del float64
    batch = Batch(inputs_of((5,), batch=6), jnp.asarray([0, 1, 2, 0, 1, 1], jnp.int32))
    variables = variables_of(MODEL, batch.inputs)
    variables = tie(variables, GROUP, [(0, 1)]) if request.param else variables
    vector, structure = ravel_pytree(variables)
    unit_of = {name: np.full(leaf.shape, -1) for name, leaf in _named(variables).items()}
    unit_of["hidden_0/kernel"][...] = unit_of["hidden_0/bias"][...] = np.arange(4)
    unit_of["hidden_1/kernel"][...] = np.arange(4)[:, None]
    owners = np.asarray(ravel_pytree(jax.tree.unflatten(jax.tree.structure(variables), list(unit_of.values())))[0])

    def loss(theta):
        return TASK.loss(MODEL.apply(structure(theta), batch.inputs), batch.targets)

    outputs = jax.jit(jax.jacobian(lambda theta: MODEL.apply(structure(theta), batch.inputs).reshape(-1)))(vector)
    logits = MODEL.apply(variables, batch.inputs)
    curved = jax.hessian(lambda flat: TASK.loss(flat.reshape(logits.shape), batch.targets))(logits.reshape(-1))
    gauss_newton = np.asarray(outputs).T @ np.asarray(curved) @ np.asarray(outputs)
    hessian, gradient = np.asarray(jax.jit(jax.hessian(loss))(vector)), np.asarray(jax.jit(jax.grad(loss))(vector))
    aux = Aux(jnp.zeros(()), logits, batch, structure(jnp.asarray(gradient)))
    return State(variables), aux, np.asarray(vector), owners, gradient, (gauss_newton, hessian - gauss_newton)


def _named(variables):
    return {f"{layer}/{name}": leaf for layer, arrays in variables["params"].items() for name, leaf in arrays.items()}


def read(measure, state, aux):
    return np.asarray(jax.jit(lambda state, aux: measure.read(state, aux, None, {}, jnp.int32(0)))(state, aux))


def test_blocks_along_the_line_between_two_units(case):
    state, aux, vector, owners, _, parts = case
    found = read(interaction(TASK, GROUP, PAIRS), state, aux)
    for readings, (i, j) in zip(found, PAIRS, strict=True):
        line = vector[owners == i] - vector[owners == j]
        if not line.any():
            line = np.cos(np.arange(len(line)))
        line = line / np.linalg.norm(line)
        for number, part in enumerate(parts):
            own, cross, back, other = (part[owners == a][:, owners == b] @ line for a, b in ((i, i), (i, j), (j, i), (j, j)))
            net = (own - cross - back + other) / 2
            expected = [[line @ image, np.linalg.norm(image)] for image in (own, cross, net)]
            np.testing.assert_allclose(readings[:, number], expected, rtol=1e-9, atol=1e-13)


def test_response_of_a_gradient_to_the_descent_of_another_unit(case):
    state, aux, _, owners, gradient, parts = case
    found = read(response(TASK, GROUP, (0, 1)), state, aux)
    moved = sum(parts)[owners == 1][:, owners == 0] @ gradient[owners == 0]
    np.testing.assert_allclose(found, [np.linalg.norm(gradient[owners == 1]), np.linalg.norm(moved)], rtol=1e-9)


@pytest.mark.parametrize("case", [True], ids=["equal"], indirect=True)
def test_twins_that_train_in_turn_are_set_apart_by_the_interaction(case):
    """Two steps of plain gradient descent on one minibatch, one twin after the other: lr^2 ||H_ij g||, to first order."""
    state, aux, vector, owners, _, _ = case
    _, response_of_gradient = read(response(TASK, GROUP, (0, 1)), state, aux)
    structure = ravel_pytree(state.variables)[1]
    slope = jax.jit(jax.grad(lambda theta: TASK.loss(MODEL.apply(structure(theta), aux.batch.inputs), aux.batch.targets)))
    errors = []
    for rate in (1e-2, 1e-3):
        theta = vector.copy()
        for unit in (0, 1):
            theta = theta - rate * np.where(owners == unit, np.asarray(slope(jnp.asarray(theta))), 0)
        apart = np.linalg.norm(theta[owners == 0] - theta[owners == 1])
        errors.append(abs(apart / (rate**2 * response_of_gradient) - 1))
    assert errors[1] < errors[0] / 5 and errors[1] < 1e-2
