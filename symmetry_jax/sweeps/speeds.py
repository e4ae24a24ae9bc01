"""How fast a program is on the devices at hand: measured once, and kept in the cache folder."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jaxlib

from symmetry_jax.caching import cache_folder
from symmetry_jax.errors import DamagedError
from symmetry_jax.kernels import library
from symmetry_jax.learning.process import State
from symmetry_jax.sweeps import machine
from symmetry_jax.sweeps.engine import Engine
from symmetry_jax.sweeps.hosts import on_first
from symmetry_jax.sweeps.sealed import digest, read_sealed, write_sealed
from symmetry_jax.sweeps.segments import RECORDS, Segment

TURN_SECONDS = 0.1  # of a turn at least, where a program has so many steps
LONGER = 4  # times as many steps in the turn that steps are told from records by
TURNS = 2  # of each length, if they are short; the fastest counts, since other programs on the machine only slow it down


@dataclasses.dataclass(frozen=True)
class Speed:
    """What was measured of an engine, in seconds, with all devices at work.

    Attributes:
        step: of one run, those of padding included; infinite where they cannot be computed.
        record: of one run, beyond the step that it is read at.
        compilation: of a segment.
    """

    step: float
    record: float
    compilation: float

    def seconds(self, engine: Engine) -> float:
        """That the program of an engine will take."""
        each = self.step * engine.program.steps + self.record * len(engine.program.records)
        return each * engine.padded_runs * engine.waves


IMPOSSIBLE = Speed(math.inf, 0.0, 0.0)


def speed_of(engine: Engine, start: Callable[[], State]) -> Speed:
    """What is known of the speed of such an engine, or else is measured now; on all hosts what the first one knows.

    Args:
        engine: the runs; a device may have no room for them, or jax no way to compute them with its lowering.
        start: makes the states that they begin with.
    """
    path = _path(engine)
    known = on_first(lambda: _read(path))
    if known is None:
        known = dataclasses.asdict(_measure(engine, start))
        on_first(lambda: _write(path, _facts(engine) | known))
    return Speed(**known)


def has_room(engine: Engine) -> bool:
    """Whether a segment fits into a device, as the compiled program says; on all hosts what the first one finds."""
    try:
        needed = engine.compiled.bytes
    except jax.errors.JaxRuntimeError as error:
        return _has_memory(error)
    return on_first(lambda: needed <= machine.device_memory())


def _measure(engine: Engine, start: Callable[[], State]) -> Speed:
    try:
        if not has_room(engine):
            return IMPOSSIBLE
        return _measured(engine, start())
    except NotImplementedError:  # by jax 0.7, of a convolution vmapped over its kernel
        return IMPOSSIBLE
    except jax.errors.JaxRuntimeError as error:
        _has_memory(error)
        return IMPOSSIBLE


def _has_memory(error: jax.errors.JaxRuntimeError) -> bool:
    """False, if that is the error; raises any other."""
    if "RESOURCE_EXHAUSTED" not in str(error):
        raise error
    return False


def _measured(engine: Engine, states: State) -> Speed:
    """From given states, by turns of two lengths, each with one record."""
    states, _ = _timed(engine, states, 1)  # the first call takes longer
    states, short = _timed(engine, states, 1)
    steps, long = 1, math.inf
    while short < TURN_SECONDS and LONGER**2 * steps <= engine.program.steps:
        steps *= LONGER
        states, short = _timed(engine, states, steps)
    more = min(LONGER * steps, engine.program.steps)
    for _ in range(TURNS if short < LONGER * TURN_SECONDS else 1):
        states, again = _timed(engine, states, steps)
        states, longer = _timed(engine, states, more)
        short, long = min(short, again), min(long, longer)
    step = max(long - short, long / 100) / max(1, more - steps)  # of a single step, all is its own
    record = max(0.0, short - steps * step)
    return Speed(step / engine.padded_runs, record / engine.padded_runs, on_first(lambda: engine.compiled.seconds))


def _timed(engine: Engine, states: State, steps: int) -> tuple[State, float]:
    """The states after so many steps, and the seconds that these took the first host."""
    begun = time.perf_counter()
    states, _ = engine.advance(states, _steps(steps))
    seconds = time.perf_counter() - begun
    return states, on_first(lambda: seconds)


def _steps(steps: int) -> Segment:
    """The first steps of a program, read once."""
    return Segment(0, steps, (0,), 0, RECORDS)


def _path(engine: Engine) -> Path | None:
    folder = cache_folder()
    return folder / "speeds" / f"{digest(_facts(engine))}.json" if folder else None


def _facts(engine: Engine) -> dict[str, Any]:
    """What a speed depends on."""
    device = engine.mesh.devices.flat[0]
    return {
        "program": engine.digest,
        "tile": engine.tile,
        "platform": device.platform,
        "kind": device.device_kind,
        "devices": engine.mesh.size,
        "kernels": device.platform == "cpu" and library.is_at_hand(),
        "jax": jax.__version__,
        "jaxlib": jaxlib.__version__,
    }


def _read(path: Path | None) -> dict[str, float] | None:
    """What a file says of a speed; None if there is none, or if it is damaged."""
    try:
        content = read_sealed(path) if path else {}
        return {field.name: content[field.name] for field in dataclasses.fields(Speed)}
    except (OSError, DamagedError, KeyError):
        return None


def _write(path: Path | None, content: Mapping[str, Any]) -> None:
    """Keeps it, where the cache folder can be written; what is impossible may be possible another time."""
    if path and math.isfinite(content["step"]):
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_sealed(path, content)
