"""The joints: a process is any dynamics to be repeated, a measure is what is read of it.

Both are written for one run. The engine alone lifts them to many.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

import jax
import jax.numpy as jnp

from symmetry_jax.errors import InputError
from symmetry_jax.learning.intervals import Interval

PyTree = Any
T = TypeVar("T")
Hparams = Mapping[str, jax.Array]  # every swept number of one run, traced scalars, the seed among them
Readings = dict[str, jax.Array]  # what each measure reads, by name


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class State:
    """What determines the future of a run, and all of it.

    Attributes:
        variables: what the process moves: parameters, batch statistics, a position.
        memory: what its rule remembers: optimizer state, carried probes.
        stopped: int32 (): the step that produced the first number that is not finite, at which the run was frozen;
            -1 while it runs.
    """

    variables: PyTree
    memory: PyTree = ()
    stopped: jax.Array = dataclasses.field(default_factory=lambda: jnp.full((), -1, jnp.int32))


class Init(Protocol):
    """The start of a process."""

    def __call__(self, data: PyTree, hparams: Hparams, previous: State | None = None) -> State:
        """Makes the state of one run; `previous` is its final state in the program that this one continues."""


class Step(Protocol):
    """One step of a process."""

    def __call__(self, state: State, data: PyTree, hparams: Hparams, step: jax.Array) -> tuple[State, PyTree]:
        """Takes one run one step further, and returns with it what the step computed on its way, for measures to read.

        Whether the run has stopped is the engine's to say: `stopped` of the state that is returned is not read.
        `step` is an int32 scalar shared by all runs, so that a condition on it stays a branch when runs are vmapped.
        """


@dataclasses.dataclass(frozen=True)
class Obstacle:
    """Why a small difference between equal units cannot be followed through a step; `groups`: of these alone, () for all."""

    reason: str
    groups: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Process:
    """Any dynamics to be repeated, as pure functions of one run. Compared by identity: what is compiled for it is kept.

    Attributes:
        init: the state at step 0.
        step: one step.
        ranges: the values that its hparams may have, by name; any finite number where none is named.
        obstacles: to following a small difference between equal units, one for each source.
    """

    init: Init
    step: Step
    ranges: Mapping[str, Interval] = dataclasses.field(default_factory=dict)
    obstacles: tuple[Obstacle, ...] = ()


class Read(Protocol):
    """The reading of a measure."""

    def __call__(self, state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        """Reads a state. At records, `aux` comes from the step that starts in this state; at ends it is None."""


@dataclasses.dataclass(frozen=True, eq=False)
class Measure:
    """What is read of a run, reduced before it leaves the compiled step. Compared by identity, like a process.

    Attributes:
        name: the variable it becomes in the results.
        read: the function that computes it.
        when: "records" for every record step; "ends" for the first and the last state only.
        dims: names of the dimensions of what `read` returns.
        coords: labels along those dimensions.
        unit: physical or logical unit, for axes of figures; "" if it has none.
    """

    name: str
    read: Read
    when: Literal["records", "ends"] = "records"
    dims: tuple[str, ...] = ()
    coords: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    unit: str = ""


def renamed(process: Process, names: Mapping[str, str]) -> Process:
    """The process with hparams that have other names outside: `{"dropout": "strength"}` reads dropout from `strength`."""

    def init(data: PyTree, hparams: Hparams, previous: State | None = None) -> State:
        return process.init(data, _Renamed(hparams, names), previous)

    def step(state: State, data: PyTree, hparams: Hparams, step: jax.Array) -> tuple[State, PyTree]:
        return process.step(state, data, _Renamed(hparams, names), step)

    ranges = {names.get(name, name): allowed for name, allowed in process.ranges.items()}
    return dataclasses.replace(process, init=init, step=step, ranges=ranges)


@dataclasses.dataclass(frozen=True)
class _Renamed(Mapping[str, jax.Array]):
    """Hparams some of which are read under other names."""

    hparams: Hparams
    names: Mapping[str, str]

    def __getitem__(self, name: str) -> jax.Array:
        return self.hparams[self.names.get(name, name)]

    def __iter__(self) -> Iterator[str]:
        outside = {axis: name for name, axis in self.names.items()}
        return (outside.get(name, name) for name in self.hparams)

    def __len__(self) -> int:
        return len(self.hparams)


def remembered(memory: PyTree, kind: type[T]) -> T:
    """What a process of that kind remembers, among processes each of which remembers what another within it does.

    Raises:
        InputError: if there is none.
    """
    while not isinstance(memory, kind):
        if not hasattr(memory, "memory"):
            raise InputError(f"the process remembers no {kind.__name__}: this measure is one of another process")
        memory = memory.memory
    return memory


def advance(process: Process, state: State, data: PyTree, hparams: Hparams, step: jax.Array) -> tuple[State, PyTree]:
    """One step of a process, in which a run that goes non-finite is frozen at its last finite state and marked."""
    new, aux = process.step(state, data, hparams, step)
    running = state.stopped < 0
    finite = is_finite((new.variables, new.memory))
    stopped = jnp.where(running & ~finite, step.astype(jnp.int32), state.stopped)
    variables, memory = jax.tree.map(
        lambda later, earlier: jnp.where(running & finite, later, earlier),
        (new.variables, new.memory),
        (state.variables, state.memory),
    )
    return State(variables, memory, stopped), aux


def read_all(
    measures: Sequence[Measure], state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array
) -> Readings:
    """What every measure reads of one state."""
    return {measure.name: measure.read(state, aux, data, hparams, step) for measure in measures}


def is_finite(tree: PyTree) -> jax.Array:
    """Whether all its floating-point numbers are: () bool."""
    floats = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in floats])) if floats else jnp.array(True)
