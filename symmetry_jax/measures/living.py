"""Units through which an error can pass."""

import jax
import jax.numpy as jnp

from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.process import Hparams, Measure, State
from symmetry_jax.learning.tasks import Dataset
from symmetry_jax.learning.training import Aux
from symmetry_jax.measures.rounding import layer_values


def living(model: MLP) -> Measure:
    """Fraction of each hidden layer's units whose slope phi' is not 0 for some training example, at ends: (hidden layer,)."""

    def read(state: State, aux: Aux | None, data: Dataset, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, hparams, step
        _, slopes = layer_values(model, state.variables, data.train.inputs)
        return jnp.stack([jnp.mean(jnp.any(slope != 0, axis=0), dtype=slope.dtype) for slope in slopes])

    return Measure("living", read, "ends", ("hidden",), {"hidden": range(1, len(model.layers))})
