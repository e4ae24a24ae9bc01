"""Bisection over runs."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax import sweep
from symmetry_jax.learning.bisection import bisect, threshold
from symmetry_jax.learning.process import Process, State


def doubling():
    """x starts at `begin` and grows by `factor` a step."""

    def init(data, hparams, previous=None):
        return State(hparams["begin"], {"steps": jnp.zeros((), jnp.int32)})

    def step(state, data, hparams, step):
        return State(state.variables * hparams["factor"], {"steps": state.memory["steps"] + 1}), step

    return Process(init, step)


@pytest.mark.parametrize("rounds", [1, 5, 30])
def test_it_closes_in_on_the_value_from_which_a_process_arrives(rounds):
    """Each run on its own: x arrives at 1 after 10 steps from factor^-10."""
    process = bisect(doubling(), "begin", (1e-9, 10.0), 10, lambda state: state.variables >= 1)
    axes = {"factor": [1.0, 1.5, 3.0]}
    found = sweep(process, [threshold("begin")], axes, 10 * rounds, records=2, precision="float64").begin_threshold.isel(end=-1)
    low, high = (found.sel(side=side).transpose("factor").values for side in ("low", "high"))
    expected = np.array([1.0, 1.5, 3.0]) ** -10.0
    np.testing.assert_allclose(np.log(high / low), np.log(1e10) / 2.0**rounds, rtol=1e-6)
    assert np.all(low <= expected * (1 + 1e-9)) and np.all(expected * (1 - 1e-9) <= high)


def test_every_round_starts_again_and_numbers_its_steps_from_0():
    def step_is_right(state):
        return state.memory["steps"] == 4  # the memory is begun anew, and has seen the steps of one round

    process = bisect(doubling(), "begin", (1.0, 16.0), 4, step_is_right)
    found = sweep(process, [threshold("begin")], {"factor": [1.0]}, 8, records=2).begin_threshold.isel(end=-1)
    np.testing.assert_allclose(found.values.ravel(), [1, 2], rtol=1e-6)  # twice arrived: from 4, and from 2


@pytest.mark.parametrize("step", [2, 3])
def test_a_run_that_goes_non_finite_is_frozen_there_whatever_step_of_a_round_it_is(step):
    """The last of a round, too, after which another would begin."""

    def explode(state, data, hparams, place):
        variables = jnp.where(place == step, jnp.inf, state.variables * hparams["factor"])
        return State(variables, {"steps": state.memory["steps"] + 1}), ()

    process = bisect(dataclasses.replace(doubling(), step=explode), "begin", (1e-3, 1e3), 4, lambda state: state.variables >= 1)
    with pytest.warns(UserWarning, match="1 of 1 runs went non-finite"):
        found = sweep(process, [threshold("begin")], {"factor": [1.0]}, 8, records=2).begin_threshold.isel(end=-1)
    np.testing.assert_allclose(found.values.ravel(), [1e-3, 1e3], rtol=1e-6)
