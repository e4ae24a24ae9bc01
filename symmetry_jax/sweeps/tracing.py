"""One run traced without computing it: what a program reads of its axes, what it computes, and shapes of what it measures."""

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from symmetry_jax.errors import InputError
from symmetry_jax.learning.convolution import Lowering, lowered
from symmetry_jax.learning.process import Hparams, PyTree, Readings, State, advance, read_all
from symmetry_jax.sweeps.precision import cast, numerics
from symmetry_jax.sweeps.program import Program

Shapes = Mapping[str, jax.ShapeDtypeStruct]  # of every measure, for one run and one record or end


class Trace(NamedTuple):
    """What is known of a run without computing it.

    Attributes:
        shapes: shape and dtype of every measure, for one run and one record or end.
        state: shape and dtype of every leaf of its state.
        digest: of all that is computed in its first step; equal for equal arithmetic, whatever the numbers.
    """

    shapes: Shapes
    state: State
    digest: str


def trace(program: Program, lowering: Lowering) -> Trace:
    """Traces one run of a program.

    Raises:
        InputError: if the program reads a number that no axis gives, or an axis with several values is read by nothing.
    """
    runs = program.hparams()
    read: set[str] = set()

    def run(data: PyTree, hparams: Hparams, step: jax.Array) -> tuple[Readings, State]:
        watched = _Watched(hparams, program.label)
        state = program.process.init(data, watched)
        _, aux = advance(program.process, state, data, watched, step)
        readings = read_all(program.measures, state, aux, data, watched, step)
        read.update(watched.read)
        return readings, state

    with numerics(program.precision), lowered(lowering):
        hparams = {name: jax.ShapeDtypeStruct((), values.dtype) for name, values in runs.items()}
        step = jax.ShapeDtypeStruct((), jnp.int32)
        jaxpr, traced = jax.make_jaxpr(run, return_shape=True)(cast(program.data, program.precision), hparams, step)
    for name, values in program.axes.columns().items():
        if name not in read and len(set(values)) > 1:
            raise InputError(f"axis {name} has several values, but {program.label!r} does not read it")
    text = re.sub(" at 0x[0-9a-f]+", "", str(jaxpr))  # where functions lie in memory
    shapes, state = traced
    return Trace(shapes, state, hashlib.sha256(text.encode()).hexdigest())


class _Watched(dict[str, jax.Array]):
    """Hparams that remember which of them were read."""

    def __init__(self, hparams: Hparams, label: str) -> None:
        super().__init__(hparams)
        self.label = label
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> jax.Array:
        self.read.add(name)
        return super().__getitem__(name)

    def __missing__(self, name: str) -> jax.Array:
        raise InputError(f"{self.label!r} needs an axis {name}: one value is enough")


def _flatten(watched: _Watched) -> tuple[tuple[jax.Array, ...], tuple[str, tuple[str, ...]]]:
    watched.read.update(watched)  # taken apart, any of them may be read
    return tuple(watched.values()), (watched.label, tuple(watched))


def _unflatten(names: tuple[str, tuple[str, ...]], values: tuple[jax.Array, ...]) -> _Watched:
    return _Watched(dict(zip(names[1], values, strict=True)), names[0])


jax.tree_util.register_pytree_node(_Watched, _flatten, _unflatten)
