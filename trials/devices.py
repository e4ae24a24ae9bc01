"""Whether the bits of a run depend on devices, and on what is trained beside it: `make devices`, two minutes.

Small networks are trained on 1, 2, 4, ... devices: twenty runs, and the first four of them alone; some once more with a
checkpoint half-way that is restored on each number of devices. Any two numbers but one have to give the same bits, and fewer
runs the bits of more; whether one device gives those of several is told. On a CPU there are eight devices, made of its cores.
On a GPU run it with and without `XLA_FLAGS=--xla_gpu_deterministic_ops=true`; the record holds the flags and the digests, so
that two of them can be compared.
"""

import functools
import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from symmetry_jax.learning.data.digits import digits
from symmetry_jax.learning.models import ACTIVATIONS, CNN, MLP
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.process import PyTree, State
from symmetry_jax.learning.starts import INITIALIZERS, draw, near_tied
from symmetry_jax.learning.tasks import classification
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.training import evaluate_loss, gradient_norm, minibatch_loss
from symmetry_jax.sweeps.axes import Axes
from symmetry_jax.sweeps.checkpoints import Checkpoints
from symmetry_jax.sweeps.engine import Engine
from symmetry_jax.sweeps.machine import describe_machine
from symmetry_jax.sweeps.precision import Precision, numerics
from symmetry_jax.sweeps.program import Program
from symmetry_jax.sweeps.sealed import write_json
from symmetry_jax.sweeps.segments import next_segment
from trials.studies import record_name, record_parser, temporary_folder

STEPS, RUNS, TILE = 40, 20, 4
HPARAMS = {"learning_rate": 0.01, "weight_decay": 1e-3, "momentum": 0.9, "beta1": 0.9, "beta2": 0.999, "adam_eps": 1e-8}
TRAINED: dict[str, tuple[Any, str, tuple[str, ...], Precision]] = {  # the model, its optimizer, what that reads, precision
    "tanh CNN": (CNN((8, 8), 10, (1, 2)), "momentum", ("momentum",), "float32"),
    "ReLU CNN with batch norm": (
        CNN((3, 5), 10, (1, 2), activation=ACTIVATIONS["relu"], batch_norm=True),
        "adamw",
        ("beta1", "beta2", "adam_eps"),
        "float32",
    ),
    "GELU perceptron": (MLP((7, 33), 10, ACTIVATIONS["gelu"]), "adam", ("beta1", "beta2", "adam_eps"), "float64"),
}

Digests = Mapping[str, str]  # by where it was computed: a number of devices, or two of them


def main() -> None:
    """Prints and writes what was found; fails if bits differ that should not."""
    arguments = record_parser(__doc__).parse_args()
    jax.config.update("jax_num_cpu_devices", 8)
    found = {name: train_on_each(name) for name in TRAINED}
    with temporary_folder() as folder:
        name = next(iter(TRAINED))
        found[name]["saved_and_restored_on"] = restore_on_each(program(name, RUNS), Path(folder))
    machine = describe_machine()
    arguments.results.mkdir(parents=True, exist_ok=True)
    record = {"xla_flags": os.environ.get("XLA_FLAGS", ""), "trained": found, "machine": machine}
    write_json(arguments.results / record_name("devices", machine), record)
    for name, digests in found.items():
        print(f"{name}: {_told(digests['all_runs'])}")
    wrong = [f"{name}: {what}" for name, digests in found.items() for what in differences(digests)]
    if wrong:
        raise SystemExit("\n".join(["bits differ:", *wrong]))


def differences(found: Mapping[str, Digests]) -> Iterator[str]:
    """What has other bits than it should: several devices those of two, few runs those of many, and no restart changes them."""
    expected = dict(found["all_runs"])
    several = [digest for number, digest in expected.items() if number != "1"]
    if len(set(several)) > 1:
        yield "several devices differ from each other"
    for number, digest in found["first_runs_alone"].items():
        if digest != found["first_runs"][number]:
            yield f"on {number} devices runs differ from the same runs beside others"
    for numbers, digest in found.get("saved_and_restored_on", {}).items():
        first, second = numbers.split(" -> ")
        if (first == "1") == (second == "1") and digest != expected[second]:
            yield f"saved and restored on devices {numbers}"


