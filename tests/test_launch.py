"""The scripts for clusters, with stand-ins for the commands of a cluster."""

import os
import subprocess
from pathlib import Path

import pytest

LAUNCH = Path(__file__).parent.parent / "launch"
ERROR = "error: --workdir=/shared/DIR holds something else"
LOST = "srun: error: node1: task 3: Killed"


@pytest.fixture
def cluster(tmp_path):
    """Runs a script where srun and gcloud say a line and end with a code; how it ends, and what was called."""
    calls = tmp_path / "calls"
    stand_in = '#!/bin/sh\necho "${0##*/} $*" >> "$CALLS"\necho "$LINE" >&2\nexit "$CODE"\n'
    for name in ("srun", "gcloud", "scontrol"):
        (tmp_path / name).write_text(stand_in)
        (tmp_path / name).chmod(0o755)

    def run(script, code, line, **variables):
        calls.write_text("")
        known = {"SLURM_JOB_ID": "7", "NAME": "tpu", "ZONE": "zone", "PAUSE": "0.05", "MOST_RESTARTS": "3"}
        path = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(calls)}
        environment = os.environ | path | known | {"CODE": str(code), "LINE": line} | variables
        command = ["bash", LAUNCH / script, "--config=configs/a.py", "--workdir=a b"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        assert line in done.stdout
        return done.returncode, calls.read_text().splitlines()

    return run


@pytest.mark.parametrize(
    "code, line, ends, requeued",
    [
        (0, "report: page", 0, False),
        (1, ERROR, 1, False),
        (75, "interrupted: the same command goes on", 75, True),
        (137, LOST, 137, True),
        (143, ERROR, 1, False),  # the others were ended for the one that told it
        (75, ERROR, 1, False),
        (1, "Traceback (most recent call last):", 1, False),
        (2, "no such file", 2, False),
    ],
)
def test_slurm_requeues_what_can_go_on(code, line, ends, requeued, cluster):
    returned, calls = cluster("slurm.sh", code, line)
    assert returned == ends
    assert calls[0] == "srun --kill-on-bad-exit=1 python -m symmetry_jax run --distributed --config=configs/a.py --workdir=a b"
    assert calls[1:] == (["scontrol requeue 7"] if requeued else [])


def test_slurm_does_not_requeue_for_ever(cluster):
    assert len(cluster("slurm.sh", 137, LOST, SLURM_RESTART_COUNT="2")[1]) == 2
    assert len(cluster("slurm.sh", 137, LOST, SLURM_RESTART_COUNT="3")[1]) == 1


@pytest.mark.parametrize(
    "code, line, ends, calls",
    [
        (0, "report: page", 0, 1),
        (1, ERROR, 1, 1),
        (134, ERROR, 1, 1),
        (75, "interrupted: the same command goes on", 75, 4),
        (255, "ssh: connect to host tpu port 22: Connection refused", 255, 4),
    ],
)
def test_a_pod_is_asked_again_with_a_pause_and_not_for_ever(code, line, ends, calls, cluster):
    returned, called = cluster("tpu_pod.sh", code, line)
    assert returned == ends and len(called) == calls
    assert "--distributed --config=configs/a.py --workdir=a\\ b" in called[0]
