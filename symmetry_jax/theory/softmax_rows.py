"""What the rows of a softmax classifier do when all of its weights start at one number.

K classes, softmax cross-entropy, logits_k = w_k . x + b_k. From equal rows every example has p = 1/K, whatever the number is,
and so its gradient with respect to row k is (1/K - 1[k = y]) x. A bias is the row's weight for an input that is always 1: see
`with_bias`. Written in jax.numpy where a measure may use it in compiled code.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Number = Any  # a number, or an array of numpy or xarray


def with_bias(inputs: jax.Array) -> jax.Array:
    """Inputs (..., d) with a last entry of 1, whose weight is the bias: (..., d + 1)."""
    return jnp.concatenate([inputs, jnp.ones_like(inputs[..., :1])], axis=-1)


def example_rows(example: jax.Array, label: jax.Array, classes: int) -> jax.Array:
    """The gradient for one example: row k = (1/K - 1[k = y]) x.

    The row of the true class points the other way with norm (1 - 1/K) ||x||, all others have norm ||x||/K.

    Args:
        example: (d,).
        label: its class y, ().
        classes: K.

    Returns:
        (K, d).
    """
    residual = 1 / classes - jax.nn.one_hot(label, classes, dtype=example.dtype)
    return residual[:, None] * example[None]


def batch_rows(inputs: jax.Array, labels: jax.Array, classes: int) -> jax.Array:
    """The gradient of the mean loss over any batch: row k = xbar/K - f_k xbar_k.

    Args:
        inputs: (n, d), of mean xbar.
        labels: (n,); class k has the frequency f_k and the mean xbar_k.
        classes: K.

    Returns:
        (K, d).
    """
    chosen = jax.nn.one_hot(labels, classes, dtype=inputs.dtype, axis=0)
    return jnp.mean(inputs, axis=0, keepdims=True) / classes - chosen @ inputs / len(inputs)


def balanced_rows(inputs: jax.Array, labels: jax.Array, classes: int) -> jax.Array:
    """The gradient of the mean loss over a batch with as many examples of each class: row k = (xbar - xbar_k)/K.

    Arguments and result as for `batch_rows`; of a batch that is not balanced it is not the gradient.
    """
    chosen = jax.nn.one_hot(labels, classes, dtype=inputs.dtype, axis=0)
    means = chosen @ inputs / jnp.sum(chosen, axis=1, keepdims=True)
    return (jnp.mean(inputs, axis=0, keepdims=True) - means) / classes


def first_loss_drop(rows: jax.Array, learning_rate: jax.Array | float) -> jax.Array:
    """How much a step of gradient descent lowers the loss, to first order in the learning rate: lr ||G||^2, in nats.

    For a balanced batch it is lr sum_k ||xbar_k - xbar||^2 / K^2. `rows` are those of everything that is trained.
    """
    return learning_rate * jnp.sum(jnp.square(rows))


def curvature_bound(inputs: jax.Array) -> jax.Array:
    """No curvature of the mean loss is larger than L = mean ||x||^2 / 2, whatever the weights are; inputs (n, d), result ().

    The Hessian of the cross-entropy in its logits, diag p - p p^T, has no eigenvalue above 1/2. Since the loss is convex too, a
    step lowers it by lr ||G||^2 times a factor between 1 - lr L/2 and 1.
    """
    return jnp.mean(jnp.sum(jnp.square(inputs), axis=-1)) / 2


def adam_first_step(gradient: Number, eps: Number) -> Number:
    """Adam's first update for a learning rate of 1: g/(|g| + eps), the sign of the gradient wherever |g| >> eps."""
    return gradient / (abs(gradient) + eps)


def decayed_constant(constant: Number, learning_rate: Number, weight_decay: Number, steps: Number) -> Number:
    """What is left of the number at which all weights started: c (1 - lr wd)^t.

    A softmax does not see what all classes have in common, so training is that from zero, shifted by this much: under gradient
    descent and under AdamW, and under any optimizer without weight decay.
    """
    return constant * (1 - learning_rate * weight_decay) ** steps


def decayed_constants(
    constant: Number,
    learning_rate: Number,
    weight_decay: Number,
    momentum: Number,
    steps: int,
    nesterov: bool = False,
) -> np.ndarray:
    """The same under momentum, after 0, 1, ..., `steps` steps: (steps + 1, ...), the arguments broadcast.

    Weight decay is part of the gradient that momentum remembers: m' = mu m + wd s; s' = s - lr m', and with Nesterov's momentum
    s' = s - lr (wd s + mu m'). At mu = 0 both are c (1 - lr wd)^t.
    """
    arguments = np.broadcast_arrays(*(np.asarray(value, float) for value in (constant, learning_rate, weight_decay, momentum)))
    shift, rate, decay, mu = arguments
    memory, shifts = np.zeros_like(shift), [shift]
    for _ in range(steps):
        pull = decay * shift
        memory = mu * memory + pull
        shift = shift - rate * (pull + mu * memory if nesterov else memory)
        shifts.append(shift)
    return np.stack(shifts)
