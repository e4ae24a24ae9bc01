"""Measures of how much units of the last hidden layer overlap: in what they read, in what they compute, in what they add."""

import jax
import jax.numpy as jnp

from symmetry_jax.learning.activity import observe
from symmetry_jax.learning.contributions import contributions, last_maps
from symmetry_jax.learning.models import CNN, MLP
from symmetry_jax.learning.process import Hparams, Measure, PyTree, State
from symmetry_jax.learning.regularizers import fan_in
from symmetry_jax.learning.tasks import Dataset
from symmetry_jax.symmetry.separation import separation, sizes
from symmetry_jax.symmetry.similarity import correlations, cosines, mean_and_largest, pairs, participation_ratio
from symmetry_jax.symmetry.units import UnitGroup

DUPLICATE = 0.1  # of their mean norm: two units that are less apart, over their whole orbit, are duplicates


def overlap(model: MLP | CNN) -> Measure:
    """|cosine| between fan-ins, biases left out, over pairs: (statistic,), its mean and the largest; nan of one unit."""

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return mean_and_largest(jnp.abs(pairs(cosines(fan_in(model, state.variables)))))

    return Measure("overlap", read, dims=("statistic",), coords={"statistic": ["mean", "largest"]})


def fan_in_numbers(model: MLP | CNN) -> Measure:
    """How many numbers a fan-in has, at ends: ()."""

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return jnp.int32(fan_in(model, state.variables).shape[1])

    return Measure("fan_in_numbers", read, when="ends")


def effective_rank(model: MLP | CNN) -> Measure:
    """How many directions are filled, as a participation ratio: (part,), by fan-ins and by activations over the test set.

    Fan-ins are taken as they are; activations about their means, positions of a map counting as examples.
    """

    def read(state: State, aux: PyTree, data: Dataset, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, hparams, step
        weights = fan_in(model, state.variables)
        activity = observe(model, state.variables, data.test.inputs)[1]
        maps = last_maps(model, activity).reshape(len(weights), -1)
        centred = maps - jnp.mean(maps, axis=1, keepdims=True)
        return jnp.stack([participation_ratio(vectors @ vectors.T) for vectors in (weights, centred)])

    return Measure("effective_rank", read, dims=("part",), coords={"part": ["weights", "activations"]})


def contribution_correlation(model: MLP | CNN) -> Measure:
    """Correlation, over the test set, between what two units add: (sign,), means over pairs.

    The mean over outputs is taken off, since softmax does not see it, and the mean over examples, since a bias could add it.
    Above 0 two units say the same, below 0 one takes back what the other says. Only units count that vary; nan if no two do.
    """

    def read(state: State, aux: PyTree, data: Dataset, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, hparams, step
        found = contribution_matrix(contributions(model, state.variables, data.test.inputs)[1])
        varying = jnp.diagonal(found) > 0
        told, counted = pairs(found), pairs(varying[:, None] & varying[None, :])
        return jnp.stack([jnp.mean(jnp.abs(told), where=counted), jnp.mean(told, where=counted)])

    return Measure("contribution_correlation", read, dims=("sign",), coords={"sign": ["without", "with"]})


def contribution_matrix(added: jax.Array) -> jax.Array:
    """Correlation between what units add: (units, batch, outputs) -> (units, units)."""
    told = added - jnp.mean(added, axis=2, keepdims=True)
    told = told - jnp.mean(told, axis=1, keepdims=True)
    return correlations(told.reshape(len(told), -1))


def silent(model: MLP | CNN) -> Measure:
    """Fraction of units whose activation is the same for all test examples, at every position: ()."""

    def read(state: State, aux: PyTree, data: Dataset, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, hparams, step
        maps = last_maps(model, observe(model, state.variables, data.test.inputs)[1])
        return jnp.mean(jnp.all(maps == maps[:, :1], axis=(1, 2)), dtype=maps.dtype)

    return Measure("silent", read)


def furthest(group: UnitGroup) -> Measure:
    """The largest distance between two units, over their whole orbits: (); exactly 0 only where all of them are equal."""

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return jnp.max(separation(state.variables, group))

    return Measure("furthest", read, when="ends")


def duplicates(group: UnitGroup) -> Measure:
    """Fraction of pairs of units whose distance is below `DUPLICATE` of their mean norm, over their whole orbits: ()."""

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        norms = sizes(state.variables, group)
        apart = pairs(separation(state.variables, group))
        return jnp.mean(apart < DUPLICATE * pairs(norms[:, None] + norms[None, :]) / 2, dtype=apart.dtype)

    return Measure("duplicates", read, when="ends")
