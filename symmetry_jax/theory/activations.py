"""Activations with their derivatives, in float64 numpy."""

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy.special import expit, ndtr

Elementwise = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Activation:
    """An elementwise function phi with its derivative phi'."""

    value: Elementwise
    slope: Elementwise


def _normal_density(z: np.ndarray) -> np.ndarray:
    return np.exp(-np.square(z) / 2) / np.sqrt(2 * np.pi)


ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(np.tanh, lambda z: 4 * expit(2 * z) * expit(-2 * z)),  # 1 - tanh^2 would lose all digits at large z
    "relu": Activation(lambda z: np.maximum(z, 0), lambda z: np.asarray(z > 0, float)),  # 0 at the kink, as in jax
    "gelu": Activation(lambda z: z * ndtr(z), lambda z: ndtr(z) + z * _normal_density(z)),  # exact, not by tanh
    "silu": Activation(lambda z: z * expit(z), lambda z: expit(z) * (1 + z * expit(-z))),
    "sigmoid": Activation(expit, lambda z: expit(z) * expit(-z)),
    "softplus": Activation(lambda z: np.logaddexp(0, z), expit),
    "identity": Activation(lambda z: z, np.ones_like),
}
