"""A dozen kills, as `make chaos` does a hundred."""

import random

import pytest

from trials.chaos import chaos
from trials.studies import walk


@pytest.mark.slow
def test_a_study_that_is_killed_again_and_again_ends_with_the_bits_of_one_left_alone(tmp_path):
    record = chaos(walk, tmp_path, 12, random.Random(1))
    assert record["kills"] == 12 and len(record["by_signal"]) > 1 and record["arrays_compared_in_each"] > 10
    assert record["differences"] == record["leftovers"] == record["other_exits"] == []
