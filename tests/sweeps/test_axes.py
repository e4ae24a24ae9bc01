"""Axes: their texts, their product, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symmetry_jax.errors import InputError
from symmetry_jax.sweeps.axes import Axes, parse_axes, parse_axis


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


MALFORMED = """
| , | 1, | a b | 1: | 3:3 | 5:2 | 1.5:3 | log:0:1:4 | log:1:2 | lin:0:1:0 | log:1:10:x | nan | inf | -inf | 1e999
| log:1:inf:3 | 1:2:3 | tuple(range(8)) | 0:100000000000 | lin:0:1:100000000000"""


@pytest.mark.parametrize("text", [text.strip() for text in MALFORMED.split("|")])
def test_malformed_texts_are_told_with_what_is_allowed(text):
    with pytest.raises(InputError, match=r"axis seed=.*a union a,b,c, a:b") as caught:
        parse_axis("seed", text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, why", [("1,tanh", "mixes names and numbers"), ("1,2,1", "same value twice"), ("0,0.0", "twice")]
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


def test_zipped_axes_vary_together():
    axes = parse_axes({"seed": "0:2", "rate": "0.1,0.2", "decay": "3,4"}, "rate+decay")
    assert axes.dims == ("seed", "rate") and axes.size == 4
    np.testing.assert_array_equal(axes.runs()["decay"], [3, 4, 3, 4])
    assert axes == Axes.of({"seed": [0, 1], ("rate", "decay"): [(0.1, 3), (0.2, 4)]})


@pytest.mark.parametrize(
    "zipped, why", [("rate+none", "no axis 'none'"), ("seed+rate", "different lengths"), ("rate+rate", "named twice")]
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
