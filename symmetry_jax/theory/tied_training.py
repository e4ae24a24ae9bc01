"""Training a network whose every layer starts constant: one number a layer.

All weights of a layer are equal at the start, and so its units stay tied. What such a network does is then told by one row w of
the first layer, one number w_l for each later hidden layer, and one number v_k for each output; biases likewise. With m units
in each hidden layer and L weight layers,

    z_1 = w . x + b_1,   z_l = m w_l phi(z_{l-1}) + b_l,   logits_k = m v_k phi(z_{L-1}) + a_k,
    r = p - y,   e_{L-1} = (v . r) phi'(z_{L-1}),   e_l = m w_{l+1} e_{l+1} phi'(z_l),

and the gradient of every weight of layer l is the mean over examples of e_l phi(z_{l-1}); that of v_k is the mean of
r_k phi(z_{L-1}). Where the terms of such a mean cancel, floating point leaves some of their magnitude. In units of `ROUNDING`
times the precision, the doubt of r is |r| + p max_k |logits_k|, that of e_l is (doubt of e_{l+1}) |m w_{l+1} phi'(z_l)| +
|m w_{l+1} e_{l+1}|, and that of a gradient is the mean of (doubt of e_l) |phi(z_{l-1})|.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import softmax

from symmetry_jax.theory.activations import Activation

Examples = tuple[np.ndarray, np.ndarray]  # inputs (n, inputs) and labels (n,)

ROUNDING = 64.0  # rounding of a sum, at most, in units of the precision times the sum of the magnitudes of its terms


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer at one step, without copies: of shape (1, inputs) the first, (1, 1) each hidden one, (classes, 1) the last.

    Attributes:
        weight: before the step, in the shape above.
        bias: before the step, (1,) or (classes,).
        weight_gradient: in the shape of `weight`.
        bias_gradient: in the shape of `bias`.
        weight_doubt: what rounding may leave of `weight_gradient`, in units of `ROUNDING` times the precision.
        bias_doubt: likewise.
        value: what the layer reads, (n, inputs).
        slope: phi'(z) of the layer below, (n, 1); 1 for the first, which reads the inputs.
    """

    weight: np.ndarray
    bias: np.ndarray
    weight_gradient: np.ndarray
    bias_gradient: np.ndarray
    weight_doubt: np.ndarray
    bias_doubt: np.ndarray
    value: np.ndarray
    slope: np.ndarray


def train_tied(
    layers: int,
    activation: Activation,
    constant: float,
    bias: float,
    width: int,
    classes: int,
    learning_rate: float,
    batches: Sequence[Examples],
    steps: int,
) -> Iterator[list[Layer]]:
    """Gradient descent from constant weights and biases, step by step; the last batch is used again when there are no more."""
    sizes = [batches[0][0].shape[1], *[1] * (layers - 1), classes]
    weights = [np.full((sizes[layer + 1], sizes[layer]), float(constant)) for layer in range(layers)]
    biases = [np.full(size, float(bias)) for size in sizes[1:]]
    for step in range(steps):
        taken = _differentiate(activation, width, weights, biases, *batches[min(step, len(batches) - 1)])
        yield taken
        weights = [layer.weight - learning_rate * layer.weight_gradient for layer in taken]
        biases = [layer.bias - learning_rate * layer.bias_gradient for layer in taken]


def _differentiate(
    activation: Activation,
    width: int,
    weights: list[np.ndarray],
    biases: list[np.ndarray],
    inputs: np.ndarray,
    labels: np.ndarray,
) -> list[Layer]:
    values, slopes, sums = [inputs], [np.ones((len(inputs), 1))], inputs @ weights[0].T + biases[0]
    for weight, bias in zip(weights[1:], biases[1:], strict=True):
        values.append(activation.value(sums))
        slopes.append(activation.slope(sums))
        sums = width * values[-1] @ weight.T + bias
    probabilities = softmax(sums, axis=1)
    error = (probabilities - np.eye(sums.shape[1])[labels]) / len(inputs)
    magnitude = abs(error)
    doubt = magnitude + probabilities * abs(sums).max(1, keepdims=True) / len(inputs)
    taken: list[Layer] = []
    copies = 1  # of each output there is one, of each hidden unit there are `width`
    for weight, bias, value, slope in zip(weights[::-1], biases[::-1], values[::-1], slopes[::-1], strict=True):
        gradients, doubts = (error.T @ value, error.sum(0)), (doubt.T @ abs(value), doubt.sum(0))
        taken.insert(0, Layer(weight, bias, *gradients, *doubts, value, slope))
        error = copies * error @ weight * slope
        carried = copies * magnitude @ abs(weight)
        magnitude, doubt = carried * abs(slope), copies * doubt @ abs(weight) * abs(slope) + carried
        copies = width
    return taken
