"""How a gradient is shared among the units of a layer, against what zero weights and scattered biases ask for."""

import jax
import jax.numpy as jnp

from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.process import Hparams, Measure, PyTree, State
from symmetry_jax.learning.training import Aux
from symmetry_jax.symmetry.separation import norm
from symmetry_jax.theory.scattered_biases import shares


def share_error(model: MLP) -> Measure:
    """Distance of each layer's weight gradient from the nearest s_u g, over its own norm: (layer,); nan for a gradient of 0.

    s is what `theory.scattered_biases` says of the first move from zero weights, read off the biases before the step: for the
    output phi(b) of the units it reads, for a hidden layer phi(b) phi'(b) of its own units. g is any vector.
    """

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del data, hparams, step
        params, gradients = state.variables["params"], aux.gradients["params"]
        errors = [
            _distance(gradients[name]["kernel"], shares(params[name]["bias"], model.activation)) for name in model.layers[:-1]
        ]
        last, output = model.layers[-2:]
        errors.append(_distance(gradients[output]["kernel"].T, model.activation(params[last]["bias"])))
        return jnp.stack(errors)

    return Measure("share_error", read, dims=("layer",), coords={"layer": range(1, len(model.layers) + 1)})


def _distance(gradient: jax.Array, share: jax.Array) -> jax.Array:
    """||G - G s s^T / |s|^2|| / ||G|| of G (numbers, units)."""
    unit = share / norm(share)
    left = gradient - (gradient @ unit)[:, None] * unit[None, :]
    return norm(left.reshape(-1)) / norm(gradient.reshape(-1))
