"""The host loop: whatever interrupts it, the same call goes on, and the bits are those of a study that was left alone."""

import dataclasses
import errno
import json
import math
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import psutil
import pytest
import xarray as xr

from symmetry_jax import load_results, load_run
from symmetry_jax.errors import InputError, InterruptionError
from symmetry_jax.sweeps import layout, pace, runner, sealed
from symmetry_jax.sweeps.checkpoints import Checkpoints
from symmetry_jax.sweeps.engine import Engine
from symmetry_jax.sweeps.pace import Pace
from symmetry_jax.sweeps.results import Writer
from symmetry_jax.sweeps.runner import run_study
from symmetry_jax.sweeps.waves import Wave
from trials import walks
from trials.studies import ROOT, bits
from trials.walks import STUDY, config

WAVES = {"wave": 4}  # on two devices with tiles of two


def run(workdir, fork=None, **changes):
    """Runs the study; returns what was said."""
    said = []
    run_study(STUDY, config(**changes), workdir, "the command", said.append, fork)
    return said


def outcome(workdir):
    """Everything that a finished study found, and its last states."""
    states = {(start, push): load_run(workdir, start=start, push=push) for start in (0.0, 5.0) for push in (1.0, 2.0, 3.0)}
    return *(load_results(workdir, sweep) for sweep in ("there", "back", "rest")), states


def assert_same(workdir, expected):
    *results, states = outcome(workdir)
    for found, wanted in zip(results, expected[:-1], strict=True):
        xr.testing.assert_identical(found, wanted)
    assert states == expected[-1]
    assert "finished" in sealed.read_sealed(workdir / "manifest.json")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("finished") / "work"
    run(workdir, **WAVES)
    return workdir


@pytest.fixture
def copied(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "work")
    return tmp_path / "work"


def test_a_program_goes_on_where_another_ended(tmp_path):
    run(tmp_path)
    there, back = load_results(tmp_path, "there"), load_results(tmp_path, "back")
    np.testing.assert_array_equal(there.position.sel(step=9), there.start + 9 * there.push)
    np.testing.assert_array_equal(back.position.sel(step=0), there.position.sel(step=9))
    np.testing.assert_array_equal(back.position.sel(step=7).T, [[2.0, 7.0], [4.0, 9.0], [6.0, 11.0]])


def test_waves_change_nothing(finished, tmp_path):
    run(tmp_path)
    assert_same(tmp_path, outcome(finished))
    assert len(list((finished / "checkpoints" / "000").iterdir())) == 2


def test_what_is_about_to_be_computed_is_said_before(tmp_path):
    said = run(tmp_path, **WAVES)
    assert "there: 6 runs of 9 steps in 2 waves, results 144 B, state of a tile of 2 runs" in said[0]
    assert "2 device(s)" in said[3]
    assert re.fullmatch(r"computing will take about \d:\d\d:\d\d", said[-1])
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["tile"] == 2 and manifest["wave"] == 4 and manifest["programs"][0]["run_steps"] == 6 * 9


def test_a_study_that_ends_while_it_is_measured_begins_anew(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "predicted_seconds", lambda engines: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, **WAVES)
    monkeypatch.undo()
    assert "computing will take" in run(tmp_path, **WAVES)[-1]
    assert_same(tmp_path, outcome(finished))


def test_a_study_that_ends_while_it_is_measured_binds_nobody(tmp_path, monkeypatch):
    """What it told of the time that it would take may be why."""
    monkeypatch.setattr(runner, "predicted_seconds", lambda engines: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    monkeypatch.undo()
    run(tmp_path, steps=11)
    assert load_results(tmp_path, "there").step[-1] == 11


def test_settings_of_something_else_are_left_alone(tmp_path):
    (tmp_path / "config.json").write_text('{"precious": 1}')
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(InputError, match=r"holds something else \(checkpoints\)"):
        run(tmp_path)
    assert (tmp_path / "config.json").read_text() == '{"precious": 1}'
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "checkpoints"}


def test_a_study_goes_on_with_the_tile_that_it_began_with(tmp_path, monkeypatch):
    """What is usual, or what is measured, may be other by then."""
    monkeypatch.setattr(Wave, "_save", lambda *_: (_ for _ in ()).throw(Crash))
    monkeypatch.setattr(layout, "default_tile", lambda: 4)
    with pytest.raises(Crash):
        run(tmp_path, tile=0)
    monkeypatch.undo()
    said = run(tmp_path, tile=0)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["tile"] == 4 and manifest["lowering"] == "patches"
    assert [trial["tile"] for trial in manifest["calibration"]["trials"]] == [4]
    assert not any("computing will take" in line for line in said)


