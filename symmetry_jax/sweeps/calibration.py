"""Which tile and which lowering are fastest for a study, and how long it will take: measured before it begins.

Every program is compiled and taken through a few steps. Where a study is long, the program that is most of it tries other
tiles and another lowering, each as long as a trial costs but little of the time that the study will take. What was measured
is remembered, so that the same program has the same tile, and the same bits, another time.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from symmetry_jax.errors import InputError
from symmetry_jax.learning.convolution import LOWERINGS, Lowering
from symmetry_jax.learning.process import State
from symmetry_jax.sweeps.engine import Engine
from symmetry_jax.sweeps.speeds import Speed, has_room, speed_of

Say = Callable[[str], None]

FACTOR = 4  # between a tile and the next that is tried
BETTER = 1.05  # times as fast as the best so far: less cannot be told from noise
WITHOUT_TRIAL = {"cpu": ("xla",)}  # lowerings that were slower by far on every work of the benchmark
TRIAL_SHARE = 0.02  # of the time that a study will take: at most so much for compiling another tile or lowering


def calibrated(
    engines: Sequence[Engine], tiles: bool, lowerings: bool, say: Say
) -> tuple[Sequence[Engine], list[dict[str, Any]]]:
    """The engines of a study with the tile and lowering that are fastest for it, as far as they are free.

    Args:
        engines: with the tile and lowering to begin with, the same in all.
        tiles: whether the tile may be another.
        lowerings: whether the lowering may be another.
        say: told what is found, line by line.

    Returns:
        The engines, and what was measured of those that were tried.

    Raises:
        InputError: if a device has no room for a tile that is given, or for a single run, or jax cannot compute a program.
    """
    engines = _with_room(engines, tiles, say)
    trials = _Trials(engines, say)
    if tiles:
        trials.of_tiles()
    if lowerings:
        trials.of_lowerings()
    if trials.best is not trials.first:
        engines = [engine.relaid(trials.best.tile, trials.best.lowering) for engine in engines]
        engines = _with_room(engines, tiles, say)
    return engines, trials.measured


def predicted_seconds(engines: Sequence[Engine]) -> float:
    """Seconds that computing will take, compilation left out.

    Raises:
        InputError: if a device has no room for it.
    """
    total = 0.0
    for index, engine in enumerate(engines):
        seconds = speed_of(engine, functools.partial(_start, engines, index)).seconds(engine)
        if math.isinf(seconds):
            raise InputError(_no_room(engine))
        total += seconds
    return total


def _start(engines: Sequence[Engine], index: int) -> State:
    """States that a program can be advanced from: where it continues another, as if that had no steps."""
    after = engines[index].program.after
    return engines[index].start(None if after is None else _start(engines, after))


def _with_room(engines: Sequence[Engine], free: bool, say: Say) -> Sequence[Engine]:
    """The engines with a tile that a device has room for: as it is, or halved as often as need be."""
    while crowded := next((engine for engine in engines if not _has_room(engine)), None):
        if not free or crowded.tile == 1:
            raise InputError(_no_room(crowded))
        say(f"{_no_room(crowded)}: it is {crowded.tile // 2} now")
        engines = [engine.relaid(crowded.tile // 2, engine.lowering) for engine in engines]
    return engines


def _has_room(engine: Engine) -> bool:
    try:
        return has_room(engine)
    except NotImplementedError as error:  # by jax 0.7, of a convolution vmapped over its kernel
        raise InputError(f"{engine.program.label}: this jax cannot compute it ({str(error).splitlines()[0]})") from error


def _no_room(engine: Engine) -> str:
    return f"tile={engine.tile}: more runs of {engine.program.label} than a device has room for"


class _Trials:
    """Of tiles and lowerings, by the program that a study spends most of its time on."""

    def __init__(self, engines: Sequence[Engine], say: Say) -> None:
        self.measured: list[dict[str, Any]] = []
        self._say = say
        weights = [_run_steps(engine) * engine.state_bytes() for engine in engines]
        index = max((i for i, engine in enumerate(engines) if engine.program.after is None), key=weights.__getitem__)
        self.first = self.best = engines[index]
        speed = self._measure(self.first)
        self._seconds = speed.seconds(self.first)
        study = self._seconds * sum(weights) / weights[index]
        self._worth = TRIAL_SHARE * study > speed.compilation

    def of_tiles(self) -> None:
        """Larger tiles while they are faster, up to all runs; if none is, smaller ones."""
        if not self._worth:
            return
        while self.best.tile * self.best.mesh.size < self.best.program.axes.size and self._wins(self.best.tile * FACTOR):
            pass
        if self.best is self.first:
            while self.best.tile >= FACTOR and self._wins(self.best.tile // FACTOR):
                pass

    def of_lowerings(self) -> None:
        """All of them, where they are other arithmetic, that is where there are convolutions."""
        known = WITHOUT_TRIAL.get(self.best.mesh.devices.flat[0].platform, ())
        for lowering in LOWERINGS.values():
            if self._worth and lowering not in (self.best.lowering, *known):
                self._wins(self.best.tile, lowering)

    def _wins(self, tile: int, lowering: Lowering | None = None) -> bool:
        """Whether these are the best so far."""
        engine = self.best.relaid(tile, lowering or self.best.lowering)
        if tile == self.best.tile and engine.digest == self.best.digest:
            return False
        seconds = self._measure(engine).seconds(engine)
        if not BETTER * seconds < self._seconds:  # nor if both are infinite
            return False
        self.best, self._seconds = engine, seconds
        return True

    def _measure(self, engine: Engine) -> Speed:
        speed = speed_of(engine, engine.start)
        rate = _run_steps(engine) / speed.seconds(engine)
        self._say(f"tile {engine.tile}, lowering {engine.lowering}: {rate:,.0f} run-steps per second")
        self.measured.append({"tile": engine.tile, "lowering": engine.lowering, "run_steps_per_second": round(rate, 1)})
        return speed


def _run_steps(engine: Engine) -> int:
    return engine.program.axes.size * engine.program.steps
