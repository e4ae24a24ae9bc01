"""The command line: `python -m symmetry_jax COMMAND`, see `__main__`.

Commands import what they need when they are called: `status`, and most mistakes, are answered without jax, which takes seconds.
"""

import importlib.util
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from symmetry_jax.errors import GO_ON, INTERRUPTED, InputError, InterruptionError, choose, reason

if TYPE_CHECKING:
    from symmetry_jax.sweeps.study import Study

ROOT = Path(__file__).parent.parent

CONFIG = config_flags.DEFINE_config_file("config", None, "The study's settings: configs/STUDY.py or configs/STUDY.py:PRESET.")
FORK = flags.DEFINE_string("fork", None, "Directory of a study with other settings, in whose last states a new one starts.")
DISTRIBUTED = flags.DEFINE_bool("distributed", False, "One of several processes, which jax finds (Slurm, TPU pods, GKE, MPI).")
COORDINATOR = flags.DEFINE_string("coordinator", None, "HOST:PORT of the first process, where jax cannot find it.")
PROCESSES = flags.DEFINE_integer("processes", None, "Number of processes, with --coordinator.", lower_bound=1)
PROCESS = flags.DEFINE_integer("process", None, "Number of this process, from 0, with --coordinator.", lower_bound=0)
WORKDIR = flags.DEFINE_string("workdir", None, "Directory of the study: its results and its report.")


def run_command() -> None:
    """Runs a command; what cannot be used is told in one line.

    Ends by itself, as interrupted, where another process of the same study was lost.

    Raises:
        KeyboardInterrupt: if it was interrupted; a study is then saved.
    """
    logging.set_verbosity(logging.WARNING)  # jax tells absl of every backend that is not there
    try:
        app.run(_main, flags_parser=_parse)
    except BrokenPipeError:
        raise
    except (InputError, OSError) as error:
        _fail(f"error: {error}")
    except MemoryError as error:
        _fail(f"error: this takes more memory than there is: {reason(error)}")
    except Exception as error:
        if not _is_connected() or not _tells_of_others(error):
            raise
        _leave(f"interrupted: another process is gone or cannot be reached ({reason(error)}): {GO_ON}", INTERRUPTED)


def _fail(line: str) -> NoReturn:
    """Ends with an error; where other processes wait for this one, at once, so that they notice."""
    if not _is_connected():
        sys.exit(line)
    _leave(line, 1)


def _leave(line: str, code: int) -> NoReturn:
    """Ends at once: whatever is still to be put in order would wait for other processes."""
    print(line, file=sys.stderr, flush=True)
    os._exit(code)


def _is_connected() -> bool:
    """Whether this process is one of several."""
    jax = sys.modules.get("jax")
    return jax is not None and jax.distributed.is_initialized()


def _tells_of_others(error: Exception) -> bool:
    from symmetry_jax.sweeps.hosts import tells_of_others

    return tells_of_others(error)


def _main(arguments: Sequence[str]) -> None:
    commands: dict[str, Callable[[], None]] = {"list": _list, "run": _run, "status": _status, "report": _report}
    if len(arguments) != 2:
        raise InputError(f"name one command: {', '.join(commands)}")
    choose("command", arguments[1], commands)()


def _list() -> None:
    for name in _studies():
        print(
            name,
            load_study(name).question,
            f"python -m symmetry_jax run --config=configs/{name}.py --workdir=DIR",
            sep="\n    ",
        )


def _run() -> None:
    config, workdir = _config(), _workdir()
    _check_processes()
    from symmetry_jax.caching import use_cache
    from symmetry_jax.reports.report import write_report
    from symmetry_jax.sweeps.devices import use_all_cores
    from symmetry_jax.sweeps.hosts import is_first
    from symmetry_jax.sweeps.runner import run_study

    use_all_cores()
    use_cache()
    _connect()
    study = load_study(config.study)
    command = shlex.join(["python", "-m", "symmetry_jax", *sys.argv[1:]])
    try:
        run_study(study, config, workdir, command, fork=_fork())
    except InterruptionError as interruption:
        raise KeyboardInterrupt from interruption
    if is_first():
        print(write_report(study, workdir))


