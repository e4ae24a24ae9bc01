"""How fast a network of two layers leaves the standstill of a zero start on an exactly balanced batch.

Algebraically nothing ever moves there. But the standstill is a saddle, and where phi(0) != 0 the rounding of 1/K is enough to
leave it. (Where phi(0) = 0 it is a saddle too, but weights that read exact zeros are not even rounded.)
"""

import numpy as np

from symmetry_jax.errors import choose
from symmetry_jax.theory.activations import ACTIVATIONS


def escape_rate(activation: str, inputs: np.ndarray, labels: np.ndarray, width: int) -> float:
    """Minus the lowest eigenvalue of the Hessian at zero among tied units, for two layers and an exactly balanced batch.

    To first order in the parameters the output weights v, their biases a and the rows w of the first layer obey, with
    s = phi(0), c = phi'(0), P the projection on what sums to 0 over classes, and C the matrix of (xbar - xbar_k) / K,

        dv/dt = -s P (m s v + a) / K - c C w,   da/dt = -P (m s v + a) / K,   dw/dt = -c C^T v.

    A singular value sigma of C leaves three numbers, whose matrix (scaled by sqrt(m) to be symmetric) is below; the largest
    sigma has the lowest eigenvalue. Under gradient descent the distance from zero is multiplied by 1 + learning rate x rate.

    Args:
        activation: of the hidden layer.
        inputs: (n, ...).
        labels: (n,), as many of each class.
        width: units m of the hidden layer.

    Returns:
        The rate, per unit of learning rate and step; 0 if the standstill is not left.
    """
    phi = choose("activation", activation, ACTIVATIONS)
    inputs = np.asarray(inputs, np.float64).reshape(len(inputs), -1)
    classes = len(np.unique(labels))
    means = np.stack([inputs[np.asarray(labels) == label].mean(0) for label in range(classes)])
    sigma = np.linalg.norm((inputs.mean(0) - means) / classes, 2)
    s, c = float(phi.value(np.zeros(1))[0]), float(phi.slope(np.zeros(1))[0])
    root = np.sqrt(width)
    matrix = np.array(
        [
            [s * s * width / classes, s * root / classes, c * sigma],
            [s * root / classes, 1 / classes, 0],
            [c * sigma, 0, 0],
        ]
    )
    return max(0.0, -float(np.linalg.eigvalsh(matrix)[0]))
