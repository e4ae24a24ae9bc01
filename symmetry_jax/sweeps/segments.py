"""Segments: the steps compiled into one call, between which the host writes, saves, reports and listens."""

import bisect
import dataclasses
from collections.abc import Sequence

RECORDS = 8  # of a segment of a study, at most: few enough to be cheap, enough to pass those that lie close together


@dataclasses.dataclass(frozen=True)
class Segment:
    """Steps computed in one call.

    Attributes:
        begin: the step it starts from.
        end: the step it reaches.
        records: the steps at which it is read, ascending, `end` among them in a program's last segment only.
        first: index, among the records of the program, of the first of these.
        room: for how many records the compiled program has room, the same in all segments of a study.
    """

    begin: int
    end: int
    records: tuple[int, ...]
    first: int
    room: int


def next_segment(records: Sequence[int], begin: int, stop: int, room: int = RECORDS) -> Segment:
    """The segment from a step to another, or as far as it has room for records; a program's last one reads the last state too.

    Args:
        records: record steps, ascending, from 0 to the last step inclusive.
        begin: where the last segment ended, before the last step.
        stop: the step not to pass.
        room: for so many records, at least 2.
    """
    last = records[-1]
    stop = min(stop, last)
    first = bisect.bisect_left(records, begin)
    after = len(records) if stop == last else bisect.bisect_left(records, stop)
    if after - first > room:
        after = first + room - 1  # one less, so that what is left is never the last state alone
        stop = records[after]
    return Segment(begin, stop, tuple(records[first:after]), first, room)


def whole(records: Sequence[int]) -> Segment:
    """All of a program in one segment."""
    return next_segment(records, 0, records[-1], len(records))
