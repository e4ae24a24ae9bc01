"""What the units of a network compute, beside its outputs, and how its loss depends on that."""

import dataclasses
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from symmetry_jax.learning.layers import SHIFTS, UNITS
from symmetry_jax.learning.models import CNN, MLP
from symmetry_jax.learning.process import PyTree


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Activity:
    """What units compute in evaluation: of each hidden layer by name, (batch, units) in an MLP, (units, height, width, batch)
    in a CNN.

    Attributes:
        before: what goes into the activations.
        after: what comes out of them.
    """

    before: Mapping[str, jax.Array]
    after: Mapping[str, jax.Array]


def observe(model: MLP | CNN, variables: PyTree, inputs: jax.Array) -> tuple[jax.Array, Activity]:
    """The outputs, and what the units compute on the way to them."""
    outputs, found = model.apply(variables, inputs, mutable="intermediates")
    layers = {name: found["intermediates"][f"{name}{UNITS}"] for name in model.layers[:-1]}
    before, after = ({name: seen[when] for name, seen in layers.items()} for when in ("before", "after"))
    return outputs, Activity(before, after)


def slopes(model: MLP | CNN, activity: Activity) -> dict[str, jax.Array]:
    """The derivative phi'(z) of the activation at what goes into it, by layer."""
    return {name: jax.jvp(model.activation, (z,), (jnp.ones_like(z),))[1] for name, z in activity.before.items()}


def downstream_errors(
    model: MLP | CNN, loss: Callable[[jax.Array], jax.Array], variables: PyTree, inputs: jax.Array
) -> dict[str, jax.Array]:
    """The derivative dL/dh of loss(outputs) by what comes out of the activations, by layer, in its shape."""
    shapes = jax.eval_shape(lambda: observe(model, variables, inputs)[1].after)
    still = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)

    def shifted(shifts: dict[str, jax.Array]) -> jax.Array:
        moved = {f"{name}{UNITS}": {"after": shift} for name, shift in shifts.items()}
        return loss(observe(model, {**variables, SHIFTS: moved}, inputs)[0])

    return jax.grad(shifted)(still)
