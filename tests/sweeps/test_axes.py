"""Axes: their texts, their product, and what is refused."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symmetry_jax.errors import InputError
from symmetry_jax.sweeps.axes import MOST_POINTS, MOST_RUNS, Axes, parse_axes, parse_axis


@pytest.mark.parametrize(
    "text, values",
    [
        ("3", (3,)),
        ("0.1", (0.1,)),
        ("-2,7", (-2, 7)),
        ("0:4", (0, 1, 2, 3)),
        ("2:4,9", (2, 3, 9)),
        ("lin:0:1:5", (0, 0.25, 0.5, 0.75, 1)),
        ("0,log:1e-3:1:4", (0, 1e-3, 1e-2, 1e-1, 1)),
        ("tanh, relu", ("tanh", "relu")),
        ("1e-7", (1e-7,)),
    ],
)
def test_texts(text, values):
    assert parse_axis("x", text) == values


MALFORMED = "| , | 1, | a b | 1: | 1.5:3 | log:1:2 | log:1:10:x | 1:2:3 | tuple(range(8))"


@pytest.mark.parametrize("text", [text.strip() for text in MALFORMED.split("|")])
def test_malformed_texts_are_told_with_what_is_allowed(text):
    with pytest.raises(InputError, match=r"axis seed=.*a union a,b,c, a:b") as caught:
        parse_axis("seed", text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "terms, why",
    [
        ("3:3 5:2 lin:0:1:0 log:1:2:-1", "has 0 points, and 1 to 1,000,000 are possible"),
        ("0:1000001 log:1:2:1000001 lin:1:2:1000001", "has 1,000,001 points"),
        ("nan NaN inf -inf Infinity 1e999 log:1:inf:3 lin:nan:0:2", "values are finite"),
        ("log:0:1:4 log:1:0:4 log:-1:1:4", "the same sign, and neither is 0"),
        ("lin:-1e308:1e308:3 log:-1e308:1e308:3", "the distance between the ends is finite"),
        (f"{2**63} {-(2**63)} {2**63}:{2**63 + 2}", "whole numbers are at most 9223372036854775807"),
    ],
)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_terms_that_cannot_be_are_told_with_what_is_possible(terms, why):
    for term in terms.split():
        with pytest.raises(InputError, match=f"axis seed='7,{term}': '{term}' cannot be: .*{why}") as caught:
            parse_axis("seed", f"7,{term}")
        assert "\n" not in str(caught.value)


def test_more_points_and_more_runs_than_can_be():
    assert len(parse_axis("seed", f"0:{MOST_POINTS}")) == MOST_POINTS
    with pytest.raises(InputError, match=r"axis seed=.* has 1,200,000 points: at most 1,000,000 are possible"):
        parse_axis("seed", "0:600000,600000:1200000")
    large = {"seed": "0:4000", "epsilon": "0:2500", "rate": "0.1"}
    assert parse_axes(large).size == MOST_RUNS
    with pytest.raises(InputError, match="seed 4,000 x epsilon 2,501 make 10,004,000 runs: at most 10,000,000"):
        parse_axes(large | {"epsilon": "0:2501"})


@pytest.mark.parametrize(
    "text, why", [("1,tanh", "mixes names and numbers"), ("1,2,1", "same value twice: 1"), ("0,0.0", "twice")]
)
def test_values_that_do_not_go_together(text, why):
    with pytest.raises(InputError, match=why):
        parse_axes({"x": text})


@given(st.lists(st.integers(-1000, 1000), min_size=1, unique=True))
def test_unions_come_back_as_written(values):
    assert parse_axis("x", ",".join(map(str, values))) == tuple(values)


@given(st.floats(1e-9, 1e9), st.floats(1.01, 1e6), st.integers(2, 30))
def test_log_axes_have_equal_ratios_and_the_ends_asked_for(first, ratio, count):
    values = np.array(parse_axis("x", f"log:{first!r}:{first * ratio!r}:{count}"))
    np.testing.assert_allclose(values[[0, -1]], [first, first * ratio], rtol=1e-11)
    np.testing.assert_allclose(np.diff(np.log(values)), np.log(ratio) / (count - 1), rtol=1e-6)


def test_runs_are_the_product_with_the_last_axis_fastest():
    axes = parse_axes({"seed": "0:2", "epsilon": "0,1e-3,1"})
    runs = axes.runs()
    assert axes.dims == ("seed", "epsilon") and axes.shape == (2, 3) and axes.size == 6
    np.testing.assert_array_equal(runs["seed"], [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(runs["epsilon"], [0, 1e-3, 1, 0, 1e-3, 1])


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 3))
def test_runs_are_the_values_at_the_indices_of_the_grid(shape, zipped):
    names = [(f"x{place}", f"y{place}") if place == zipped else (f"x{place}",) for place in range(len(shape))]
    axes = Axes.of(
        {name: [(value, -value)[: len(name)] for value in range(size)] for name, size in zip(names, shape, strict=True)}
    )
    grid = np.indices(shape).reshape(len(shape), -1)
    runs = axes.runs()
    assert list(runs) == list(axes.names)
    for place, index in enumerate(grid):
        np.testing.assert_array_equal(runs[f"x{place}"], index)
        if place == zipped:
            np.testing.assert_array_equal(runs[f"y{place}"], -index)


def test_a_setting_of_one_value_takes_no_memory_in_any_number_of_runs():
    runs = parse_axes({"seed": "0:1000", "rate": "0.1", "name": "tanh"}).runs()
    assert [values.strides for values in runs.values()] == [(8,), (0,), (0,)]
    assert [values.shape for values in runs.values()] == [(1000,)] * 3


def test_no_axes_make_one_run():
    assert Axes(()).runs() == {} and Axes(()).size == 1


def test_zipped_axes_vary_together():
    axes = parse_axes({"seed": "0:2", "rate": "0.1,0.2", "decay": "3,4"}, "rate+decay")
    assert axes.dims == ("seed", "rate") and axes.size == 4
    np.testing.assert_array_equal(axes.runs()["decay"], [3, 4, 3, 4])
    assert axes == Axes.of({"seed": [0, 1], ("rate", "decay"): [(0.1, 3), (0.2, 4)]})


@pytest.mark.parametrize(
    "zipped, why",
    [
        ("rate+none", "no axis 'none'"),
        ("rate+", "no axis ''"),
        (",", "no axis ''"),
        ("seed+rate", "different lengths"),
        ("rate+rate", "named twice"),
        ("rate,seed", "axis 'rate' is alone: join what varies together by +"),
    ],
)
def test_axes_that_cannot_be_zipped(zipped, why):
    with pytest.raises(InputError, match=why):
        parse_axes({"seed": "0:3", "rate": "0.1,0.2"}, zipped)


def test_static_axes_split_off_in_front():
    axes = parse_axes({"activation": "tanh,relu", "seed": "0:2", "width": "8,16"})
    points = axes.split(("activation", "width"))
    assert [static for static, _ in points] == [
        {"activation": name, "width": width} for name in ("tanh", "relu") for width in (8, 16)
    ]
    assert all(inner.dims == ("seed",) for _, inner in points)


def test_static_settings_may_be_zipped_with_each_other_only():
    together = parse_axes({"activation": "tanh,relu", "width": "8,16"}, "activation+width")
    assert [static for static, _ in together.split(("activation", "width"))] == [
        {"activation": "tanh", "width": 8},
        {"activation": "relu", "width": 16},
    ]
    with pytest.raises(InputError, match="changes the program"):
        together.split(("activation",))


def test_axes_without_cut_and_fixed():
    axes = parse_axes({"seed": "0:5", "rate": "0.1,0.2"})
    assert axes.without("rate").dims == ("seed",)
    assert axes.cut("seed", 2).shape == (2, 2)
    assert set(axes.fix("rate", 0.5).runs()["rate"]) == {0.5}


def test_a_zipped_setting_may_repeat_values_and_be_dropped_alone():
    axes = parse_axes({"rate": "0.1,0.2,0.3", "decay": "1,1,2"}, "rate+decay")
    assert axes.without("decay") == parse_axes({"rate": "0.1,0.2,0.3"})
    assert axes.without("rate") == parse_axes({"decay": "1,2"})
    assert axes.fix("decay", 0).runs()["decay"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("values", [np.arange(3), np.float32([0, 0.25]), jnp.arange(3), range(3), (True, 0.5)])
def test_values_of_any_library_are_plain(values):
    (axis,) = Axes.of({"shift": values}).axes
    assert [point[0] for point in axis.points] == np.asarray(values).tolist()
    assert {type(point[0]).__module__ for point in axis.points} == {"builtins"}


@pytest.mark.parametrize(
    "values, why",
    [
        ({"seed": 3}, "axis seed: 3 is no sequence of values"),
        ({"seed": "0:3"}, "axis seed: '0:3' is no sequence of values"),
        ({"seed": np.array(3)}, "axis seed: array\\(3\\) is no sequence of values"),
        ({"rate": b"12"}, "axis rate: b'12' is no sequence of values"),
        ({"rate": [0.5, None]}, "axis rate: None is no number and no name"),
        ({"rate": [(1, (2, 3))]}, r"axis rate: \(1, \(2, 3\)\) is no number and no name"),
        ({("rate", "shift"): [(1, (2, 3))]}, r"axis rate\+shift: \(2, 3\) is no number and no name"),
        ({("rate", "shift"): ["ab"]}, r"axis rate\+shift: 'ab' is no point: 2 values are"),
        ({"rate": [(1, 2)]}, r"axis rate: \(1, 2\) is no number and no name"),
        ({("rate", "shift"): [(1, 2, 3)]}, r"axis rate\+shift: \(1, 2, 3\) is no point: 2 values are"),
        ({("rate", "shift"): [1, 2]}, r"axis rate\+shift: 1 is no point: 2 values are"),
        ({"rate": [0.5, 1, 0.5]}, "axis rate has the same value twice: 0.5"),
    ],
)
def test_what_is_no_axis_is_told(values, why):
    with pytest.raises(InputError, match=why):
        Axes.of(values)
