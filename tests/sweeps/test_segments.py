"""Record steps, and the cutting of a program into segments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symmetry_jax.errors import InputError
from symmetry_jax.sweeps.program import record_steps
from symmetry_jax.sweeps.segments import next_segment, whole


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


@given(st.integers(1, 2000), st.integers(2, 100), st.sampled_from(["even", "log"]), st.integers(2, 12), st.randoms())
def test_segments_pass_every_step_once_and_every_record_once(steps, count, spacing, room, random):
    records = record_steps(steps, count, spacing)
    step, read = 0, []
    while step < steps:
        stop = step + random.randint(1, steps)
        segment = next_segment(records, step, stop, room)
        assert segment.begin == step < segment.end <= min(stop, steps)
        assert len(segment.records) <= segment.room == room and segment.first == len(read)
        assert all(step <= record < segment.end or record == steps for record in segment.records)
        read += segment.records
        step = segment.end
    assert tuple(read) == records


@given(st.integers(1, 2000), st.integers(2, 100), st.sampled_from(["even", "log"]))
def test_a_program_fits_in_one_segment(steps, count, spacing):
    records = record_steps(steps, count, spacing)
    segment = whole(records)
    assert (segment.begin, segment.end, segment.records, segment.room) == (0, steps, records, len(records))
