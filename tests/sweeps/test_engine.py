"""The engine: many runs are what one run is, in every bit."""

import dataclasses
import re
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax import sweep
from symmetry_jax.errors import InputError
from symmetry_jax.learning.data.digits import digits
from symmetry_jax.learning.models import CNN
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.process import Measure, Process, State
from symmetry_jax.learning.starts import INITIALIZERS, draw, near_tied
from symmetry_jax.learning.tasks import classification
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.separation import twin_separation
from symmetry_jax.measures.training import evaluate_accuracy, gradient_norm, minibatch_loss
from symmetry_jax.sweeps import machine
from symmetry_jax.sweeps.axes import Axes
from symmetry_jax.sweeps.engine import Engine
from symmetry_jax.sweeps.precision import cast, numerics
from symmetry_jax.sweeps.program import Program, record_steps
from symmetry_jax.sweeps.segments import next_segment, whole

MODEL, PAIRS = CNN((4, 4), 10, (2, 1)), {"conv_0": (0, 1)}
SYMMETRY = MODEL.symmetry((8, 8, 1))
TASK = classification(MODEL, 8, "per_seed")
TRAINING = descend(TASK, OPTIMIZERS["sgd"], near_tied(draw(MODEL, INITIALIZERS["lecun"]), SYMMETRY, PAIRS))
MEASURES = (minibatch_loss(), gradient_norm(), twin_separation(SYMMETRY, PAIRS), evaluate_accuracy(TASK))
AXES = {"seed": [0, 1, 2], "epsilon": [0.0, 1e-3], "learning_rate": [0.1, 0.3], "weight_decay": [0.0]}


def train(axes=None, steps=40, **options):
    options = {"records": 6, "tile": 4, "data": digits()} | options
    return sweep(TRAINING, MEASURES, AXES | (axes or {}), steps, **options)


@pytest.fixture(scope="module")
def trained():
    return train()


def walk_init(data, hparams, previous=None):
    del data
    return State(hparams["start"] if previous is None else previous.variables)


def walk_step(state, data, hparams, step):
    del data
    position = state.variables * hparams["factor"] + hparams["push"] * step.astype(hparams["push"].dtype)
    return State(position), position


def position(when="records"):
    return Measure("position" if when == "records" else "final", lambda state, *_: state.variables, when=when)


def reached():
    return Measure("reached", lambda state, aux, *_: aux)


WALK = Process(walk_init, walk_step)
WALK_AXES = {"start": [1.0, 2.0, -1.0], "factor": [0.5, 1.25], "push": [0.0, 1.0]}


def test_a_process_needs_no_network_and_no_seed():
    results = sweep(WALK, (position(), reached(), position("ends")), WALK_AXES, 7, precision="float64", records=8)
    assert results.position.dtype == np.float64
    for i, j, k in np.ndindex(results.valid.shape):
        start, factor, push = (values[index] for values, index in zip(WALK_AXES.values(), (i, j, k), strict=True))
        path = [start]
        for step in range(8):
            path.append(path[-1] * factor + push * step)
        np.testing.assert_allclose(results.position[i, j, k], path[:8], rtol=1e-14)
        np.testing.assert_allclose(results.reached[i, j, k], path[1:], rtol=1e-14)
        np.testing.assert_allclose(results.final[i, j, k], [path[0], path[7]], rtol=1e-14)


def test_the_compiled_loop_is_the_step_repeated(trained):
    data = cast(digits(), "float32")
    hparams = {
        "seed": jnp.asarray(1),
        "epsilon": jnp.float32(1e-3),
        "learning_rate": jnp.float32(0.3),
        "weight_decay": jnp.float32(0),
    }
    state = jax.jit(TRAINING.init)(data, hparams)
    step = jax.jit(TRAINING.step)
    losses = {}
    for number in range(41):
        state, aux = step(state, data, hparams, jnp.asarray(number, jnp.int32))
        losses[number] = aux.loss
    run = trained.sel(seed=1, epsilon=1e-3, learning_rate=0.3, weight_decay=0)
    np.testing.assert_allclose(run.loss, [losses[number] for number in run.step.values], rtol=1e-4)


def test_one_run_alone_is_the_same_run_in_a_sweep(trained):
    alone = train({"seed": [2], "epsilon": [1e-3], "learning_rate": [0.1]})
    for name, values in alone.data_vars.items():
        same = trained[name].sel(seed=[2], epsilon=[1e-3], learning_rate=[0.1])
        np.testing.assert_array_equal(values, same, err_msg=name)


