"""The host loop of a study: for each program and wave find where it stands, and take it to its end."""

import contextlib
import datetime
import errno
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from symmetry_jax.errors import DamagedError, InputError, InterruptionError, choose
from symmetry_jax.learning.convolution import LOWERINGS
from symmetry_jax.learning.process import State
from symmetry_jax.sweeps.calibration import calibrated, predicted_seconds
from symmetry_jax.sweeps.checkpoints import Checkpoints
from symmetry_jax.sweeps.compiling import compile_seconds
from symmetry_jax.sweeps.engine import Engine
from symmetry_jax.sweeps.forking import Origin, copy_origins, find_origins, forked_programs, forked_states
from symmetry_jax.sweeps.hosts import anywhere, is_first, on_first
from symmetry_jax.sweeps.interruption import Interruption
from symmetry_jax.sweeps.layout import check_disk, check_memory, describe, lay_out
from symmetry_jax.sweeps.manifest import Manifest
from symmetry_jax.sweeps.pace import Pace
from symmetry_jax.sweeps.precision import numerics
from symmetry_jax.sweeps.program import Program
from symmetry_jax.sweeps.progress import Progress
from symmetry_jax.sweeps.results import FOLDER as RESULTS
from symmetry_jax.sweeps.results import Group, Writer, group_path
from symmetry_jax.sweeps.sealed import write_json
from symmetry_jax.sweeps.study import Study
from symmetry_jax.sweeps.waves import Boundary, Wave
from symmetry_jax.sweeps.workdir import (
    CONFIG,
    FORKED,
    MANIFEST,
    Lock,
    as_json,
    check_settings,
    checkpoint_folder,
    is_new,
    read_manifest,
    settings_digest,
)

Say = Callable[[str], None]


def run_study(
    study: Study, config: ConfigDict, workdir: Path, command: str, say: Say = print, fork: Path | None = None
) -> None:
    """Computes a study into a work directory, or what is left of it; looks after what it finds there.

    Args:
        study: what to compute.
        config: its settings.
        workdir: a new or empty directory, or one in which this study was begun.
        command: the command line that reproduces it, for the manifest.
        say: told what is about to be computed, and what was found damaged, line by line.
        fork: a work directory of a study with other settings, in whose last states the runs of a new one start.

    Raises:
        InputError: for settings or a directory that cannot be used, before anything is compiled or written.
        InterruptionError: if a signal asked for it; everything is saved, and the same call goes on.
    """
    say = say if is_first() else _say_nothing
    _check_host(config)
    settings = as_json(config)
    with Lock(workdir) as lock, _told(workdir):
        known = on_first(lambda: _enter(lock, workdir, settings, fork, say))
        engines: Sequence[Engine] = lay_out(study.build(config), config, known or {})
        check_memory(engines)
        for line in describe(engines):
            say(line)
        if known is None:
            on_first(lambda: check_disk(engines, workdir))
            origins = find_origins(fork, engines) if fork is not None else {}  # orbax wants all hosts for it
            on_first(lambda: _found(lock, workdir, settings, fork, origins, engines, say))
        calibration: dict[str, Any] = {}
        if "tile" not in (known or {}):
            engines, calibration = _measured(engines, config, say)
        facts = {
            "command": command,
            "settings": settings_digest(settings),
            "precision": config.precision,
            "tile": engines[0].tile,
            "lowering": engines[0].lowering,
            "calibration": calibration,
            "wave": max(engine.wave for engine in engines),
            "fork": str(fork) if fork is not None else None,
            "forked": forked_programs(workdir),
        }
        manifest = Manifest(workdir, facts | (known or {}))
        if known is None:
            manifest.begin(say)
        with Interruption(say) as interruption:
            computed = _compute(engines, workdir, manifest, Pace(config.save_steps, config.save_seconds), interruption, say)
        if not computed:
            say(f"{workdir} holds this study, finished and whole.")


def _check_host(config: ConfigDict) -> None:
    if not 0 < config.save_seconds < math.inf:
        raise InputError(f"save_seconds={config.save_seconds}: a number above 0")
    for name in ("save_steps", "tile", "wave"):
        if config[name] < 0:
            raise InputError(f"{name}={config[name]}: 0 (automatic) or more")
    if config.get("lowering"):
        choose("lowering", config.lowering, LOWERINGS)


