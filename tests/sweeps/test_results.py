"""Results on disk and in the hand."""

import numpy as np
import pytest
import xarray as xr

from symmetry_jax import load_results
from symmetry_jax.errors import InputError
from symmetry_jax.learning.process import Measure, Process, State
from symmetry_jax.sweeps.axes import Axes
from symmetry_jax.sweeps.engine import Engine
from symmetry_jax.sweeps.program import Program
from symmetry_jax.sweeps.results import Writer, label, load_sweeps, result_bytes
from symmetry_jax.sweeps.segments import plan_segments


def step_on(state, data, hparams, step):
    del data, step
    return State(state.variables + hparams["push"] + 0 * hparams["note"]), state.variables


PROCESS = Process(lambda data, hparams, previous=None: State(hparams["start"] + 0 * hparams["note"]), step_on)
POSITION = Measure("position", lambda state, *_: state.variables, unit="metre")
PAIR = Measure(
    "pair", lambda state, *_: state.variables[None].repeat(2), dims=("which",), coords={"which": ["a", "longer"]}, when="ends"
)


def program(records=(0, 1, 2, 5, 9), sweep="walks", axes=None, **static):
    axes = axes or {"start": [0.0, 10.0], ("push", "note"): [(1.0, 7.0), (2.0, 8.0), (3.0, 9.0)]}
    return Program(sweep, PROCESS, (POSITION, PAIR), Axes.of(axes), (), records, static)


def write(workdir, index, program, segments=2, only=None):
    engine = Engine(program, 2)
    writer = Writer(workdir, index, program, engine.shapes, chunk=2)
    states = engine.start()
    writer.write_ends(0, engine.read_ends(states, 0))
    for segment in plan_segments(program.records, segments)[:only]:
        states, readings = engine.advance(states, segment)
        writer.write_records(readings)
    writer.write_ends(1, engine.read_ends(states, program.steps))


def test_what_is_written_comes_back_labelled(tmp_path):
    write(tmp_path, 0, program())
    results = load_results(tmp_path)
    assert results.position.dims == ("start", "push", "step") and results.pair.dims == ("start", "push", "end", "which")
    assert (
        list(results.step) == [0, 1, 2, 5, 9]
        and list(results.which) == ["a", "longer"]
        and list(results.end) == ["first", "last"]
    )
    expected = np.array([0.0, 10.0])[:, None, None] + np.array([1, 2, 3])[:, None] * np.array([0, 1, 2, 5, 9])
    np.testing.assert_array_equal(results.position, expected)
    np.testing.assert_array_equal(results.pair.sel(which="longer"), expected[:, :, [0, 4]])
    np.testing.assert_array_equal(results.note, [7, 8, 9])
    assert results.note.dims == ("push",) and results.position.attrs["units"] == "metre" and bool(results.valid.all())


def test_in_memory_it_is_the_same(tmp_path):
    write(tmp_path, 0, program())
    engine = Engine(program(), 2)
    states = engine.start()
    first = engine.read_ends(states, 0)
    states, readings = engine.advance(states, plan_segments(program().records, 1)[0])
    ends = {name: np.stack([first[name], values], 1) for name, values in engine.read_ends(states, 9).items()}
    xr.testing.assert_equal(label(program(), readings | ends), load_results(tmp_path))


def test_records_that_were_not_reached_are_left_out(tmp_path):
    write(tmp_path, 0, program(), segments=3, only=1)
    results = load_results(tmp_path)
    assert 0 < results.sizes["step"] < 5
    np.testing.assert_array_equal(results.position.isel(step=-1), results.start + results.push * results.step[-1])


def test_programs_of_a_sweep_are_joined_along_static_settings_in_their_order(tmp_path):
    write(tmp_path, 0, program(kind="zebra", size=8))
    write(tmp_path, 1, program(kind="ant", size=8))
    write(tmp_path, 2, program(sweep="other"))
    results = load_results(tmp_path)
    assert list(results.kind) == ["zebra", "ant"] and results.position.sizes["kind"] == 2
    assert bool(results.valid.all()) and list(load_sweeps(tmp_path)) == ["walks", "other"]
    assert "kind" not in load_results(tmp_path, "other").dims


def test_programs_of_different_shape_are_padded_and_marked(tmp_path):
    write(tmp_path, 0, program(kind="long"))
    write(tmp_path, 1, program(records=(0, 5), kind="short", axes={"start": [10.0], ("push", "note"): [(1.0, 7.0)]}))
    results = load_results(tmp_path)
    assert results.valid.sel(kind="long").all() and results.valid.sel(kind="short").sum() == 1
    short = results.position.sel(kind="short", start=10.0, push=1.0)
    np.testing.assert_array_equal(short.sel(step=[0, 5]), [10, 15])
    assert np.isnan(short.sel(step=9)) and results.valid.dtype == bool


def test_groups_open_labelled_without_this_package(tmp_path):
    write(tmp_path, 0, program())
    group = xr.open_zarr(tmp_path / "results.zarr" / "000", consolidated=False)
    assert group.position.dims == ("run", "step") and group.attrs["records_done"] == 5
    np.testing.assert_array_equal(group.start, [0, 0, 0, 10, 10, 10])


def test_a_flipped_bit_is_noticed(tmp_path):
    write(tmp_path, 0, program())
    chunk = tmp_path / "results.zarr" / "000" / "position" / "c" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 4
    chunk.write_bytes(content)
    with pytest.raises(ValueError, match=r"(?i)checksum"):
        load_results(tmp_path)


def test_bytes_of_results():
    assert result_bytes(program(), Engine(program(), 2).shapes) == 6 * 5 * 4 + 6 * 2 * 2 * 4


def test_what_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no results in"):
        load_results(tmp_path)
    write(tmp_path, 0, program())
    with pytest.raises(InputError, match="no sweep 'wals': choose from walks"):
        load_results(tmp_path, "wals")


def test_measures_that_label_one_dimension_differently_are_refused(tmp_path):
    other = Measure("other", PAIR.read, dims=("which",), coords={"which": ["x", "y"]})
    mixed = Program("walks", PROCESS, (PAIR, other), program().axes, (), (0, 1))
    with pytest.raises(ValueError, match="otherwise than an earlier measure"):
        Writer(tmp_path, 0, mixed, Engine(mixed, 2).shapes, 2)
