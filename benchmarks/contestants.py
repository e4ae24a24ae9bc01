"""A contestant: one way to train the runs of a work."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

ONE_AT_A_TIME = 4  # networks that are trained one after another: more of them take longer and tell no more


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One way to train the runs of a work.

    Attributes:
        name: what it is called in the table.
        runs: how many of the work's runs it trains, the first ones.
        start: the state at step 0, made anew; not timed.
        train: takes all runs from the start to the last step, and returns when that is computed; timed.
        losses: the mean loss over the training set of each run, (runs,); not timed.
        close: lets go of what it holds.
    """

    name: str
    runs: int
    start: Callable[[], Any]
    train: Callable[[Any], Any]
    losses: Callable[[Any], np.ndarray]
    close: Callable[[], None] = lambda: None
