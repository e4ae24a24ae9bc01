"""Bisection over runs: the smallest value of a setting with which a process arrives somewhere."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from symmetry_jax.learning.process import Hparams, Measure, Process, PyTree, State, is_finite


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Bracket:
    """What a bisected process remembers.

    Attributes:
        memory: of the process itself.
        low, high: (): the setting is too small at the one and large enough at the other; a bound is believed, not tried.
    """

    memory: PyTree
    low: jax.Array
    high: jax.Array

    @property
    def middle(self) -> jax.Array:
        """The geometric mean: what is tried next."""
        return jnp.sqrt(self.low * self.high)


def bisect(
    process: Process, name: str, bounds: tuple[float, float], steps: int, arrived: Callable[[State], jax.Array]
) -> Process:
    """Runs a process again and again for so many steps, each time from its start, with a setting that closes in on a threshold.

    After n rounds (n * steps steps) the logarithm of the threshold is known to 2^-n of that of the bounds' ratio. Each run
    bisects on its own. The steps of a round are numbered from 0, so that every round sees the same minibatches. A run that goes
    non-finite in any round is frozen there, as everywhere.

    Args:
        process: what is run.
        name: the setting, which no axis gives; the process arrives above the threshold and not below.
        bounds: positive numbers between which the threshold is looked for; their product too is a number in the precision.
        steps: of a round.
        arrived: from the state after a round whether it arrived: () bool.
    """

    def tried(hparams: Hparams, bracket: Bracket) -> Hparams:
        return {key: hparams[key] for key in hparams} | {name: bracket.middle}

    def begin(data: PyTree, hparams: Hparams, bracket: Bracket) -> State:
        state = process.init(data, tried(hparams, bracket))
        return State(state.variables, dataclasses.replace(bracket, memory=state.memory))

    def init(data: PyTree, hparams: Hparams, previous: State | None = None) -> State:
        if previous is not None:
            raise ValueError("a bisected process starts anew in each round, not where another program ended")
        low, high = (jnp.asarray(bound, float) for bound in bounds)
        return begin(data, hparams, Bracket((), low, high))

    def step(state: State, data: PyTree, hparams: Hparams, step: jax.Array) -> tuple[State, PyTree]:
        bracket: Bracket = state.memory
        inner = State(state.variables, bracket.memory, state.stopped)
        place = step % steps
        after, aux = process.step(inner, data, tried(hparams, bracket), place)

        def close_in() -> State:
            enough = arrived(after)
            low, high = jnp.where(enough, bracket.low, bracket.middle), jnp.where(enough, bracket.middle, bracket.high)
            return begin(data, hparams, Bracket((), low, high))

        def go_on() -> State:
            return State(after.variables, dataclasses.replace(bracket, memory=after.memory))

        through = (place == steps - 1) & is_finite((after.variables, after.memory))
        return lax.cond(through, close_in, go_on), aux

    return dataclasses.replace(process, init=init, step=step)


def threshold(name: str) -> Measure:
    """The bracket that bisection of that setting has come to, at ends: (side,), the last value that was too small first."""

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        return jnp.stack([state.memory.low, state.memory.high])

    return Measure(f"{name}_threshold", read, "ends", ("side",), {"side": ["low", "high"]})
