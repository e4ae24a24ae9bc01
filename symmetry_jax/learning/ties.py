"""Ties that are held, since arithmetic may take them apart, and ties that are broken on purpose."""

import dataclasses

import jax
import jax.numpy as jnp

from symmetry_jax.learning.intervals import Interval
from symmetry_jax.learning.process import Hparams, Obstacle, Process, PyTree, State
from symmetry_jax.learning.starts import Blocks, Pairs, move_apart
from symmetry_jax.symmetry.units import Symmetry, project, tie


def hold(process: Process, symmetry: Symmetry, blocks: Blocks, switch: str = "") -> Process:
    """The process with each state but the first projected on the subspace in which the units of each block are equal.

    Equal units stay equal algebraically, but XLA may compute the last columns of a matrix with other code, whose sums round
    differently. What the rule remembers is projected as well. To follow a difference between units that are held equal, follow
    first: hold(transverse(process, ...), ...).

    With a `switch`, it is held where hparams[switch] is 1 and left alone where that is 0, and so is the start: units that start
    apart become copies of their block's first.
    """

    def init(data: PyTree, hparams: Hparams, previous: State | None = None) -> State:
        begun = process.init(data, hparams, previous)
        if not switch:
            return begun
        return dataclasses.replace(begun, variables=decide(hparams, _copy(begun.variables, symmetry, blocks), begun.variables))

    def decide(hparams: Hparams, held: PyTree, free: PyTree) -> PyTree:
        return jax.tree.map(lambda one, other: jnp.where(hparams[switch] > 0, one, other), held, free) if switch else held

    def step(state: State, data: PyTree, hparams: Hparams, step: jax.Array) -> tuple[State, PyTree]:
        after, aux = process.step(state, data, hparams, step)
        held = (_together(tree, symmetry, blocks) for tree in (after.variables, after.memory))
        variables, memory = (decide(hparams, *both) for both in zip(held, (after.variables, after.memory), strict=True))
        return State(variables, memory), aux

    obstacle = "ties are held after each step, which leaves no difference: hold the process that is followed instead"
    ranges = {**process.ranges, switch: Interval(0, 1, "[]", whole=True)} if switch else process.ranges
    return dataclasses.replace(process, init=init, step=step, ranges=ranges, obstacles=(*process.obstacles, Obstacle(obstacle)))


def part(process: Process, symmetry: Symmetry, pairs: Pairs) -> Process:
    """The process with its twins moved apart by hparams["epsilon"] where it begins, be that the end of another program."""

    def init(data: PyTree, hparams: Hparams, previous: State | None = None) -> State:
        begun = process.init(data, hparams, previous)
        return dataclasses.replace(begun, variables=move_apart(begun.variables, symmetry, pairs, hparams))

    return dataclasses.replace(process, init=init)


def _together(tree: PyTree, symmetry: Symmetry, blocks: Blocks) -> PyTree:
    # a second group's mean may round its equal rows apart again, and so all units are copies in the end
    for name, units in blocks.items():
        tree = project(tree, symmetry[name].within(tree), units)
    return _copy(tree, symmetry, blocks)


def _copy(tree: PyTree, symmetry: Symmetry, blocks: Blocks) -> PyTree:
    for name, units in blocks.items():
        tree = tie(tree, symmetry[name].within(tree), units)
    return tree
