"""Whether equal units attract when one unit of their teacher points the other way, on one input.

A student of K equal units phi(w x) imitates a teacher with weights (1, ..., 1, -length) on x ~ N(0, 1); phi is odd, fan-outs
are 1, biases 0. With the residual and its two means

    r(x) = K phi(w x) - (K - 1) phi(x) + phi(length x),    F = E[r phi'(w x) x],    mu = E[r phi''(w x) x^2],

the student rests where F = 0, and mu is the curvature that two of its units feel between them: descent at a rate lr multiplies
their difference by 1 - lr mu. They attract where mu > 0. The threshold is the length at which mu = 0.

Means over the population are sums over evenly spaced points, whose error falls off exponentially for functions that are smooth.
"""

import dataclasses
import functools

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri

from symmetry_jax.errors import choose
from symmetry_jax.theory.activations import ACTIVATIONS

WEIGHTS = (1e-3, 20.0)  # between which the student rests


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Points (n,) and their probabilities (n,)."""

    points: np.ndarray
    chances: np.ndarray


def population() -> Inputs:
    """N(0, 1), as far out as float64 knows it."""
    points = np.linspace(-12, 12, 4801)
    density = np.exp(-np.square(points) / 2)
    return Inputs(points, density / density.sum())


def quantiles(examples: int) -> Inputs:
    """So many points of which each stands for an equally likely part of N(0, 1): the median of that part.

    `learning.data.gaussian` has the same ones in its own words, since it may not import theory; a test compares the two.
    """
    return Inputs(ndtri((np.arange(examples) + 0.5) / examples), np.full(examples, 1 / examples))


def means(activation: str, units: int, weight: float, length: float, inputs: Inputs) -> tuple[float, float]:
    """F and mu."""
    phi, x = choose("activation", activation, ACTIVATIONS), inputs.points
    residual = units * phi.value(weight * x) - (units - 1) * phi.value(x) + phi.value(length * x)
    weighted = residual * inputs.chances
    return float(weighted @ (phi.slope(weight * x) * x)), float(weighted @ (phi.bend(weight * x) * np.square(x)))


def rest(activation: str, units: int, length: float, inputs: Inputs) -> float:
    """The weight above 0 at which the student rests; nan if it rests nowhere there, as two units may when one is opposed."""

    def pull(weight: float) -> float:
        return means(activation, units, weight, length, inputs)[0]

    if pull(WEIGHTS[0]) * pull(WEIGHTS[1]) > 0:
        return float("nan")
    return brentq(pull, *WEIGHTS, xtol=1e-14)


def curvature(activation: str, units: int, length: float, inputs: Inputs) -> float:
    """mu where the student rests; nan if it rests nowhere."""
    return means(activation, units, rest(activation, units, length, inputs), length, inputs)[1]


@functools.cache
def threshold(activation: str, units: int, shortest: float, longest: float, examples: int | None = None) -> float:
    """The length between two others at which the curvature changes its sign; nan if it does not, or is not known at one.

    Args:
        activation: phi.
        units: K.
        shortest: a length.
        longest: another.
        examples: of a sample, its quantiles; the population if None.
    """
    inputs = population() if examples is None else quantiles(examples)
    ends = [curvature(activation, units, length, inputs) for length in (shortest, longest)]
    if not ends[0] * ends[1] <= 0:
        return float("nan")
    return brentq(lambda length: curvature(activation, units, length, inputs), shortest, longest, xtol=1e-10)
