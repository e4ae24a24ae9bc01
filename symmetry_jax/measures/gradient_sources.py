"""Where differences between the gradients of units come from, and how far apart that takes the units."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from symmetry_jax.learning.activity import observe, slopes
from symmetry_jax.learning.models import CNN, MLP
from symmetry_jax.learning.process import Hparams, Measure, PyTree, State
from symmetry_jax.learning.tasks import Task
from symmetry_jax.learning.training import Aux
from symmetry_jax.measures.gradient_factors import Pairings, fan_in, gradient_factors, of_unit, upstream_inputs
from symmetry_jax.symmetry.separation import norm, orbits
from symmetry_jax.symmetry.units import Symmetry
from symmetry_jax.theory.gradient_sources import SOURCES, first_kick, split_difference

TERMS = (*SOURCES, "residue", "difference")
READINGS = ("share", "push", "size")


def gradient_sources(model: MLP | CNN, task: Task, pairs: Pairings) -> Measure:
    """The sources of the difference between the fan-in gradients of two units, on the step's minibatch: (pair, term, reading).

    Terms v are the three sources by `theory.gradient_sources`, the difference g_i - g_j itself, which the step computed on its
    own, and the residue, what the sources leave of it. Three numbers tell each of them:

        share   v . (g_i - g_j) / |g_i - g_j|^2: the sources' add up to 1, as their norms would not, since sources that oppose
                each other are longer than what they leave. A negative share works against the difference, and where sources
                almost cancel shares exceed 1. nan for gradients that are equal.
        push    -v . d / |d|^2 with d = w_i - w_j: the rate, per learning rate and step, at which it drives the two units apart,
                as a fraction of their distance; negative where it draws them together. The rest of a term turns d.
                nan at d = 0.
        size    |v| over the root mean square of |g_i| and |g_j|. nan where both are 0.
    """

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del data, hparams, step
        factors = gradient_factors(model, task.loss, state.variables, aux.batch)

        def of(name: str) -> jax.Array:
            first, second = pairs[name]
            sources = split_difference(factors(first), factors(second))
            gradients = [fan_in(aux.gradients, place) for place in (first, second)]
            difference = gradients[0] - gradients[1]
            terms = jnp.stack([*sources, difference - sources.sum(0), difference])
            return _readings(terms, gradients, fan_in(state.variables, first) - fan_in(state.variables, second))

        return jnp.stack([of(name) for name in pairs])

    coords = {"pair": list(pairs), "term": TERMS, "reading": READINGS}
    return Measure("sources", read, dims=("pair", "term", "reading"), coords=coords)


def _readings(terms: jax.Array, gradients: Sequence[jax.Array], apart: jax.Array) -> jax.Array:
    """Share, push and size of terms (term, numbers), the last of which is the difference: (term, reading)."""
    ways = jnp.stack([_over_square(terms[-1]), -_over_square(apart)], axis=1)
    mean = norm(jnp.concatenate(gradients)) / jnp.sqrt(jnp.asarray(2, apart.dtype))
    sizes = jnp.sqrt(jnp.sum(jnp.square(terms / mean), axis=1, keepdims=True))
    return jnp.concatenate([terms @ ways, sizes], axis=1)


def _over_square(vector: jax.Array) -> jax.Array:
    """v / |v|^2 without underflow."""
    length = norm(vector)
    return vector / length / length


def pair_distance(pairs: Pairings) -> Measure:
    """Distance between the fan-ins of two units, of one layer or of two: (pair,)."""

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        between = [[fan_in(state.variables, place) for place in places] for places in pairs.values()]
        return jnp.stack([norm(first - second) for first, second in between])

    return Measure("distance", read, dims=("pair",), coords={"pair": list(pairs)})


def predicted_kick(model: MLP | CNN, symmetry: Symmetry, pairs: Pairings) -> Measure:
    """The distance at which one step puts the fan-ins of units whose fan-outs alone differ, by `theory.first_kick`: (pair,).

    For softmax cross-entropy, gradient descent, and units of the last hidden layer whose positions each have a fan-out.
    """

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del data, step
        _, activity = observe(model, state.variables, aux.batch.inputs)
        reads, passed_on = upstream_inputs(model, aux.batch.inputs, activity.after), slopes(model, activity)
        labels = jax.nn.one_hot(aux.batch.targets, aux.outputs.shape[1], dtype=aux.outputs.dtype)
        errors = (jax.nn.softmax(aux.outputs) - labels) / len(labels)

        def of(name: str) -> jax.Array:
            (layer, first), (_, second) = pairs[name]
            a, b = orbits(state.variables, symmetry[layer], (first, second), ("fan-out",))
            apart = (a - b).reshape(-1, errors.shape[1])
            slope = of_unit(model, passed_on[layer], first).reshape(len(apart), -1).T  # of (points,), examples running fastest
            inputs = reads[layer].reshape(len(apart), len(errors), -1).swapaxes(0, 1)
            return hparams["learning_rate"] * norm(first_kick(inputs, slope, errors, apart))

        return jnp.stack([of(name) for name in pairs])

    return Measure("predicted_kick", read, dims=("pair",), coords={"pair": list(pairs)})
