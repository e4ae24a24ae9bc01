"""Record steps, and the cutting of a program into segments."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symmetry_jax.errors import InputError
from symmetry_jax.sweeps.program import record_steps
from symmetry_jax.sweeps.segments import plan_segments


@given(st.integers(1, 3000), st.integers(2, 200), st.sampled_from(["even", "log"]))
def test_records_ascend_from_the_first_state_to_the_last(steps, count, spacing):
    records = record_steps(steps, count, spacing)
    assert records[0] == 0 and records[-1] == steps
    assert list(records) == sorted(set(records)) and len(records) <= count


def test_spacings():
    assert record_steps(100, 6, "even") == (0, 20, 40, 60, 80, 100)
    assert record_steps(1000, 5, "log") == (0, 1, 10, 100, 1000)
    assert record_steps(3, 50, "even") == (0, 1, 2, 3)


@pytest.mark.parametrize("steps, count", [(0, 5), (-3, 5), (10, 1)])
def test_too_few_steps_or_records(steps, count):
    with pytest.raises(InputError, match="at least 1 step and 2 records"):
        record_steps(steps, count, "even")


@given(st.integers(1, 2000), st.integers(2, 100), st.sampled_from(["even", "log"]), st.integers(1, 60))
def test_segments_pass_every_step_once_and_every_record_once(steps, count, spacing, pieces):
    records = record_steps(steps, count, spacing)
    plan = plan_segments(records, pieces)
    assert len({len(segment.spans) for segment in plan}) == 1
    spans = [span for segment in plan for span in segment.spans]
    forward = [span for span in spans if span[0] < span[1]]
    assert forward[0][0] == 0 and forward[-1][1] == steps
    assert all(earlier[1] == later[0] for earlier, later in itertools.pairwise(forward))
    assert spans[len(forward) :] == [(steps, steps)] * (len(spans) - len(forward))
    assert tuple(segment.spans[row][0] for segment in plan for row in segment.rows) == records
    assert sum(segment.steps for segment in plan) == steps


@given(st.integers(10, 2000), st.integers(1, 50))
def test_no_span_is_longer_than_its_share(steps, pieces):
    plan = plan_segments(record_steps(steps, 2, "even"), pieces)
    assert max(last - first for segment in plan for first, last in segment.spans) <= -(-steps // pieces)
