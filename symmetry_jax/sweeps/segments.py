"""Segments: the steps compiled into one call, between which the host writes, saves, reports and listens."""

import bisect
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from symmetry_jax.learning.process import Hparams, Measure, Process, PyTree, Readings, State, advance, read_all

RECORDS = 8  # of a segment of a study, at most: few enough to be cheap, enough to pass those that lie close together


class Span(NamedTuple):
    """A segment as devices are told of it, in int32: the steps at which it begins (), ends () and is read (room,).

    Where fewer records are read than there is room for, the rest is -1.
    """

    begin: Any
    end: Any
    records: Any


@dataclasses.dataclass(frozen=True)
class Segment:
    """Steps computed in one call.

    Attributes:
        begin: the step it starts from.
        end: the step it reaches.
        records: the steps at which it is read, ascending, `end` among them in a program's last segment only.
        first: index, among the records of the program, of the first of these.
        room: for how many records the compiled program has room, the same in all segments of a study.
    """

    begin: int
    end: int
    records: tuple[int, ...]
    first: int
    room: int

    def span(self) -> Span:
        """What devices are told of it."""
        records = np.pad(np.array(self.records, np.int32), (0, self.room - len(self.records)), constant_values=-1)
        return Span(np.int32(self.begin), np.int32(self.end), records)


def next_segment(records: Sequence[int], begin: int, stop: int, room: int = RECORDS) -> Segment:
    """The segment from a step to another, or as far as it has room for records; a program's last one reads the last state too.

    Args:
        records: record steps, ascending, from 0 to the last step inclusive.
        begin: where the last segment ended, before the last step.
        stop: the step not to pass.
        room: for so many records, at least 2.
    """
    last = records[-1]
    stop = min(stop, last)
    first = bisect.bisect_left(records, begin)
    after = len(records) if stop == last else bisect.bisect_left(records, stop)
    if after - first > room:
        after = first + room - 1  # one less, so that what is left is never the last state alone
        stop = records[after]
    return Segment(begin, stop, tuple(records[first:after]), first, room)


def whole(records: Sequence[int]) -> Segment:
    """All of a program in one segment."""
    return next_segment(records, 0, records[-1], len(records))


def abstract_span() -> Span:
    """Shapes and dtypes of that of a segment of a study."""
    return Span(*(jax.ShapeDtypeStruct(shape, np.int32) for shape in ((), (), (RECORDS,))))


def advance_and_read(
    process: Process, measures: tuple[Measure, ...], state: State, hparams: Hparams, span: Span, data: PyTree
) -> tuple[State, Readings]:
    """Takes one run through a span and reads the states at its records: (room, ...), zeros where there is none.

    Measures are read inside the loop over steps, under a condition that all runs share, so that the program holds the step
    once: the arithmetic of a run does not depend on where its records lie. A record at the end still computes one step, for
    what measures read of it, and drops the state it leads to.
    """

    def step_and_read(state: State, step: jax.Array) -> tuple[State, Callable[[], Readings]]:
        after, aux = advance(process, state, data, hparams, step)
        return after, functools.partial(read_all, measures, state, aux, data, hparams, step)

    def body(step: jax.Array, carry: tuple[State, Readings]) -> tuple[State, Readings]:
        state, readings = carry
        after, read = step_and_read(state, step)
        due = span.records == step

        def write() -> Readings:
            return jax.tree.map(lambda rows, row: rows.at[jnp.argmax(due)].set(row), readings, read())

        after = jax.tree.map(lambda later, now: jnp.where(step < span.end, later, now), after, state)
        return after, lax.cond(jnp.any(due), write, lambda: readings)

    shapes = jax.eval_shape(lambda: step_and_read(state, span.begin)[1]())
    blank = jax.tree.map(lambda shape: jnp.zeros((*span.records.shape, *shape.shape), shape.dtype), shapes)
    stop = span.end + jnp.any(span.records == span.end).astype(jnp.int32)
    return lax.fori_loop(span.begin, stop, body, (state, blank))
