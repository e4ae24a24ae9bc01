"""Soft committee machines: K units on N inputs whose sum is the output, f(x) = sum_u phi(w_u . x + b_u) + c.

As perceptrons with one hidden layer whose fan-outs are 1 and stay 1: teachers, and students that start with equal units
(D. Saad & S. A. Solla, Physical Review Letters 74, 1995; with biases: A. H. L. West, D. Saad & I. T. Nabney, NIPS 9, 1996).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp

from symmetry_jax.errors import InputError
from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.process import Hparams, PyTree
from symmetry_jax.learning.starts import Start
from symmetry_jax.learning.streams import Stream, draw_key
from symmetry_jax.learning.training import Rates
from symmetry_jax.symmetry.units import Symmetry

Array = Literal["hidden_0/kernel", "hidden_0/bias", "output/bias"]

GROUP = "hidden_0"
WEIGHTS: tuple[Array, ...] = ("hidden_0/kernel",)
HIDDEN: tuple[Array, ...] = (*WEIGHTS, "hidden_0/bias")
ALL: tuple[Array, ...] = (*HIDDEN, "output/bias")


def committee(units: int, activation: Callable[[jax.Array], jax.Array]) -> MLP:
    """The network of a committee.

    Raises:
        InputError: for fewer than two units, which are no committee.
    """
    if type(units) is not int or units < 2:
        raise InputError(f"units={units!r}: a whole number from 2, since it is asked what becomes of two")
    return MLP((units,), 1, activation)


def alike(units: int) -> Start:
    """A student of equal units: weights of norm hparams["start_weight"] along a line drawn from the seed, one bias for all.

    The biases are hparams["start_bias"], and that of the output is 0.
    """

    def start(hparams: Hparams, inputs: jax.Array) -> PyTree:
        line = jax.random.normal(draw_key(hparams["seed"], Stream.WEIGHTS), inputs.shape[1:], inputs.dtype)
        weights = hparams["start_weight"] * line / jnp.linalg.norm(line)
        return _variables(jnp.tile(weights[:, None], (1, units)), jnp.full((units,), hparams["start_bias"]))

    return start


def opposed(units: int) -> Start:
    """A teacher on one input with weights (1, ..., 1, -hparams["length"]) and scattered biases."""

    def start(hparams: Hparams, inputs: jax.Array) -> PyTree:
        length = jnp.asarray(hparams["length"], inputs.dtype)
        weights = jnp.ones((1, units), inputs.dtype).at[0, -1].set(-length)
        return _variables(weights, _scattered(hparams, units, inputs))

    return start


def isotropic(units: int) -> Start:
    """A teacher whose weights are unit vectors in directions drawn from the seed, with scattered biases."""

    def start(hparams: Hparams, inputs: jax.Array) -> PyTree:
        key = draw_key(hparams["seed"], Stream.TEACHER)
        weights = jax.random.normal(key, (inputs.shape[1], units), inputs.dtype)
        return _variables(weights / jnp.linalg.norm(weights, axis=0, keepdims=True), _scattered(hparams, units, inputs))

    return start


def orthonormal(units: int) -> Start:
    """A teacher whose units read one input each, with weight 1 and without biases."""

    def start(hparams: Hparams, inputs: jax.Array) -> PyTree:
        del hparams
        return _variables(jnp.eye(inputs.shape[1], units, dtype=inputs.dtype), jnp.zeros(units, inputs.dtype))

    return start


def train(arrays: Sequence[Array]) -> Rates:
    """Rates that train these arrays of a committee and leave all others as they are."""

    def rates(hparams: Hparams, step: jax.Array) -> PyTree:
        del step
        moving = {name: jnp.full((), name in arrays, hparams["learning_rate"].dtype) for name in (*ALL, "output/kernel")}
        layers = {layer: {kind: moving[f"{layer}/{kind}"] for kind in ("kernel", "bias")} for layer in (GROUP, "output")}
        return {"params": layers}

    return rates


def trained(symmetry: Symmetry, arrays: Sequence[Array]) -> Symmetry:
    """The symmetry of what is trained: the parts of a unit that are frozen stay equal, and take no part in a difference."""
    paths = {f"params/{name}" for name in arrays}
    groups = (
        dataclasses.replace(group, axes=tuple(axis for axis in group.axes if axis.path in paths)) for group in symmetry.groups
    )
    return Symmetry(tuple(groups))


def _scattered(hparams: Hparams, units: int, inputs: jax.Array) -> jax.Array:
    """Biases of standard deviation hparams["bias_scale"]: (units,)."""
    key = draw_key(hparams["seed"], Stream.TEACHER, 1)
    return hparams["bias_scale"] * jax.random.normal(key, (units,), inputs.dtype)


def _variables(weights: jax.Array, biases: jax.Array) -> PyTree:
    """From weights (inputs, units) and biases (units,)."""
    ones, zero = jnp.ones((len(biases), 1), weights.dtype), jnp.zeros(1, weights.dtype)
    return {"params": {GROUP: {"kernel": weights, "bias": biases}, "output": {"kernel": ones, "bias": zero}}}
