"""One wave of a program: from where it stands on disk to its end."""

import bisect
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from symmetry_jax.errors import DamagedError, InterruptionError
from symmetry_jax.learning.process import State
from symmetry_jax.sweeps.checkpoints import Checkpoints
from symmetry_jax.sweeps.compiling import compile_seconds
from symmetry_jax.sweeps.engine import Engine, Reached
from symmetry_jax.sweeps.hosts import combine, is_alone, is_first, on_first
from symmetry_jax.sweeps.interruption import Interruption
from symmetry_jax.sweeps.pace import Pace
from symmetry_jax.sweeps.precision import numerics
from symmetry_jax.sweeps.progress import Progress
from symmetry_jax.sweeps.results import END, ENDS, RECORD, Writer
from symmetry_jax.sweeps.segments import Segment, next_segment


class Decision(NamedTuple):
    """What all hosts do next: leave the study, save, and not pass a step with the next segment."""

    leave: bool
    save: bool
    stop: int


class _Underway(NamedTuple):
    """A segment that devices compute: how many steps it has, what waits for it, and when it was begun, compilation left out."""

    segment: Segment
    steps: int
    wait: Callable[[], Reached]
    begun: float


@dataclasses.dataclass(frozen=True)
class Boundary:
    """What the host heeds between segments."""

    pace: Pace
    progress: Progress
    interruption: Interruption

    def decide(self, step: int) -> Decision:
        """Any host may ask to leave; the clock of the first one says the rest."""
        first = [self.pace.is_due(step), self.pace.stop(step)] if is_first() else [0, 0]
        leave, save, stop = combine(np.array([self.interruption.asked, *first], np.int32))
        return Decision(bool(leave), bool(save), int(stop))


