"""A study that starts from the states of another one, whose settings were other."""

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax

from symmetry_jax.errors import DamagedError, InputError
from symmetry_jax.learning.process import State
from symmetry_jax.sweeps.axes import Axes
from symmetry_jax.sweeps.checkpoints import Checkpoints
from symmetry_jax.sweeps.engine import Engine
from symmetry_jax.sweeps.loading import axes_of, group_paths, open_group
from symmetry_jax.sweeps.precision import numerics
from symmetry_jax.sweeps.workdir import CHECKPOINTS, FORKED, checkpoint_folder


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where the runs of a program start: index of the program in the old study, and the step that its runs are at."""

    program: int
    step: int


def find_origins(old: Path, engines: Sequence[Engine]) -> dict[int, Origin]:
    """For each program that starts by itself, the program of another study that has the same settings of its own.

    A program that the other study has not, or has not reached, is left out: it starts afresh.

    Raises:
        InputError: if no program is found; if one has other states, or axes on which runs have other places; or if its runs are
            not all at one step.
    """
    known = {}
    for path in group_paths(old):
        flat = open_group(path).flat
        known[flat.attrs["sweep"], flat.attrs["static"]] = int(path.name), flat.sizes["run"], flat.attrs["wave"], axes_of(flat)
    origins = {}
    for index, engine in enumerate(engines):
        program = engine.program
        found = known.get((program.sweep, json.dumps(dict(program.static))))
        if found is None or program.after is not None:
            continue
        number, runs, size, axes = found
        if runs != program.axes.size:
            raise InputError(f"--fork={old}: {program.label} has {program.axes.size} runs, and {runs} there")
        if _places(axes) != _places(program.axes):
            raise InputError(
                f"--fork={old}: {program.label} has the axes {_told(program.axes)}, and {_told(axes)} there: runs go on by "
                "their places, so that axes have to be as long and in the same order, and seeds the same"
            )
        if size != engine.wave:
            raise InputError(f"--fork={old}: its runs are in waves of {size}: give --config.wave={size}")
        steps = {_last_step(old, number, wave) for wave in range(engine.waves)}
        if len(steps) > 1:
            raise InputError(f"--fork={old}: the runs of {program.label} are not all at one step there: finish it first")
        step = steps.pop()
        if step is not None:
            _check_fit(old, engine, number, step)
            origins[index] = Origin(number, step)
    if not origins:
        raise InputError(f"--fork={old}: no states of the programs of this study there")
    return origins


def copy_origins(old: Path, workdir: Path, engines: Sequence[Engine], origins: Mapping[int, Origin]) -> None:
    """Copies the states into a work directory, which then needs the old one no more."""
    partial = workdir / f"{FORKED}.partial"
    shutil.rmtree(partial, ignore_errors=True)  # left by one that was killed before it began
    for index, origin in origins.items():
        for wave in range(engines[index].waves):
            source = checkpoint_folder(old, origin.program, wave) / str(origin.step)
            shutil.copytree(source, checkpoint_folder(partial, index, wave) / str(origin.step))
    partial.rename(workdir / FORKED)


def forked_programs(workdir: Path) -> list[int]:
    """The programs of a work directory that start in states of another study."""
    return sorted(int(path.name) for path in (workdir / FORKED / CHECKPOINTS).glob("[0-9]*"))


def forked_states(workdir: Path, engine: Engine, index: int, wave: int, forked: bool) -> State | None:
    """The states in which a wave of a forked study starts; none if it starts afresh.

    Args:
        workdir: of the study.
        engine: of the program.
        index: of the program.
        wave: its number.
        forked: whether the program is known to start in states of another study.

    Raises:
        InputError: if they are damaged, or gone.
    """
    folder = checkpoint_folder(workdir / FORKED, index, wave)
    if not folder.exists():
        if forked:
            raise InputError(f"{folder} is gone, in whose states it starts: fork again into a new directory")
        return None
    try:
        with contextlib.closing(Checkpoints(folder, read_only=True)) as checkpoints, numerics(engine.program.precision):
            return checkpoints.restore(checkpoints.steps()[-1], engine.abstract_states())
    except (DamagedError, IndexError) as error:
        raise InputError(f"{folder} is damaged ({error}): fork again into a new directory") from error


def _places(axes: Axes) -> tuple[object, ...]:
    """What has to be the same for a run to have its place in both studies."""
    longer = [(axis.names, len(axis)) for axis in axes.axes if len(axis) > 1]
    return longer, axes.columns().get("seed")


def _told(axes: Axes) -> str:
    seeds = axes.columns().get("seed", [])
    named = f" (from {seeds[0]} to {seeds[-1]})" if seeds else ""
    return " x ".join(f"{'+'.join(axis.names)} {len(axis)}{named if 'seed' in axis.names else ''}" for axis in axes.axes)


def _last_step(old: Path, program: int, wave: int) -> int | None:
    folder = checkpoint_folder(old, program, wave)
    if not folder.exists():
        return None
    with contextlib.closing(Checkpoints(folder, read_only=True)) as checkpoints:
        return max(checkpoints.steps(), default=None)


def _check_fit(old: Path, engine: Engine, program: int, step: int) -> None:
    """Raises InputError if the states there are not like those of the program."""
    try:
        with contextlib.closing(Checkpoints(checkpoint_folder(old, program, 0), read_only=True)) as checkpoints:
            there = checkpoints.shapes(step)
    except DamagedError as error:
        raise InputError(f"--fork={old}: its states are damaged ({error})") from error
    wanted = engine.abstract_states()
    if _named(there) != _named(wanted):
        raise InputError(f"--fork={old}: {engine.program.label} has other parameters, optimizer or precision there")


def _named(tree: object) -> dict[str, tuple[object, ...]]:
    """Shape of a run and dtype of every leaf by name."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path, simple=True, separator="/"): (leaf.shape[1:], str(leaf.dtype)) for path, leaf in leaves}
