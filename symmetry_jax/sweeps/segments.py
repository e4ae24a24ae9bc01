"""Segments: the steps compiled into one call, between which the host writes, saves, reports and listens."""

import bisect
import dataclasses
import itertools
from collections.abc import Sequence

SPANS = 8  # of a segment of a study: few enough to be cheap, enough to pass records that lie close together
NO_STEPS = (0, -1)


@dataclasses.dataclass(frozen=True)
class Segment:
    """Steps computed in one call.

    Attributes:
        spans: steps (from, to) computed one after the other. All segments of a program have as many, filled up with `NO_STEPS`.
        rows: which of the spans start at a record; the first only goes on where the last segment ended.
        first: index, among the records of the program, of the first of these.
        end: the step reached.
    """

    spans: tuple[tuple[int, int], ...]
    rows: tuple[int, ...]
    first: int
    end: int


def next_segment(records: Sequence[int], begin: int, stop: int, length: int = SPANS) -> Segment:
    """The segment from a step to another, or as far as its spans reach; the last one of a program reads the last state too.

    Args:
        records: record steps, ascending, from 0 to the last step inclusive.
        begin: where the last segment ended, before the last step.
        stop: the step not to pass.
        length: spans of the segment, at least 2.
    """
    last = records[-1]
    stop = min(stop, last)
    first = bisect.bisect_left(records, begin)
    between = records[bisect.bisect_right(records, begin) : bisect.bisect_left(records, stop)]
    points = [begin, *between, stop][:length]
    spans = list(itertools.pairwise(points))
    if points[-1] == last:
        spans.append((last, last))
    recorded = set(records[first : first + length])
    rows = tuple(row for row, (start, _) in enumerate(spans) if start in recorded)
    return Segment((*spans, *[NO_STEPS] * (length - len(spans))), rows, first, points[-1])


def whole(records: Sequence[int]) -> Segment:
    """All of a program in one segment."""
    return next_segment(records, 0, records[-1], len(records))
