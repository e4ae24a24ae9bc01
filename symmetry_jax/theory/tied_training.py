"""Training a network whose every layer starts constant, one number a layer.

All weights of a layer are equal at the start, and so its units stay tied. What such a network does is then told by one row w of
the first layer, one number w_l for each later hidden layer, and one number v_k for each output; biases likewise. With m units
in each hidden layer and L weight layers,

    z_1 = w . x + b_1,   z_l = m w_l phi(z_{l-1}) + b_l,   logits_k = m v_k phi(z_{L-1}) + a_k,
    r = p - y,   e_{L-1} = (v . r) phi'(z_{L-1}),   e_l = m w_{l+1} e_{l+1} phi'(z_l),

and the gradient of every weight of layer l is the mean over examples of e_l phi(z_{l-1}); that of v_k is the mean of
r_k phi(z_{L-1}). No unit is ever computed twice, and no derivative is taken by machine.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import softmax

from symmetry_jax.theory.activations import Activation

Examples = tuple[np.ndarray, np.ndarray]  # inputs (n, inputs) and labels (n,)
Rows = list[np.ndarray]  # for each layer, the numbers of which its array consists


@dataclasses.dataclass(frozen=True)
class TiedStep:
    """One step of training.

    Attributes:
        weights: before the step: (inputs,), then (1,) for each later hidden layer, then (classes,).
        biases: before the step: (1,) for each hidden layer, then (classes,).
        weight_gradients: in the shapes of `weights`.
        bias_gradients: in the shapes of `biases`.
        hidden: phi(z_l) of each hidden layer, (n,).
        slopes: phi'(z_l) of each hidden layer, (n,).
    """

    weights: Rows
    biases: Rows
    weight_gradients: Rows
    bias_gradients: Rows
    hidden: list[np.ndarray]
    slopes: list[np.ndarray]


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
) -> Iterator[TiedStep]:
    """Gradient descent from constant weights and biases, step by step; the last batch is used again when there are no more."""
    inputs = batches[0][0].shape[1]
    sizes = [inputs, *[1] * (layers - 2), classes] if layers > 1 else [classes * inputs]
    weights = [np.full(size, float(constant)) for size in sizes]
    biases = [np.full(1 if layer < layers - 1 else classes, float(bias)) for layer in range(layers)]
    for step in range(steps):
        taken = _differentiate(activation, width, classes, weights, biases, batches[min(step, len(batches) - 1)])
        yield taken
        weights = [entry - learning_rate * change for entry, change in zip(weights, taken.weight_gradients, strict=True)]
        biases = [entry - learning_rate * change for entry, change in zip(biases, taken.bias_gradients, strict=True)]


def _differentiate(
    activation: Activation, width: int, classes: int, weights: Rows, biases: Rows, examples: Examples
) -> TiedStep:
    inputs, labels = examples
    if len(weights) == 1:
        return _regress(classes, weights, biases, inputs, labels)
    sums = [inputs @ weights[0] + biases[0]]
    for weight, bias in zip(weights[1:-1], biases[1:-1], strict=True):
        sums.append(width * weight * activation.value(sums[-1]) + bias)
    hidden, slopes = [activation.value(z) for z in sums], [activation.slope(z) for z in sums]
    residual = _residual(width * hidden[-1][:, None] * weights[-1] + biases[-1], labels)
    errors = [residual @ weights[-1] * slopes[-1]]
    for weight, slope in zip(weights[-2:0:-1], slopes[-2::-1], strict=True):
        errors.insert(0, width * weight * errors[0] * slope)
    below = [(error * value).mean(keepdims=True) for error, value in zip(errors[1:], hidden[:-1], strict=True)]
    weight_gradients = [errors[0] @ inputs / len(inputs), *below, hidden[-1] @ residual / len(inputs)]
    bias_gradients = [*(error.mean(keepdims=True) for error in errors), residual.mean(0)]
    return TiedStep(weights, biases, weight_gradients, bias_gradients, hidden, slopes)


def _regress(classes: int, weights: Rows, biases: Rows, inputs: np.ndarray, labels: np.ndarray) -> TiedStep:
    """A single layer has no tied units: its rows are held one after the other."""
    residual = _residual(inputs @ weights[0].reshape(classes, -1).T + biases[0], labels)
    gradient = (residual.T @ inputs / len(inputs)).reshape(-1)
    return TiedStep(weights, biases, [gradient], [residual.mean(0)], [], [])


def _residual(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return softmax(logits, axis=1) - np.eye(logits.shape[1])[labels]
