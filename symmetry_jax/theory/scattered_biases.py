"""What a network does whose weights start at zero and whose biases are scattered at random.

L weight layers, hidden units u with biases b_u, an activation phi, gradient descent. As long as layer 1 has not moved the
network says the same of every example, and errors come down one layer a step, since they pass weights that must leave 0 first:
layer l moves first at step L - l + 1. Then its units have unequal shares in one common direction, and its weights rank 1:

    output, step 1:          the gradient of v_u is phi(b_u) rbar,  rbar the mean over examples of r = p - y,
    hidden, step L - l + 1:  the gradient of w_u is phi(b_u) phi'(b_u) g,  with one g for all units of the layer.

A unit's future is a function of its own bias, given what all units do together. Where phi is ReLU it is even proportional to
it: phi(a z) = a phi(z) for a > 0 lets every unit of positive bias follow b_u times one common path, for ever, and units of
negative bias are dead for ever. The network is then one with a single unit in each layer.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Elementwise = Callable[[jax.Array], jax.Array]


def shares(bias: jax.Array, activation: Elementwise) -> jax.Array:
    """The share of each hidden unit in the first move of its layer's weights and biases, phi(b) phi'(b): (units,)."""
    value, slope = jax.jvp(activation, (bias,), (jnp.ones_like(bias),))
    return value * slope


def one_unit_bias(bias: jax.Array) -> jax.Array:
    """The bias of the only unit that a layer of ReLU units amounts to, sqrt(sum of b_u^2 over b_u > 0): (units,) -> (1,).

    With zero weights at the start and this bias in each hidden layer, a network with one unit in each of them computes and
    learns the same, step by step, at the same learning rate: the unit is worth B = sum b_u^2 units of unit bias, and with
    sqrt(B) on its fan-in and sqrt(B) on its fan-out its gradients are theirs, summed. Holds for SGD, with any minibatches.
    """
    return jnp.sqrt(jnp.sum(jnp.square(jnp.maximum(bias, 0)), keepdims=True))
