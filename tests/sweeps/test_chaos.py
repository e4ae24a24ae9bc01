"""A dozen kills, as `make chaos` does a hundred."""

import random
import signal

import pytest

from trials import chaos as trial
from trials.chaos import chaos
from trials.studies import walk


@pytest.mark.slow
def test_a_study_that_is_killed_again_and_again_ends_with_the_bits_of_one_left_alone(tmp_path):
    record = chaos(walk, tmp_path, 12, random.Random(1))
    assert record["kills"] == 12 and len(record["by_signal"]) > 1 and record["arrays_compared_in_each"] > 10
    assert record["machine"]["devices"]["count"] == 1  # the walk has one device, whatever this process has
    assert record["differences"] == record["leftovers"] == record["other_exits"] == []


def test_arrays_that_a_killed_study_lacks_or_has_more_are_told(tmp_path, monkeypatch):
    found = {"undisturbed": {"a": "1", "b": "2"}, "study0": {"a": "1"}, "study1": {"a": "1", "b": "2", "c": "3"}}
    kills = [trial.Kill(signal.SIGKILL, "any time", -signal.SIGKILL, 0.1)]
    monkeypatch.setattr(trial, "finish", lambda *arguments: "")
    monkeypatch.setattr(trial, "bits", lambda workdir: found[workdir.name])
    monkeypatch.setattr(trial, "_torment", lambda *arguments: kills)
    monkeypatch.setattr(trial, "machine_of", lambda workdir: {})
    assert chaos(walk, tmp_path, 2, random.Random(1))["differences"] == ["study0: b", "study1: c"]
