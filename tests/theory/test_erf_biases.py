"""The curvature of a unit of erf along its bias, against autodiff on random data, anywhere."""

import jax
import jax.numpy as jnp
import numpy as np

from symmetry_jax.theory.erf_biases import bias_curvature


def test_it_is_what_autodiff_finds_of_a_unit_with_several_outputs_and_any_loss(float64):
    random = np.random.default_rng(0)
    inputs, others, fan_out = (jnp.asarray(random.normal(size=shape)) for shape in ((30, 5), (30, 3), (3,)))
    extended = jnp.concatenate([inputs, jnp.ones((30, 1))], axis=1)

    def value(unit):
        return jax.lax.erf(extended @ unit / np.sqrt(2))

    def loss(outputs):
        return jnp.mean(jax.nn.logsumexp(outputs, axis=1) + jnp.sin(outputs[:, 0]))

    for scale in (0.3, 2.0):
        unit = scale * jnp.asarray(random.normal(size=6))
        outputs = jnp.tanh(others) + value(unit)[:, None] * fan_out[None]
        slopes = jax.grad(loss)(outputs) @ fan_out  # held fixed while the unit bends: the residual part of the curvature
        part = jax.hessian(lambda moved, slopes=slopes: slopes @ value(moved))(unit)
        gradient = jax.grad(lambda moved, slopes=slopes: slopes @ value(moved))(unit)
        np.testing.assert_allclose(bias_curvature(unit, gradient), part[-1, -1], atol=1e-14)
        assert abs(float(part[-1, -1])) > 1e-3


def test_a_stationary_unit_is_not_convex_along_its_bias():
    assert bias_curvature(np.array([1.0, -2.0]), np.zeros(2)) == 0
