"""The curvature between two units, against the whole Hessian of whole networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from symmetry_jax import UnitAxis, UnitGroup, tie
from symmetry_jax.learning.models import ACTIVATIONS, CNN, MLP
from symmetry_jax.sweeps.precision import numerics
from symmetry_jax.symmetry.curvature import (
    cross_curvature,
    dense,
    extreme_eigenvalues,
    twin_curvature,
    unit_curvature,
)
from symmetry_jax.symmetry.separation import difference, displace, orbits
from symmetry_jax.theory import activations
from symmetry_jax.theory import twin_curvature as theory
from tests.drawing import drawn, inputs_of, variables_of
from tests.symmetry.test_separation import GROUP

CLASSES = 3


def cross_entropy(labels):
    return lambda outputs: -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(outputs), labels[:, None], 1))


def whole_hessian(function, params):
    vector, structure = ravel_pytree(params)
    return np.asarray(jax.jit(jax.hessian(lambda theta: function(structure(theta))))(vector))


def transverse_basis(params, group, units):
    """Rows that map flat parameters to the orthonormal transverse coordinates of a pair."""
    vector, structure = ravel_pytree(params)
    return np.asarray(jax.jit(jax.jacobian(lambda theta: difference(structure(theta), group, units)))(vector)) / np.sqrt(2)


def parts(outputs, loss, params, group, units):
    @jax.jit
    def both(theta):
        operators = twin_curvature(outputs, loss, theta, group, units)
        return [dense(operator, len(difference(theta, group, units)), float) for operator in operators]

    return [np.asarray(part) for part in both(params)]


MODELS = {
    "mlp first": (MLP((4, 3), CLASSES, ACTIVATIONS["gelu"]), (5,), "hidden_0", (0, 1)),
    "mlp second": (MLP((4, 3), CLASSES), (5,), "hidden_1", (2, 0)),
    "cnn first": (CNN((3, 2), CLASSES, (1, 2), activation=ACTIVATIONS["silu"]), (4, 4, 2), "conv_0", (1, 2)),
    "cnn last": (CNN((2, 3), CLASSES, (1, 1), kernel=2), (4, 4, 1), "conv_1", (0, 1)),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_block_of_the_whole_hessian(name):
    model, shape, group, units = MODELS[name]
    inputs = inputs_of(shape, batch=6)
    labels, group = jnp.asarray([0, 1, 2, 0, 1, 1]), model.symmetry(shape)[group]
    params = tie(variables_of(model, inputs), group, [units])
    loss = cross_entropy(labels)
    gauss_newton, residual = parts(lambda theta: model.apply(theta, inputs), loss, params, group, units)
    basis = transverse_basis(params, group, units)
    expected = basis @ whole_hessian(lambda theta: loss(model.apply(theta, inputs)), params) @ basis.T
    assert abs(gauss_newton).max() < 1e-14
    np.testing.assert_allclose(residual, expected, rtol=1e-9, atol=1e-13)
    assert abs(expected).max() > 1e-3


@pytest.mark.usefixtures("float64")
def test_units_that_differ_have_a_gauss_newton_part_too():
    """Recurrent units, whose weights carry the group on two axes."""
    shapes = {"in": (3, 4), "loop": (4, 4), "bias": (4,)}
    params = drawn({name: jnp.zeros(shape) for name, shape in shapes.items()})
    inputs = drawn(jnp.zeros((5, 3)), 1)

    def outputs(theta):
        hidden = jnp.tanh(inputs @ theta["in"] + theta["bias"][None])
        return jnp.tanh(hidden @ theta["loop"] + hidden).sum(1)

    def loss(values):
        return jnp.mean(jnp.square(values - 1)) / 2

    for twins in (False, True):
        theta = tie(params, GROUP, [(0, 2)]) if twins else params
        gauss_newton, residual = parts(outputs, loss, theta, GROUP, (0, 2))
        basis = transverse_basis(theta, GROUP, (0, 2))
        expected = basis @ whole_hessian(lambda theta: loss(outputs(theta)), theta) @ basis.T
        np.testing.assert_allclose(gauss_newton + residual, expected, rtol=1e-9, atol=1e-12)
        assert (abs(gauss_newton).max() < 1e-14) == twins
        if not twins:
            (first, second), whole = rows_of(theta, GROUP, (0, 2)), hessian_parts(outputs, loss, theta)
            for found, part in zip(blocks_of(cross_curvature, outputs, loss, theta, GROUP, (0, 2)), whole, strict=True):
                np.testing.assert_allclose(found, first @ part @ second.T, rtol=1e-9, atol=1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("curve", [twin_curvature, unit_curvature, cross_curvature])
@pytest.mark.parametrize("role", ["state", "bias"])
@pytest.mark.parametrize("counts", [np.arange(4), np.array([True, False, True, True])])
def test_whole_numbers_of_the_units_do_not_move(curve, role, counts):
    theta = drawn({"w": jnp.zeros((3, 4)), "v": jnp.zeros((4, 2))}) | {"counts": jnp.asarray(counts)}
    theta = {"counts": theta.pop("counts"), **theta}
    axes = (UnitAxis("w", 1, "fan-in"), UnitAxis("v", 0, "fan-out"))
    group, inputs = UnitGroup("w", 4, (UnitAxis("counts", 0, role), *axes)), inputs_of((3,))

    def outputs(theta):
        return jnp.tanh(inputs @ theta["w"]) @ theta["v"]

    loss = cross_entropy(jnp.arange(3, dtype=jnp.int32) % 2)
    with_counts, without = (curve(outputs, loss, theta, one, (0, 2)) for one in (group, UnitGroup("w", 4, axes)))
    for found, expected in zip(with_counts, without, strict=True):
        np.testing.assert_array_equal(dense(found, 5, float), dense(expected, 5, float))
    moved = displace(theta, group, (0, 2), jnp.ones(5))
    assert moved["counts"] is theta["counts"] and not np.array_equal(moved["w"], theta["w"])


def hessian_parts(outputs, loss, params):
    """The Gauss-Newton part J^T L'' J and the rest of the whole Hessian, of flat parameters and flat outputs."""
    vector, structure = ravel_pytree(params)
    values = outputs(params)

    def flat_outputs(theta):
        return outputs(structure(theta)).reshape(-1)

    def flat_loss(flat):
        return loss(flat.reshape(values.shape))

    jacobian = np.asarray(jax.jit(jax.jacobian(flat_outputs))(vector))
    gauss_newton = jacobian.T @ np.asarray(jax.jit(jax.hessian(flat_loss))(values.reshape(-1))) @ jacobian
    return gauss_newton, whole_hessian(lambda theta: loss(outputs(theta)), params) - gauss_newton


def rows_of(params, group, units):
    """For each of two units, the rows of the identity that pick its numbers out of flat parameters."""
    vector, structure = ravel_pytree(params)
    return [np.asarray(rows) for rows in jax.jit(jax.jacobian(lambda theta: orbits(structure(theta), group, units)))(vector)]


def blocks_of(of, outputs, loss, params, group, units):
    """Both parts of a block that maps one unit to another, as matrices."""

    @jax.jit
    def both(theta):
        numbers = len(difference(theta, group, units))
        return [dense(part, numbers, float) for part in of(outputs, loss, theta, group, units)]

    return [np.asarray(part) for part in both(params)]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name, twins", [("mlp first", False), ("mlp first", True), ("mlp second", False), ("cnn last", True)])
def test_interaction_is_a_block_of_the_whole_hessian(name, twins):
    """Both parts, against matrices of all parameters; of equal units they are what the difference is made of."""
    model, shape, group, units = MODELS[name]
    inputs, labels, group = inputs_of(shape, batch=6), jnp.asarray([0, 1, 2, 0, 1, 1]), model.symmetry(shape)[group]
    params, loss = variables_of(model, inputs), cross_entropy(labels)
    params = tie(params, group, [units]) if twins else params

    def outputs(theta):
        return model.apply(theta, inputs)

    (first, second), whole = rows_of(params, group, units), hessian_parts(outputs, loss, params)
    cross = blocks_of(cross_curvature, outputs, loss, params, group, units)
    for found, part in zip(cross, whole, strict=True):
        np.testing.assert_allclose(found, first @ part @ second.T, rtol=1e-9, atol=1e-13)
    assert (not cross[1].any()) == (group.axes[-1].path == "params/output/kernel")  # units of the last layer are additive
    own = blocks_of(unit_curvature, outputs, loss, params, group, units)
    assert (abs(own[0] - cross[0]).max() < 1e-11 * abs(own[0]).max()) == twins
    if twins:
        between = blocks_of(twin_curvature, outputs, loss, params, group, units)
        np.testing.assert_allclose(own[1] - cross[1], between[1], rtol=1e-9, atol=1e-13)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_block_formula_of_a_dense_layer(activation):
    model, inputs = MLP((4, 3), CLASSES, ACTIVATIONS[activation]), inputs_of((5,), batch=6)
    labels, group = jnp.asarray([0, 1, 2, 0, 1, 1]), model.symmetry((5,))["hidden_1"]
    params = tie(variables_of(model, inputs), group, [(0, 2)])
    loss = cross_entropy(labels)
    _, measured = parts(lambda theta: model.apply(theta, inputs), loss, params, group, (0, 2))
    weights = params["params"]
    hidden = model.activation(inputs @ weights["hidden_0"]["kernel"] + weights["hidden_0"]["bias"][None])
    reads = np.concatenate([np.ones((6, 1)), hidden], axis=1)[:, None]
    errors = np.asarray(jax.grad(loss)(model.apply(params, inputs)))[:, None]
    fan_in = np.concatenate([weights["hidden_1"]["bias"][:1], weights["hidden_1"]["kernel"][:, 0]])
    fan_out = np.asarray(weights["output"]["kernel"][0])
    formula = theory.twin_curvature(activations.ACTIVATIONS[activation], reads, errors, fan_in, fan_out)
    np.testing.assert_allclose(measured, formula, rtol=1e-9, atol=1e-13)


@pytest.mark.usefixtures("float64")
def test_block_formula_of_a_convolution():
    """The last layer of a CNN with the head that reads every position: each position has errors of its own."""
    model, inputs = CNN((3,), CLASSES, (2,), kernel=2, padding="VALID"), inputs_of((4, 4, 2), batch=5)
    labels, group = jnp.asarray([0, 1, 2, 0, 1]), model.symmetry((4, 4, 2))["conv_0"]
    params = tie(variables_of(model, inputs), group, [(0, 1)])
    loss = cross_entropy(labels)
    _, measured = parts(lambda theta: model.apply(theta, inputs), loss, params, group, (0, 1))
    weights = params["params"]
    images = np.asarray(inputs)
    patches = [images[:, i : i + 2, j : j + 2].reshape(5, -1) for i in (0, 2) for j in (0, 2)]
    reads = np.stack([np.concatenate([np.ones((5, 1)), patch], axis=1) for patch in patches], axis=1)
    logit_errors = np.asarray(jax.grad(loss)(model.apply(params, inputs)))
    errors = np.zeros((5, 4, 4, CLASSES))
    for position in range(4):  # at each, the unit contributes through the fan-out of that position alone
        errors[:, position, position] = logit_errors
    fan_out = np.asarray(weights["output"]["kernel"]).reshape(3, 4, CLASSES)[0]
    fan_in = np.concatenate([weights["conv_0"]["bias"][:1], np.asarray(weights["conv_0"]["kernel"])[..., 0].reshape(-1)])
    formula = theory.twin_curvature(
        activations.ACTIVATIONS["tanh"], reads, errors.reshape(5, 4, -1), fan_in, fan_out.reshape(-1)
    )
    np.testing.assert_allclose(measured, formula, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(
    "size, repeated, precision", [(1, 1, "float64"), (9, 1, "float64"), (9, 6, "float64"), (9, 6, "float32")]
)
def test_extreme_eigenvalues(size, repeated, precision):
    """Also where eigenvalues are so often repeated that a start reaches few directions."""
    with numerics(precision):
        extremes = jax.jit(lambda matrix, start: extreme_eigenvalues(lambda vector: matrix @ vector, start, size))
        for seed in range(10):
            random = np.random.default_rng(seed)
            rotation, _ = np.linalg.qr(random.normal(size=(size, size)))
            values = random.normal(size=size)
            values[:repeated] = values[0]
            matrix, start = (
                jnp.asarray(array, precision) for array in (rotation * values @ rotation.T, random.normal(size=size))
            )
            expected = [values.min(), values.max()]
            np.testing.assert_allclose(extremes(matrix, start), expected, atol=1e-5 if precision == "float32" else 1e-12)


def test_extreme_eigenvalues_of_nothing_and_from_below():
    start = jnp.asarray([0.3, -1.7, 0.2, 2.9])
    np.testing.assert_array_equal(extreme_eigenvalues(jnp.zeros_like, start, 3), 0)
    values = jnp.asarray([1.0, 2.0, 3.0, 7.0])
    low, high = extreme_eigenvalues(lambda vector: values * vector, start, 2)
    assert 1 < low < high < 7
