"""Whether the process that is at work on a study is still there."""

import subprocess
import sys

import psutil

from symmetry_jax.reports.status import status
from symmetry_jax.sweeps.presence import is_alive, this_process
from symmetry_jax.sweeps.sealed import read_sealed, write_sealed
from symmetry_jax.sweeps.workdir import PROGRESS
from trials import walks


def test_a_process_that_runs_is_alive():
    assert is_alive(this_process()) is True


def test_a_process_whose_number_is_in_use_again_is_not():
    assert is_alive(this_process() | {"process_started": psutil.Process().create_time() - 60}) is False


def test_a_process_that_ended_is_not_though_nobody_waited_for_it():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    there = this_process() | {"process": child.pid, "process_started": psutil.Process(child.pid).create_time()}
    assert is_alive(there) is True
    child.kill()
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert is_alive(there) is False
    child.communicate()
    assert is_alive(there) is False


def test_of_a_process_on_another_host_it_is_not_known():
    assert is_alive(this_process() | {"host": "elsewhere"}) is None


def test_status_tells_a_study_that_died_from_one_that_runs(tmp_path):
    walks.run(tmp_path)
    manifest, progress = read_sealed(tmp_path / "manifest.json"), read_sealed(tmp_path / PROGRESS)
    write_sealed(tmp_path / "manifest.json", {name: value for name, value in manifest.items() if name != "finished"})
    assert "walk: running (process" in status(tmp_path)
    write_sealed(tmp_path / PROGRESS, progress | {"process_started": progress["process_started"] - 60})
    assert "walk: stopped (process" in status(tmp_path)
