"""`python -m symmetry_jax`: hands over to the command line, and makes an end without a traceback of Ctrl-C and SIGTERM.

From here on, that is before jax is imported, which takes seconds in which someone may think better of it.
"""

import signal
import sys

INTERRUPTED = 75  # by convention: try again; batch systems requeue


def main() -> None:
    """Runs a command and exits: 0 done, 75 interrupted and ready to go on, 1 an error, told in one line."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from symmetry_jax.command_line import run_command

        run_command()
    except (KeyboardInterrupt, BrokenPipeError):  # or nobody listens any more
        print("interrupted: the same command goes on from what was saved", file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
