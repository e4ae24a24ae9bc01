"""Run-steps per second of the engine and of its peers, in one run: `make bench`; `make bench-whole` with more of them.

Every contestant trains the same networks on the same digits, from the same initial weights and on the same minibatches, so
that final losses agree to rounding, but for the one that ties two units to follow them. Contestants take turns, and ratios are
of rates in the same turn, so that slow drifts of the machine cancel; other programs do not, and want the machine idle. The
first turn compiles and is not timed.
"""

import argparse
import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.contestants import Contestant
from benchmarks.goals import reached
from benchmarks.limits import Limits, bytes_moved
from benchmarks.ours import following, ours
from benchmarks.peers_jax import in_one_program, one_by_one, vmapped
from benchmarks.works import MANY, NUMBERS, QUICK, RUNS, WHOLE, Assignment, Work, assign
from symmetry_jax.sweeps.devices import core_count, use_all_cores
from symmetry_jax.sweeps.machine import now
from symmetry_jax.sweeps.precision import numerics
from symmetry_jax.sweeps.sealed import write_json

Make = Callable[[Assignment], Contestant]
Field = Callable[[], list[Make]]

HAS_TORCH = importlib.util.find_spec("torch") is not None
STEADY = 1.5  # turns that differ by more than this factor were not had on an idle machine
LIBRARIES = ("jax", "flax", "numpy", *(["torch"] if HAS_TORCH else []))


def main() -> None:
    """Runs the benchmark, prints a table for each work and writes all figures into one file."""
    arguments = _parse()
    use_all_cores()
    machine = describe_machine()
    print(*(f"{name}: {value}" for name, value in machine.items()), sep="\n")
    if not HAS_TORCH:
        print("The peers in PyTorch are left out: pip install -r benchmarks/requirements.txt")
    with numerics("float32"):
        limits = Limits()
        chosen = QUICK if arguments.quick else WHOLE
        works = {work.name: _compare(work, RUNS, _all_contestants, limits, arguments) for work in chosen}
        many = {} if arguments.quick else {work.name: _with_other_numbers(work, limits, arguments) for work in MANY}
    print("", *reached(works), sep="\n")
    arguments.results.mkdir(parents=True, exist_ok=True)
    path = arguments.results / file_name(machine["device"], "_quick" if arguments.quick else "")
    write_json(path, {"finished": now(), **machine, "works": works, "other_numbers_of_runs": many})
    print(f"\n{path}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer works, 64 runs alone: a quarter of an hour")
    parser.add_argument("--repeats", type=int, default=5, help="timed turns of each contestant")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results", help="where figures are written")
    return parser.parse_args()


def _with_other_numbers(work: Work, limits: Limits, arguments: argparse.Namespace) -> dict[str, Any]:
    """Other numbers of runs than 64, with the peers that train all of them at once."""
    return {str(runs): _compare(work, runs, _contestants_for_many, limits, arguments) for runs in NUMBERS}