def test_a_finished_study_is_left_as_it_is(copied):
    before = {path: path.stat().st_mtime_ns for path in (copied / "results.zarr").rglob("*")}
    assert "holds this study, finished and whole" in run(copied, **WAVES)[-1]
    assert before == {path: path.stat().st_mtime_ns for path in (copied / "results.zarr").rglob("*")}


def everything(workdir):
    """The content of all files that hold results or states."""
    folders = [workdir / "results.zarr", workdir / "checkpoints"]
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # loops half made
@pytest.mark.parametrize("spare", [0, 2, 4, 8, 16])
def test_what_cannot_be_read_for_want_of_file_handles_is_not_taken_for_damage(copied, spare):
    before, (soft, hard) = everything(copied), resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (psutil.Process().num_fds() + spare, hard))
    try:
        said = run(copied, **WAVES)
    except InputError as error:
        said = [str(error)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not any("damage" in line for line in said), said
    assert everything(copied) == before
    assert "finished and whole" in run(copied, **WAVES)[-1]


@pytest.mark.parametrize(
    "fault",
    [
        jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 7 bytes"),
        ValueError("UNKNOWN: Error reading chunk [OS error 5: EIO Input/output error]"),
        PermissionError(errno.EACCES, "Permission denied"),
    ],
    ids=["memory", "disk", "permission"],
)
def test_a_checkpoint_that_a_machine_cannot_read_now_is_kept(copied, monkeypatch, fault):
    before = everything(copied)
    monkeypatch.setattr(Checkpoints, "_read", lambda *_: (_ for _ in ()).throw(fault))
    with pytest.raises(InputError, match=r"cannot be read or written .*: what was saved before is safe"):
        run(copied, **WAVES)
    assert everything(copied) == before
    monkeypatch.undo()
    assert "finished and whole" in run(copied, **WAVES)[-1]


class Crash(BaseException):
    """Nobody catches it, as nobody catches `kill -9`."""


@pytest.mark.parametrize("method", [(Writer, "_write"), (Checkpoints, "save"), (Checkpoints, "keep_only"), (sealed, "digest")])
@pytest.mark.parametrize("after, seconds", [(False, math.inf), (True, 0.0)], ids=["before", "after"])
def test_a_crash_at_any_write_leaves_nothing_wrong(finished, tmp_path, monkeypatch, method, after, seconds):
    """The study crashes at the first call of a method, goes on, crashes at the second, and so on until it is through.

    Results are written when something is saved, or after each segment.
    """
    monkeypatch.setattr(pace, "WRITE_SECONDS", seconds)
    owner, name = method
    original, crashes, calls = getattr(owner, name), 0, 0

    def crash(*arguments, **named):
        nonlocal calls
        calls += 1
        answer = original(*arguments, **named) if after or calls <= crashes else None
        if calls > crashes:
            raise Crash
        return answer

    monkeypatch.setattr(owner, name, crash)
    while True:
        calls = 0
        try:
            run(tmp_path, **WAVES)
            break
        except Crash:
            crashes += 1
    monkeypatch.undo()
    assert crashes > 1
    assert_same(tmp_path, outcome(finished))


@pytest.mark.parametrize("blocks", [3, *(pytest.param(blocks, marks=pytest.mark.slow) for blocks in (1, 5))])
def test_a_disk_that_takes_no_more_is_told_and_the_study_goes_on(tmp_path, blocks):
    """A limit on the size of files, as a full disk is not to be had in a test; the first one does not even hold a manifest."""
    command = ["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", sys.executable, "-m", "trials.walking", tmp_path / "work"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    told = r"error: --workdir=.* cannot be read or written \(.*File too large.*\): what was saved before is safe"
    assert re.search(told, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    walks.run(tmp_path / "work")
    walks.run(tmp_path / "alone")
    assert bits(tmp_path / "work") == bits(tmp_path / "alone")


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_saves_at_the_next_boundary(finished, tmp_path, monkeypatch, number):
    begin, asked = Wave._begin, 0

    def begin_and_ask(self, *arguments):
        nonlocal asked
        asked += 1
        os.kill(os.getpid(), number)
        return begin(self, *arguments)

    monkeypatch.setattr(Wave, "_begin", begin_and_ask)
    said = []
    for _ in range(100):
        try:
            run_study(STUDY, config(save_steps=0, **WAVES), tmp_path, "", said.append)
            break
        except InterruptionError:
            steps = sorted(int(path.name) for path in (tmp_path / "checkpoints").glob("*/*/*") if path.name.isdigit())
            assert steps
    assert asked > 4 and any(signal.Signals(number).name in line for line in said)
    assert_same(tmp_path, outcome(finished))


@pytest.mark.parametrize("seconds", [0.0, math.inf])
def test_where_segments_and_saves_lie_changes_nothing_and_may_be_changed(finished, tmp_path, monkeypatch, seconds):
    """Nor does whether there are results beyond the last checkpoint."""
    monkeypatch.setattr(pace, "WRITE_SECONDS", seconds)
    monkeypatch.setattr(Wave, "_save", lambda self, *_: (_ for _ in ()).throw(Crash))
    with pytest.raises(Crash):
        run(tmp_path, **WAVES, save_steps=2)
    monkeypatch.undo()
    run(tmp_path, **WAVES, save_steps=0, save_seconds=0.001)
    assert_same(tmp_path, outcome(finished))


def test_nothing_piles_up(finished):
    steps = [path.relative_to(finished).as_posix() for path in (finished / "checkpoints").glob("*/*/*")]
    assert sorted(steps) == [
        f"checkpoints/{program}/{wave}/{step}"
        for program, step in (("000", 9), ("001", 7), ("002", 7))
        for wave in ("0000", "0001")
    ]
    assert not [path for path in finished.rglob("*") if "tmp" in path.name or "partial" in path.name]


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "remove"])
def test_damage_anywhere_is_repaired(finished, copied, damage):
    expected = outcome(finished)
    random = np.random.default_rng(3)
    for _ in range(4):
        files = sorted(path for path in copied.rglob("*") if path.is_file() and path.name != "lock")
        file = files[random.integers(len(files))]
        content = file.read_bytes()
        middle = len(content) // 2
        if damage == "remove":
            file.unlink()
        else:
            flipped = content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :] if content else b""
            file.write_bytes({"flip": flipped, "truncate": content[:middle], "empty": b""}[damage])
        run(copied, **WAVES)
        assert_same(copied, expected)