def _measured(engines: Sequence[Engine], config: ConfigDict, say: Say) -> tuple[Sequence[Engine], dict[str, Any]]:
    """The engines of a new study with the tile and lowering that suit the devices, and what was measured."""
    begun = time.perf_counter()
    say("compiling")
    engines, trials = calibrated(engines, not config.tile, not config.get("lowering"), say)
    seconds = math.ceil(predicted_seconds(engines))
    say(f"computing will take about {datetime.timedelta(seconds=seconds)}")
    return engines, {"trials": trials, "predicted_seconds": seconds, "seconds": round(time.perf_counter() - begun, 3)}


def _enter(lock: Lock, workdir: Path, settings: dict[str, Any], fork: Path | None, say: Say) -> dict[str, Any] | None:
    """Locks a work directory in which this study was begun, and returns what its manifest knows; None for a new directory."""
    new = is_new(workdir)
    if lock.is_there or not new:
        lock.take()
    if new:
        return None
    damage = check_settings(workdir, settings)
    for line in damage:
        say(line)
        write_json(workdir / CONFIG, settings)
    try:
        known = read_manifest(workdir)
    except InputError:
        known = {}
    if not known and (workdir / RESULTS).exists():
        say(f"{workdir / MANIFEST} is damaged or missing: it begins anew")
        lost = "an earlier manifest was damaged: what it told of versions, devices and times is lost"
        known = {"note": lost} | _layout(workdir)
    if fork is not None:
        # where a manifest was lost nothing tells of whom
        origin = known.get("fork", fork if (workdir / FORKED).exists() else None)
        if origin is None or Path(origin).resolve() != fork.resolve():
            held = "one" if origin is None else f"a fork of {origin}"
            raise InputError(f"--fork={fork} starts a study in a new directory, and --workdir={workdir} holds {held}")
    return known


def _layout(workdir: Path) -> dict[str, Any]:
    """Tile, lowering and runs of a wave, as the results know them."""
    layouts = []
    for path in (workdir / RESULTS).glob("[0-9]*"):
        with contextlib.suppress(DamagedError):
            layouts.append(Group(path).layout)
    return max(layouts, key=lambda layout: layout["wave"], default={})


def _found(
    lock: Lock,
    workdir: Path,
    settings: dict[str, Any],
    fork: Path | None,
    origins: Mapping[int, Origin],
    engines: Sequence[Engine],
    say: Say,
) -> None:
    """Makes a new work directory and locks it; copies into it the states that it is forked from."""
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--workdir={workdir} cannot be made: {error.strerror}") from error
    lock.take()
    if not is_new(workdir):
        raise InputError(f"--workdir={workdir}: another process began a study there just now")
    shutil.rmtree(workdir / FORKED, ignore_errors=True)  # left by one that was stopped before anything was computed
    if fork is not None:
        for index, engine in enumerate(engines):
            if engine.program.after is None:
                start = f"from step {origins[index].step} in {fork}" if index in origins else "afresh"
                say(f"{engine.program.label} starts {start}")
        copy_origins(fork, workdir, engines, origins)
    write_json(workdir / CONFIG, settings)


def _compute(
    engines: Sequence[Engine], workdir: Path, manifest: Manifest, pace: Pace, interruption: Interruption, say: Say
) -> bool:
    """Takes every wave of every program to its end; returns whether anything was left to compute."""
    total = sum(engine.program.axes.size * engine.program.steps for engine in engines)
    with contextlib.closing(Progress(workdir, total)) as progress:
        study = _Study(engines, workdir, manifest, Boundary(pace, progress, interruption), say)
        for index in range(len(engines)):
            study.compute(index)
        if study.begun or not manifest.is_finished:
            manifest.finish()
        return study.begun


