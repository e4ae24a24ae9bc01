"""What is checked of the numbers of a sweep, and when."""

import numpy as np
import pytest

from symmetry_jax.errors import InputError
from symmetry_jax.learning.intervals import Interval
from symmetry_jax.learning.process import Process
from symmetry_jax.sweeps.axes import Axes
from symmetry_jax.sweeps.program import Program
from symmetry_jax.sweeps.ranges import check_numbers

RANGES = {"rate": Interval(0, 1), "width": Interval(0, ends="()"), "copies": Interval(1, whole=True)}


def check(precision="float32", **values):
    check_numbers(Axes.of(values), RANGES, precision)


@pytest.mark.parametrize(
    "values",
    [
        {"seed": [0, 7, 2**31 - 1]},
        {"seed": range(3), "rate": [0, 0.5], "width": [1e-30, 1e30], "shift": [-5, 0, 5]},
        {"seed": np.arange(3), "rate": np.linspace(0, 0.9, 4)},
        {("rate", "width"): [(0.5, 1), (0.5, 2)]},
    ],
)
def test_numbers_that_can_be(values):
    check_numbers(Axes.of(values), RANGES, "float32")


@pytest.mark.parametrize(
    "values, message",
    [
        ({"rate": [0.5, 1]}, r"axis rate: 1\.0 is outside of \[0, 1\) in float32"),
        ({"rate": [-1]}, r"axis rate: -1 is outside of \[0, 1\)"),
        ({"width": [1, 0]}, r"axis width: 0 is outside of \(0, inf\)"),
        ({("shift", "rate"): [(1, 0.5), (2, 1.5)]}, r"axis rate: 1\.5"),
        ({"shift": []}, "axis shift has no values"),
        ({"shift": [1, "two"]}, "axis shift: 'two' is a name, but shift is a number"),
        ({"shift": [True, False]}, "axis shift: True is no number, but shift is a number"),
        ({"shift": [1, 2**70]}, "axis shift: a whole number is more than 64 bits hold"),
        ({"copies": [2.5]}, r"axis copies: 2.5 is outside of the whole numbers of \[1, inf\)"),
        ({"shift": [np.nan]}, "axis shift: nan cannot be in float32"),
        ({"shift": [np.inf]}, "axis shift: inf cannot be in float32"),
        ({"shift": [0, -1e-40]}, r"axis shift: -1e-40 cannot be in float32: 0, or from 1\.18e-38 to 3\.4e\+38 in size"),
        ({"shift": [2**24, 2**24 + 1]}, "16777216 and 16777217 are the same number in float32"),
        ({"seed": [0.0]}, "seeds are whole numbers from 0 to 2147483647"),
        ({"seed": [3, -1]}, "axis seed: -1"),
    ],
)
def test_numbers_that_cannot_be(values, message):
    with pytest.raises(InputError, match=message):
        check_numbers(Axes.of(values), RANGES, "float32")


def test_a_number_is_what_the_precision_makes_of_it():
    almost = 1 - 1e-9
    check("float64", rate=[almost], shift=[1e-300, 1e300, 2**24, 2**24 + 1])
    with pytest.raises(InputError, match=rf"{almost!r} is outside of \[0, 1\) in float32"):
        check("float32", rate=[almost])


def test_a_program_is_refused_when_it_is_built():
    process = Process(lambda *_: None, lambda *_: None, {"rate": Interval(0)})
    Program("walk", process, (), Axes.of({"rate": [0, 1]}), (), (0, 1))
    with pytest.raises(InputError, match="axis rate: -1"):
        Program("walk", process, (), Axes.of({"rate": [-1]}), (), (0, 1))
    with pytest.raises(InputError, match="walk: 2,147,483,647 steps: at most 2,147,483,646 are possible"):
        Program("walk", process, (), Axes.of({"rate": [0]}), (), (0, 2**31 - 1))
    with pytest.raises(InputError, match="walk: no axes: one is needed"):
        Program("walk", process, (), Axes(()), (), (0, 1))
