"""Several hosts at one study: `jax.distributed` connects them, the first decides and writes, all compute.

The same code runs on one host, where nothing is sent.
"""

import json
import re
import signal
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jax.errors import JaxRuntimeError
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec

from symmetry_jax.errors import DamagedError, InputError, reason

Answer = TypeVar("Answer")

BLOCK = 4096  # bytes
# what XLA names when processes do not reach each other; a mistake in a computation comes as the same kind of error
REACHING = re.compile(r"[A-Z_]+: .*\b(gloo|nccl|mpi|coordination|heartbeat|socket|connection|barrier)", re.IGNORECASE)
LOST_SECONDS = 20  # without a sign of life from a process, after which the others end


def connect(coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Joins this process to the others, before anything else uses jax.

    Args:
        coordinator: host:port of the first process; None where jax finds it by itself (Slurm, TPU pods, GKE, MPI).
        processes: how many there are; None with `coordinator`.
        process: the number of this one, from 0; None with `coordinator`.

    Raises:
        InputError: if they cannot be found or reached.
    """
    try:
        heard = signal.getsignal(signal.SIGTERM)
        jax.distributed.initialize(coordinator, processes, process, heartbeat_timeout_seconds=LOST_SECONDS)
        signal.signal(signal.SIGTERM, heard)  # jax keeps the signal to itself otherwise
    except (ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [repr(error)])[0]
        raise InputError(f"--distributed: the processes cannot be connected: {reason}") from error


def tells_of_others(error: Exception) -> bool:
    """Whether an error is one of what all processes do together, in the words of XLA and its collectives."""
    return isinstance(error, JaxRuntimeError | ValueError) and REACHING.match(reason(error)) is not None


def is_alone() -> bool:
    """Whether this process is the only one."""
    return jax.process_count() == 1


def is_first() -> bool:
    """Whether this process is the one that decides and writes."""
    return jax.process_index() == 0


def on_first(function: Callable[[], Answer]) -> Answer:
    """What a function returns on the first process, on all of them; it must be plain data.

    Raises:
        InputError, DamagedError, OSError: on all processes, if the function raises it on the first.
    """
    if is_alone():
        return function()
    answer: dict[str, Any] = {}
    if is_first():
        try:
            answer = {"value": function()}
        except InputError as error:
            answer = {"error": str(error)}
        except DamagedError as error:
            answer = {"damage": str(error)}
        except OSError as error:
            answer = {"os_error": _arguments(error)}
    answer = _broadcast(answer)
    if "error" in answer:
        raise InputError(answer["error"])
    if "damage" in answer:
        raise DamagedError(answer["damage"])
    if "os_error" in answer:
        raise OSError(*answer["os_error"])  # of the same kind, which its number tells
    return answer["value"]


def _arguments(error: OSError) -> list[int | str]:
    """What makes such an error again, as plain data."""
    if error.errno is None or error.strerror is None:
        return [str(error)]
    return [error.errno, error.strerror, *([str(error.filename)] if error.filename is not None else [])]


def anywhere(flag: bool) -> bool:
    """Whether a flag is set on any process."""
    return flag if is_alone() else bool(np.any(multihost_utils.process_allgather(np.array(flag))))


def gather(tree: Any) -> Any:
    """Arrays that are spread over devices, within reach of every host; it is not waited for."""
    if is_alone():
        return tree
    everywhere = jax.tree.map(lambda array: NamedSharding(array.sharding.mesh, PartitionSpec()), tree)
    return jax.jit(_unchanged, out_shardings=everywhere)(tree)


def _unchanged(tree: Any) -> Any:
    return tree


def combine(parts: np.ndarray) -> np.ndarray:
    """The sum over processes of integer arrays in which each filled in its own part and left 0 elsewhere."""
    if is_alone():
        return parts
    return np.asarray(multihost_utils.process_allgather(parts)).sum(axis=0, dtype=parts.dtype)


def _broadcast(content: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(content).encode()
    length = int(multihost_utils.broadcast_one_to_all(np.int32(len(text))))
    padded = -(-length // BLOCK) * BLOCK  # few sizes, since each is another program
    block = np.frombuffer(text.ljust(padded)[:padded], np.uint8)
    return json.loads(bytes(multihost_utils.broadcast_one_to_all(block)))