def _told(digests: Digests) -> str:
    one, *several = digests.values()
    if not several:
        return "there is one device"
    return f"one device gives {'the bits' if one == several[0] else 'other bits than those'} of {', '.join([*digests][1:])}"


def train_on_each(name: str) -> dict[str, dict[str, str]]:
    """For each number of devices digests of all runs, of the first ones of them, and of these trained alone."""
    found: dict[str, dict[str, str]] = {"all_runs": {}, "first_runs": {}, "first_runs_alone": {}}
    every, few = program(name, RUNS), program(name, TILE)
    for number in numbers():
        ended = advance(engine_on(every, number), None, 0, STEPS)
        found["all_runs"][str(number)] = digest(ended, RUNS)
        found["first_runs"][str(number)] = digest(ended, TILE)
        found["first_runs_alone"][str(number)] = digest(advance(engine_on(few, number), None, 0, STEPS), TILE)
    return found


def restore_on_each(trained: Program, folder: Path) -> dict[str, str]:
    """For each two numbers of devices the digest of the end, when the first half was computed on one of them."""
    digests = {}
    identity = {"runs": RUNS, "tile": TILE}
    for first, second in itertools.product(numbers(), repeat=2):
        checkpoints = Checkpoints(folder / f"{first}_{second}", identity)
        checkpoints.save(STEPS // 2, advance(engine_on(trained, first), None, 0, STEPS // 2)[0])
        checkpoints.wait()
        engine = engine_on(trained, second)
        with numerics(trained.precision):
            states = checkpoints.restore(STEPS // 2, engine.abstract_states())
        digests[f"{first} -> {second}"] = digest(advance(engine, states, STEPS // 2, STEPS), RUNS)
        checkpoints.close()
    return digests


def numbers() -> list[int]:
    """Powers of two, as far as there are devices."""
    return [2**power for power in range(jax.device_count().bit_length())]


def engine_on(trained: Program, devices: int) -> Engine:
    """The training on the first few devices."""
    return Engine(trained, TILE, jax.devices()[:devices])


def digest(ended: PyTree, runs: int) -> str:
    """Of what a training ended with, for so many of its first runs."""
    total = hashlib.sha256()
    for leaf in jax.tree.leaves(ended):
        total.update(np.ascontiguousarray(np.asarray(leaf)[:runs]).tobytes())
    return total.hexdigest()


def advance(engine: Engine, states: State | None, begin: int, end: int) -> tuple[State, dict[str, Any]]:
    """The states at the end, and what is read then."""
    states = engine.start() if states is None else states
    readings: dict[str, Any] = {}
    while begin < end:
        segment = next_segment(engine.program.records, begin, end)
        states, found = engine.advance(states, segment)
        readings = {name: values[:, -1] for name, values in found.items()}
        begin = segment.end
    return states, readings | engine.read_ends(states, end)


@functools.cache
def program(name: str, runs: int) -> Program:
    """The training of so many near-tied networks, one for all engines: compiled once for each number of devices."""
    model, optimizer, read, precision = TRAINED[name]
    symmetry, task, data = model.symmetry((8, 8, 1)), classification(model, 32, "per_seed"), digits()
    start = near_tied(draw(model, INITIALIZERS["lecun"]), symmetry, {next(iter(symmetry)): (0, 1)})
    axes: dict[str | tuple[str, ...], Any] = {"seed": range(runs // 2), "epsilon": [0.0, 1e-3]}
    axes |= {name: [HPARAMS[name]] for name in ("learning_rate", "weight_decay", *read)}
    measures, process = (minibatch_loss(), gradient_norm(), evaluate_loss(task)), descend(task, OPTIMIZERS[optimizer], start)
    return Program("training", process, measures, Axes.of(axes), data, (0, 7, STEPS), precision=precision)


if __name__ == "__main__":
    main()
