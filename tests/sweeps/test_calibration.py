"""The tile and lowering of a study, and the time that it will take."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax.errors import InputError
from symmetry_jax.kernels import library
from symmetry_jax.learning.convolution import convolve
from symmetry_jax.learning.process import Measure, Process, State
from symmetry_jax.sweeps import calibration, machine, speeds
from symmetry_jax.sweeps.axes import Axes
from symmetry_jax.sweeps.calibration import calibrated, predicted_seconds
from symmetry_jax.sweeps.compiling import compile_seconds
from symmetry_jax.sweeps.engine import Engine
from symmetry_jax.sweeps.program import Program
from symmetry_jax.sweeps.sealed import read_sealed
from symmetry_jax.sweeps.segments import next_segment
from symmetry_jax.sweeps.speeds import IMPOSSIBLE, Speed, speed_of

POSITION = Measure("position", lambda state, *_: state.variables.sum())


def _push(state, data, hparams, step):
    del step
    return State(state.variables + hparams["push"] * data), None


def _filter(state, data, hparams, step):
    del data, step
    images = jnp.full((1, 4, 4, 2), hparams["push"])
    return State(state.variables + convolve(images, jnp.full((2, 2, 1, 1), hparams["push"])).sum()), None


def program(runs=40, steps=50, step=_push, after=None):
    process = Process(
        lambda data, hparams, previous=None: State(hparams["push"] if previous is None else previous.variables), step
    )
    axes = Axes.of({"push": list(np.linspace(0.0, 1.0, runs))})
    return Program("walk", process, (POSITION,), axes, np.float32(2.0), (0, steps), after=after)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(speeds, "cache_folder", lambda: tmp_path)
    return tmp_path / "speeds"


def never():
    raise AssertionError("nothing is to be measured")


def test_a_speed_is_measured_once(cache):
    engine = Engine(program(), 4)
    speed = speed_of(engine, engine.start)
    assert speed.step > 0 and speed.record >= 0 and speed.compilation > 0
    padded = 40  # in ten tiles of four
    assert speed.seconds(engine) == pytest.approx(padded * (50 * speed.step + 2 * speed.record))
    more = Engine(program(runs=80, steps=99), 4)  # of other numbers, and as many steps as one likes
    assert speed_of(more, never) == speed
    assert len(list(cache.iterdir())) == 1


def test_another_program_tile_or_number_of_devices_has_a_speed_of_its_own(cache):
    first = Engine(program(), 4)
    speed_of(first, first.start)
    others = Engine(program(step=_filter), 4), first.relaid(2, "patches"), Engine(program(), 4, jax.devices()[:1])
    for count, engine in enumerate(others, start=2):
        speed_of(engine, engine.start)
        assert len(list(cache.iterdir())) == count


def test_a_speed_without_kernels_is_not_that_with_them(cache, monkeypatch):
    for count, at_hand in enumerate((False, True), start=1):
        monkeypatch.setattr(library, "is_at_hand", lambda at_hand=at_hand: at_hand)
        engine = Engine(program(), 4)
        speed_of(engine, engine.start)
        assert len(list(cache.iterdir())) == count


def test_compiling_kernels_counts_as_compiling():
    before = compile_seconds()
    jax.monitoring.record_event_duration_secs(library.COMPILED, 2.0)
    assert compile_seconds() - before == pytest.approx(2)


def test_a_damaged_speed_is_measured_again(cache):
    engine = Engine(program(), 4)
    speed_of(engine, engine.start)
    (path,) = cache.iterdir()
    kept = read_sealed(path)
    path.write_text(path.read_text().replace(f'"step": {kept["step"]!r}', '"step": 9.0'))
    assert json.loads(path.read_text())["step"] == 9 and kept["step"] < 9
    begun = []

    def start():
        begun.append(path)
        return engine.start()

    again = speed_of(engine, start)
    assert begun and again.step < 9
    assert read_sealed(path)["step"] == again.step  # and is whole once more
    assert speed_of(engine, never) == again


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for folder in (None, tmp_path / "file"):
        monkeypatch.setattr(speeds, "cache_folder", lambda folder=folder: folder)
        engine = Engine(program(), 4)
        assert speed_of(engine, engine.start).step > 0


def test_the_digest_is_of_what_is_computed():
    engine = Engine(program(), 4)
    assert engine.digest == Engine(program(runs=3, steps=7), 8).digest
    assert engine.digest == engine.relaid(2, "xla").digest  # no convolution in it
    convolving = Engine(program(step=_filter), 4)
    assert len({engine.digest, convolving.digest, convolving.relaid(4, "xla").digest}) == 3


def test_what_was_compiled_to_be_measured_is_computed_without_compiling_again():
    engine = Engine(program(), 4)
    states = engine.start()
    compile_seconds()
    assert engine.compiled.bytes > 40 * 4 / 2 and engine.compiled.seconds > 0
    before = compile_seconds()
    engine.advance(states, next_segment(engine.program.records, 0, 50))
    assert compile_seconds() == before


@pytest.fixture
def table(monkeypatch):
    """Seconds a run-step by (tile, lowering), in place of measurements; what is not in it may not be asked for."""
    seconds, asked = {}, []

    def speed(engine, start):
        del start
        asked.append((engine.tile, engine.lowering))
        step = seconds[asked[-1]]
        return Speed(step, 0.0, 1.0) if step else IMPOSSIBLE

    monkeypatch.setattr(calibration, "speed_of", speed)
    monkeypatch.setattr(calibration, "WITHOUT_TRIAL", {})
    return seconds


def choice(table, tile=8, tiles=True, lowerings=True, runs=2048, **settings):
    said = []
    engines, trials = calibrated([Engine(program(runs, **settings), tile)], tiles, lowerings, said.append)
    assert {(trial["tile"], trial["lowering"]) for trial in trials} == set(table) and len(said) == len(trials)
    return engines[0].tile, engines[0].lowering


LONG, SHORT = 1.0, 1e-9


@pytest.mark.parametrize(
    "seconds, expected",
    [
        ({8: LONG, 32: 0.8, 128: 0.7, 512: 0.69}, 128),  # larger while they are faster by more than noise
        ({8: LONG, 32: 0.98, 2: 1.2}, 8),
        ({8: LONG, 32: 1.3, 2: 0.9}, 2),
        ({8: LONG, 32: 0, 2: 1.0}, 8),  # no room for 32
        ({8: 0, 32: 0, 2: 0.9}, 2),  # nor for 8, as turns out when it is timed
        ({8: SHORT}, 8),  # not worth a trial
    ],
)
def test_tiles_are_tried_while_they_are_faster(table, seconds, expected):
    table |= {(tile, "patches"): step for tile, step in seconds.items()}
    assert choice(table) == (expected, "patches")


def test_no_tile_is_tried_beyond_all_runs(table):
    table |= {(8, "patches"): 1.0, (32, "patches"): 0.5}
    assert choice(table, runs=40) == (32, "patches")


def test_lowerings_are_tried_where_there_are_convolutions(table):
    table |= {(8, "patches"): 1.0, (8, "xla"): 0.5}
    assert choice(table, tiles=False, step=_filter) == (8, "xla")


def test_a_lowering_that_jax_has_not_is_not_taken(table, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(calibration, "WITHOUT_TRIAL", {})
    monkeypatch.setattr(calibration, "TRIAL_SHARE", 1e9)
    compiled = Engine.compiled

    def refuse(engine):
        if engine.lowering == "xla":
            raise NotImplementedError("not in this jax\nsince")
        return compiled.__get__(engine)

    monkeypatch.setattr(Engine, "compiled", property(refuse))
    engines, trials = calibrated([Engine(program(step=_filter), 8)], False, True, str)
    assert engines[0].lowering == "patches" and [trial["run_steps_per_second"] > 0 for trial in trials] == [True, False]
    with pytest.raises(InputError, match=r"^walk: this jax cannot compute it \(not in this jax\)$"):
        calibrated([engines[0].relaid(8, "xla")], False, False, str)


def test_on_cpu_the_lowering_of_xla_is_not_tried(monkeypatch):
    monkeypatch.setattr(calibration, "TRIAL_SHARE", 1e9)
    said = []
    calibrated([Engine(program(step=_filter), 8)], False, True, said.append)
    assert len(said) == 1 and "patches" in said[0]


def test_a_tile_that_no_device_has_room_for_is_halved_until_it_has(table, monkeypatch):
    table |= {(4, "patches"): SHORT}
    need = {tile: Engine(program(400, step=_filter), tile).compiled.bytes for tile in (16, 8, 4)}
    assert need[4] < need[8] < need[16]
    monkeypatch.setattr(machine, "device_memory", lambda: need[4])
    said = []
    engines, _ = calibrated([Engine(program(400, step=_filter), 16)], True, True, said.append)
    assert engines[0].tile == 4
    assert said[0] == "tile=16: more runs of walk than a device has room for: it is 8 now" and "it is 4 now" in said[1]
    with pytest.raises(InputError, match="tile=16: more runs of walk than a device has room for"):
        calibrated([Engine(program(400, step=_filter), 16)], False, True, str)
    monkeypatch.setattr(machine, "device_memory", lambda: 1)
    with pytest.raises(InputError, match="tile=1: more runs"):
        calibrated([Engine(program(400, step=_filter), 16)], True, True, str)


def test_programs_that_continue_others_are_predicted_too():
    engines = [Engine(program(), 4), Engine(program(after=0), 4)]
    both = predicted_seconds(engines)
    assert 0 < both < 60


def test_the_longest_program_tries(table):
    table |= {(8, "patches"): 1.0, (32, "patches"): 2.0, (2, "patches"): 2.0}
    long, short = Engine(program(400, 5000), 8), Engine(program(400, step=_filter), 8)
    engines, trials = calibrated([short, long], True, True, str)
    assert [engine.tile for engine in engines] == [8, 8]
    assert [trial["lowering"] for trial in trials] == ["patches"] * 3  # the other one has a convolution
