"""Which process is at work on a study, and whether it still is; known without jax, so that who asks has the answer at once."""

import os
import socket
from collections.abc import Mapping
from typing import Any

import psutil


def this_process() -> dict[str, Any]:
    """Which process is at work."""
    return {"process": os.getpid(), "host": socket.gethostname()}


def is_alive(process: Mapping[str, Any]) -> bool | None:
    """Whether such a process is running; None if it is on another host."""
    return psutil.pid_exists(process["process"]) if process["host"] == socket.gethostname() else None
