"""The walk in a process of its own: `python -m trials.walking WORKDIR`.

With `COORDINATOR PROCESSES PROCESS` after it, or `found` where jax finds these by itself, it is one of several processes.
"""

import sys
from pathlib import Path

from symmetry_jax.__main__ import listen
from symmetry_jax.errors import INTERRUPTED


def main() -> None:
    """Runs it, and exits as the command line does; jax is imported where an interruption is expected."""
    listen()
    try:
        _walk(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _walk(workdir: str, *where: str) -> None:
    from symmetry_jax.errors import InputError, InterruptionError
    from symmetry_jax.sweeps.hosts import connect
    from trials.walks import run

    if where:
        coordinator, processes, process = (
            (None, None, None) if where == ("found",) else (where[0], int(where[1]), int(where[2]))
        )
        connect(coordinator, processes, process)
    try:
        print(*run(Path(workdir)), sep="\n")
    except InterruptionError as interruption:
        raise KeyboardInterrupt from interruption
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
