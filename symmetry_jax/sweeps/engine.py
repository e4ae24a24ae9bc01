"""Lifts one run to many: device shard > tile > segment > vmapped runs. Nothing else vmaps over runs.

A tile is the runs computed side by side inside a device. Its size is fixed, and runs are padded to whole tiles, so that a run
has the same bits whatever sweep it is part of, on one device, and on any several: XLA compiles otherwise for one. Record steps
and every swept number are traced: one compilation serves all.
"""

import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from symmetry_jax.learning.convolution import Lowering, lowered
from symmetry_jax.learning.process import Hparams, Measure, Process, PyTree, Readings, State, read_all
from symmetry_jax.sweeps import machine
from symmetry_jax.sweeps.hosts import gather
from symmetry_jax.sweeps.precision import cast, numerics
from symmetry_jax.sweeps.program import Program
from symmetry_jax.sweeps.segments import Segment, Span, abstract_span, advance_and_read
from symmetry_jax.sweeps.tracing import trace

RUNS = "runs"
DEFAULT_TILES = {"cpu": 8}  # as many runs as keep a core's products large and its arrays in cache
ACCELERATOR_TILE = 1024


def default_tile() -> int:
    """Runs side by side in a device, unless the user says otherwise."""
    return DEFAULT_TILES.get(jax.default_backend(), ACCELERATOR_TILE)


class Compiled(NamedTuple):
    """What is known of a segment once it is compiled: bytes that a device needs in a study, and the seconds that it took."""

    bytes: int
    seconds: float


class Reached(NamedTuple):
    """What the host learns of a segment: readings (runs, records in the segment, ...) and how many runs stopped."""

    readings: dict[str, np.ndarray]
    stopped: int


class Layout(NamedTuple):
    """How runs lie on devices, all of it static: runs side by side in one, the devices, and how convolutions are computed."""

    tile: int
    mesh: Mesh
    lowering: Lowering


