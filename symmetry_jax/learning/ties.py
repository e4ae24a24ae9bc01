"""Ties that are held, since arithmetic may take them apart, and ties that are broken on purpose."""

import dataclasses

import jax

from symmetry_jax.learning.process import Hparams, Obstacle, Process, PyTree, State
from symmetry_jax.learning.starts import Blocks, Pairs, move_apart
from symmetry_jax.symmetry.units import Symmetry, project, tie


def hold(process: Process, symmetry: Symmetry, blocks: Blocks) -> Process:
    """The process with each state projected on the subspace in which the units of each block are equal.

    Equal units stay equal algebraically, but XLA may compute the last columns of a matrix with other code, whose sums round
    differently. What the rule remembers is projected as well. To follow a difference between units that are held equal, follow
    first: hold(transverse(process, ...), ...).
    """

    def step(state: State, data: PyTree, hparams: Hparams, step: jax.Array) -> tuple[State, PyTree]:
        after, aux = process.step(state, data, hparams, step)
        return State(_together(after.variables, symmetry, blocks), _together(after.memory, symmetry, blocks)), aux

    obstacle = "ties are held after each step, which leaves no difference: hold the process that is followed instead"
    return dataclasses.replace(process, step=step, obstacles=(*process.obstacles, Obstacle(obstacle)))


def part(process: Process, symmetry: Symmetry, pairs: Pairs) -> Process:
    """The process with its twins moved apart by hparams["epsilon"] where it begins, be that the end of another program."""

    def init(data: PyTree, hparams: Hparams, previous: State | None = None) -> State:
        begun = process.init(data, hparams, previous)
        return dataclasses.replace(begun, variables=move_apart(begun.variables, symmetry, pairs, hparams))

    return dataclasses.replace(process, init=init)


def _together(tree: PyTree, symmetry: Symmetry, blocks: Blocks) -> PyTree:
    # a second group's mean may round its equal rows apart again, and so all units are copies in the end
    for move in (project, tie):
        for name, units in blocks.items():
            tree = move(tree, symmetry[name].within(tree), units)
    return tree
