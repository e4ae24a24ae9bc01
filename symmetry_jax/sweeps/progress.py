"""How far a study is: a bar for who looks on, and a file for who asks."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from symmetry_jax.sweeps.hosts import is_first
from symmetry_jax.sweeps.machine import now
from symmetry_jax.sweeps.presence import this_process
from symmetry_jax.sweeps.sealed import write_sealed
from symmetry_jax.sweeps.workdir import PROGRESS

SECONDS = 1.0  # between two writings of the file


class Progress:
    """Told of every wave and segment of a study, it shows the bar and keeps `progress.json`; on the first host only.

    Args:
        workdir: the work directory.
        total: run-steps of the whole study.
    """

    def __init__(self, workdir: Path, total: int) -> None:
        self._workdir = workdir
        self._total = total
        self._done = self._computed = 0
        self._stopped: dict[tuple[int, int], int] = {}
        self._begun, self._seconds, self._written = time.monotonic(), 0.0, 0.0
        self._position: dict[str, Any] = {}
        self._bar = tqdm(total=total, unit=" run-steps", unit_scale=True, dynamic_ncols=True, disable=not is_first())

    def enter(self, program: int, wave: int, waves: int, label: str) -> None:
        """A wave begins or goes on."""
        self._position = {"program": program, "label": label, "wave": wave, "waves": waves, "step": 0}
        self._bar.set_description(f"program {program + 1}, {label}" + (f", wave {wave + 1}/{waves}" if waves > 1 else ""))

    def known(self, run_steps: int, step: int, stopped: int) -> None:
        """Run-steps of this wave that were done in an earlier part of the study."""
        self._note(run_steps, step, stopped)
        if not self._bar.disable:
            self._bar.initial += run_steps  # what was done before says nothing of the speed

    def computed(self, run_steps: int, step: int, stopped: int, seconds: float, readings: Mapping[str, np.ndarray]) -> None:
        """A segment was computed."""
        self._computed += run_steps
        self._seconds += seconds
        self._note(run_steps, step, stopped)
        self._bar.set_postfix(_loss(readings), refresh=False)

    def write(self) -> None:
        """Writes the file."""
        if not is_first() or not self._position:
            return
        self._written = time.monotonic()
        speed = self._computed / self._seconds if self._computed else None
        write_sealed(
            self._workdir / PROGRESS,
            {
                **this_process(),
                "updated": now(),
                "position": self._position,
                "run_steps_done": self._done,
                "run_steps": self._total,
                "run_steps_per_second": speed,
                "seconds_left": None if speed is None else (self._total - self._done) / speed,
                "diverged": sum(self._stopped.values()),
            },
        )

    def close(self) -> None:
        """The bar stays as it is, and the file says where it ended."""
        self.write()
        self._bar.close()

    def _note(self, run_steps: int, step: int, stopped: int) -> None:
        self._done += run_steps
        self._stopped[self._position["program"], self._position["wave"]] = stopped
        self._position["step"] = step
        self._bar.update(run_steps)
        if time.monotonic() - self._written > SECONDS:
            self.write()


def _loss(readings: Mapping[str, np.ndarray]) -> dict[str, str]:
    """The mean loss over runs at the last record of a segment, where the program measures one."""
    if "loss" not in readings or not readings["loss"].shape[1]:
        return {}
    last = readings["loss"][:, -1]
    finite = last[np.isfinite(last)]
    return {"loss": f"{finite.mean():.4g}"} if finite.size else {}
