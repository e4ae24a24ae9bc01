"""Run-steps per second of the engine and of its peers, in one run: `make bench`, about three minutes on two idle cores.

Every contestant trains the same networks on the same digits, from the same initial weights and on the same minibatches, so
that final losses agree to rounding, but for the one that ties two units to follow them. Contestants take turns, and ratios are
of rates in the same turn, so that slow drifts of the machine cancel; other programs do not, and want the machine idle. The
first turn compiles and is not timed.
"""

import argparse
import dataclasses
import importlib.metadata
import importlib.util
import os
import platform
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.contestants import Contestant
from benchmarks.ours import following, ours
from benchmarks.peers_jax import naive_jax
from benchmarks.works import WORKS, Assignment, Work, assign
from symmetry_jax.sweeps.devices import core_count, use_all_cores
from symmetry_jax.sweeps.machine import now
from symmetry_jax.sweeps.precision import numerics
from symmetry_jax.sweeps.sealed import write_json

HAS_TORCH = importlib.util.find_spec("torch") is not None
STEADY = 1.5  # turns that differ by more than this factor were not had on an idle machine
LIBRARIES = ("jax", "flax", "numpy", *(["torch"] if HAS_TORCH else []))


def main() -> None:
    """Runs the benchmark, prints a table for each work and writes all figures into one file."""
    arguments = _parse()
    use_all_cores()
    machine = _describe_machine()
    print(*(f"{name}: {value}" for name, value in machine.items()), sep="\n")
    if not HAS_TORCH:
        print("The peers in PyTorch are left out: pip install -r benchmarks/requirements.txt")
    figures = {}
    for work in WORKS:
        timed = dataclasses.replace(work, steps=arguments.steps or work.steps)
        figures[work.name] = _compare(timed, arguments.runs, arguments.repeats)
        print(*_table(timed, figures[work.name]), sep="\n")
    arguments.results.mkdir(parents=True, exist_ok=True)
    path = arguments.results / _file_name(machine["device"])
    write_json(path, {"finished": now(), **machine, "works": figures})
    print(f"\n{path}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="timed turns of each contestant")
    parser.add_argument("--runs", type=int, default=64, help="networks trained side by side")
    parser.add_argument("--steps", type=int, help="steps of each run, instead of each work's own")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results", help="where figures are written")
    return parser.parse_args()


def _describe_machine() -> dict[str, Any]:
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


def _file_name(device: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", device.lower()).strip("_") + ".json"


def _compare(work: Work, runs: int, repeats: int) -> dict[str, Any]:
    """Lets every contestant train in turn; returns the figures, of ours first."""
    with numerics("float32"):
        contestants = _contestants(assign(work, runs))
        losses = [contestant.losses(contestant.train(contestant.start())) for contestant in contestants]
        seconds = np.array([[_seconds(contestant) for contestant in contestants] for _ in range(repeats)])
    rates = np.array([contestant.runs * work.steps for contestant in contestants]) / seconds
    figures = [
        _figures(contestant, rates[:, number], rates[:, 0], losses[number], losses[0])
        for number, contestant in enumerate(contestants)
    ]
    return {"batch_size": work.batch_size, "steps": work.steps, "contestants": figures}


def _contestants(assignment: Assignment) -> list[Contestant]:
    """Ours, ours with twins followed, then the peers that can be had."""
    contestants = [ours(assignment), following(assignment), naive_jax(assignment)]
    if HAS_TORCH:
        from benchmarks.peers_torch import eager_loop, ensemble

        contestants += [eager_loop(assignment), ensemble(assignment)]
    return contestants


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
        "run_steps_per_second": _spread(rates),
        "ours_over_this": _spread(our_rates / rates),
        "training_loss": float(losses.mean()),
        "largest_difference_of_loss": float(abs(losses - our_losses[: contestant.runs]).max()),
    }


def _spread(values: np.ndarray) -> dict[str, Any]:
    low, middle, high = np.quantile(values, [0, 0.5, 1])
    return {"median": float(middle), "min": float(low), "max": float(high), "turns": values.tolist()}


def _table(work: Work, figures: dict[str, Any]) -> list[str]:
    """One line for each contestant."""
    row = "{:<20}{:>6}{:>32}{:>34}{:>10}{:>12}".format
    turns = len(figures["contestants"][0]["ours_over_this"]["turns"])
    return [
        f"\n{work.name}: {work.summary}; batch {work.batch_size}, {work.steps} steps; median (min to max) of {turns} turns",
        row("", "runs", "run-steps per second", "ours over this", "loss", "off ours"),
        *(row(*_cells(contestant)) for contestant in figures["contestants"]),
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
