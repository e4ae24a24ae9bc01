"""How long segments are taken to last, and how far the next ones go."""

import itertools

import pytest

from symmetry_jax.sweeps import pace
from symmetry_jax.sweeps.pace import MOST_GROWTH, SAVING_SHARE, SEGMENT_SECONDS, Pace

STEPS = 10**9


@pytest.fixture
def clock(monkeypatch):
    """Its last entry is the time."""
    times = [100.0]
    monkeypatch.setattr(pace.time, "perf_counter", lambda: times[-1])
    monkeypatch.setattr(pace.time, "monotonic", lambda: times[-1])
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


def saves(told, clock, cost, segments=2000, segment=1.0):
    """The times at which saving begins in so many segments, each of so many seconds; saving takes `cost` seconds."""
    begun = []
    for step in range(segments):
        clock.append(clock[-1] + segment)
        if told.is_due(step):
            begun.append(clock[-1])
            clock.append(clock[-1] + cost)
            told.saved(cost)
    return begun


@pytest.mark.parametrize("cost", [0.0, 0.1, 1.0])
def test_what_is_quick_to_save_is_saved_by_the_clock(clock, cost):
    begun = saves(Pace(0, 60.0), clock, cost)
    assert begun[0] == 160
    assert all(later - earlier == pytest.approx(60 + cost) for earlier, later in itertools.pairwise(begun))


@pytest.mark.parametrize("cost", [1.5, 5.0, 30.0])
def test_saving_takes_no_more_than_its_share(clock, cost):
    assert SAVING_SHARE == 0.02
    begun = saves(Pace(0, 60.0), clock, cost)
    assert len(begun) > 1 and all(later - earlier >= cost / 0.02 for earlier, later in itertools.pairwise(begun))
    assert all(later - earlier <= cost / 0.02 + cost + 1.0 for earlier, later in itertools.pairwise(begun))  # nor much less


def test_a_step_at_which_to_save_is_saved_whatever_it_costs(clock):
    told = Pace(50, 1e9)
    told.saved(100.0)
    assert [step for step in range(1, 201) if told.is_due(step)] == [50, 100, 150, 200]
    told.begin(STEPS)
    assert all(told.stop(step) <= step + 50 - step % 50 for step in range(200))


def test_results_are_written_when_they_have_waited(clock):
    told = Pace(0, 60.0)
    clock.append(109.9)
    assert not told.is_writing_due()
    clock.append(110.0)
    assert told.is_writing_due()
    told.wrote()
    assert not told.is_writing_due()