@dataclasses.dataclass(frozen=True)
class Wave:
    """The runs of a program that are resident at once, with what they leave on disk.

    Order makes it safe: results are written before the checkpoint that follows them, and a segment that is computed again
    writes the same region again. A wave is through when all of its results and its last checkpoint are whole. Since nothing
    goes on from results without a checkpoint, those of several segments are written at once. A host that is alone reads and
    writes those of one segment while devices compute the next.

    Attributes:
        engine: computes the program.
        number: which of its waves.
        writer: writes the program's results; none but on the first host.
        checkpoints: of this wave.
        say: told what was damaged.
        held: the last segments, whose readings are not written yet.
    """

    engine: Engine
    number: int
    writer: Writer | None
    checkpoints: Checkpoints
    say: Callable[[str], None]
    held: list[tuple[Segment, Mapping[str, np.ndarray]]] = dataclasses.field(default_factory=list, init=False, repr=False)

    @property
    def size(self) -> int:
        """Number of runs."""
        runs = self.engine.runs(self.number)
        return runs.stop - runs.start

    def stand(self) -> tuple[int, State | None]:
        """The step at which the wave can go on, and its states there; none if it has to start."""
        records, ends = on_first(self._whole_results)
        for step in reversed(on_first(self.checkpoints.steps)):
            if records >= self._records_before(step) and ends >= self._ends_before(step):
                try:
                    return step, self._restore(step)
                except DamagedError as error:
                    self.say(f"{self._name}: its checkpoint at step {step} is damaged ({error})")
            self.checkpoints.drop(step)
        return 0, None

    def compute(self, step: int, states: State | None, previous: Callable[[], State | None], boundary: Boundary) -> None:
        """Takes the wave from a step to its end.

        Args:
            step: where it stands.
            states: there; none if it has to start.
            previous: the final states of the program that it continues, if any.
            boundary: what is heeded between segments.

        Raises:
            InterruptionError: after saving, if that was asked for.
            OSError: if the work directory cannot be written.
        """
        if states is None:
            states = self._start(previous())
        elif self.writer:
            self.writer.rewind(self.number, self._records_before(step), 1)
        decision = boundary.decide(step)
        if decision.leave:  # what there is was saved before, or is drawn in no time
            raise InterruptionError
        ahead = 1 if is_alone() else 0  # segments begun but not looked after; hosts that decide together wait for devices there
        underway: list[_Underway] = []
        while step < self.engine.program.steps:
            # where handing a segment over waits for its end there is nothing to do beside it
            if states.stopped.is_ready():  # type: ignore[attr-defined]  # every array of jax has it, the stub does not
                self._finish(underway, 0, boundary)
            states, begun = self._begin(states, step, decision.stop)
            step = begun.segment.end
            underway.append(begun)
            self._finish(underway, ahead, boundary)
            decision = boundary.decide(step)
            if decision.leave or decision.save or self._is_last(step):
                self._finish(underway, 0, boundary)
                self._save(step, states, boundary.pace)
            if decision.leave:
                self.checkpoints.wait()
                raise InterruptionError
        self.checkpoints.keep_only(step)

    def _start(self, previous: State | None) -> State:
        states = self.engine.start(previous, self.number)
        if self.writer:
            self.writer.make()  # while devices compute
        readings = self.engine.read_ends(states, 0, self.number)
        if self.writer:
            if not self.writer.is_new:
                self.writer.rewind(self.number, 0, 0)
            self.writer.write_ends(self.number, 0, readings)
        return states

    def _begin(self, states: State, step: int, stop: int) -> tuple[State, _Underway]:
        """Lets devices compute a segment that does not pass a step."""
        begun = time.perf_counter() - compile_seconds()
        segment = next_segment(self.engine.program.records, step, stop)
        states, wait = self.engine.begin(states, segment, self.number)
        return states, _Underway(segment, segment.end - step, wait, begun + compile_seconds())

    def _finish(self, underway: list[_Underway], left: int, boundary: Boundary) -> None:
        """Waits for segments until so many are left, and writes results once that is due."""
        while len(underway) > left:
            segment, steps, wait, begun = underway.pop(0)
            readings, stopped = wait()
            seconds = boundary.pace.computed(steps, begun)
            if self.writer:
                self.held.append((segment, readings))
                if boundary.pace.is_writing_due():
                    self._write_held(boundary.pace)
            boundary.progress.computed(steps * self.size, segment.end, stopped, seconds, readings)

    def _write_held(self, pace: Pace) -> None:
        """Writes what the last segments read."""
        if self.writer and self.held:
            segments, readings = zip(*self.held, strict=True)
            joined = {name: np.concatenate([values[name] for values in readings], axis=1) for name in readings[0]}
            count = sum(len(segment.records) for segment in segments)
            self.writer.write_records(self.number, segments[0].first, count, joined)
            self.held.clear()
        pace.wrote()

    def _save(self, step: int, states: State, pace: Pace) -> None:
        """Saves states that were reached, all results before them, and if they are the last what is read at the end."""
        self._write_held(pace)
        if self._is_last(step):
            ends = self.engine.read_ends(states, step, self.number)
            if self.writer:
                self.writer.write_ends(self.number, 1, ends)
        begun = time.perf_counter()
        self.checkpoints.save(step, states)
        pace.saved(time.perf_counter() - begun)

    def _restore(self, step: int) -> State:
        with numerics(self.engine.program.precision):
            return self.checkpoints.restore(step, self.engine.abstract_states())

    def _whole_results(self) -> list[int]:
        """How many records and ends are whole; tells if there were more."""
        assert self.writer is not None
        if self.writer.is_new:
            return [0, 0]
        group = self.writer.read()
        whole = [group.whole(self.number, dim) for dim in (RECORD, END)]
        if whole != [group.reached(self.number, dim) for dim in (RECORD, END)]:
            self.say(f"{self._name}: its results are damaged")
        return whole

    def _is_last(self, step: int) -> bool:
        return step == self.engine.program.steps

    def _records_before(self, step: int) -> int:
        return records_before(self.engine.program.records, step)

    def _ends_before(self, step: int) -> int:
        return len(ENDS) if self._is_last(step) else 1

    @property
    def _name(self) -> str:
        return self.engine.program.label + (f", wave {self.number + 1}" if self.engine.waves > 1 else "")


def records_before(records: Sequence[int], step: int) -> int:
    """Records that are read on the way to a step; the last state is read as soon as it is reached."""
    return len(records) if step == records[-1] else bisect.bisect_left(records, step)