def test_other_settings_are_refused_with_the_difference(copied):
    with pytest.raises(InputError, match=r"other settings \(steps: 9 -> 11; wave: 4 -> 0\): name a new directory; --fork="):
        run(copied, steps=11)
    run(copied, **WAVES, save_steps=5, save_seconds=1.0)


def test_settings_that_nothing_confirms_are_refused(copied):
    (copied / "config.json").unlink()
    with pytest.raises(InputError, match="does not confirm the settings given"):
        run(copied, **WAVES, steps=11)
    assert "written again" in run(copied, **WAVES)[0]
    (copied / "config.json").write_text("{}")
    (copied / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match="name a new directory"):
        run(copied, **WAVES)


def test_another_machine_is_told(copied, monkeypatch):
    manifest = sealed.read_sealed(copied / "manifest.json")
    manifest["versions"]["jax"] = "0.1"
    manifest["devices"] |= {"kind": "abacus", "count": 1}
    sealed.write_sealed(copied / "manifest.json", manifest)
    shutil.rmtree(copied / "checkpoints" / "001")
    said = run(copied, **WAVES)
    expected = ("jax 0.1 -> ", "kind abacus -> cpu", "devices one -> several")
    assert any(all(change in line for change in expected) for line in said)
    assert sealed.read_sealed(copied / "manifest.json")["resumed"][-1]["changed"]