class Engine:
    """Computes the runs of one program, wave by wave and segment by segment.

    Args:
        program: what is computed.
        tile: runs computed side by side inside a device.
        devices: where; all devices of all processes by default.
        lowering: how convolutions are computed.

    Attributes:
        wave: runs resident at once: all of them, unless `limit` is called.
        shapes: shape and dtype of every measure, for one run and one record or end.
        digest: of what is computed in a step, equal for equal arithmetic.

    Raises:
        InputError: if the program's axes are not what it reads.
    """

    def __init__(
        self, program: Program, tile: int, devices: Sequence[jax.Device] | None = None, lowering: Lowering = "patches"
    ) -> None:
        self.program = program
        self.tile = tile
        self.lowering = lowering
        self.wave = program.axes.size
        self.mesh = Mesh(np.array(devices if devices is not None else jax.devices()), (RUNS,))
        self.shapes, self._state, self.digest = trace(program, lowering)
        self._static: dict[str, Any] = {"process": program.process, "layout": Layout(tile, self.mesh, lowering)}
        self._hparams = program.hparams()
        self._resident: tuple[int, Hparams] | None = None  # the wave whose hparams are on the devices

    def limit(self, wave: int) -> None:
        """Lets at most so many runs be resident at once; to be called before anything is computed."""
        self.wave = min(wave, self.program.axes.size)

    def relaid(self, tile: int, lowering: Lowering) -> "Engine":
        """An engine for the same runs on the same devices, with as many of them resident."""
        engine = Engine(self.program, tile, list(self.mesh.devices.flat), lowering)
        engine.limit(self.wave)
        return engine

    @property
    def layout(self) -> dict[str, Any]:
        """What bits depend on beside the program, and how runs pass: tile, lowering and runs of a wave, as plain data."""
        return {"tile": self.tile, "lowering": self.lowering, "wave": self.wave}

    @property
    def waves(self) -> int:
        """Waves in which all runs pass."""
        return math.ceil(self.program.axes.size / self.wave)

    def runs(self, wave: int) -> slice:
        """The runs of a wave."""
        return slice(wave * self.wave, min((wave + 1) * self.wave, self.program.axes.size))

    @property
    def padded_runs(self) -> int:
        """Runs computed at once: a wave, or what is left for the last one, and copies of its last run up to whole tiles."""
        unit = self.tile * self.mesh.size
        return math.ceil(self.wave / unit) * unit

    def start(self, previous: State | None = None, wave: int = 0) -> State:
        """The states at step 0, with a leading axis of padded runs; `previous`: final states of an earlier program."""
        self._make_room()
        with numerics(self.program.precision):
            start = _jitted_start(self._platform)
            return start((self._hparams_of(wave), previous), self._data, **self._static)

    def advance(self, states: State, segment: Segment, wave: int = 0) -> tuple[State, dict[str, np.ndarray]]:
        """Takes the runs of a wave through a segment.

        Args:
            states: consumed.
            segment: the steps, every segment of a study with room for as many records.
            wave: which.

        Returns:
            The states, and for each measure of records (runs, records in the segment, ...).
        """
        states, wait = self.begin(states, segment, wave)
        return states, wait().readings

    def begin(self, states: State, segment: Segment, wave: int = 0) -> tuple[State, Callable[[], Reached]]:
        """Hands a segment to the devices, like `advance`, and lets the host go on while they compute it.

        Returns:
            The states, from which the next segment can begin at once, and a function that waits for what was read.
        """
        measures = self._measures("records")
        with numerics(self.program.precision):
            hparams = self._hparams_of(wave)
            states, read = _segment(states, hparams, segment.span(), self._data, measures=measures, **self._static)
            read = gather(read)

        def wait() -> Reached:
            readings, stopped = self._fetch(read, wave)
            count = len(segment.records)
            return Reached({name: values[:, :count] for name, values in readings.items()}, _count(stopped))

        return states, wait

    def read_ends(self, states: State, step: int, wave: int = 0) -> dict[str, np.ndarray]:
        """For each measure of ends, its value in the given states of a wave: (runs, ...)."""
        measures = self._measures("ends")
        with numerics(self.program.precision):
            runs = states, self._hparams_of(wave)
            readings = _read_ends(runs, np.int32(step), self._data, measures=measures, **self._static)
            return self._fetch(gather(readings), wave)

    def count_stopped(self, states: State, wave: int = 0) -> int:
        """Runs of a wave that were frozen when they diverged."""
        return _count(self._fetch(gather(states.stopped), wave))

    def abstract_states(self) -> State:
        """Shape, dtype and placement of the states of a wave."""
        lead, placed = (self.padded_runs,), self._sharding(RUNS)
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((*lead, *leaf.shape), leaf.dtype, sharding=placed), self._state)

    def state_bytes(self) -> int:
        """Bytes of state of one run."""
        return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(self._state))

    @functools.cached_property
    def compiled(self) -> Compiled:
        """A segment of a study, compiled before it is first computed."""
        self._make_room()
        begun = time.perf_counter()
        measures = self._measures("records")
        with numerics(self.program.precision):
            arguments = self.abstract_states(), self._hparams_of(0), abstract_span(), self._data
            needs = _segment.lower(*arguments, measures=measures, **self._static).compile().memory_analysis()
        beside = self.state_bytes() * self.padded_runs // self.mesh.size  # states being saved, or that a program starts from
        return Compiled(_bytes(needs) + beside if needs else 0, time.perf_counter() - begun)

    def _make_room(self) -> None:
        """Lets go of what was compiled, of all programs, where there is hardly room for more; the cache folder still has it."""
        jitted: Any
        if machine.is_crowded():
            for jitted in (_jitted_start(self._platform), _segment, _read_ends):
                jitted.clear_cache()

    @property
    def _platform(self) -> str:
        return self.mesh.devices.flat[0].platform

    @functools.cached_property
    def _data(self) -> PyTree:
        return self._place(cast(self.program.data, self.program.precision))

    def _hparams_of(self, wave: int) -> Hparams:
        if self._resident is None or self._resident[0] != wave:
            runs = {name: values[self.runs(wave)] for name, values in self._hparams.items()}
            padded = {name: np.pad(values, (0, self.padded_runs - len(values)), mode="edge") for name, values in runs.items()}
            self._resident = wave, self._place(padded, RUNS)
        return self._resident[1]

    def _place(self, tree: PyTree, *axes: str) -> PyTree:
        """Arrays of the host on the devices of all processes, each of which holds all of them."""
        placed = self._sharding(*axes)
        return jax.tree.map(lambda array: jax.make_array_from_callback(array.shape, placed, array.__getitem__), tree)

    def _measures(self, when: str) -> tuple[Measure, ...]:
        return tuple(measure for measure in self.program.measures if measure.when == when)

    def _sharding(self, *axes: str) -> NamedSharding:
        return NamedSharding(self.mesh, PartitionSpec(*axes))

    def _fetch(self, gathered: PyTree, wave: int) -> Any:
        """Arrays of the runs of a wave in the memory of the host, without padding."""
        runs = self.runs(wave)
        return jax.tree.map(lambda values: values[: runs.stop - runs.start], jax.device_get(gathered))


def _count(stopped: np.ndarray) -> int:
    return int((stopped >= 0).sum())


