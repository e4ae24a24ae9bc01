"""Units through which an error can pass."""

import jax
import jax.numpy as jnp

from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.process import Hparams, Measure, State
from symmetry_jax.learning.tasks import Dataset
from symmetry_jax.learning.training import Aux


def living(model: MLP) -> Measure:
    """Fraction of each hidden layer's units whose slope phi' is not 0 for some training example, at ends: (hidden layer,)."""

    def read(state: State, aux: Aux | None, data: Dataset, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, hparams, step
        value = data.train.inputs.reshape(len(data.train.inputs), -1)
        fractions = []
        for name in model.layers[:-1]:
            layer = state.variables["params"][name]
            z = value @ layer["kernel"] + layer["bias"][None, :]
            value, slope = jax.jvp(model.activation, (z,), (jnp.ones_like(z),))
            fractions.append(jnp.mean(jnp.any(slope != 0, axis=0), dtype=z.dtype))
        return jnp.stack(fractions)

    return Measure("living", read, "ends", ("hidden",), {"hidden": range(1, len(model.layers))})
