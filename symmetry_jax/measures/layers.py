"""Measures of a perceptron's layers: norms, ties, and what lets errors pass."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from symmetry_jax.learning.activity import observe, slopes
from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.process import Hparams, Measure, PyTree, State
from symmetry_jax.learning.tasks import Dataset
from symmetry_jax.learning.training import Aux
from symmetry_jax.symmetry.separation import norm


def weight_norm(model: MLP) -> Measure:
    """Euclidean norm of each weight matrix: (layer,)."""
    return of_kernels("weight_norm", model, lambda kernel: norm(kernel.reshape(-1)))


def of_kernels(name: str, model: MLP, reduce: Callable[[jax.Array], jax.Array]) -> Measure:
    """A measure of each weight matrix (inputs, units), reduced to a number: (layer,)."""

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return jnp.stack([reduce(state.variables["params"][layer]["kernel"]) for layer in model.layers])

    return Measure(name, read, dims=("layer",), coords=_layers(model))


def tie_error(model: MLP) -> Measure:
    """Largest difference between units of each hidden layer, over fan-in, bias and fan-out: (layer,); nan for the output."""

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        params = state.variables["params"]
        readers = zip(model.layers[:-1], model.layers[1:], strict=True)
        spreads = [_largest_spread(params[name], params[reader]["kernel"]) for name, reader in readers]
        return jnp.stack([*spreads, jnp.full((), jnp.nan, params[model.layers[-1]]["bias"].dtype)])

    return Measure("tie_error", read, dims=("layer",), coords=_layers(model))


def passing(model: MLP) -> Measure:
    """Fraction of the step's examples for which an error passes some unit of each hidden layer: (layer,); 1 for the output."""

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del data, hparams, step
        passed_on = slopes(model, observe(model, state.variables, aux.batch.inputs)[1]).values()
        fractions = [jnp.mean(jnp.any(slope != 0, axis=1), dtype=slope.dtype) for slope in passed_on]
        return jnp.stack([*fractions, jnp.ones((), aux.loss.dtype)])

    return Measure("passing", read, dims=("layer",), coords=_layers(model))


def living(model: MLP) -> Measure:
    """Fraction of each hidden layer's units whose slope phi' is not 0 for some training example, at ends: (hidden layer,)."""

    def read(state: State, aux: Aux | None, data: Dataset, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, hparams, step
        passed_on = slopes(model, observe(model, state.variables, data.train.inputs)[1]).values()
        return jnp.stack([jnp.mean(jnp.any(slope != 0, axis=0), dtype=slope.dtype) for slope in passed_on])

    return Measure("living", read, "ends", ("hidden",), {"hidden": range(1, len(model.layers))})


def _layers(model: MLP) -> dict[str, Sequence[int]]:
    return {"layer": range(1, len(model.layers) + 1)}


def _largest_spread(layer: PyTree, reader: jax.Array) -> jax.Array:
    arrays = (layer["kernel"].T, layer["bias"][:, None], reader)  # units first
    return jnp.max(jnp.stack([jnp.max(jnp.ptp(array, axis=0)) for array in arrays]))
