"""Several processes at one study, connected by jax.distributed on this machine."""

import errno
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from jax.errors import JaxRuntimeError

from symmetry_jax import load_results, load_run
from symmetry_jax.errors import DamagedError, InputError
from symmetry_jax.sweeps import hosts

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 120  # seconds


def start(workdir, *where, devices=1, **variables):
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(devices), "JAX_PLATFORMS": "cpu"} | variables
    command = [sys.executable, "-m", "trials.walking", workdir, *map(str, where)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start_two(workdir):
    address = f"127.0.0.1:{free_port()}"
    return [start(workdir, address, 2, process) for process in range(2)]


def start_two_as_slurm_does(workdir):
    """With the variables that Slurm sets for a task, from which jax finds the rest."""
    job = {"SLURM_JOB_ID": str(free_port()), "SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_NTASKS": "2"}
    tasks = ({"SLURM_PROCID": str(task), "SLURM_LOCALID": str(task)} for task in range(2))
    return [start(workdir, "found", **job, **task) for task in tasks]


def end(process):
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    return said


def assert_same(workdir, other):
    for sweep in ("there", "back"):
        xr.testing.assert_identical(load_results(workdir, sweep), load_results(other, sweep))
    for push in (1.0, 2.0, 3.0):
        np.testing.assert_array_equal(load_run(workdir, start=5.0, push=push), load_run(other, start=5.0, push=push))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The study on one process with two devices."""
    workdir = tmp_path_factory.mktemp("alone") / "work"
    end(start(workdir, devices=2))
    return workdir


def test_two_processes_are_as_one_and_write_once(alone, tmp_path):
    first, second = start_two_as_slurm_does(tmp_path / "work")
    assert "2 hosts" in end(first) and "2 hosts" not in end(second)
    assert_same(tmp_path / "work", alone)
    manifest = json.loads((tmp_path / "work" / "manifest.json").read_text())
    assert manifest["processes"] == 2 and manifest["devices"]["count"] == 2 and len(manifest["programs"]) == 3


def test_a_lost_process_ends_the_job_and_another_number_of_processes_goes_on(alone, tmp_path):
    workdir = tmp_path / "work"
    first, second = start_two(workdir)
    deadline = time.monotonic() + PATIENCE
    while len(list(workdir.glob("checkpoints/000/0001/*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    second.kill()
    first.communicate(timeout=PATIENCE)
    assert first.returncode not in (0, None)
    assert "finished" not in json.loads((workdir / "manifest.json").read_text())
    end(start(workdir, devices=1))
    assert_same(workdir, alone)
    manifest = json.loads((workdir / "manifest.json").read_text())
    assert manifest["processes"] == 2 and manifest["resumed"][-1]["processes"] == 1


@pytest.mark.slow
def test_two_processes_go_on_where_they_were_stopped(alone, tmp_path):
    workdir = tmp_path / "work"
    processes = start_two(workdir)
    deadline = time.monotonic() + PATIENCE
    while not list(workdir.glob("checkpoints/000/0001/*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    processes[1].terminate()  # the signal comes to one of them, and all leave
    assert [process.communicate(timeout=PATIENCE) and process.returncode for process in processes] == [75, 75]
    for process in start_two(workdir):
        end(process)
    assert_same(workdir, alone)


@pytest.mark.parametrize(
    "error, told",
    [
        (ValueError("UNKNOWN: Gloo all-reduce failed: Connection closed by peer [127.0.0.1]:3245"), True),
        (JaxRuntimeError("UNAVAILABLE: Socket closed"), True),
        (JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory"), False),
        (JaxRuntimeError("INTERNAL: CpuCallback error calling callback: ZeroDivisionError"), False),
        (JaxRuntimeError("INTERNAL: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered"), False),
        (JaxRuntimeError("INTERNAL: compiling the module failed"), False),
        (ValueError("the socket is of another size"), False),
        (KeyError("UNKNOWN: a mistake of ours"), False),
    ],
)
def test_what_is_said_of_a_lost_process_is_known(error, told):
    assert hosts.tells_of_others(error) is told


def test_on_one_host_nothing_is_sent():
    assert hosts.is_first() and hosts.on_first(lambda: {"a": 1}) == {"a": 1}
    assert hosts.anywhere(True) and not hosts.anywhere(False)
    np.testing.assert_array_equal(hosts.combine(np.arange(3)), [0, 1, 2])


@pytest.fixture
def two(monkeypatch):
    """Calls a function as each of two processes would, the first one first: what the first one sends is what both hear."""
    sent = []

    def broadcast(content):
        sent.append(json.dumps(content))
        return json.loads(sent[0])

    monkeypatch.setattr(hosts, "is_alone", lambda: False)
    monkeypatch.setattr(hosts, "_broadcast", broadcast)

    def each(function):
        for process in range(2):
            monkeypatch.setattr(hosts, "is_first", lambda process=process: process == 0)
            yield lambda: hosts.on_first(function)

    return each


@pytest.mark.parametrize(
    "error",
    [
        InputError("tile=-1: 0 or more"),
        DamagedError("its labels are not what was written"),
        OSError(errno.ENOSPC, "No space left on device"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "work/config.json"),
        BrokenPipeError(errno.EPIPE, "Broken pipe"),
        OSError("cannot be mapped"),
    ],
)
def test_what_the_first_process_cannot_do_ends_all_alike(error, two):
    def fail():
        raise error

    for call in two(fail):
        with pytest.raises(type(error)) as caught:
            call()
        assert str(caught.value) == str(error) and type(caught.value) is type(error)
        assert getattr(caught.value, "strerror", None) == getattr(error, "strerror", None)


def test_processes_that_cannot_be_reached():
    with pytest.raises(InputError, match="cannot be connected"):
        hosts.connect(None, None, None)
