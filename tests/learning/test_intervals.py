"""Intervals at their ends, and what they are kept for."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax.learning import starts
from symmetry_jax.learning.intervals import Interval
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.schedules import SCHEDULES
from symmetry_jax.learning.training import RANGES

VALUES = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])


@pytest.mark.parametrize(
    "ends, held",
    [("[]", [0, 0.5, 1]), ("[)", [0, 0.5]), ("(]", [0.5, 1]), ("()", [0.5])],
)
def test_a_square_bracket_holds_its_end(ends, held):
    interval = Interval(0, 1, ends)
    assert VALUES[interval.holds(VALUES)].tolist() == held
    assert str(interval) == f"{ends[0]}0, 1{ends[1]}"


def test_any_finite_number_unless_an_end_is_named():
    assert Interval().holds(VALUES).all() and Interval(0).holds(np.array(1e300))
    assert not Interval(0).holds(np.array([math.nan, math.inf, -1e-300])).any()
    assert str(Interval(0)) == "[0, inf)"


class Asked(dict):
    """Hparams of any name, which remember which were asked for."""

    def __missing__(self, name):
        self[name] = jnp.asarray(0.5)
        return self[name]


def test_every_number_that_an_optimizer_or_a_schedule_reads_has_a_range():
    asked = Asked()
    for optimizer in OPTIMIZERS.values():
        optimizer(asked)
    for schedule in SCHEDULES.values():
        schedule(asked, jnp.asarray(3))
    assert set(asked) | {*starts.RANGES, "dropout"} == set(RANGES)
