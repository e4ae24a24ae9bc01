"""The escape rate, against the lowest eigenvalue of the Hessian on the symmetric subspace, by autodiff in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from symmetry_jax.learning import models
from symmetry_jax.learning.models import MLP
from symmetry_jax.symmetry.units import project
from symmetry_jax.theory.activations import ACTIVATIONS
from symmetry_jax.theory.balanced_escape import escape_rate


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_it_is_minus_the_lowest_eigenvalue(activation, float64):
    random = np.random.default_rng(0)
    classes, width = 4, 3
    inputs, labels = random.uniform(0, 1, (12, 5)), random.permutation(np.arange(12) % classes)
    model = MLP((width,), classes, models.ACTIVATIONS[activation])
    shapes = jax.eval_shape(model.init, jax.random.key(0), inputs)
    zeros, unravel = ravel_pytree(jax.tree.map(lambda leaf: np.zeros(leaf.shape), shapes))

    def loss(flat):
        logits = model.apply(unravel(flat), jnp.asarray(inputs))
        return optax.softmax_cross_entropy_with_integer_labels(logits, jnp.asarray(labels)).mean()

    assert float(abs(jax.jit(jax.grad(loss))(zeros)).max()) < 1e-16
    group = model.symmetry((5,))["hidden_0"]
    tied = jax.jit(jax.jacobian(lambda flat: ravel_pytree(project(unravel(flat), group, [range(width)]))[0]))(zeros)
    hessian = jax.jit(jax.hessian(loss))(zeros)
    lowest = np.linalg.eigvalsh(np.asarray(tied @ hessian @ tied))[0]
    if activation == "relu":  # which has no Hessian at its kink: jax takes its slope there for 0
        assert escape_rate(activation, inputs, labels, width) == 0 and lowest > -1e-15
    else:
        np.testing.assert_allclose(escape_rate(activation, inputs, labels, width), -lowest, rtol=1e-10)
