"""One run traced without computing it: what a program reads of its axes, what it computes, and shapes of what it measures."""

import dataclasses
import hashlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from symmetry_jax.errors import InputError, listing
from symmetry_jax.learning.convolution import Lowering, lowered
from symmetry_jax.learning.process import Hparams, Measure, Process, PyTree, Readings, State, advance, read_all
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
        InputError: if the program reads a number that no axis gives, or an axis with several values is read by nothing; if a
            process or a measure does not return what it should.
    """
    process, runs = _checked(program.process, program.label), program.hparams()
    for measure in program.measures:
        _check_called(f"measure {measure.name}: read", measure.read, ("state", "aux", "data", "hparams", "step"))
    read: set[str] = set()

    def run(data: PyTree, hparams: Hparams, step: jax.Array) -> tuple[Readings, State]:
        watched = _Watched(hparams, program.label)
        state = process.init(data, watched)
        _, aux = advance(process, state, data, watched, step)
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
    for measure in program.measures:
        _check_read(measure, shapes[measure.name])
    return Trace(shapes, state, hashlib.sha256(text.encode()).hexdigest())


def _checked(process: Process, label: str) -> Process:
    """The process, which tells what it returns that it should not, and cannot be given."""
    _check_called(f"{label}: init", process.init, ("data", "hparams", "previous"))
    _check_called(f"{label}: step", process.step, ("state", "data", "hparams", "step"))

    def init(data: PyTree, hparams: Hparams, previous: State | None = None) -> State:
        state = process.init(data, hparams, previous)
        if not isinstance(state, State):
            raise InputError(f"{label}: init returns a {type(state).__name__}: a State is wanted")
        _arrays(state, label)
        return state

    def step(state: State, data: PyTree, hparams: Hparams, step: jax.Array) -> tuple[State, PyTree]:
        match process.step(state, data, hparams, step):
            case State() as after, aux:
                _check_kept(state, after, label)
                return after, aux
            case other:
                kind = type(other).__name__
                raise InputError(f"{label}: step returns a {kind}: a State and what measures may read (or ()) are wanted")

    return dataclasses.replace(process, init=init, step=step)


def _check_called(name: str, function: Callable[..., Any], arguments: Sequence[str]) -> None:
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        raise InputError(f"{name} is called with ({', '.join(arguments)}): {error}") from error


def _check_kept(before: State, after: State, label: str) -> None:
    """Raises InputError where a step makes another state of one: it is to be repeated."""
    kept, made = _arrays(before, label), _arrays(after, label)
    for place in {**kept, **made}:
        if place not in kept or place not in made or not _holds(kept[place], made[place]):
            one, other = (found[place].str_short() if place in found else "nothing" for found in (kept, made))
            raise InputError(f"{label}: a step makes {other} of {place}, which is {one}: a state keeps its arrays")
    one, other = (jax.tree.structure((state.variables, state.memory)) for state in (before, after))
    if one != other:
        raise InputError(f"{label}: a step makes another tree of variables and memory, {other}, of {one}")


def _arrays(state: State, label: str) -> dict[str, Any]:
    """The kind of each array of a state, by its path.

    Raises:
        InputError: where there is something that is no array.
    """
    found = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path({"variables": state.variables, "memory": state.memory})[0]:
        place = jax.tree_util.keystr(path, simple=True, separator="/")
        if not hasattr(leaf, "dtype"):
            raise InputError(f"{label}: {place} is a {type(leaf).__name__}: an array is wanted, such as jnp.asarray makes")
        found[place] = jax.typeof(leaf)
    return found


def _holds(kept: Any, made: Any) -> bool:
    """Whether an array of one kind can be kept as one of another: a narrower type, in the same shape."""
    keys = any(jnp.issubdtype(one.dtype, jax.dtypes.prng_key) for one in (kept, made))
    if keys or kept.shape != made.shape:
        return kept.str_short() == made.str_short()
    with jax.numpy_dtype_promotion("standard"):  # whether it may be promoted without being asked is for jax to say
        return jnp.promote_types(kept.dtype, made.dtype) == kept.dtype


def _check_read(measure: Measure, result: Any) -> None:
    """Raises InputError where a measure reads no array, or its dimensions or coordinates do not fit what it reads."""
    if not isinstance(result, jax.ShapeDtypeStruct):
        raise InputError(f"measure {measure.name}: it reads a {type(result).__name__}: an array is wanted")
    shape = result.shape
    named = f"measure {measure.name}: it reads an array of shape {shape}"
    if len(shape) != len(measure.dims):
        raise InputError(f"{named} and names {len(measure.dims)} dimensions ({listing(measure.dims)}): one for each axis")
    for dim, size in zip(measure.dims, shape, strict=True):
        if dim in measure.coords and len(measure.coords[dim]) != size:
            raise InputError(f"{named} and has {len(measure.coords[dim])} coordinates along {dim}: {size} are wanted")


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
