"""Results on disk and in the hand."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from symmetry_jax import load_results, load_run
from symmetry_jax.errors import InputError
from symmetry_jax.learning.process import Measure, Process, State
from symmetry_jax.sweeps.axes import Axes
from symmetry_jax.sweeps.engine import Engine
from symmetry_jax.sweeps.loading import label, load_sweeps
from symmetry_jax.sweeps.program import Program
from symmetry_jax.sweeps.results import Group, Writer, group_path, result_bytes
from symmetry_jax.sweeps.segments import next_segment, whole


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


def write(workdir, index, program, wave=None, segments=None):
    """Writes the results of a program in segments with room for three records; only the first few segments, if that is said."""
    engine = Engine(program, 2)
    engine.limit(wave or program.axes.size)
    writer = Writer(group_path(workdir, index), program, engine.shapes, engine.layout)
    left = segments if segments is not None else 1000
    for number in range(engine.waves):
        states, step = engine.start(wave=number), 0
        if left:
            writer.write_ends(number, 0, engine.read_ends(states, 0, number))
        while step < program.steps and left:
            segment = next_segment(program.records, step, program.steps, 3)
            states, readings = engine.advance(states, segment, number)
            writer.write_records(number, segment.first, len(segment.records), readings)
            step, left = segment.end, left - 1
        if step == program.steps:
            writer.write_ends(number, 1, engine.read_ends(states, step, number))
    return engine


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
    states, readings = engine.advance(states, whole(program().records))
    ends = {name: np.stack([first[name], values], 1) for name, values in engine.read_ends(states, 9).items()}
    xr.testing.assert_equal(label(program(), readings | ends), load_results(tmp_path))


def test_records_that_were_not_reached_are_left_out(tmp_path):
    write(tmp_path, 0, program(), segments=1)
    results = load_results(tmp_path)
    assert list(results.step) == [0, 1]
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


def test_not_every_combination_of_static_settings_needs_a_program(tmp_path):
    for index, (kind, size) in enumerate([("long", 8), ("long", 16), ("short", 16)]):
        write(tmp_path, index, program(kind=kind, size=size))
    results = load_results(tmp_path)
    assert results.valid.dtype == bool and results.valid.sizes == {"kind": 2, "size": 2, "start": 2, "push": 3}
    assert not results.valid.sel(kind="short", size=8).any() and int(results.valid.sum()) == 18
    assert results.position.sel(kind="short", size=8).isnull().all()
    for kind, size in (("long", 8), ("short", 16)):
        there = results.position.sel(kind=kind, size=size)
        np.testing.assert_array_equal(there.isel(step=-1), results.start + results.push * results.step[-1])


@pytest.mark.parametrize("value", [-np.nan, np.nan, -0.0, 0.0, np.inf])
def test_every_bit_comes_back(value, tmp_path):
    blank = Measure("blank", lambda state, *_: jnp.float32(value) + 0 * state.variables)
    count = Measure("count", lambda state, *_: jnp.int32(0))
    written = dataclasses.replace(program(), measures=(blank, count))
    engine = Engine(written, 2)
    writer = Writer(group_path(tmp_path, 0), written, engine.shapes, engine.layout)
    _, readings = engine.advance(engine.start(), whole(written.records))
    readings["blank"] = np.full_like(readings["blank"], value)
    writer.write_records(0, 0, 5, readings)
    group = Group(group_path(tmp_path, 0))
    assert group.whole(0, "step") == 5
    assert group.flat.blank.values.tobytes() == readings["blank"].tobytes()


def test_groups_open_labelled_without_this_package(tmp_path):
    write(tmp_path, 0, program())
    group = xr.open_zarr(tmp_path / "results.zarr" / "000", consolidated=False)
    assert group.position.dims == ("run", "step")
    np.testing.assert_array_equal(group.start, [0, 0, 0, 10, 10, 10])


def test_of_a_study_in_waves_those_that_are_through_are_valid(tmp_path):
    write(tmp_path, 0, program(), wave=2, segments=3)  # two waves of three begun, one through
    results = load_results(tmp_path)
    flat = results.stack(run=("start", "push"))
    np.testing.assert_array_equal(flat.valid, [True, True, False, False, False, False])
    assert list(results.step) == [0, 1, 2, 5, 9] and np.isnan(flat.position[:, 2:]).all()
    np.testing.assert_array_equal(flat.position[:, 0], [0, 1, 2, 5, 9])
    write(tmp_path / "whole", 0, program(), wave=4)
    write(tmp_path / "once", 0, program())
    xr.testing.assert_identical(load_results(tmp_path / "whole"), load_results(tmp_path / "once"))


def test_damage_is_noticed_or_changes_nothing(tmp_path):
    write(tmp_path, 0, program())
    path, expected = group_path(tmp_path, 0), load_results(tmp_path)
    unnoticed = []
    for file in [file for file in path.rglob("*") if file.is_file()]:
        kept = file.read_bytes()
        for damaged in (b"", kept[: len(kept) // 2], flipped(kept), None):
            file.unlink() if damaged is None else file.write_bytes(damaged)
            try:
                xr.testing.assert_identical(load_results(tmp_path), expected)
                unnoticed.append(file.name)
            except InputError as error:
                assert "is damaged" in str(error)
            file.write_bytes(kept)
    print(unnoticed)
    assert set(unnoticed) <= {"zarr.json"}, "such as a flipped bit in a field that nobody reads"


def test_what_is_damaged_late_leaves_what_is_early(tmp_path):
    engine = write(tmp_path, 0, program())
    path = group_path(tmp_path, 0)
    chunk = path / "pair" / "c" / "0" / "1" / "0"
    chunk.unlink()
    assert Group(path).whole(0, "end") == 1 and Group(path).whole(0, "step") == 5
    writer = Writer(path, program(), engine.shapes, engine.layout)
    assert writer.replaced is None
    writer.rewind(0, 5, 1)
    assert list(load_results(tmp_path).end) == ["first"]


def test_a_group_that_is_damaged_is_made_anew_and_holds_nothing(tmp_path):
    engine = write(tmp_path, 0, program())
    path = group_path(tmp_path, 0)
    assert not Writer(path, program(), engine.shapes, engine.layout).is_new
    (path / "zarr.json").write_text("{")
    writer = Writer(path, program(), engine.shapes, engine.layout)
    assert writer.is_new and writer.replaced and not path.exists()
    writer.make()
    group = writer.read()
    assert [group.whole(0, dim) for dim in ("step", "end")] == [0, 0] and np.isnan(group.flat.position).all()


def flipped(content):
    return content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 4]) + content[len(content) // 2 + 1 :]


def test_results_of_another_program_are_kept(tmp_path):
    engine = write(tmp_path, 0, program())
    other = program(axes={"start": [3.0], ("push", "note"): [(1.0, 7.0)]})
    with pytest.raises(InputError, match="other measures or runs"):
        Writer(group_path(tmp_path, 0), other, engine.shapes, engine.layout)
    with pytest.raises(InputError, match="other measures or runs"):
        Writer(group_path(tmp_path, 0), program(), engine.shapes, engine.layout | {"tile": 4})
    assert Group(group_path(tmp_path, 0)).whole(0, "step") == 5


def test_results_of_other_settings_are_kept(tmp_path):
    """Though they hold the same measures for the same runs."""
    engine = Engine(program(), 2)

    def writer(**origin):
        return Writer(tmp_path / "group", program(), engine.shapes, engine.layout | origin)

    writer(settings="these", program=0).make()
    assert not writer(settings="these", program=0).is_new
    others = {"other settings": {"settings": "others", "program": 0}, "another program": {"settings": "these", "program": 1}}
    for what, origin in others.items():
        with pytest.raises(InputError, match=f"group holds results of {what}: remove it, and they are computed again"):
            writer(**origin)
    assert (tmp_path / "group" / "zarr.json").exists()


def test_results_of_an_earlier_version_are_gone_on_with(tmp_path):
    """They do not tell the tile and the lowering, nor of what study they are."""
    engine = Engine(program(), 2)
    path = group_path(tmp_path, 0)
    Writer(path, program(), engine.shapes, {"wave": engine.wave}).make()
    assert Group(path).layout == {"wave": 6}
    writer = Writer(path, program(), engine.shapes, engine.layout | {"settings": "these", "program": 0})
    assert not writer.is_new and writer.replaced is None


def test_work_directories_are_joined_along_the_axes_in_which_they_differ(tmp_path):
    parts = {"a": [0.0, 10.0], "b": [5.0], "c": [20.0]}
    for name, start in parts.items():
        for index, kind in enumerate(("zebra", "ant")):
            write(tmp_path / name, index, program(kind=kind, axes={"start": start, ("push", "note"): [(1.0, 7.0)]}))
        (tmp_path / name / "config.json").write_text(f'{{"study": "walks", "sweep": {{"start": "{start}"}}}}')
    joined = load_results([tmp_path / name for name in parts])
    assert list(joined.start) == [0, 5, 10, 20] and list(joined.kind) == ["zebra", "ant"] and bool(joined.valid.all())
    np.testing.assert_array_equal(joined.position.sel(step=9, kind="ant", push=1), joined.start + 9)
    with pytest.raises(InputError, match="runs in common"):
        load_results([tmp_path / "a", tmp_path / "a"])
    (tmp_path / "b" / "config.json").write_text('{"study": "walks", "sweep": {}, "batch": 3}')
    with pytest.raises(InputError, match="not of one study: batch: nothing -> 3"):
        load_results([tmp_path / "a", tmp_path / "b"])


def keep_config(workdir, text):
    (workdir / "config.json").write_text(f'{{"study": "walks", "sweep": {{"push": "{text}"}}}}')


def test_what_is_zipped_keeps_its_labels_when_work_directories_are_joined(tmp_path):
    for name, points in {"a": [(1.0, 7.0), (4.0, 5.0)], "b": [(2.0, 8.0), (1.0, 9.0)]}.items():
        write(tmp_path / name, 0, program(axes={"start": [0.0], ("push", "note"): points}))
        keep_config(tmp_path / name, points)
    joined = load_results([tmp_path / "a", tmp_path / "b"])
    assert joined.note.dims == ("push",) and bool(joined.valid.all())
    assert [*zip(joined.push.values, joined.note.values, strict=True)] == [(1, 7), (1, 9), (2, 8), (4, 5)]
    np.testing.assert_array_equal(joined.position.sel(start=0, step=9), joined.push * 9)


def test_what_is_zipped_keeps_its_labels_when_programs_have_other_points(tmp_path):
    for index, points in enumerate(([(1.0, 7.0), (2.0, 8.0)], [(2.0, 8.0), (3.0, 9.0)])):
        write(tmp_path, index, program(kind="ab"[index], axes={"start": [0.0], ("push", "note"): points}))
    results = load_results(tmp_path)
    np.testing.assert_array_equal(results.note, [7, 8, 9])
    np.testing.assert_array_equal(results.valid.sel(start=0), [[True, True, False], [False, True, True]])


def counting(start, size=2, **static):
    """A program that measures whole numbers, as many of them as is said."""
    count = Measure("count", lambda state, *_: jnp.full(size, 2**25 + 1, jnp.int32), dims=("unit",))
    axes = {"start": start, ("push", "note"): [(1.0, 7.0)]}
    return dataclasses.replace(program(axes=axes, **static), measures=(POSITION, count))


def test_whole_numbers_stay_such_where_none_is_missing(tmp_path):
    for name, start in {"a": [0.0], "b": [5.0]}.items():
        write(tmp_path / name, 0, counting(start))
        keep_config(tmp_path / name, start)
    joined = load_results([tmp_path / "a", tmp_path / "b"])
    assert joined["count"].dtype == np.int32 and (joined["count"] == 2**25 + 1).all()
    assert joined.position.dtype == np.float32 and bool(joined.valid.all())


def test_whole_numbers_that_are_missing_are_nan(tmp_path):
    for index, size in enumerate((2, 3)):
        write(tmp_path, index, counting([0.0], size, width=size))
    results = load_results(tmp_path)["count"].squeeze().isel(step=0)
    np.testing.assert_array_equal(results, [[2**25 + 1, 2**25 + 1, np.nan], [2**25 + 1] * 3])


def test_measures_of_other_shapes_are_padded_when_work_directories_are_joined(tmp_path):
    for name, size in {"a": 2, "b": 3}.items():
        write(tmp_path / name, 0, counting([float(size)], size))
        keep_config(tmp_path / name, size)
    joined = load_results([tmp_path / "a", tmp_path / "b"])
    assert joined.sizes["unit"] == 3
    np.testing.assert_array_equal(joined["count"].isel(unit=2, step=0).squeeze(), [np.nan, 2**25 + 1])


def test_programs_may_have_their_axes_in_other_orders(tmp_path):
    write(tmp_path, 0, program(kind="ant", axes={"start": [0.0, 10.0, 20.0], "push": [1.0, 2.0], "note": [7.0]}))
    write(tmp_path, 1, program(kind="bee", axes={"push": [1.0, 2.0], "start": [0.0, 10.0, 20.0], "note": [7.0]}))
    joined = load_results(tmp_path)
    assert bool(joined.valid.all())
    for kind in ("ant", "bee"):
        expected = joined.start + 9 * joined.push
        xr.testing.assert_equal(joined.position.sel(step=9, kind=kind, note=7, drop=True).transpose("start", "push"), expected)


def test_bytes_of_results():
    assert result_bytes(program(), Engine(program(), 2).shapes) == 6 * 5 * 4 + 6 * 2 * 2 * 4


@pytest.mark.parametrize("backwards", [False, True])
def test_the_order_in_which_a_file_system_lists_files_is_not_seen(tmp_path, monkeypatch, backwards):
    write(tmp_path, 0, program())
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: iter(sorted(listed(path), reverse=backwards)))
    results = load_results(tmp_path)
    assert list(results.data_vars) == ["valid", "pair", "position"]
    assert list(results.coords) == ["start", "push", "note", "end", "which", "step"]
    with pytest.raises(InputError, match="no axis stat in sweep 'walks': choose from start, push, note"):
        load_run(tmp_path, stat=0.0)


def test_what_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no results in"):
        load_results(tmp_path)
    write(tmp_path, 0, program())
    with pytest.raises(InputError, match="no sweep 'wals': choose from walks"):
        load_results(tmp_path, "wals")
    with pytest.raises(InputError, match="no sweep 'wals': choose from walks"):
        load_run(tmp_path, "wals", start=0.0)


def test_measures_that_label_one_dimension_differently_are_refused(tmp_path):
    other = Measure("other", PAIR.read, dims=("which",), coords={"which": ["x", "y"]})
    mixed = Program("walks", PROCESS, (PAIR, other), program().axes, (), (0, 1))
    with pytest.raises(ValueError, match="otherwise than an earlier measure"):
        Writer(tmp_path / "group", mixed, Engine(mixed, 2).shapes, Engine(mixed, 2).layout)
    assert not (tmp_path / "group").exists()


def test_large_seeds_and_many_programs_are_told_apart(tmp_path):
    seeds = [2**31 - 3, 2**31 - 2, 2**31 - 1]
    process = Process(lambda data, hparams, previous=None: State(hparams["start"] + 0 * hparams["seed"].astype(float)), stand)
    for index in (2, 998, 1001):
        axes = Axes.of({"seed": seeds, "start": [0.1 + 0.2]})
        write(tmp_path, index, Program("walks", process, (POSITION,), axes, (), (0, 1), {"part": f"p{index}"}))
    assert list(load_results(tmp_path).part) == ["p2", "p998", "p1001"]
    with pytest.raises(InputError, match="no checkpoint yet"):  # which is looked for once the run is found
        load_run(tmp_path, part="p998", seed=2**31 - 1, start=0.3)


def stand(state, data, hparams, step):
    del data, hparams, step
    return State(state.variables), state.variables