class _Study:
    """The programs of a study, one after the other."""

    def __init__(self, engines: Sequence[Engine], workdir: Path, manifest: Manifest, boundary: Boundary, say: Say) -> None:
        self.begun = False  # whether anything was left to compute
        self._engines, self._workdir, self._manifest, self._boundary, self._say = engines, workdir, manifest, boundary, say

    def compute(self, index: int) -> None:
        """Computes what is left of a program."""
        engine = self._engines[index]
        writer: Writer | None = None  # on the first host alone

        def open_results() -> str | None:
            nonlocal writer
            told = engine.layout | {"settings": self._manifest["settings"], "program": index}
            writer = Writer(group_path(self._workdir, index), engine.program, engine.shapes, told)
            return writer.replaced

        replaced = on_first(open_results)
        if replaced:
            self._say(f"{engine.program.label}: its results are damaged ({replaced})")
        begun, compiled, done = time.perf_counter(), compile_seconds(), 0
        self._boundary.pace.begin(engine.program.steps)
        for number in range(engine.waves):
            with contextlib.closing(self._checkpoints(index, number)) as checkpoints:
                done += self._finish(index, Wave(engine, number, writer, checkpoints, self._say))
        if done:
            seconds, compiling = time.perf_counter() - begun, compile_seconds() - compiled
            self._manifest.add_program(_summary(engine.program, done, seconds, compiling))

    def _finish(self, index: int, wave: Wave) -> int:
        """Takes a wave from where it stands to its end; returns the run-steps that were left."""
        engine, progress = wave.engine, self._boundary.progress
        if anywhere(self._boundary.interruption.asked):
            raise InterruptionError
        progress.enter(index, wave.number, engine.waves, engine.program.label)
        step, states = wave.stand()
        if states is not None:
            progress.known(step * wave.size, step, engine.count_stopped(states, wave.number))
        left = engine.program.steps - step
        if not left:
            wave.checkpoints.keep_only(step)
            return 0
        self._manifest.begin(self._say)
        self.begun = True
        wave.compute(step, states, lambda: self._previous(index, wave.number), self._boundary)
        return left * wave.size

    def _previous(self, index: int, number: int) -> State | None:
        """The states in which a wave starts, where it does not draw them."""
        engine = self._engines[index]
        if engine.program.after is None:
            return forked_states(self._workdir, engine, index, number, index in self._manifest["forked"])
        earlier = self._engines[engine.program.after]
        checkpoints = self._checkpoints(engine.program.after, number)
        with contextlib.closing(checkpoints), numerics(earlier.program.precision):
            return checkpoints.restore(earlier.program.steps, earlier.abstract_states())

    def _checkpoints(self, index: int, number: int) -> Checkpoints:
        if not (self._workdir / CONFIG).exists():  # orbax would make the folders again, around nothing but this
            raise FileNotFoundError(errno.ENOENT, "it is gone")
        engine = self._engines[index]
        runs = engine.runs(number)
        identity = {
            "settings": self._manifest["settings"],
            "program": index,
            "wave": number,
            "runs": runs.stop - runs.start,
            "tile": engine.tile,
        }
        return Checkpoints(checkpoint_folder(self._workdir, index, number), identity)


@contextlib.contextmanager
def _told(workdir: Path) -> Iterator[None]:
    """A disk that is full or does not answer, or a folder that is gone, is told in one line."""
    try:
        yield
    except BrokenPipeError:  # of whoever listened
        raise
    except OSError as error:
        raise InputError(
            f"--workdir={workdir} cannot be read or written ({_reason(error)}): what was saved before is safe, and the same "
            "command goes on"
        ) from error
    except DamagedError as error:
        raise InputError(f"--workdir={workdir} was damaged meanwhile ({error}): the same command repairs it") from error


def _reason(error: OSError) -> str:
    """What went wrong, and with which file if that is known."""
    return (error.strerror or str(error)) + (f": {error.filename}" if error.filename else "")


def _summary(program: Program, run_steps: int, seconds: float, compiling: float) -> dict[str, Any]:
    """What a program took, in the part of the study that finished it."""
    return {
        "program": program.label,
        "runs": program.axes.size,
        "steps": program.steps,
        "run_steps": run_steps,
        "seconds": round(seconds, 3),
        "compile_seconds": round(compiling, 3),
        "run_steps_per_second": round(run_steps / (seconds - compiling), 1),
    }


def _say_nothing(line: str) -> None:
    del line