def describe_machine() -> dict[str, Any]:
    """What the figures depend on besides the code."""
    devices = jax.local_devices()
    versions = {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {
        "device": devices[0].device_kind,
        "devices": len(devices),
        "cores": core_count(),
        "load_before": round(os.getloadavg()[0], 2),  # other programs, if not near 0
        "versions": versions,
    }


def file_name(device: str, kind: str) -> str:
    """Named by the device and the kind of figures: a quick run leaves those of a whole one as they are."""
    return re.sub(r"[^a-z0-9]+", "_", device.lower()).strip("_") + f"{kind}.json"


def _compare(work: Work, runs: int, field: Field, limits: Limits, arguments: argparse.Namespace) -> dict[str, Any]:
    """Lets every contestant train in turn, and measures the machine's limits beside them; returns the figures, ours first."""
    work = work.of_runs(runs)
    assignment = assign(work, runs)
    with contextlib.ExitStack() as held:
        contestants = []
        for make in field():
            contestants.append(make(assignment))
            held.callback(contestants[-1].close)
        losses = [contestant.losses(contestant.train(contestant.start())) for contestant in contestants]
        turns = [([_seconds(contestant) for contestant in contestants], limits.measure()) for _ in range(arguments.repeats)]
    rates = np.array([contestant.runs * work.steps for contestant in contestants]) / np.array([seconds for seconds, _ in turns])
    products, bandwidth = np.array([limit for _, limit in turns]).T
    figures = {
        "summary": work.summary,
        "runs": runs,
        "steps": work.steps,
        "product_rate": spread(products),
        "bandwidth": spread(bandwidth),
        "fraction_of_product_rate": spread(rates[:, 0] * work.flops() / products),
        "fraction_of_bandwidth": spread(rates[:, 0] * bytes_moved(work, assignment.layers) / bandwidth),
        "contestants": [
            _figures(contestant, rates[:, number], rates[:, 0], losses[number], losses[0])
            for number, contestant in enumerate(contestants)
        ],
    }
    print(*_table(work, figures), sep="\n", flush=True)
    return figures


def _all_contestants() -> list[Make]:
    """Ours, ours with twins followed, then the peers that can be had."""
    found: list[Make] = [ours, following, one_by_one, vmapped, in_one_program]
    if HAS_TORCH:
        from benchmarks import peers_torch

        found += [peers_torch.eager_loop, peers_torch.compiled_loop, peers_torch.in_processes, peers_torch.ensemble]
    return found


def _contestants_for_many() -> list[Make]:
    found: list[Make] = [ours, in_one_program]
    if HAS_TORCH:
        from benchmarks.peers_torch import ensemble

        found.append(ensemble)
    return found


def _seconds(contestant: Contestant) -> float:
    state = contestant.start()
    begun = time.perf_counter()
    contestant.train(state)
    return time.perf_counter() - begun


def _figures(
    contestant: Contestant, rates: np.ndarray, our_rates: np.ndarray, losses: np.ndarray, our_losses: np.ndarray
) -> dict[str, Any]:
    """What is told of one contestant, beside ours: rates of each turn, and losses of each run."""
    return {
        "name": contestant.name,
        "runs": contestant.runs,
        "run_steps_per_second": spread(rates),
        "ours_over_this": spread(our_rates / rates),
        "training_loss": float(losses.mean()),
        "largest_difference_of_loss": float(abs(losses - our_losses[: contestant.runs]).max()),
    }


def spread(values: np.ndarray) -> dict[str, Any]:
    """Median and range over turns, and all of them."""
    low, middle, high = np.quantile(values, [0, 0.5, 1])
    return {"median": float(middle), "min": float(low), "max": float(high), "turns": values.tolist()}


def _table(work: Work, figures: dict[str, Any]) -> list[str]:
    """One line for each contestant, and one for the machine."""
    row = "{:<22}{:>6}{:>34}{:>34}{:>10}{:>12}".format
    turns = len(figures["product_rate"]["turns"])
    limit = "{:.0f} GF/s, of which ours reaches {:.2f}; {:.0f} GB/s, {:.2f}".format(
        figures["product_rate"]["median"] / 1e9,
        figures["fraction_of_product_rate"]["median"],
        figures["bandwidth"]["median"] / 1e9,
        figures["fraction_of_bandwidth"]["median"],
    )
    return [
        f"\n{work.name}: {figures['summary']}; {work.steps} steps; median (min to max) of {turns} turns",
        row("", "runs", "run-steps per second", "ours over this", "loss", "off ours"),
        *(row(*_cells(contestant)) for contestant in figures["contestants"]),
        f"the machine: {limit}",
        *_warnings(figures["contestants"]),
    ]


def _warnings(contestants: Sequence[dict[str, Any]]) -> list[str]:
    """One line if turns differ too much to be trusted: PyTorch's threads suffer far more than ours from a busy machine."""
    unsteady = [figures["name"] for figures in contestants if _factor(figures["run_steps_per_second"]) > STEADY]
    if not unsteady:
        return []
    return [
        f"Not to be trusted: turns differ by more than a factor {STEADY}: {'; '.join(unsteady)}. Run it on an idle machine."
    ]


def _factor(spread: dict[str, Any]) -> float:
    return spread["max"] / spread["min"]


def _cells(figures: dict[str, Any]) -> Sequence[str]:
    return (
        figures["name"],
        f"{figures['runs']}",
        "{median:,.0f} ({min:,.0f} to {max:,.0f})".format(**figures["run_steps_per_second"]),
        "{median:.2f} ({min:.2f} to {max:.2f})".format(**figures["ours_over_this"]),
        f"{figures['training_loss']:.4f}",
        f"{figures['largest_difference_of_loss']:.1e}",
    )


if __name__ == "__main__":
    main()
