"""What a report makes of results in which there is nothing to show."""

import dataclasses
import json
import math

import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from symmetry_jax.reports import report
from symmetry_jax.sweeps.study import Claim, Picture
from trials import walks


@pytest.fixture
def pictured(tmp_path):
    """Makes the report of a finished walk with another figure."""
    walks.run(tmp_path)

    def draw(figure: Figure) -> None:
        picture = Picture("panels", figure, "")
        report.write_report(dataclasses.replace(walks.STUDY, pictures=lambda results: [picture]), tmp_path)
        assert (tmp_path / "report" / "panels.png").exists()

    return draw


def test_a_figure_without_a_number_is_drawn(pictured):
    figure, panel = plt.subplots()
    panel.plot([1, 2], [math.nan, math.nan])
    panel.set(xscale="log", yscale="log")
    pictured(figure)
    assert panel.get_yscale() == "linear"


def test_a_panel_without_a_number_leaves_those_alone_that_share_its_axes(pictured):
    figure, (filled, empty) = plt.subplots(1, 2, sharex=True, sharey=True)
    filled.plot([1, 2], [1e-3, 1e3])
    filled.set(xscale="log", yscale="log")
    pictured(figure)
    assert {panel.get_yscale() for panel in (filled, empty)} == {"log"}


@pytest.mark.parametrize("numbers", [[1, 1.4e282], [1e-300, 1e300], [1, 1.7e308], [1e250, 1e260], [1e-305, 1]])
def test_numbers_near_the_largest_and_the_least_are_drawn(numbers, pictured):
    figure, panel = plt.subplots()
    panel.plot([1, 2], numbers)
    panel.set(yscale="log")
    pictured(figure)
    low, high = panel.get_ylim()
    assert panel.get_yscale() == "log" and low <= min(numbers) and max(numbers) <= high


@pytest.mark.parametrize("expected, tolerance", [(math.nan, 1.0), (math.inf, 1.0), (0.0, math.inf), (0.0, math.nan)])
def test_a_claim_whose_expectation_is_not_known_does_not_hold(expected, tolerance):
    claim = Claim.near("rate", "Growth", expected, 1.0, tolerance)
    assert not claim.holds and "not known" in report.claim_line(claim)
    assert json.dumps(claim.to_json(), allow_nan=False)
