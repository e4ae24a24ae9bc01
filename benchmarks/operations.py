"""Where the time of a step goes: `python -m benchmarks.operations --work="cnn 8x8, 8 filters"`.

Core-microseconds of a run-step, counted by the operating system, which other programs disturb less than elapsed time; and the
operations of XLA that take most of it, from a profile of one device at work alone.
"""

import argparse
import collections
import dataclasses
import math
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

from benchmarks.ours import program_of
from benchmarks.works import RUNS, WHOLE, Work, assign
from symmetry_jax.sweeps.devices import use_all_cores
from symmetry_jax.sweeps.engine import Engine, default_tile
from symmetry_jax.sweeps.precision import numerics
from symmetry_jax.sweeps.segments import whole

TURNS = 5
STEPS = 40  # in a profile, which grows with them
SHOWN = 25
FRAMES = ("$", "np.", "Thunk", "while", "call")  # of Python and of XLA's executor, which hold others


def main() -> None:
    """Prints both for each tile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    works = {work.name: work for work in WHOLE}
    parser.add_argument("--work", default=next(iter(works)), choices=works, metavar="WORK", help="; ".join(works))
    parser.add_argument("--tile", type=int, nargs="*", help="runs computed side by side; as usual by default")
    arguments = parser.parse_args()
    use_all_cores()
    with numerics("float32"):
        for tile in arguments.tile or [default_tile()]:
            _show(works[arguments.work], tile)


def _show(work: Work, tile: int) -> None:
    seconds = _core_seconds(work, tile)
    rates = ", ".join(f"{name} {1e6 * value:.1f}" for name, value in (("median", np.median(seconds)), ("least", min(seconds))))
    print(f"\n{work.name}, tile {tile}: core-microseconds of a run-step, {TURNS} turns: {rates}")
    for name, taken in _operations(dataclasses.replace(work, steps=STEPS), tile):
        print(f"{1e6 * taken:8.2f}  {name}")


def _core_seconds(work: Work, tile: int) -> list[float]:
    program = program_of(assign(work, RUNS))
    engine, segment = Engine(program, tile), whole(program.records)
    found = []
    for _ in range(TURNS + 1):
        states = jax.block_until_ready(engine.start())
        begun = time.process_time()
        jax.block_until_ready(engine.advance(states, segment)[0])
        found.append((time.process_time() - begun) / (RUNS * work.steps))
    return found[1:]  # the first compiles


def _operations(work: Work, tile: int) -> list[tuple[str, float]]:
    """The operations that take longest, each with its seconds in a run-step."""
    runs = tile * math.ceil(RUNS / tile)
    program = program_of(assign(work, runs))
    engine, segment = Engine(program, tile, jax.devices()[:1]), whole(program.records)
    jax.block_until_ready(engine.advance(engine.start(), segment)[0])
    states, taken = jax.block_until_ready(engine.start()), collections.Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            jax.block_until_ready(engine.advance(states, segment)[0])
        for path in Path(folder).rglob("*.xplane.pb"):
            for plane in jax.profiler.ProfileData.from_file(str(path)).planes:
                for event in (event for line in plane.lines for event in line.events):
                    if not event.name.startswith(FRAMES):
                        taken[event.name] += event.duration_ns
    return [(name, nanoseconds / 1e9 / (runs * work.steps)) for name, nanoseconds in taken.most_common(SHOWN)]


if __name__ == "__main__":
    main()
