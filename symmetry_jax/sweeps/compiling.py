"""The time that XLA and the compiler of kernels take, told apart from the time of computing."""

import functools

import jax

from symmetry_jax.kernels.library import COMPILED


def compile_seconds() -> float:
    """Seconds spent compiling in this process, since this was first asked."""
    return _clock().seconds


class _Clock:
    def __init__(self) -> None:
        self.seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._hear)

    def _hear(self, event: str, duration_secs: float, **_: str | int) -> None:
        if event in ("/jax/core/compile/backend_compile_duration", COMPILED):
            self.seconds += duration_secs


@functools.cache
def _clock() -> _Clock:
    return _Clock()
