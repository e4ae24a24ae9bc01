"""Intervals: which values a number of a run may have."""

import dataclasses
import math
from typing import Literal

import numpy as np


@dataclasses.dataclass(frozen=True)
class Interval:
    """The numbers from `low` to `high`; prints as `[0, 1)`.

    Attributes:
        low: the least.
        high: the greatest.
        ends: a square bracket for an end that is one of the numbers, a round one for an end that is not.
        whole: whether only its whole numbers are meant.
    """

    low: float = -math.inf
    high: float = math.inf
    ends: Literal["[]", "[)", "(]", "()"] = "[)"
    whole: bool = False

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Whether each value is one of the numbers: bool, in the shape of `values`."""
        above = values >= self.low if self.ends[0] == "[" else values > self.low
        below = values <= self.high if self.ends[1] == "]" else values < self.high
        return above & below & ((values == np.floor(values)) | (not self.whole))

    def __str__(self) -> str:
        return f"{'the whole numbers of ' if self.whole else ''}{self.ends[0]}{self.low}, {self.high}{self.ends[1]}"
