"""Standard normal inputs, a fixed sample of them, for networks that imitate a teacher."""

from typing import Any

import numpy as np
from scipy.special import ndtri

from symmetry_jax.errors import InputError
from symmetry_jax.learning.tasks import Batch, Dataset


def gaussian(examples: int, inputs: int) -> Dataset:
    """So many training and as many test examples, always the same ones, half of them the other half times -1.

    The mean of any odd function is then exactly 0, as it is over the population. Inputs are (examples, inputs) float64; targets
    (examples, 0), since they are the teacher's to give.

    Raises:
        InputError: for an odd number of examples, or none; for no inputs.
    """
    _check_even(examples)
    if type(inputs) is not int or inputs < 1:
        raise InputError(f"inputs={inputs!r}: a whole number, at least 1")
    halves = np.random.default_rng(0).standard_normal((2, examples // 2, inputs))
    return Dataset(*(_batch(np.concatenate([half, -half])) for half in halves))


def quantiles(examples: int) -> Dataset:
    """One input: the medians of so many equally likely parts of N(0, 1), for training and for tests; as `gaussian` otherwise.

    Its means are nearer to those of the population than those of a random sample, and can be worked out beforehand.

    Raises:
        InputError: for an odd number of examples, or none.
    """
    _check_even(examples)
    points = _batch(ndtri((np.arange(examples) + 0.5) / examples)[:, None])
    return Dataset(points, points)


def _batch(inputs: Any) -> Batch:
    targets: Any = np.empty((len(inputs), 0))
    return Batch(inputs, targets)


def _check_even(examples: int) -> None:
    if type(examples) is not int or examples < 2 or examples % 2:
        raise InputError(f"examples={examples!r}: an even number from 2, since each input x comes with -x")
