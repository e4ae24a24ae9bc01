"""A dozen kills, as `make chaos` does a hundred."""

import random

from trials.chaos import chaos
from trials.studies import walk


def test_a_study_that_is_killed_again_and_again_ends_with_the_bits_of_one_left_alone(tmp_path):
    record = chaos(walk, tmp_path, 12, random.Random(1))
    assert record["kills"] == 12 and len(record["by_signal"]) == 3 and len(record["by_moment"]) == 3
    assert record["arrays_compared_in_each"] > 10
    assert not record["differences"] and not record["leftovers"]
    assert not record["other_exits"]
