"""A network of which nothing but the output bias can move: it learns how frequent each class is."""

import functools

import numpy as np
from scipy.special import logsumexp, softmax


@functools.lru_cache(1000)
def _descend(frequencies: tuple[float, ...], bias: float, learning_rate: float, steps: int) -> float:
    target, biases = np.array(frequencies), np.full(len(frequencies), bias)
    for _ in range(steps):
        biases = biases - learning_rate * (softmax(biases) - target)
    return float(logsumexp(biases) - target @ biases)


def bias_loss(labels: np.ndarray, classes: int, bias: float, learning_rate: float, steps: int) -> float:
    """The mean softmax cross-entropy (nats) of an output bias alone, after steps a <- a - lr (softmax(a) - f).

    It goes from ln K towards the entropy of the class frequencies f.

    Args:
        labels: (n,), all of them at every step.
        classes: K.
        bias: all entries at the start.
        learning_rate: lr.
        steps: of gradient descent.
    """
    frequencies = np.bincount(labels, minlength=classes) / len(labels)
    return _descend(tuple(frequencies.tolist()), float(bias), float(learning_rate), steps)
