"""Whether a study repeats its bits, which on a CPU it does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from trials import determinism
from trials.studies import walk

ROOT = Path(__file__).parent.parent.parent
MODES = ["as it is", "deterministic operations"]


@pytest.mark.slow
def test_on_a_cpu_every_bit_is_repeated(tmp_path):
    command = [sys.executable, "-m", "trials.determinism", f"--results={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "determinism_cpu.json").read_text())
    assert not any(arrays for found in record["differences"].values() for arrays in found.values())
    assert list(record["units_parted"]) == MODES
    for counts in record["units_parted"].values():
        assert counts["source minibatches"] == "0 of 16 runs" and set(counts) >= {"width 7", "width 8"}
    assert record["machine"]["devices"]["platform"] == "cpu"


def test_both_modes_are_computed_three_times(tmp_path, monkeypatch):
    ran = []

    def finish(command, workdir, cache, environment):
        ran.append((workdir, cache, environment["XLA_FLAGS"]))

    monkeypatch.setenv("XLA_FLAGS", "--mine=1")
    monkeypatch.setattr(determinism, "finish", finish)
    monkeypatch.setattr(determinism, "compare", lambda one, other: {"array": f"{one.name}, {other.name}"})
    found = determinism.repeat(walk, tmp_path)
    assert len({workdir for workdir, _, _ in ran}) == 6 and len({cache for _, cache, _ in ran}) == 4
    assert [flags for _, _, flags in ran] == ["--mine=1"] * 3 + ["--mine=1 --xla_gpu_deterministic_ops=true"] * 3
    assert list(found) == [*MODES, "one mode beside the other"]
    assert found["as it is"]["compiled anew"] == {"array": "first as it is, anew as it is"}
    assert found["one mode beside the other"] == {"first": {"array": f"first {MODES[0]}, first {MODES[1]}"}}


def test_what_differs_is_told_in_a_line():
    assert determinism.told({}) == "every bit is the same"
    arrays = {f"loss {number}": "by up to 0.1" for number in range(5)}
    assert determinism.told(arrays).startswith("5 arrays differ: loss 0 by up to 0.1; loss 1")
