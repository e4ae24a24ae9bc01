"""What the engine is to reach on two CPU cores with 64 runs: a floor and a target for each ratio."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

ENSEMBLE, EAGER, VMAPPED, LIMIT = "PyTorch, torch.func", "PyTorch, eager", "JAX, vmapped", "the product rate"


@dataclasses.dataclass(frozen=True)
class Goal:
    """How many times as fast as a peer, or what fraction of the limit, ours is to be in a work."""

    work: str
    against: str
    floor: float
    target: float


GOALS = (
    Goal("mlp, 64 wide", ENSEMBLE, 2.4, 4),
    Goal("mlp, 64 wide", EAGER, 12, 20),
    Goal("mlp, 64 wide", LIMIT, 0.45, 0.6),
    Goal("mlp, 16 wide", ENSEMBLE, 2.2, 4),
    Goal("mlp, 16 wide", EAGER, 14, 25),
    Goal("cnn 8x8, 8 filters", ENSEMBLE, 1.3, 2),
    Goal("cnn 8x8, 8 filters", EAGER, 10, 15),
    Goal("cnn 8x8, 16 filters", ENSEMBLE, 1.0, 2),
    Goal("cnn 8x8, 16 filters", EAGER, 6, 12),
    Goal("cnn 28x28, 8 filters", ENSEMBLE, 0.8, 1.5),
    Goal("cnn 32x32, 8 filters", ENSEMBLE, 0.8, 1.5),
    *(Goal(f"cnn 8x8, {filters} filters", VMAPPED, 10, 20) for filters in (8, 16, 32)),
    Goal("cnn 28x28, 8 filters", VMAPPED, 10, 20),
    Goal("cnn 32x32, 8 filters", VMAPPED, 10, 20),
)


def reached(figures: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A line for each goal of a work that was measured: what was reached, and how that stands to floor and target."""
    row = "{:<22}{:<22}{:>8}{:>8}{:>26}  {}".format
    yield row("work", "against", "floor", "target", "reached", "")
    for goal in GOALS:
        spread = _spread(goal, figures.get(goal.work, {}))
        if spread is not None:
            stands = "target" if spread["median"] >= goal.target else "floor" if spread["median"] >= goal.floor else "BELOW"
            found = "{median:.2f} ({min:.2f} to {max:.2f})".format(**spread)
            yield row(goal.work, goal.against, f"{goal.floor:g}", f"{goal.target:g}", found, stands)


def _spread(goal: Goal, figures: Mapping[str, Any]) -> Mapping[str, float] | None:
    contestants = {contestant["name"]: contestant for contestant in figures.get("contestants", ())}
    if goal.against == LIMIT and contestants:
        return figures["fraction_of_product_rate"]
    return contestants[goal.against]["ours_over_this"] if goal.against in contestants else None
