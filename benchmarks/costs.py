"""What everything but the steps costs: `python -m benchmarks.costs`, about a quarter of an hour on two cores.

Measures, checkpoints and results are timed beside the same runs without them, thousands of runs beside 64, in turns; each cost
is that of a pair of turns, but for saving in time of cores, which other programs disturb less than elapsed time. Compilation
is that of all programs of the default study by XLA, and of kernels in C++, in processes of their own that share a cache folder,
empty at first.
"""

import contextlib
import dataclasses
import importlib
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from benchmarks.ours import ours
from benchmarks.throughput import describe_machine, file_name, spread
from benchmarks.works import MANY, RUNS, Work, assign
from symmetry_jax.command_line import load_study
from symmetry_jax.sweeps.compiling import compile_seconds
from symmetry_jax.sweeps.devices import use_all_cores
from symmetry_jax.sweeps.engine import Engine, default_tile
from symmetry_jax.sweeps.machine import now
from symmetry_jax.sweeps.precision import numerics
from symmetry_jax.sweeps.program import Program
from symmetry_jax.sweeps.runner import run_study
from symmetry_jax.sweeps.sealed import read_sealed, write_json
from symmetry_jax.sweeps.segments import whole

ROOT = Path(__file__).parent.parent
STUDY = "near_identical_filters"
TURNS = 5
LONG_TURNS = 9  # of twenty seconds and more, of which the same one takes up to a tenth longer than another
THOUSANDS = 4096
COMPILE = "compile"  # the argument of a process that only compiles


@dataclasses.dataclass(frozen=True)
class Cost:
    """What is to be paid, at most: a floor that was asked for, and a target."""

    name: str
    floor: float
    target: float
    unit: str


MEASURES = Cost("measures, 100 records in 1,000 steps", 0.05, 0.02, "of the steps")
SAVING = Cost("checkpoints, results and progress", 0.02, 0.01, "of the study")
COLD = Cost("compilation of the default study", 15, 8, "s")
WARM = Cost("the same with a cache", 3, 1.5, "s")
MORE = {work.name: Cost(f"a run among {THOUSANDS:,} to one among {RUNS}, {work.name}", 1, 1, "times") for work in MANY}


def main() -> None:
    """Prints a line for each cost and writes them into a file; or compiles, in a process of its own."""
    use_all_cores()
    if sys.argv[1:] == [COMPILE]:
        print(_compile())
        return
    machine = describe_machine()
    found: dict[str, Any] = {}
    with numerics("float32"):
        for cost, values in _measured():
            found[cost.name] = dataclasses.asdict(cost) | spread(np.array(values))
            stands = "target" if np.median(values) <= cost.target else "floor" if np.median(values) <= cost.floor else "ABOVE"
            reached = "{median:.3g} ({min:.3g} to {max:.3g})".format(**found[cost.name])
            print(
                f"{cost.name:<56}{reached:>28} {cost.unit:<14}at most {cost.floor:g}, better {cost.target:g}  {stands}",
                flush=True,
            )
    path = Path(__file__).parent / "results" / file_name(machine["device"], "_costs")
    write_json(path, {"finished": now(), **machine, "costs": found})
    print(f"\n{path}")


def _measured() -> Iterator[tuple[Cost, list[float]]]:
    yield MEASURES, _of_measures()
    yield SAVING, _of_saving()
    for work in MANY:
        yield MORE[work.name], _of_thousands(work)
    with tempfile.TemporaryDirectory() as cache:
        for cost in (COLD, WARM):
            yield cost, [_in_a_process(cache)]


def _config(sweep: dict[str, str], **changes: Any) -> ConfigDict:
    config = importlib.import_module(f"configs.{STUDY}").get_config()
    with config.unlocked():
        config.update(changes)
    config.sweep.update({"activation": "tanh"} | sweep)
    return config


def _twins(config: ConfigDict) -> Program:
    """The program of the study that has the most runs."""
    return max(load_study(STUDY).build(config), key=lambda program: program.axes.size)


def _of_measures() -> list[float]:
    """By what the steps take longer with what is measured at records than with nothing: 128 runs of 1,000 steps."""
    program = _twins(_config({"seed": "0:4"}, records=101, spacing="even"))
    bare = dataclasses.replace(program, measures=tuple(measure for measure in program.measures if measure.when == "ends"))
    with_measures, without = _advance(program), _advance(bare)
    return [with_measures() / without() - 1 for _ in range(TURNS)]


def _advance(program: Program) -> Callable[[], float]:
    """Takes all runs to their end and returns the seconds; the first time, which compiles, is over."""
    engine, segment = Engine(program, default_tile()), whole(program.records)

    def seconds() -> float:
        states = jax.block_until_ready(engine.start())
        begun = time.process_time()
        jax.block_until_ready(engine.advance(states, segment)[0])
        return time.process_time() - begun

    seconds()
    return seconds


def _of_saving() -> list[float]:
    """The share of a program's time in the default study, compilation and calibration left out, that is not computing."""
    study, config = load_study(STUDY), _config({}, tile=default_tile())
    program = _twins(config)
    only = dataclasses.replace(study, build=lambda _: [program])
    engine, segment = Engine(program, default_tile()), whole(program.records)

    def alone() -> float:
        begun = time.perf_counter()
        states = engine.start()
        engine.read_ends(states, 0)
        states, _ = engine.advance(states, segment)
        engine.read_ends(states, program.steps)
        return time.perf_counter() - begun

    def as_a_study() -> float:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            workdir = Path(folder) / "work"
            run_study(only, config, workdir, "", lambda line: None)
            (summary,) = read_sealed(workdir / "manifest.json")["programs"]
        return summary["seconds"] - summary["compile_seconds"]

    alone(), as_a_study()
    return [1 - alone() / as_a_study() for _ in range(LONG_TURNS)]


def _of_thousands(work: Work) -> list[float]:
    """Seconds of a run-step among thousands of runs over those among few, for equally many steps."""
    short = dataclasses.replace(work, steps=max(10, work.steps // 5))
    few, many = (_seconds_of(short, runs) for runs in (RUNS, THOUSANDS))
    return [many() / few() for _ in range(TURNS)]


def _seconds_of(work: Work, runs: int) -> Callable[[], float]:
    contestant = ours(assign(work, runs))

    def seconds() -> float:
        turns = [contestant.start() for _ in range(THOUSANDS // runs // 8 or 1)]  # to take long enough to be timed
        begun = time.process_time()
        for states in turns:
            contestant.train(states)
        return (time.process_time() - begun) / (len(turns) * runs * work.steps)

    seconds()
    return seconds


def _in_a_process(cache: str) -> float:
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    command = [sys.executable, "-m", "benchmarks.costs", COMPILE]
    return float(subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout)


def _compile() -> float:
    """Seconds of compiling all that the default study computes, kernels in C++ among it."""
    compile_seconds()
    for program in load_study(STUDY).build(importlib.import_module(f"configs.{STUDY}").get_config()):
        engine = Engine(program, default_tile())
        engine.read_ends(engine.start(), 0)
        _ = engine.compiled
    return compile_seconds()


if __name__ == "__main__":
    main()
