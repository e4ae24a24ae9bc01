"""How far the host lets a segment go, and when it writes and saves: by the clock, and by what that was seen to take."""

import time

SEGMENT_SECONDS = 4.0  # progress is told this often, and a signal is obeyed within two such times
MOST_GROWTH = 4  # of a segment over the last, so that one that was quick by chance does little harm
FIRST_STEPS = 16  # of a program, at most, in its first segment
WRITE_SECONDS = 10.0  # results wait at most this long for those of more segments, which cost as much to write as those of one
SAVING_SHARE = 0.02  # of the time, at most, is spent on saving by the clock


class Pace:
    """Decides, from what it is told, where segments end, when results are written and which of the states are saved.

    Args:
        save_steps: save at every multiple of so many steps; 0 to go by the clock alone.
        save_seconds: save when so many seconds have passed since the last time, unless saving takes too large a share of them.
    """

    def __init__(self, save_steps: int, save_seconds: float) -> None:
        self._save_steps, self._save_seconds = save_steps, save_seconds
        self._saved_at, self._cost = time.monotonic(), 0.0
        self._wrote_at = time.monotonic()
        self._stride, self._steps = 1.0, 1
        self._through = 0.0  # when the last segment was, by `perf_counter`

    def begin(self, steps: int) -> None:
        """A program of so many steps begins, of whose speed nothing is known yet."""
        self._stride, self._steps = max(1.0, min(FIRST_STEPS, steps / 64)), steps

    def stop(self, step: int) -> int:
        """The step that the segment from `step` should not pass."""
        stop = min(self._steps, step + max(1, int(self._stride)))
        return min(stop, step + self._save_steps - step % self._save_steps) if self._save_steps else stop

    def computed(self, steps: int, begun: float) -> float:
        """A segment of so many steps, begun at a time of `perf_counter`, is through; returns its seconds."""
        begun, self._through = max(begun, self._through), time.perf_counter()  # devices may have been busy until then
        seconds = self._through - begun
        wanted = steps * SEGMENT_SECONDS / max(seconds, 1e-6)
        self._stride = min(wanted, MOST_GROWTH * self._stride)
        return seconds

    def is_due(self, step: int) -> bool:
        """Whether to save at this step."""
        if self._save_steps and step % self._save_steps == 0:
            return True
        return time.monotonic() - self._saved_at >= max(self._save_seconds, self._cost / SAVING_SHARE)

    def saved(self, seconds: float) -> None:
        """Saving took so long."""
        self._saved_at, self._cost = time.monotonic(), seconds

    def is_writing_due(self) -> bool:
        """Whether results have waited long enough."""
        return time.monotonic() - self._wrote_at >= WRITE_SECONDS

    def wrote(self) -> None:
        """All results were written."""
        self._wrote_at = time.monotonic()
