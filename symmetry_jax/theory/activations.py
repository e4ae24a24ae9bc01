"""Activations with their derivatives, in float64 numpy."""

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy.special import erf, expit, ndtr

Elementwise = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Activation:
    """An elementwise function phi with its derivatives phi' and phi''."""

    value: Elementwise
    slope: Elementwise
    bend: Elementwise


def _normal_density(z: np.ndarray) -> np.ndarray:
    return np.exp(-np.square(z) / 2) / np.sqrt(2 * np.pi)


def _tanh_slope(z: np.ndarray) -> np.ndarray:
    return 4 * expit(2 * z) * expit(-2 * z)  # 1 - tanh^2 would lose all digits at large z


def _sigmoid_slope(z: np.ndarray) -> np.ndarray:
    return expit(z) * expit(-z)


def _sigmoid_bend(z: np.ndarray) -> np.ndarray:
    return -_sigmoid_slope(z) * np.tanh(z / 2)


ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(np.tanh, _tanh_slope, lambda z: -2 * np.tanh(z) * _tanh_slope(z)),
    "erf": Activation(
        lambda z: erf(z / np.sqrt(2)), lambda z: 2 * _normal_density(z), lambda z: -2 * z * _normal_density(z)
    ),  # of z over the root of 2
    "relu": Activation(
        lambda z: np.maximum(z, 0), lambda z: np.asarray(z > 0, float), np.zeros_like
    ),  # 0 at the kink, as in jax
    "gelu": Activation(
        lambda z: z * ndtr(z), lambda z: ndtr(z) + z * _normal_density(z), lambda z: (2 - z * z) * _normal_density(z)
    ),  # exact, not by tanh
    "silu": Activation(
        lambda z: z * expit(z),
        lambda z: expit(z) * (1 + z * expit(-z)),
        lambda z: 2 * _sigmoid_slope(z) + z * _sigmoid_bend(z),
    ),
    "sigmoid": Activation(expit, _sigmoid_slope, _sigmoid_bend),
    "softplus": Activation(lambda z: np.logaddexp(0, z), expit, _sigmoid_slope),
    "identity": Activation(lambda z: z, np.ones_like, np.zeros_like),
}
