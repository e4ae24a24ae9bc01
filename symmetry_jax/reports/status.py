"""How far a study is, read from its work directory without disturbing it."""

import datetime
from pathlib import Path
from typing import Any

from symmetry_jax.errors import DamagedError, InputError
from symmetry_jax.sweeps.presence import is_alive
from symmetry_jax.sweeps.sealed import read_sealed
from symmetry_jax.sweeps.workdir import PROGRESS, read_config, read_manifest


def status(workdir: Path) -> str:
    """Progress, position, diverged runs and time left of a study, as text.

    Raises:
        InputError: if there is no study, or if what it says of itself is damaged.
    """
    config, manifest = read_config(workdir), read_manifest(workdir)
    try:
        progress = read_sealed(workdir / PROGRESS)
    except FileNotFoundError:
        return f"{config['study']}: begun, nothing computed yet"
    except DamagedError as error:
        raise InputError(f"{error}: run the study's command again to repair it") from error
    done, total = progress["run_steps_done"], progress["run_steps"]
    lines = [
        f"{config['study']}: {_state(manifest, progress)}",
        f"{done:,} of {total:,} run-steps ({done / total:.0%}); {progress['diverged']:,} runs diverged",
    ]
    if "finished" not in manifest:
        lines += [_position(progress["position"]), _time_left(progress), f"to go on: {manifest.get('command', 'not known')}"]
    return "\n".join(lines)


def _state(manifest: dict[str, Any], progress: dict[str, Any]) -> str:
    if "finished" in manifest:
        return f"finished at {manifest['finished']}"
    who = f"process {progress['process']} on {progress['host']}, heard of at {progress['updated']}"
    return {True: f"running ({who})", False: f"stopped ({who})", None: f"running or stopped ({who})"}[is_alive(progress)]


def _position(position: dict[str, Any]) -> str:
    return (
        f"program {position['program'] + 1} ({position['label']}), wave {position['wave'] + 1} of {position['waves']}, "
        f"step {position['step']:,}"
    )


def _time_left(progress: dict[str, Any]) -> str:
    if progress["seconds_left"] is None:
        return "time left: not known yet"
    left = datetime.timedelta(seconds=round(progress["seconds_left"]))
    return f"about {left} left at {progress['run_steps_per_second']:,.0f} run-steps per second"