def test_a_directory_that_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="something else"):
        run(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be used: Not a directory"):
        run(tmp_path / "file")
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.tex", "file"}


def test_two_processes_do_not_share_a_directory(copied):
    program = "import sys, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print('held', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", program, copied / "lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(InputError, match=r"another process is at work there \(process \d+ on "):
        run(copied, **WAVES)
    holder.kill()
    holder.wait()
    run(copied, **WAVES)  # a file that is left behind locks nothing


def test_a_study_that_another_process_begins_meanwhile_is_left_alone(tmp_path):
    def build_late(settings):
        programs = STUDY.build(settings)
        run(tmp_path)
        return programs

    late = dataclasses.replace(STUDY, build=build_late)
    with pytest.raises(InputError, match="another process began a study there just now"):
        run_study(late, config(steps=11), tmp_path, "", lambda line: None)
    assert "finished and whole" in run(tmp_path)[-1]


@pytest.mark.parametrize("tiles", [(4, 1), (1, 4), (2, 8)])
def test_a_fork_may_have_another_tile(tmp_path, tiles):
    old, new = tiles
    run(tmp_path / "old", tile=old)
    said = run(tmp_path / "new", tmp_path / "old", tile=new, steps=11)
    assert not any(line.startswith(("back", "rest")) and "starts" in line for line in said)
    there = load_results(tmp_path / "new", "there")
    np.testing.assert_array_equal(there.position.sel(step=11), there.start + 20 * there.push)


def test_a_fork_starts_from_the_last_states(finished, tmp_path):
    said = run(tmp_path / "new", finished, steps=11, **WAVES)
    assert any(line.startswith("there starts from step 9 in ") for line in said)
    shutil.rmtree(tmp_path / "new" / "checkpoints")  # the old directory is not needed to go on
    run(tmp_path / "new", finished, steps=11, **WAVES)
    old, new = load_results(finished, "there"), load_results(tmp_path / "new", "there")
    np.testing.assert_array_equal(new.position.sel(step=0), old.position.sel(step=9))
    np.testing.assert_array_equal(new.position.sel(step=11), new.start + 20 * new.push)
    assert sealed.read_sealed(tmp_path / "new" / "manifest.json")["fork"] == str(finished)


def test_a_fork_of_other_waves_is_refused(finished, tmp_path):
    with pytest.raises(InputError, match=r"its runs are in waves of 4: give --config.wave=4"):
        run(tmp_path / "new", finished, steps=11)
    assert not (tmp_path / "new").exists()


def test_a_fork_that_was_killed_before_it_began_goes_on(finished, tmp_path):
    run(tmp_path / "new", finished, steps=11, **WAVES)
    expected = outcome(tmp_path / "new")
    for lost in (["manifest.json"], ["manifest.json", "config.json", "results.zarr", "checkpoints", "progress.json"]):
        for name in lost:
            path = tmp_path / "new" / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        run(tmp_path / "new", finished, steps=11, **WAVES)
        assert_same(tmp_path / "new", expected)
        assert sealed.read_sealed(tmp_path / "new" / "manifest.json")["fork"] == str(finished)


def test_a_lost_manifest_does_not_forget_the_waves(copied):
    (copied / "manifest.json").unlink()
    run(copied, **WAVES)
    assert sealed.read_sealed(copied / "manifest.json")["wave"] == 4


def test_a_lost_manifest_does_not_forget_the_tile(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "default_tile", lambda: 4)
    run(tmp_path, tile=0)
    monkeypatch.undo()
    (tmp_path / "manifest.json").unlink()
    said = run(tmp_path, tile=0)
    assert not any("damaged (" in line for line in said), said
    manifest = sealed.read_sealed(tmp_path / "manifest.json")
    assert manifest["tile"] == 4 and manifest["lowering"] == "patches"


def test_a_segment_is_timed_also_where_handing_it_over_waits_for_its_end(tmp_path, monkeypatch):
    begin, computed, told = Engine.begin, Pace.computed, []

    def wait_and_begin(self, *arguments):
        states, wait = begin(self, *arguments)
        jax.block_until_ready(states)
        time.sleep(0.02)
        return states, wait

    monkeypatch.setattr(Engine, "begin", wait_and_begin)
    monkeypatch.setattr(Pace, "computed", lambda *arguments: told.append(computed(*arguments)) or told[-1])
    run(tmp_path / "work")
    assert len(told) > 4 and min(told) >= 0.02


def test_a_fork_whose_first_states_are_gone_does_not_start_afresh(finished, tmp_path):
    run(tmp_path / "new", finished, steps=11, **WAVES)
    lost = tmp_path / "new" / "forked" / "checkpoints" / "000" / "0001"
    for path in (lost, tmp_path / "new" / "checkpoints" / "000" / "0001", tmp_path / "new" / "results.zarr"):
        shutil.rmtree(path)
    with pytest.raises(InputError, match=f"{lost} is gone, in whose states it starts: fork again into a new directory"):
        run(tmp_path / "new", steps=11, **WAVES)


def test_a_fork_that_was_stopped_before_it_computed_anything_may_be_of_another(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "predicted_seconds", lambda engines: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "new", finished, steps=11, tile=0, **WAVES)
    monkeypatch.undo()
    shutil.copytree(finished, tmp_path / "other")
    run(tmp_path / "new", tmp_path / "other", steps=11, **WAVES)
    manifest = sealed.read_sealed(tmp_path / "new" / "manifest.json")
    assert manifest["fork"] == str(tmp_path / "other") and manifest["forked"] == [0]
    monkeypatch.chdir(tmp_path)
    run(tmp_path / "new", Path("other"), steps=11, **WAVES)  # the same, named otherwise


def test_what_a_fork_left_is_not_used_by_a_study_that_is_none(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "predicted_seconds", lambda engines: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, finished, steps=11, tile=0, **WAVES)
    monkeypatch.undo()
    run(tmp_path, steps=11, **WAVES)
    there = load_results(tmp_path, "there")
    np.testing.assert_array_equal(there.position.sel(step=0), there.start + 0 * there.push)
    assert sealed.read_sealed(tmp_path / "manifest.json")["forked"] == []


def test_results_that_came_from_elsewhere_are_not_taken_for_ones_own(finished, copied):
    first, second = copied / "results.zarr" / "000", copied / "results.zarr" / "001"
    shutil.rmtree(second)
    shutil.copytree(first, second)
    with pytest.raises(InputError, match=r"001 holds results of another program: remove it"):
        run(copied, **WAVES)
    shutil.rmtree(second)
    run(copied, **WAVES)
    assert_same(copied, outcome(finished))


def test_forks_that_cannot_be(finished, copied, tmp_path):
    with pytest.raises(InputError, match="in a new directory"):
        run(copied, finished, **WAVES)
    with pytest.raises(InputError, match=r"there has the axes start 3 x push 2, and start 2 x push 3 there: runs go on by"):
        run(tmp_path / "new", finished, axes={"start": [0.0, 5.0, 9.0], "push": [1.0, 2.0]})
    run(tmp_path / "forked", finished, steps=11, **WAVES)
    with pytest.raises(InputError, match=r"--fork=elsewhere starts .* holds a fork of "):
        run(tmp_path / "forked", Path("elsewhere"), steps=11, **WAVES)
    with pytest.raises(InputError, match="there has 12 runs, and 6 there"):
        run(tmp_path / "new", finished, axes={"push": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]})
    with pytest.raises(InputError, match="no results in"):
        run(tmp_path / "new", tmp_path / "nowhere")
    assert not (tmp_path / "new").exists()


def test_a_checkpoint_that_a_running_study_removes_meanwhile_is_not_damaged(copied, monkeypatch):
    step, restore = 9, Checkpoints.restore
    folder = copied / "checkpoints" / "000" / "0000"
    expected = load_run(copied, start=0.0, push=1.0)
    shutil.copytree(folder / str(step), folder / "10")

    def restore_what_is_there(self, number, target):
        if number == 10:
            shutil.rmtree(folder / "10")
        return restore(self, number, target)

    monkeypatch.setattr(Checkpoints, "restore", restore_what_is_there)
    assert load_run(copied, start=0.0, push=1.0) == expected


def test_a_folder_that_goes_is_told_and_not_made_again(tmp_path, monkeypatch):
    begin = Wave._begin

    def remove_and_begin(self, states, step, *rest):
        if step:
            shutil.rmtree(tmp_path / "work", ignore_errors=True)
        return begin(self, states, step, *rest)

    monkeypatch.setattr(Wave, "_begin", remove_and_begin)
    with pytest.raises(InputError, match="cannot be read or written"):
        run(tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_a_folder_that_goes_between_two_programs_is_told_as_well(tmp_path, monkeypatch):
    previous = runner._Study._previous

    def remove_and_look(self, index, number):
        if index:
            shutil.rmtree(tmp_path / "work", ignore_errors=True)
        return previous(self, index, number)

    monkeypatch.setattr(runner._Study, "_previous", remove_and_look)
    with pytest.raises(InputError, match="cannot be read or written"):
        run(tmp_path / "work")
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    "wrong", [{"tile": -1}, {"wave": -4}, {"save_steps": -1}, {"save_seconds": 0.0}, {"save_seconds": float("nan")}]
)
def test_settings_of_the_host_that_cannot_be(wrong, tmp_path):
    with pytest.raises(InputError, match=f"{next(iter(wrong))}=.*: (a number above 0|0 .automatic. or more)"):
        run(tmp_path / "work", **wrong)
    assert not (tmp_path / "work").exists()


def test_more_than_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr("symmetry_jax.sweeps.machine.free_disk", lambda folder: 100)
    with pytest.raises(InputError, match="are free there"):
        run(tmp_path / "work")
    monkeypatch.setattr("symmetry_jax.sweeps.machine.device_memory", lambda: 10)
    with pytest.raises(InputError, match="tile=2: the states of a tile"):
        run(tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_a_study_does_not_go_on_with_less_memory_than_its_waves_take(tmp_path, monkeypatch):
    run(tmp_path)
    before = everything(tmp_path)
    monkeypatch.setattr("symmetry_jax.sweeps.machine.device_memory", lambda: 20)
    with pytest.raises(InputError, match=r"wave=6: .* 2 devices have 20 B each: make it smaller, or go on with 4 or more"):
        run(tmp_path)
    assert everything(tmp_path) == before
