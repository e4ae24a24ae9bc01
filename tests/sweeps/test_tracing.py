"""Processes and measures that return what they should not are told so before anything is compiled."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from symmetry_jax import sweep
from symmetry_jax.errors import InputError
from symmetry_jax.learning.process import Measure, Process, State
from symmetry_jax.measures.transverse import log_growth


def init(data, hparams, previous=None):
    return State({"w": jnp.ones((2, 3))}, jnp.int32(0))


def step(state, data, hparams, step):
    return State({"w": hparams["factor"] * state.variables["w"]}, state.memory + 1), ()


def read(state, aux, data, hparams, step):
    return state.variables["w"]


PROCESS, MEASURE = Process(init, step), Measure("w", read, dims=("unit", "weight"), coords={"unit": ["a", "b"]})


def run(process=PROCESS, measure=MEASURE):
    return sweep(process, [measure], {"factor": [0.5]}, 3)


def test_a_process_and_a_measure_as_they_should_be():
    assert run().w.dims == ("factor", "step", "unit", "weight")


def test_a_narrower_number_is_kept_as_what_it_was():
    narrow = Process(init, lambda *at: (dataclasses.replace(step(*at)[0], variables={"w": jnp.ones((2, 3), jnp.float16)}), ()))
    with jax.numpy_dtype_promotion("standard"):
        assert run(narrow).w.dtype == jnp.float32


def returning(variables, memory=()):
    """A process from the usual state to another."""
    return Process(init, lambda *at: (State(variables, memory), ()))


COUNT, KEY, W = jnp.int32(0), jax.random.key(0), {"w": jnp.ones((2, 3))}
KEYS = Process(lambda *at: State({"w": KEY}), lambda *at: (State({"w": jnp.float32(0)}), ()))
NONE = Process(lambda *at: State(W, None), lambda *at: (State(W, ()), ()))


@pytest.mark.parametrize(
    "process, message",
    [
        (Process(lambda *at: {"w": 1.0}, step), "sweep: init returns a dict: a State is wanted"),
        (
            Process(lambda data, hparams: init(data, hparams), step),
            r"init is called with \(data, hparams, previous\): too",
        ),
        (Process(init, lambda state, hparams: (state, ())), r"step is called with \(state, data, hparams, step\): too many"),
        (Process(lambda *at: State({"w": 1.0}), step), "variables/w is a float: an array is wanted"),
        (Process(init, lambda *at: step(*at)[0]), "step returns a State: a State and what measures may read"),
        (returning({"w": jnp.ones(6)}, COUNT), r"float32\[6\] of variables/w, which is float32\[2,3\]"),
        (returning({"v": jnp.ones(6)}, COUNT), r"makes nothing of variables/w, which is float32\[2,3\]"),
        (returning(W, jnp.float32(0)), r"makes float32\[\] of memory, which is int32\[\]"),
        (returning(W, [COUNT]), r"makes nothing of memory, which is int32\[\]"),
        (KEYS, "of variables/w, which is key"),
        (NONE, "another tree of variables and memory"),
    ],
)
def test_what_a_process_returns(process, message):
    with pytest.raises(InputError, match=message):
        run(process)


@pytest.mark.parametrize(
    "measure, message",
    [
        (Measure("w", read), r"measure w: it reads an array of shape \(2, 3\) and names 0 dimensions \(nothing\)"),
        (dataclasses.replace(MEASURE, coords={"weight": range(2)}), "has 2 coordinates along weight: 3 are wanted"),
        (log_growth({"unit": (0, 1)}), "the process remembers no Followed"),
        (Measure("w", lambda *at: {"a": jnp.ones(2)}), "measure w: it reads a dict: an array is wanted"),
        (Measure("w", lambda state: 0), r"measure w: read is called with \(state, aux, data, hparams, step\): too many"),
    ],
)
def test_what_a_measure_reads(measure, message):
    with pytest.raises(InputError, match=message):
        run(measure=measure)
