"""How far a source of noise takes two equal units apart in the step in which it first acts.

All are root mean squares, over the noise, of the distance between the two after that step of plain gradient descent.
"""

import jax
import jax.numpy as jnp
import numpy as np


def normal_kick(deviation: np.ndarray | float, numbers: int) -> np.ndarray:
    """Normal noise of a standard deviation on each number of a unit: sqrt(2 n) times that, since both units have their own."""
    return np.sqrt(2 * numbers) * np.asarray(deviation)


def rounding_kick(grid: np.ndarray | float, numbers: int) -> np.ndarray:
    """Stochastic rounding of each number of a unit to a grid far finer than what numbers there are: grid sqrt(n / 3).

    A number at a fraction f between two points of the grid goes up with probability f in either unit, so that the two differ
    in it by grid^2 2 f (1 - f) in the mean square; f is evenly distributed, and the mean of f (1 - f) is 1/6.
    """
    return np.sqrt(numbers / 3) * np.asarray(grid)


def dropout_kick(
    dropout: jax.Array,
    inputs: jax.Array,
    activations: jax.Array,
    slopes: jax.Array,
    fan_out: jax.Array,
    residual: jax.Array,
    others: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Inverted dropout, every unit of a hidden layer and example with a mask of its own; one linear output.

    The loss is half the mean square of the residual over b examples. Per example the twins' gradients differ only if exactly
    one of them is kept, with probability 2 p (1 - p), and by 1 / (1 - p) times what is kept, either way with equal chances:

        E |d(w_i - w_j)|^2 = 2 p / (1 - p) sum_n R_n (a phi'_n)^2 (|x_n|^2 + 1) / b^2    fan-in and bias,
        E |d(a_i - a_j)|^2 = 2 p / (1 - p) sum_n R_n h_n^2 / b^2                          fan-out,

    where R_n is the mean square of the residual given that exactly one twin is kept, at a learning rate of 1.

    Args:
        dropout: p, ().
        inputs: x, (b, inputs).
        activations: h of a twin, (b,).
        slopes: phi' of a twin, (b,).
        fan_out: a of a twin, ().
        residual: of the network without dropout, (b,).
        others: the contribution of each other unit of the layer to the output, (b, units).

    Returns:
        The kick of the fan-in with its bias, and that of the fan-out.
    """
    odds = dropout / (1 - dropout)
    # without dropout both twins contribute a h each; if one is kept it contributes a h / (1 - p)
    mean = residual + fan_out * activations * (1 / (1 - dropout) - 2)
    square = jnp.square(mean) + odds * jnp.sum(jnp.square(others), axis=1)
    weights = 2 * odds * square / len(inputs) ** 2
    fan_in = weights * jnp.square(fan_out * slopes) * (jnp.sum(jnp.square(inputs), axis=1) + 1)
    return jnp.sqrt(jnp.sum(fan_in)), jnp.sqrt(jnp.sum(weights * jnp.square(activations)))
