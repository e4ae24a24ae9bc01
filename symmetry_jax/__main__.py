"""python -m symmetry_jax COMMAND

list                                        the studies, each with its question
run --config=configs/STUDY.py --workdir=DIR compute a study and report it; or go on with one that was interrupted
status --workdir=DIR                        how far a study is, running or not
report --workdir=DIR                        figures, page and claims again, from results alone
"""

# This is shown for --help. Ctrl-C and SIGTERM are listened to from here on, that is before jax is imported, which takes seconds
# in which someone may think better of it.

import contextlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from symmetry_jax.errors import GO_ON, INTERRUPTED

LINE = f"interrupted: {GO_ON}"


def main() -> None:
    """Runs a command and exits: 0 done, 75 interrupted and ready to go on, 1 an error, told in one line."""
    listen()
    try:
        from symmetry_jax.command_line import run_command

        run_command()
    except (KeyboardInterrupt, BrokenPipeError):  # or nobody listens any more
        print(LINE, file=sys.stderr)
        sys.exit(INTERRUPTED)


def listen() -> None:
    """From now on Ctrl-C and SIGTERM end this process at once, but for the time in which a study listens to them itself."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """Ends without a KeyboardInterrupt, which compiled modules that are being imported turn into other errors, or crash on.

    A study can be killed at any moment, and so nothing needs to be put in order.
    """
    del number, frame
    with contextlib.suppress(Exception):  # it may be in the midst of writing there, or nobody listens any more
        sys.stdout.flush()
    with contextlib.suppress(Exception):
        os.write(sys.stderr.fileno(), f"{LINE}\n".encode())
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
