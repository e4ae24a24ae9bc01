"""What is said to a user whose input cannot be used, or whose study has to stop: one line, no traceback."""

import errno
import os
from collections.abc import Iterable, Iterator
from typing import TypeVar

Entry = TypeVar("Entry")

INTERRUPTED = 75  # the exit code that says by convention: try again; batch systems requeue
GO_ON = "the same command goes on from what was saved"

# what damage does to a file; whatever else keeps it from being read is a fault of the machine, which may pass
DAMAGES = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EFBIG, errno.ENAMETOOLONG, errno.EILSEQ)
# such faults, where a library tells of them in its own exceptions
FAULTS = (
    "can't start new thread",
    *map(
        os.strerror,
        (
            *(errno.EMFILE, errno.ENFILE, errno.EIO, errno.EACCES, errno.EPERM, errno.ESTALE, errno.EBUSY, errno.ETIMEDOUT),
            *(errno.ENOMEM, errno.EAGAIN, errno.EINTR, errno.ENOTCONN, errno.ECONNRESET),
        ),
    ),
)


class InputError(ValueError):
    """A user's mistake, told in one line: what, where, and what is allowed."""


class InterruptionError(Exception):
    """A study that was asked to stop and is safe: the same command goes on."""


class DamagedError(Exception):
    """What is stored is not what was written."""


def reason(error: BaseException) -> str:
    """What went wrong, in one line, however much a library says."""
    return (str(error).strip().splitlines() or [repr(error)])[0][:200]


def damage(error: Exception) -> DamagedError:
    """What is wrong with what is stored, as an error of whatever read it tells.

    Raises:
        OSError: if that tells nothing of it, but that this machine cannot read it now: it is out of file handles, threads or
            memory, it may not, or the disk does not answer.
    """
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno is not None:
            if cause.errno not in DAMAGES:
                raise cause
        elif _is_fault(cause):
            raise OSError(reason(cause)) from error
    return DamagedError(reason(error))


def _is_fault(cause: BaseException) -> bool:
    from jax.errors import JaxRuntimeError  # whoever reads has jax by then; who only tells of a mistake waits for nothing

    return isinstance(cause, MemoryError | JaxRuntimeError) or any(fault in str(cause) for fault in FAULTS)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it comes from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def choose(what: str, name: str, allowed: dict[str, Entry]) -> Entry:
    """The entry of `allowed` called `name`.

    Args:
        what: what is being chosen ("activation"), for the message.
        name: the name the user gave.
        allowed: every name with what it stands for.

    Raises:
        InputError: if there is no such name.
    """
    if name not in allowed:
        raise InputError(f"unknown {what} {name!r}: choose from {listing(allowed)}")
    return allowed[name]


def listing(names: Iterable[object]) -> str:
    """Names in one line, for a message: `a, b, c`, or `nothing`."""
    return ", ".join(str(name) or "'' (none)" for name in names) or "nothing"
