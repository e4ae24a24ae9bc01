"""A work directory: everything a study leaves behind, with what is needed to understand it and to go on with it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import filelock
from ml_collections import ConfigDict

from symmetry_jax.errors import DamagedError, InputError
from symmetry_jax.sweeps.sealed import digest, read_sealed

CONFIG, MANIFEST, PROGRESS, LOCK, CHECKPOINTS = "config.json", "manifest.json", "progress.json", "lock", "checkpoints"
FORKED = "forked"  # checkpoints of another study, in which runs start
HOST = ("save_steps", "save_seconds")  # settings that concern the host alone, and may change when a study goes on


def as_json(config: ConfigDict) -> dict[str, Any]:
    """A config as plain data."""
    return json.loads(config.to_json_best_effort())


def settings_digest(config: Mapping[str, Any]) -> str:
    """Of the settings that results depend on."""
    return digest({name: value for name, value in config.items() if name not in HOST})


def differences(one: Mapping[str, Any], other: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The settings in which two configs differ, `name: value -> other value`, those of the host left out."""
    lines = []
    for name in [*one, *(name for name in other if name not in one)]:
        mine, theirs = one.get(name, "nothing"), other.get(name, "nothing")
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            lines += differences(mine, theirs, f"{prefix}{name}.")
        elif mine != theirs and (prefix or name not in HOST):
            lines.append(f"{prefix}{name}: {mine} -> {theirs}")
    return lines


def checkpoint_folder(workdir: Path, program: int, wave: int) -> Path:
    """Where the checkpoints of a wave lie."""
    return workdir / CHECKPOINTS / f"{program:03d}" / f"{wave:04d}"


def is_new(workdir: Path) -> bool:
    """Whether a directory is free to use: not there, empty, or left before anything was computed, whatever the settings.

    Raises:
        InputError: if it holds anything but a study, which is left as it is.
    """
    try:
        names = {path.name for path in workdir.iterdir() if not path.name.endswith(".partial")}
    except FileNotFoundError:
        return True
    except OSError as error:
        raise InputError(f"--workdir={workdir} cannot be used: {error.strerror}") from error
    if names & {CONFIG, MANIFEST} and (names & {LOCK, PROGRESS} or _holds_settings(workdir) or _manifest_or_nothing(workdir)):
        return names <= {CONFIG, LOCK, FORKED} and _holds_settings(workdir)
    foreign = sorted(names - {LOCK, FORKED})
    if foreign:
        raise InputError(f"--workdir={workdir} holds something else ({foreign[0]}): name a new or an empty directory")
    return True


def _holds_settings(workdir: Path) -> bool:
    """Whether its `config.json` is of a study, and whole; if not, it is left as it is."""
    try:
        read_config(workdir)
    except InputError:
        return False
    return True


def check_settings(workdir: Path, config: Mapping[str, Any]) -> list[str]:
    """Checks that a work directory holds a study with these settings.

    Returns:
        What is damaged of them and can be written again, in words.

    Raises:
        InputError: if its settings are others, with the difference, or if that cannot be told.
    """
    try:
        apart = differences(read_config(workdir), config)
    except InputError as error:
        if _manifest_or_nothing(workdir).get("settings") != settings_digest(config):
            raise InputError(
                f"--workdir={workdir}: {CONFIG} is damaged or missing, and {MANIFEST} does not confirm the settings given: "
                "give those it was begun with, or name a new directory"
            ) from error
        return [f"{workdir / CONFIG} was damaged or missing: it is written again"]
    if apart:
        raise InputError(
            f"--workdir={workdir} holds a study with other settings ({'; '.join(apart)}): name a new directory; "
            f"--fork={workdir} starts it from the states of this one"
        )
    return []


class Lock:
    """Holds a work directory against other processes, from when it is taken until it is left.

    The lock is the operating system's: it goes with the process that holds it, and a file that is left behind locks nothing.
    """

    def __init__(self, workdir: Path) -> None:
        self._workdir = workdir
        self._lock = filelock.FileLock(workdir / LOCK, timeout=0)

    def take(self) -> None:
        """Takes it, if it is not taken yet.

        Raises:
            InputError: if another process holds it, or the directory cannot be written.
        """
        if self._lock.is_locked:
            return
        try:
            self._lock.acquire()
        except filelock.Timeout as error:
            raise InputError(f"--workdir={self._workdir}: another process is at work there{_who(self._workdir)}") from error
        except OSError as error:
            raise InputError(f"--workdir={self._workdir} cannot be written: {error.strerror}") from error

    @property
    def is_there(self) -> bool:
        """Whether the directory was ever locked, so that taking it changes nothing."""
        return (self._workdir / LOCK).exists()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._lock.release()


def read_config(workdir: Path) -> dict[str, Any]:
    """The settings that a study was run with.

    Raises:
        InputError: if there are none, or if they are not those that the manifest knows.
    """
    try:
        content = json.loads((workdir / CONFIG).read_bytes())
        known = _manifest_or_nothing(workdir).get("settings", settings_digest(content))
        if "study" not in content or settings_digest(content) != known:
            raise ValueError
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"--workdir={workdir} holds no study: it has no {CONFIG}") from error
    except OSError as error:
        raise InputError(f"{workdir / CONFIG} cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{workdir / CONFIG} is damaged: run the study's command again to repair it") from error
    return content


def read_manifest(workdir: Path) -> dict[str, Any]:
    """What a study was run on, and how long it took; nothing if it has only begun.

    Raises:
        InputError: if it is damaged.
    """
    try:
        return read_sealed(workdir / MANIFEST)
    except FileNotFoundError:
        return {}
    except DamagedError as error:
        raise InputError(f"{error}: run the study's command again to repair it") from error


def _manifest_or_nothing(workdir: Path) -> dict[str, Any]:
    try:
        return read_manifest(workdir)
    except InputError:
        return {}


def _who(workdir: Path) -> str:
    try:
        progress = read_sealed(workdir / PROGRESS)
    except (DamagedError, FileNotFoundError):
        return ""
    return f" (process {progress['process']} on {progress['host']}, heard of at {progress['updated']})"
