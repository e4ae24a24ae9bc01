"""Which process is at work on a study, and whether it still is; known without jax, so that who asks has the answer at once."""

import os
import socket
from collections.abc import Mapping
from typing import Any

import psutil

SAME_SECONDS = 2.0  # by which the start of one process may seem to move, since clocks are set


def this_process() -> dict[str, Any]:
    """Which process is at work; its number alone does not tell, since numbers are used again."""
    return {"process": os.getpid(), "process_started": psutil.Process().create_time(), "host": socket.gethostname()}


def is_alive(process: Mapping[str, Any]) -> bool | None:
    """Whether such a process is running; None if that cannot be told, as of one on another host."""
    if process["host"] != socket.gethostname():
        return None
    try:
        found = psutil.Process(process["process"])
        started = found.create_time()
        is_same = abs(started - process.get("process_started", started)) < SAME_SECONDS  # earlier versions did not keep it
        return is_same and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return None
