"""What devices a process has, which needs processes of their own."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from symmetry_jax.sweeps.devices import core_count
from trials import devices

ALLOCATE = """
import ctypes, threading
from symmetry_jax import use_all_cores
from symmetry_jax.sweeps.devices import core_count

use_all_cores()
threads = 8 * core_count() + 20
together = threading.Barrier(threads)

def allocate():
    ctypes.CDLL(None).malloc(ctypes.c_size_t(10_000))
    together.wait()

every = [threading.Thread(target=allocate) for _ in range(threads)]
for thread in every: thread.start()
for thread in every: thread.join()
ctypes.CDLL(None).malloc_stats()
"""

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
def test_the_number_of_devices_changes_no_bit_also_half_way(tmp_path):
    """But for one device: XLA compiles otherwise for it."""
    command = [sys.executable, "-m", "trials.devices", f"--results={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "devices_cpu.json").read_text())["trained"]
    assert list(record) == list(devices.TRAINED)
    for digests in record.values():
        assert list(digests["all_runs"]) == ["1", "2", "4", "8"] and len({*list(digests["all_runs"].values())[1:]}) == 1
        assert digests["first_runs"] == digests["first_runs_alone"] != digests["all_runs"]
    assert len(record["tanh CNN"]["saved_and_restored_on"]) == 16


def test_bits_that_differ_are_told():
    same = {"1": "one", "2": "more", "4": "more"}
    found = {"all_runs": same, "first_runs": {"1": "a", "2": "b", "4": "b"}, "first_runs_alone": {"1": "a", "2": "b", "4": "b"}}
    restored = {"1 -> 1": "one", "1 -> 2": "mixed", "2 -> 1": "mixed too", "2 -> 4": "more"}
    assert [*devices.differences(found), *devices.differences(found | {"saved_and_restored_on": restored})] == []
    (told,) = devices.differences(found | {"all_runs": same | {"4": "others"}})
    assert told == "several devices differ from each other"
    (told,) = devices.differences(found | {"first_runs_alone": {"1": "a", "2": "b", "4": "c"}})
    assert told.startswith("on 4 devices")
    for numbers in ("1 -> 1", "2 -> 4"):
        (told,) = devices.differences(found | {"saved_and_restored_on": restored | {numbers: "mixed"}})
        assert told == f"saved and restored on devices {numbers}"


@pytest.mark.skipif(os.name != "posix" or not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="of glibc alone")
@pytest.mark.parametrize("chosen", [None, "3"])
def test_each_thread_has_an_arena_of_memory_unless_the_user_chose(chosen):
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    environment |= {"MALLOC_ARENA_MAX": chosen} if chosen else {}
    command = [sys.executable, "-c", ALLOCATE]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    arenas = done.stderr.count("Arena ")
    most = int(chosen) if chosen else 8 * core_count()  # as many as glibc makes if nobody asks for more
    assert 0 < arenas <= most if chosen else arenas > most
