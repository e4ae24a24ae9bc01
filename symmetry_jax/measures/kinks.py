"""When an example first falls between the kinks of two units.

Relu units that are active for the same examples are moved by the same linear map. An example for which one is active and the
other is not moves one of them alone.
"""

import dataclasses

import jax
import jax.numpy as jnp

from symmetry_jax.learning.activity import observe
from symmetry_jax.learning.models import CNN, MLP
from symmetry_jax.learning.process import Hparams, Measure, Process, PyTree, State, remembered
from symmetry_jax.learning.training import Aux
from symmetry_jax.measures.gradient_factors import Pairings, of_unit
from symmetry_jax.symmetry.separation import difference, norm


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Kinked:
    """What a process remembers whose kinks are watched.

    Attributes:
        memory: of the process itself.
        crossed: int32 (): the first step whose minibatch has an example between the kinks of the two units; -1 before.
        separation: (): how far apart they were in the state from which that step starts; before, in the newest such state.
    """

    memory: PyTree
    crossed: jax.Array
    separation: jax.Array


def watch_kinks(process: Process, model: MLP, layer: str, units: tuple[int, int]) -> Process:
    """The process of training a perceptron of relus, which also remembers when one of two units first moved alone."""
    group = model.symmetry(())[layer]

    def init(data: PyTree, hparams: Hparams, previous: State | None = None) -> State:
        state = process.init(data, hparams, previous)
        apart = norm(difference(state.variables, group, units))
        return State(state.variables, Kinked(state.memory, jnp.full((), -1, jnp.int32), apart))

    def step(state: State, data: PyTree, hparams: Hparams, step: jax.Array) -> tuple[State, Aux]:
        seen: Kinked = state.memory
        after, aux = process.step(dataclasses.replace(state, memory=seen.memory), data, hparams, step)
        z = observe(model, state.variables, aux.batch.inputs)[1].before[layer][:, units]
        between, before = jnp.any((z[:, 0] > 0) != (z[:, 1] > 0)), seen.crossed < 0
        crossed = jnp.where(before & between, step.astype(jnp.int32), seen.crossed)
        apart = jnp.where(before, norm(difference(state.variables, group, units)), seen.separation)
        return State(after.variables, Kinked(after.memory, crossed, apart)), aux

    return dataclasses.replace(process, init=init, step=step)


def first_crossing() -> tuple[Measure, Measure]:
    """What a watched process remembers, at ends: `crossed`, the step, and `separation_then`, both ()."""

    def read_step(state: State, aux: Aux | None, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return remembered(state.memory, Kinked).crossed

    def read_separation(state: State, aux: Aux | None, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return remembered(state.memory, Kinked).separation

    return Measure("crossed", read_step, "ends", unit="step"), Measure("separation_then", read_separation, "ends")


def between_kinks(model: MLP | CNN, pairs: Pairings) -> Measure:
    """Fraction of the step's examples, and positions of a convolution, for which one of two units is active alone: (pair,)."""

    def read(state: State, aux: Aux, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del data, hparams, step
        before = observe(model, state.variables, aux.batch.inputs)[1].before
        active = {name: tuple(of_unit(model, before[layer], unit) > 0 for layer, unit in pairs[name]) for name in pairs}
        return jnp.stack([jnp.mean(first != second, dtype=aux.loss.dtype) for first, second in active.values()])

    return Measure("between", read, dims=("pair",), coords={"pair": list(pairs)})