def _bytes(needs: Any) -> int:
    new = needs.output_size_in_bytes - needs.alias_size_in_bytes  # twice, while the host fetches those of the segment before
    return needs.argument_size_in_bytes + needs.temp_size_in_bytes + 2 * new


def _lift(function: Callable[..., PyTree], layout: Layout) -> Callable[..., PyTree]:
    """From a function of one run and shared arguments to one of all runs, along the leading axis of its first argument."""

    def tiles(runs: PyTree, *shared: PyTree) -> PyTree:
        count = len(jax.tree.leaves(runs)[0])
        # Twice, where once would do: a loop that is done once is none to XLA, which then rounds otherwise in starts (jax 0.12).
        # Segments, which are loops inside, were not seen to depend on it.
        if count == layout.tile:
            runs = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf]), runs)
        results = lax.map(lambda run: function(run, *shared), runs, batch_size=layout.tile)
        return jax.tree.map(lambda leaf: leaf[:count], results)

    return _sharded(tiles, layout)


def _lift_in_place(advance: Callable[..., tuple[State, PyTree]], layout: Layout) -> Callable[..., tuple[State, PyTree]]:
    """From a function of one run's state and hparams, and shared arguments, to one of all runs: new states, and what else.

    New states take the place of those that they come from. `lax.map` would keep both until all tiles are through.
    """

    def tiles(runs: tuple[State, Hparams], *shared: PyTree) -> tuple[State, PyTree]:
        def advance_tile(states: State, tile: tuple[jax.Array, Hparams]) -> tuple[State, PyTree]:
            index, hparams = tile
            before = jax.tree.map(lambda leaf: lax.dynamic_index_in_dim(leaf, index, keepdims=False), states)
            after, rest = jax.vmap(lambda run: advance(run, *shared))((before, hparams))
            put = functools.partial(lax.dynamic_update_index_in_dim, index=index, axis=0)
            return jax.tree.map(put, states, after), rest

        states, hparams = jax.tree.map(lambda leaf: leaf.reshape(-1, layout.tile, *leaf.shape[1:]), runs)
        moved = lax.scan(advance_tile, states, (jnp.arange(len(states.stopped)), hparams))
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), moved)

    return _sharded(tiles, layout)


def _sharded(tiles: Callable[..., PyTree], layout: Layout) -> Callable[..., PyTree]:
    """A function of the runs of one device and shared arguments on all devices, each of which has its own runs."""

    def lowered_tiles(runs: PyTree, *shared: PyTree) -> PyTree:
        with lowered(layout.lowering):
            return tiles(runs, *shared)

    def sharded(runs: PyTree, *shared: PyTree) -> PyTree:
        specs = (PartitionSpec(RUNS), *(PartitionSpec() for _ in shared))
        return jax.shard_map(lowered_tiles, mesh=layout.mesh, in_specs=specs, out_specs=PartitionSpec(RUNS), check_vma=False)(
            runs, *shared
        )

    return sharded


def _start(runs: PyTree, data: PyTree, *, process: Process, layout: Layout) -> State:
    def start(run: tuple[Hparams, State | None], data: PyTree) -> State:
        hparams, previous = run
        return process.init(data, hparams, previous)

    return _lift(start, layout)(runs, data)


@functools.cache
def _jitted_start(platform: str) -> Callable[..., State]:
    # it runs once, and random numbers take XLA on CPU three times as long to compile as to leave alone
    options = {"xla_backend_optimization_level": 1} if platform == "cpu" else None
    return jax.jit(_start, static_argnames=("process", "layout"), compiler_options=options)


@functools.partial(jax.jit, static_argnames=("process", "measures", "layout"), donate_argnums=0)
def _segment(
    states: State,
    hparams: Hparams,
    span: Span,
    data: PyTree,
    *,
    process: Process,
    measures: tuple[Measure, ...],
    layout: Layout,
) -> tuple[State, tuple[Readings, jax.Array]]:
    def segment(run: tuple[State, Hparams], span: Span, data: PyTree) -> tuple[State, tuple[Readings, jax.Array]]:
        state, readings = advance_and_read(process, measures, *run, span, data)
        return state, (readings, state.stopped)  # once more, since the next segment consumes the state

    return _lift_in_place(segment, layout)((states, hparams), span, data)


@functools.partial(jax.jit, static_argnames=("process", "measures", "layout"))
def _read_ends(
    runs: PyTree,
    step: jax.Array,
    data: PyTree,
    *,
    process: Process,
    measures: tuple[Measure, ...],
    layout: Layout,
) -> Readings:
    del process

    def read(run: tuple[State, Hparams], step: jax.Array, data: PyTree) -> Readings:
        state, hparams = run
        return read_all(measures, state, None, data, hparams, step)

    return _lift(read, layout)(runs, step, data)
