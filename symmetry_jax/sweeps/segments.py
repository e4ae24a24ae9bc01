"""Segments: the steps compiled into one call, between which the host writes, reports and listens."""

import dataclasses
import itertools
import math
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Segment:
    """Steps computed in one call.

    Attributes:
        spans: steps (from, to) computed one after the other; every segment of a program has as many.
        rows: which of the spans start at a record. The others only keep spans short, or fill up the last segment.
    """

    spans: tuple[tuple[int, int], ...]
    rows: tuple[int, ...]

    @property
    def steps(self) -> int:
        """Steps that the segment goes forward."""
        return self.spans[-1][1] - self.spans[0][0]


def plan_segments(records: Sequence[int], count: int) -> list[Segment]:
    """Cuts a program into about `count` segments of equally many spans, no span longer than 1/count of all steps.

    Args:
        records: record steps, ascending, from 0 to the last step inclusive.
        count: 1 for a single segment, whose spans are the records.
    """
    last = records[-1]
    starts = sorted({*records, *range(0, last, math.ceil(last / count))})
    spans = [*itertools.pairwise(starts), (last, last)]
    length = math.ceil(len(spans) / count)
    filled = spans + [(last, last)] * (-len(spans) % length)
    recorded = set(records)
    return [
        Segment(
            tuple(filled[first : first + length]),
            tuple(row for row, (start, _) in enumerate(spans[first : first + length]) if start in recorded),
        )
        for first in range(0, len(filled), length)
    ]
