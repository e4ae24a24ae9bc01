"""Whether the bits of a run depend on the number of devices: `make devices`, a minute.

A small network is trained on 1, 2, 4, ... devices, and once more with a checkpoint half-way that is restored on each other
number of devices. On a CPU there are eight, made of its cores. On a GPU run it with and without
`XLA_FLAGS=--xla_gpu_deterministic_ops=true`; the record holds the flags and the digests, so that two of them can be compared.
"""

import argparse
import functools
import hashlib
import itertools
import os
import re
from pathlib import Path

import jax
import numpy as np

from symmetry_jax.learning.data.digits import digits
from symmetry_jax.learning.models import CNN
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.process import State
from symmetry_jax.learning.starts import INITIALIZERS, draw
from symmetry_jax.learning.tasks import classification
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.training import minibatch_loss
from symmetry_jax.sweeps.axes import Axes
from symmetry_jax.sweeps.checkpoints import Checkpoints
from symmetry_jax.sweeps.engine import Engine
from symmetry_jax.sweeps.machine import describe_machine
from symmetry_jax.sweeps.precision import numerics
from symmetry_jax.sweeps.program import Program
from symmetry_jax.sweeps.sealed import write_json
from symmetry_jax.sweeps.segments import next_segment
from trials.studies import temporary_folder

STEPS, RUNS, TILE = 40, 20, 4


def main() -> None:
    """Prints and writes what was found; fails if two numbers of devices differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results", help="where the record is written")
    arguments = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", 8)
    with temporary_folder() as folder:
        found = {"trained_on": train_on_each(), "saved_and_restored_on": restore_on_each(Path(folder))}
    kind = re.sub(r"[^a-z0-9]+", "_", jax.devices()[0].device_kind.lower()).strip("_")
    arguments.results.mkdir(parents=True, exist_ok=True)
    record = {"xla_flags": os.environ.get("XLA_FLAGS", ""), **found, "machine": describe_machine()}
    write_json(arguments.results / f"devices_{kind}.json", record)
    for name, digests in found.items():
        print(name, *(f"  {devices}: {digest[:16]}" for devices, digest in digests.items()), sep="\n")
    if len({digest for digests in found.values() for digest in digests.values()}) > 1:
        raise SystemExit("the bits depend on the number of devices")


def train_on_each() -> dict[str, str]:
    """For each number of devices the digest of the last states."""
    return {str(devices): digest(_advance(engine_on(devices), None, 0, STEPS)) for devices in numbers()}


def restore_on_each(folder: Path) -> dict[str, str]:
    """For each two numbers of devices the digest of the last states, when the first half was computed on one of them."""
    digests = {}
    identity = {"runs": RUNS, "tile": TILE}
    for first, second in itertools.permutations(numbers(), 2):
        checkpoints = Checkpoints(folder / f"{first}_{second}", identity)
        checkpoints.save(STEPS // 2, _advance(engine_on(first), None, 0, STEPS // 2))
        checkpoints.wait()
        engine = engine_on(second)
        with numerics("float32"):
            states = checkpoints.restore(STEPS // 2, engine.abstract_states())
        digests[f"{first} -> {second}"] = digest(_advance(engine, states, STEPS // 2, STEPS))
        checkpoints.close()
    return digests


def numbers() -> list[int]:
    """Powers of two, as far as there are devices."""
    return [2**power for power in range(jax.device_count().bit_length())]


def engine_on(devices: int) -> Engine:
    """The training on the first few devices."""
    return Engine(_program(), TILE, jax.devices()[:devices])


def digest(states: State) -> str:
    """Of the states of all runs, without padding."""
    total = hashlib.sha256()
    for leaf in jax.tree.leaves(states):
        total.update(np.ascontiguousarray(np.asarray(leaf)[:RUNS]).tobytes())
    return total.hexdigest()


def _advance(engine: Engine, states: State | None, begin: int, end: int) -> State:
    states = engine.start() if states is None else states
    while begin < end:
        segment = next_segment(engine.program.records, begin, end)
        states, _ = engine.advance(states, segment)
        begin = segment.end
    return states


@functools.cache
def _program() -> Program:
    """One program for all engines, so that it is compiled once for each number of devices."""
    model = CNN((8, 8), 10, (1, 2))
    process = descend(classification(model, 32, "per_seed"), OPTIMIZERS["momentum"], draw(model, INITIALIZERS["lecun"]))
    axes = Axes.of({"seed": range(RUNS), "learning_rate": [0.1], "weight_decay": [0.0], "momentum": [0.9]})
    return Program("training", process, (minibatch_loss(),), axes, digits(), (0, 7, STEPS))


if __name__ == "__main__":
    main()