def _fork() -> Path | None:
    if FORK.value == "":
        raise InputError("--fork= names no directory: --fork=DIR, or leave it out")
    return Path(FORK.value) if FORK.value is not None else None


def _check_processes() -> None:
    coordinator, processes, process = COORDINATOR.value, PROCESSES.value, PROCESS.value
    if coordinator is None and processes is None and process is None:
        return
    if coordinator is None or processes is None or process is None:
        raise InputError("name all of --coordinator=HOST:PORT, --processes=N and --process=I, or none with --distributed")
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise InputError(f"--coordinator={coordinator}: HOST:PORT, with a port from 1 to {2**16 - 1}")
    if process >= processes:
        raise InputError(f"--process={process}: 0 to {processes - 1}, with --processes={processes}")


def _connect() -> None:
    """Joins the processes of a study that runs on several hosts."""
    if DISTRIBUTED.value or COORDINATOR.value:
        from symmetry_jax.sweeps.hosts import connect

        connect(COORDINATOR.value, PROCESSES.value, PROCESS.value)


def _status() -> None:
    from symmetry_jax.reports.status import status

    print(status(_workdir()))


def _report() -> None:
    workdir = _workdir()
    from symmetry_jax.reports.report import write_report
    from symmetry_jax.sweeps.devices import use_all_cores
    from symmetry_jax.sweeps.workdir import read_config

    use_all_cores()
    print(write_report(load_study(read_config(workdir)["study"]), workdir))


def _config() -> ConfigDict:
    if CONFIG.value is None:
        raise InputError("run needs --config=configs/STUDY.py, with :PRESET for a preset")
    try:
        study = CONFIG.value.study
    except (OSError, AttributeError) as error:  # ml_collections tells of a file that is not there when it is first used
        name = config_flags.get_config_filename(flags.FLAGS["config"])
        raise InputError(f"--config={name}: no config that names a study") from error
    choose("study", study, _studies())
    return CONFIG.value


def _workdir() -> Path:
    if not WORKDIR.value:
        raise InputError("name a work directory: --workdir=DIR")
    return Path(WORKDIR.value)


def load_study(name: str) -> "Study":
    """The study that `experiments/NAME.py` defines."""
    from symmetry_jax.sweeps.study import Study

    path = choose("study", name, _studies())
    spec = importlib.util.spec_from_file_location(f"experiments.{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not isinstance(getattr(module, "STUDY", None), Study):
        raise InputError(f"experiments/{name}.py defines no STUDY")
    return module.STUDY


def _studies() -> dict[str, Path]:
    found = {path.stem: path for path in sorted((ROOT / "experiments").glob("*.py"))}
    if not found:
        raise InputError("there are no experiments beside the package: run it from a clone of the repository")
    return found


def _parse(arguments: Sequence[str]) -> list[str]:
    """Parses flags; what is wrong with them, or in the settings, is one line."""
    try:
        return flags.FLAGS(arguments)
    except (flags.Error, AttributeError, SyntaxError, TypeError, ValueError, OSError) as error:
        if isinstance(error, AttributeError) and isinstance(error.args[0], KeyError):  # it may suggest another on a second line
            words = " ".join(error.args[0].args[0].split())
            raise InputError(f"an override names no setting of the config: {words}") from error
        # what a config raises comes wrapped in a traceback, whose last line says what it is
        lines = [line for line in str(error).splitlines() if line.strip()] or [repr(error)]
        raise InputError(lines[-1].strip().removeprefix(f"{InputError.__module__}.{InputError.__name__}: ")) from error
    except Exception as error:  # a name that is not defined, a module that is not there: whatever else a config raises
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise InputError(f"{place.filename}, line {place.lineno}: {type(error).__name__}: {reason(error)}") from error
