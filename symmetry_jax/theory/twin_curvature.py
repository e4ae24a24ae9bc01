"""The curvature between two equal units, in blocks."""

import numpy as np

from symmetry_jax.theory.activations import Activation


def twin_curvature(
    activation: Activation, inputs: np.ndarray, errors: np.ndarray, fan_in: np.ndarray, fan_out: np.ndarray
) -> np.ndarray:
    """H_ii - H_ij of two equal units whose activity enters the next pre-activations additively.

    With z = w . x, and l' the error at what the unit's fan-out a adds to,

        H = [[B, G], [G^T, 0]],   B = sum (a . l') phi''(z) x x^T,   G = sum phi'(z) x l'^T,

    summed over examples and, for a convolution, over the positions at which the unit is applied. The zero block makes H
    indefinite wherever G is not 0: twins whose fan-out is trained have a direction in which they part.

    Args:
        activation: phi.
        inputs: what the unit reads, with a 1 for its bias: (examples, positions, fan-in).
        errors: derivative of the loss (the mean, if that is what is trained on) by the sums to which the unit's activity there
            contributes, one for each entry of the fan-out: (examples, positions, fan-out).
        fan_in: w, with the bias: (fan-in,).
        fan_out: a: (fan-out,).

    Returns:
        (fan-in + fan-out, fan-in + fan-out).
    """
    preactivation = inputs @ fan_in
    weights = (errors @ fan_out) * activation.bend(preactivation)
    curved = np.einsum("ep,epi,epj->ij", weights, inputs, inputs)
    mixed = np.einsum("ep,epi,epo->io", activation.slope(preactivation), inputs, errors)
    return np.block([[curved, mixed], [mixed.T, np.zeros((len(fan_out), len(fan_out)))]])