def test_where_records_lie_changes_no_bit_of_a_run(trained):
    other = train(records=6, spacing="log")
    common = np.intersect1d(other.step, trained.step)
    assert len(common) >= 2 and list(other.step) != list(trained.step)
    for name in ("loss", "separation", "gradient_norm"):
        np.testing.assert_array_equal(other[name].sel(step=common), trained[name].sel(step=common), err_msg=name)
    np.testing.assert_array_equal(other.test_accuracy, trained.test_accuracy)


def test_the_second_call_does_not_compile(trained):
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: compiled.append(event) if event.endswith("backend_compile_duration") else None
    )
    jax.jit(lambda x: x * 2 + 1)(jnp.float32(3))
    assert len(compiled) == 1, "the listener hears compilations"
    train({"learning_rate": [0.2, 0.05], "epsilon": [1e-6, 1.0], "seed": [7, 8, 9]}, steps=23)
    assert len(compiled) == 1


def test_cutting_a_program_anywhere_changes_no_bit():
    program = Program("walk", TRAINING, MEASURES, Axes.of(AXES), digits(), record_steps(30, 7, "log"))

    def losses(stride):
        engine = Engine(program, 4)
        states, found, step = engine.start(), [], 0
        while step < program.steps:
            segment = next_segment(program.records, step, step + stride, 4)
            states, readings = engine.advance(states, segment)
            found.append(readings["separation"])
            step = segment.end
        return np.concatenate(found, axis=1), states

    (one, last), (other, other_last) = losses(30), losses(7)
    np.testing.assert_array_equal(one, other)
    for leaf, same in zip(jax.tree.leaves(last), jax.tree.leaves(other_last), strict=True):
        np.testing.assert_array_equal(leaf, same)


def test_a_run_that_diverges_is_frozen_and_marked_and_disturbs_no_other():
    def step(state, data, hparams, step):
        del data
        grown = state.variables * jnp.where(step == 3, hparams["blow"], 2)
        return State(grown), grown

    process = Process(walk_init, step)
    stopped = Measure("stopped", lambda state, *_: state.stopped, when="ends")
    axes = {"start": [1.0, 3.0], "blow": [2.0, 1e38]}
    results = sweep(process, (position(), stopped), axes, 6, records=7)
    np.testing.assert_array_equal(results.stopped.sel(end="last"), [[-1, 3], [-1, 3]])
    np.testing.assert_array_equal(results.position.sel(start=1.0, blow=2.0), 2.0 ** np.arange(7))
    np.testing.assert_array_equal(results.position.sel(start=3.0, blow=1e38), 3 * np.array([1, 2, 4, 8, 8, 8, 8]))
    calm = sweep(process, (position(),), axes | {"blow": [2.0]}, 6, records=7)
    np.testing.assert_array_equal(calm.position.sel(blow=2.0), results.position.sel(blow=2.0))


def test_a_program_may_start_where_another_ended():
    first = Program("walk", WALK, (position(),), Axes.of(WALK_AXES), (), record_steps(4, 5, "even"))
    engine = Engine(first, 2)
    states, _ = engine.advance(engine.start(), whole(first.records))
    continued = Engine(first, 2).start(states)
    np.testing.assert_array_equal(continued.variables, states.variables)


def test_runs_are_padded_to_whole_tiles_and_cut_again():
    program = Program(
        "walk", WALK, (position(),), Axes.of({"start": [1.0, 2.0, 3.0], "factor": [1.0], "push": [0.0]}), (), (0, 2)
    )
    engine = Engine(program, 4)
    assert engine.padded_runs == 8
    _, readings = engine.advance(engine.start(), whole(program.records))
    np.testing.assert_array_equal(readings["position"], [[1, 1], [2, 2], [3, 3]])


def test_waves_give_what_all_runs_at_once_do():
    program = Program("walk", TRAINING, MEASURES, Axes.of(AXES), digits(), record_steps(20, 3, "even"))
    at_once = Engine(program, 4)
    _, expected = at_once.advance(at_once.start(), whole(program.records))
    engine = Engine(program, 4)
    engine.limit(5)
    assert engine.waves == 3 and [engine.runs(wave) for wave in range(3)] == [slice(0, 5), slice(5, 10), slice(10, 12)]
    waves = [engine.advance(engine.start(wave=wave), whole(program.records), wave)[1] for wave in range(3)]
    for name, values in expected.items():
        np.testing.assert_array_equal(np.concatenate([readings[name] for readings in waves]), values, err_msg=name)


