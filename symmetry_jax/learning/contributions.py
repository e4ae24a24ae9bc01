"""What each unit of the last hidden layer adds to the outputs of a network."""

import jax
import jax.numpy as jnp

from symmetry_jax.learning.activity import Activity, observe
from symmetry_jax.learning.models import CNN, MLP
from symmetry_jax.learning.process import PyTree


def contributions(model: MLP | CNN, variables: PyTree, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The outputs (batch, outputs), and what each unit of the last hidden layer adds to them: (units, batch, outputs).

    A unit adds its activation times its fan-out, a filter the sum of that over positions. Outputs are linear in them:
    f(x) = bias + sum_u c_u(x), so that a unit is removed by subtracting what it adds.
    """
    outputs, activity = observe(model, variables, inputs)
    maps = last_maps(model, activity)
    maps = maps.mean(axis=2, keepdims=True) if isinstance(model, CNN) and model.head == "average" else maps
    fan_out = variables["params"]["output"]["kernel"].reshape(*maps.shape[::2], model.outputs)
    return outputs, jnp.einsum("ubp,upk->ubk", maps, fan_out)


def last_maps(model: MLP | CNN, activity: Activity) -> jax.Array:
    """Activations of the last hidden layer: (units, batch, positions), where a perceptron has one position."""
    after = activity.after[model.layers[-2]]
    return after.T[:, :, None] if isinstance(model, MLP) else jnp.moveaxis(after, 3, 1).reshape(len(after), after.shape[3], -1)
