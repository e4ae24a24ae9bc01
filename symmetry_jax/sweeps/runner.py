"""The host loop of a study: for each program and segment compute, write, report."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from symmetry_jax.errors import InputError
from symmetry_jax.learning.process import State
from symmetry_jax.sweeps.engine import Engine, default_tile
from symmetry_jax.sweeps.program import Program
from symmetry_jax.sweeps.results import Writer, result_bytes
from symmetry_jax.sweeps.segments import plan_segments
from symmetry_jax.sweeps.study import Study
from symmetry_jax.sweeps.workdir import CONFIG, MANIFEST, as_json, describe_machine, is_finished, now, peak_memory, write_json


def run_study(study: Study, config: ConfigDict, workdir: Path, command: str, say: Callable[[str], None] = print) -> None:
    """Computes a study into a work directory; does nothing if it was computed there before.

    Args:
        study: what to compute.
        config: its settings.
        workdir: a new or empty directory, or one in which this study is finished.
        command: the command line that reproduces it, for the manifest.
        say: told what is about to be computed, line by line.

    Raises:
        InputError: for settings or a directory that cannot be used, before anything is compiled or written.
    """
    if config.segments < 1 or config.tile < 0:
        raise InputError(f"segments={config.segments} and tile={config.tile}: at least 1, and 0 (automatic) or more")
    tile = config.tile or default_tile()
    engines = [Engine(program, tile) for program in _in_order(study.build(config))]
    if is_finished(workdir, config):
        say(f"{workdir} holds this study, finished.")
        return
    for line in _announce(engines):
        say(line)
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--workdir={workdir} cannot be made: {error.strerror}") from error
    write_json(workdir / CONFIG, as_json(config))
    manifest = describe_machine(config, command, tile)
    write_json(workdir / MANIFEST, manifest)
    manifest["programs"] = _compute(engines, workdir, config.segments)
    write_json(workdir / MANIFEST, manifest | {"finished": now(), "peak_memory_bytes": peak_memory()})


def _in_order(programs: Sequence[Program]) -> Sequence[Program]:
    """The programs; raises ValueError if one continues a later one, or one of another number of runs."""
    for index, program in enumerate(programs):
        after = program.after
        if after is not None and (not 0 <= after < index or programs[after].axes.size != program.axes.size):
            raise ValueError(f"program {index} cannot continue program {after}: it is later, or has other runs")
    return programs


def _announce(engines: Sequence[Engine]) -> list[str]:
    lines = []
    for engine in engines:
        program = engine.program
        results = result_bytes(program, engine.shapes)
        lines.append(
            f"{program.label}: {program.axes.size:,} runs of {program.steps:,} steps, results {_size(results)}, "
            f"state of a tile of {engine.tile} runs {_size(engine.state_bytes() * engine.tile)}"
        )
    devices = jax.local_devices()
    return [*lines, f"on {len(devices)} device(s): {devices[0].device_kind}"]


def _compute(engines: Sequence[Engine], workdir: Path, segments: int) -> list[dict[str, Any]]:
    total = sum(engine.program.axes.size * engine.program.steps for engine in engines)
    continued = {engine.program.after for engine in engines}
    finals: dict[int | None, State] = {}
    summaries = []
    with tqdm(total=total, unit=" run-steps", unit_scale=True, dynamic_ncols=True) as bar:
        for index, engine in enumerate(engines):
            program = engine.program
            bar.set_description(f"program {index + 1}/{len(engines)}, {program.sweep}: {program.axes.size:,} runs")
            states, summary = _compute_program(engine, workdir, index, segments, finals.get(program.after), bar)
            summaries.append(summary)
            if index in continued:
                finals[index] = states
    return summaries


def _compute_program(
    engine: Engine, workdir: Path, index: int, segments: int, previous: State | None, bar: "tqdm[Any]"
) -> tuple[State, dict[str, Any]]:
    """Computes one program; returns its final states, and what it took."""
    program = engine.program
    plan = plan_segments(program.records, segments)
    writer = Writer(workdir, index, program, engine.shapes, chunk=len(plan[0].spans))
    begun = time.perf_counter()
    compiled = _compile_clock().seconds
    states = engine.start(previous)
    writer.write_ends(0, engine.read_ends(states, 0))
    for segment in plan:
        states, readings = engine.advance(states, segment)
        writer.write_records(readings)
        bar.update(segment.steps * program.axes.size)
        bar.set_postfix(_progress(readings))
    writer.write_ends(1, engine.read_ends(states, program.steps))
    seconds = time.perf_counter() - begun
    return states, _summary(program, seconds, _compile_clock().seconds - compiled)


def _summary(program: Program, seconds: float, compile_seconds: float) -> dict[str, Any]:
    computing = seconds - compile_seconds
    return {
        "program": program.label,
        "runs": program.axes.size,
        "steps": program.steps,
        "seconds": round(seconds, 3),
        "compile_seconds": round(compile_seconds, 3),
        "run_steps_per_second": round(program.axes.size * program.steps / computing, 1),
    }


def _progress(readings: Mapping[str, np.ndarray]) -> dict[str, str]:
    """The mean loss over runs at the last record of a segment, where the program measures one."""
    if "loss" not in readings or not readings["loss"].shape[1]:
        return {}
    return {"loss": f"{np.nanmean(readings['loss'][:, -1]):.4f}"}


class _CompileClock:
    """Seconds that XLA has spent compiling in this process."""

    def __init__(self) -> None:
        self.seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._hear)

    def _hear(self, event: str, duration_secs: float, **_: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            self.seconds += duration_secs


@functools.cache
def _compile_clock() -> _CompileClock:
    return _CompileClock()


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
