"""What is said to a user whose input cannot be used, or whose study has to stop: one line, no traceback."""

from collections.abc import Iterable
from typing import TypeVar

Entry = TypeVar("Entry")


class InputError(ValueError):
    """A user's mistake, told in one line: what, where, and what is allowed."""


class InterruptionError(Exception):
    """A study that was asked to stop and is safe: the same command goes on."""


class DamagedError(Exception):
    """What is stored is not what was written."""


def reason(error: Exception) -> str:
    """What went wrong, in one line, however much a library says."""
    return (str(error).strip().splitlines() or [repr(error)])[0][:200]


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
