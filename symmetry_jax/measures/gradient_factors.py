"""What the gradients of units are made of, in the networks of this laboratory."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from symmetry_jax.learning.activity import downstream_errors, observe, slopes
from symmetry_jax.learning.convolution import convolve
from symmetry_jax.learning.models import CNN, MLP
from symmetry_jax.learning.process import PyTree
from symmetry_jax.learning.starts import Address
from symmetry_jax.learning.tasks import Batch
from symmetry_jax.theory.gradient_sources import Factors

Pairings = Mapping[str, tuple[Address, Address]]  # two units to compare, by the name of the pair


def gradient_factors(
    model: MLP | CNN, loss: Callable[[jax.Array, jax.Array], jax.Array], variables: PyTree, batch: Batch
) -> Callable[[Address], Factors]:
    """The factors of any unit's gradient of loss(outputs, targets) on a minibatch, in evaluation.

    Raises:
        ValueError: for a model that normalises over the batch or drops units, of which gradients are made in other ways.
    """
    if model.batch_norm or model.dropped:
        raise ValueError("gradients have these three factors without batch norm and dropout")
    _, activity = observe(model, variables, batch.inputs)
    reads = upstream_inputs(model, batch.inputs, activity.after)
    passed_on = slopes(model, activity)
    errors = downstream_errors(model, lambda outputs: loss(outputs, batch.targets), variables, batch.inputs)

    def of(unit: Address) -> Factors:
        layer, number = unit
        return Factors(reads[layer], of_unit(model, passed_on[layer], number), of_unit(model, errors[layer], number))

    return of


def upstream_inputs(model: MLP | CNN, inputs: jax.Array, after: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    """What the units of each hidden layer read, with a 1 for the bias: (points, numbers).

    Points are the examples of an MLP, and positions by examples of a CNN; numbers are in the order of a unit's flat kernel.
    """
    layers, perceptron = model.layers[:-1], isinstance(model, MLP)
    first = inputs.reshape(len(inputs), -1) if perceptron else inputs.transpose(3, 1, 2, 0)
    below = dict(zip(layers, [first, *(after[name] for name in layers[:-1])], strict=True))
    if isinstance(model, CNN):
        below = {name: _patches(model, number, maps) for number, (name, maps) in enumerate(below.items())}
    return {name: jnp.concatenate([read, jnp.ones_like(read[:, :1])], axis=1) for name, read in below.items()}


def of_unit(model: MLP | CNN, array: jax.Array, unit: int) -> jax.Array:
    """One unit's part of what a layer's units compute: (points,)."""
    return array[:, unit] if isinstance(model, MLP) else array[unit].reshape(-1)


def fan_in(tree: PyTree, unit: Address) -> jax.Array:
    """A unit's flat kernel and its bias, of parameters or gradients: (numbers,)."""
    layer, number = unit
    own = tree["params"][layer]
    return jnp.append(own["kernel"][..., number], own["bias"][number])


def _patches(model: CNN, number: int, maps: jax.Array) -> jax.Array:
    """Every patch of the maps (channels, height, width, batch) that a layer reads: (points, numbers).

    A convolution with one filter for each number of a patch, which picks that one.
    """
    numbers = model.kernel**2 * len(maps)
    pick = jnp.eye(numbers, dtype=maps.dtype).reshape(model.kernel, model.kernel, len(maps), numbers)
    return convolve(maps, pick, (model.strides[number],) * 2, model.padding).reshape(numbers, -1).T
