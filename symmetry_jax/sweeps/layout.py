"""How a study is laid out on the machine: the tile and the waves of its programs, and whether there is room for them."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from symmetry_jax.errors import InputError
from symmetry_jax.learning.convolution import Lowering
from symmetry_jax.sweeps import machine
from symmetry_jax.sweeps.engine import Engine, default_tile
from symmetry_jax.sweeps.hosts import on_first
from symmetry_jax.sweeps.program import Program
from symmetry_jax.sweeps.results import result_bytes
from symmetry_jax.sweeps.segments import RECORDS

WAVE_SHARE = 0.25  # of the memory of all devices, for the states and readings of a wave


def lay_out(programs: Sequence[Program], config: ConfigDict, known: Mapping[str, Any]) -> list[Engine]:
    """An engine for each program, with the tile, lowering and wave that the study was begun with."""
    tile = known.get("tile") or config.tile or default_tile()
    lowering: Lowering = known.get("lowering") or config.get("lowering") or "patches"
    engines = [Engine(program, tile, lowering=lowering) for program in _in_order(programs)]
    wave = config.wave or known.get("wave") or on_first(lambda: min(map(_fitting_wave, engines)))  # hosts have other memory
    for engine in engines:
        engine.limit(wave)
    return engines


def _fitting_wave(engine: Engine) -> int:
    """Runs whose states, on devices and in a checkpoint, and readings of two segments fit in their share."""
    readings = result_bytes(engine.program, engine.shapes) / engine.program.axes.size
    each = 2 * engine.state_bytes() + readings * min(1, 2 * RECORDS / len(engine.program.records))
    tiles = WAVE_SHARE * machine.device_memory() / (each * engine.tile)
    return max(1, int(tiles)) * engine.tile * engine.mesh.size


def _in_order(programs: Sequence[Program]) -> Sequence[Program]:
    """The programs; raises ValueError if one continues a later one, or one of another number of runs."""
    for index, program in enumerate(programs):
        after = program.after
        if after is not None and (not 0 <= after < index or programs[after].axes.size != program.axes.size):
            raise ValueError(f"program {index} cannot continue program {after}: it is later, or has other runs")
    return programs


def check_memory(engines: Sequence[Engine]) -> None:
    """Raises InputError if the states of a tile, or of a wave, are more than the devices hold."""
    memory = machine.device_memory()
    for engine in engines:
        tile, wave = engine.state_bytes() * engine.tile, engine.state_bytes() * engine.padded_runs
        if tile > memory:
            raise InputError(
                f"tile={engine.tile}: the states of a tile of {engine.program.label} take {_size(tile)}, and a device has "
                f"{_size(memory)}: make it smaller"
            )
        if wave > memory * engine.mesh.size:
            raise InputError(
                f"wave={engine.wave}: the states of a wave of {engine.program.label} take {_size(wave)}, and "
                f"{engine.mesh.size} devices have {_size(memory)} each: make it smaller, or go on with "
                f"{math.ceil(wave / memory)} or more"
            )


def check_disk(engines: Sequence[Engine], workdir: Path) -> None:
    """Raises InputError if results and last states are more than the disk holds."""
    runs = [(engine, engine.program.axes.size) for engine in engines]
    wanted = sum(result_bytes(engine.program, engine.shapes) + engine.state_bytes() * size for engine, size in runs)
    free = machine.free_disk(workdir)
    if wanted > free:
        raise InputError(f"--workdir={workdir}: results and last states take {_size(wanted)}, and {_size(free)} are free there")


def describe(engines: Sequence[Engine]) -> list[str]:
    """What is about to be computed, and where, in a line for each program and one for the devices."""
    lines = []
    for engine in engines:
        program = engine.program
        waves = f" in {engine.waves} waves" if engine.waves > 1 else ""
        lines.append(
            f"{program.label}: {program.axes.size:,} runs of {program.steps:,} steps{waves}, "
            f"results {_size(result_bytes(program, engine.shapes))}, "
            f"state of a tile of {engine.tile} runs {_size(engine.state_bytes() * engine.tile)}"
        )
    devices, hosts = jax.devices(), jax.process_count()
    return [*lines, f"on {len(devices)} device(s): {devices[0].device_kind}" + (f", {hosts} hosts" if hosts > 1 else "")]


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
