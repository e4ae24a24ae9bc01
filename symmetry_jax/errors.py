"""What is said to a user whose input cannot be used, or whose study has to stop: one line, no traceback."""

import errno
import os
from collections.abc import Iterable, Iterator
from typing import TypeVar

Entry = TypeVar("Entry")

# why this machine cannot read a file now, whatever is in it
PASSING = (errno.EMFILE, errno.ENFILE, errno.EIO, errno.EACCES, errno.EPERM, errno.ESTALE, errno.EBUSY, errno.ETIMEDOUT)


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
        OSError: if that tells nothing of it, but that this machine cannot read it now: it is out of file handles or of device
            memory, it may not, or the disk does not answer.
    """
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in PASSING:
            raise cause
        full = isinstance(cause, RuntimeError) and "RESOURCE_EXHAUSTED" in str(cause)  # as jax tells of a device's memory
        if full or any(os.strerror(number) in str(cause) for number in PASSING):  # as tensorstore tells of a file
            raise OSError(reason(cause)) from error
    return DamagedError(reason(error))


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
