"""Which units of a group train at a step, all others being frozen: together, one at a time in turn, one alone for ever.

A regime is a function of the step; factors on the final update freeze all that belongs to a unit whose turn it is not, fan-in,
bias and fan-out. What an optimizer remembers goes on while a unit is frozen.
"""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from symmetry_jax.learning.process import Hparams, PyTree
from symmetry_jax.learning.tasks import Task
from symmetry_jax.learning.training import Rates, trained
from symmetry_jax.symmetry.units import TRAINED, UnitAxis, UnitGroup, rewrite


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Turn:
    """What trains at a step.

    Attributes:
        units: bool (size,): the units that train.
        rest: bool (): whether what belongs to no unit of the group trains, such as the bias of a head.
        update: int32 (): how many updates those units have had; so it is the number of their minibatch.
    """

    units: jax.Array
    rest: jax.Array
    update: jax.Array


Regime = Callable[[Hparams, jax.Array, int], Turn]  # from the hparams, the step () and the number of units


def together(hparams: Hparams, step: jax.Array, size: int) -> Turn:
    """All train at every step."""
    del hparams
    return Turn(jnp.ones(size, bool), jnp.array(True), step)


def in_turn(period: int) -> Regime:
    """Each unit trains for `period` steps, then the next one, and after the last the first again.

    The rest trains at every size-th step. After a round of size * period steps everything has had as many updates as after
    `period` steps of `together`.
    """

    def turn(hparams: Hparams, step: jax.Array, size: int) -> Turn:
        del hparams
        turns = step // period
        units = jnp.arange(size, dtype=step.dtype) == turns % size
        return Turn(units, step % size == size - 1, turns // size * period + step % period)

    return turn


def alone(unit: int) -> Regime:
    """One unit and the rest train at every step; all other units stay as they are for ever."""

    def turn(hparams: Hparams, step: jax.Array, size: int) -> Turn:
        del hparams
        return Turn(jnp.arange(size, dtype=step.dtype) == unit, jnp.array(True), step)

    return turn


def one_of(regimes: Sequence[Regime], name: str = "regime") -> Regime:
    """The regime whose number, counted from 0, is hparams[name], so that regimes may be swept."""

    def turn(hparams: Hparams, step: jax.Array, size: int) -> Turn:
        turns = [regime(hparams, step, size) for regime in regimes]
        return jax.tree.map(lambda *cases: jnp.stack(cases)[hparams[name].astype(jnp.int32)], *turns)

    return turn


def unit_rates(regime: Regime, group: UnitGroup, shapes: PyTree) -> Rates:
    """Factors for `descend`: 1 on what trains, 0 on what is frozen; what two units share trains if one of them does.

    `shapes` is a tree of arrays or their shapes, those of the variables.
    """
    group = group.only(TRAINED)
    blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, bool), trained(shapes))
    owned = _mark(blank, group, jnp.ones(group.size, bool))

    def rates(hparams: Hparams, step: jax.Array) -> PyTree:
        turn = regime(hparams, step, group.size)
        return jax.tree.map(lambda unit, free: jnp.where(free, unit, turn.rest), _mark(blank, group, turn.units), owned)

    return rates


def paced(task: Task, regime: Regime, size: int) -> Task:
    """The task with the k-th update of every unit on the k-th minibatch, whatever the regime."""

    def batch(data: PyTree, hparams: Hparams, step: jax.Array) -> PyTree:
        return task.batch(data, hparams, regime(hparams, step, size).update)

    return dataclasses.replace(task, batch=batch)


def _mark(tree: PyTree, group: UnitGroup, units: jax.Array) -> PyTree:
    """A tree of bool in which all that belongs to a marked unit (size,) is marked as well."""

    def mark(array: jax.Array, axis: UnitAxis) -> jax.Array:
        here = jnp.zeros(array.shape[axis.axis], bool).at[axis.positions(group.size)].set(units[:, None])
        return array | jnp.expand_dims(here, [other for other in range(array.ndim) if other != axis.axis])

    return rewrite(tree, group, mark)
