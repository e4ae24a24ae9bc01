"""Ctrl-C and SIGTERM: noted at once, obeyed once the segments under way are through."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While it is entered, the first signal is only noted; another one ends the process as it always does.

    Args:
        say: told that it was heard.

    Attributes:
        asked: whether a signal came.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.asked = False
        self._say = say
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # elsewhere, as in a notebook's thread, signals are not ours
            self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._restore()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.asked = True
        self._restore()
        self._say(f"{signal.Signals(number).name}: stopping after the segments under way; once more to stop at once")

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
