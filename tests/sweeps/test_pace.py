"""How long segments are taken to last, and how far the next ones go."""

import itertools

import pytest

from symmetry_jax.sweeps import pace
from symmetry_jax.sweeps.pace import MOST_GROWTH, SEGMENT_SECONDS, Pace

STEPS = 10**9


@pytest.fixture
def clock(monkeypatch):
    """Its last entry is the time."""
    times = [100.0]
    monkeypatch.setattr(pace.time, "perf_counter", lambda: times[-1])
    return times


def test_a_segment_that_waited_for_another_lasts_from_the_end_of_that_one(clock):
    told = Pace(0, 60.0)
    told.begin(STEPS)
    clock.append(103.0)
    assert told.computed(10, begun=100.0) == 3.0
    clock.append(105.0)
    assert told.computed(10, begun=100.5) == 2.0  # begun while the first was computed
    clock.append(109.0)
    assert told.computed(10, begun=108.0) == 1.0  # nothing was computed before it


def test_segments_come_to_last_as_long_as_they_should(clock):
    told = Pace(0, 60.0)
    told.begin(STEPS)
    strides = []
    for _ in range(20):
        strides.append(told.stop(0))
        begun, _ = clock[-1], clock.append(clock[-1] + strides[-1] / 1e5)
        told.computed(strides[-1], begun)
    assert strides[-1] == pytest.approx(1e5 * SEGMENT_SECONDS, rel=1e-3)
    assert all(later <= MOST_GROWTH * earlier for earlier, later in itertools.pairwise(strides))