def test_diverged_runs_are_counted_without_padding():
    def step(state, data, hparams, step):
        del data, step
        return State(state.variables * hparams["blow"]), None

    axes = Axes.of({"start": [1.0], "blow": [2.0, 1e38, 2e38]})
    program = Program("walk", Process(walk_init, step), (position(),), axes, (), (0, 3))
    engine = Engine(program, 4)
    states, _ = engine.advance(engine.start(), whole(program.records))
    assert engine.count_stopped(states) == 2 and engine.padded_runs == 8


def test_numbers_that_are_missing_or_unread_are_told():
    with pytest.raises(InputError, match="needs an axis push"):
        sweep(WALK, (position(),), {"start": [1.0], "factor": [1.0]}, 3)
    with pytest.raises(InputError, match=r"axis momentum has several values, but .* does not read it"):
        sweep(WALK, (position(),), WALK_AXES | {"momentum": [0.1, 0.2]}, 3)
    with pytest.raises(InputError, match="'tanh' is a name"):
        sweep(WALK, (position(),), WALK_AXES | {"push": ["tanh"]}, 3)
    with pytest.raises(InputError, match="whole numbers"):
        sweep(WALK, (position(),), WALK_AXES | {"seed": [0.5]}, 3)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"spacing": "linear"}, "unknown spacing 'linear': choose from even, log"),
        ({"precision": "float16"}, "unknown precision 'float16': choose from float32, float64"),
        ({"tile": -2}, "tile=-2: 0 (automatic) or more"),
    ],
)
def test_options_that_cannot_be_are_told(options, words):
    with pytest.raises(InputError, match=re.escape(words)):
        sweep(WALK, (position(),), WALK_AXES, 3, **options)


@pytest.mark.parametrize("name", ["valid", "run", "step", "end", "position", "unit"])
def test_names_that_are_taken_are_told(name):
    measure = Measure("wide", lambda state, *_: state.variables[None], dims=("unit",))
    with pytest.raises(InputError, match=f"the name {name} is taken: .* other than valid, run, step, end"):
        sweep(WALK, (position(), measure), WALK_AXES | {name: [1.0]}, 3)


def test_precision_is_that_of_the_program_only():
    with numerics("float32"):
        results = sweep(WALK, (position(),), WALK_AXES, 3, precision="float64")
    assert results.position.dtype == np.float64
    assert sweep(WALK, (position(),), WALK_AXES, 3).position.dtype == np.float32
    assert jnp.ones(()).dtype == np.float32


def test_new_states_take_the_place_of_those_they_come_from():
    """So that a device needs room for all states once, and once more for those of a checkpoint that is being saved."""
    wide = dataclasses.replace(WALK, init=lambda data, hparams, previous=None: State(jnp.full(1000, hparams["start"])))

    def needs(runs):
        axes = Axes.of({"start": np.arange(float(runs)), "factor": [0.5], "push": [1.0]})
        return Engine(Program("walk", wide, (), axes, None, record_steps(9, 2, "even")), 4, jax.devices()[:1]).compiled.bytes

    state = 1000 * 4
    assert 2 * state <= (needs(4096) - needs(1024)) / 3072 < 2.5 * state


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not count mappings")
def test_programs_without_end_pass_through_one_process(monkeypatch):
    """Each has memory mappings, of which Linux grants a process so many; without one more XLA crashes."""

    def mappings():
        return len(Path("/proc/self/maps").read_bytes().splitlines())

    def after_another_program():
        process = Process(lambda *given: walk_init(*given), lambda *given: walk_step(*given))
        sweep(process, (position(), position("ends")), WALK_AXES, 7, records=8)
        return mappings()

    begun = after_another_program()
    each = (max(after_another_program() for _ in range(5)) - begun) // 5
    assert each > 0
    granted = int(Path("/proc/sys/vm/max_map_count").read_text())
    monkeypatch.setattr(machine, "MAPPINGS_SHARE", (begun + 6 * each) / granted)
    assert max(after_another_program() for _ in range(25)) < begun + 12 * each
