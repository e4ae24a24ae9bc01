"""The command line, as a user meets it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from symmetry_jax import command_line

ROOT = Path(__file__).parent.parent
STUDY = "configs/near_identical_filters.py"


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "symmetry_jax", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_list_shows_studies_with_their_questions():
    done = command("list")
    assert done.returncode == 0
    assert "near_identical_filters" in done.stdout and "grow apart?" in done.stdout


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((), ["name one command", "list, run, status, report"]),
        (("rum",), ["unknown command 'rum'", "list, run, status, report"]),
        (("run", f"--config={STUDY}"), ["--workdir"]),
        (("run", "--workdir=DIR"), ["--config"]),
        (("run", "--config=configs/none.py", "--workdir=DIR"), ["configs/none.py"]),
        (("run", f"--config={STUDY}:huge", "--workdir=DIR"), ["unknown preset 'huge'", "smoke", "full"]),
        (("run", f"--config={STUDY}", "--workdir=DIR", "--config.stepz=3"), ["stepz"]),
        (("run", f"--config={STUDY}", "--workdir=DIR", "again"), ["name one command"]),
        (("run", f"--config={STUDY}", "--workdir="), ["--workdir=DIR"]),
        (("run", f"--config={STUDY}", "--workdir=DIR", "--config.steps=many"), ["steps", "many"]),
        (("run", f"--config={STUDY}", "--workdir=DIR", "--config.save_seconds=0"), ["save_seconds"]),
        (("run", f"--config={STUDY}", "--workdir=DIR", "--wrong=1"), ["wrong"]),
        (("run", f"--config={STUDY}", "--workdir=DIR", "--fork="), ["--fork= names no directory"]),
        (("report", "--workdir=DIR"), ["holds no study"]),
    ],
)
def test_a_mistake_is_one_line_and_touches_nothing(arguments, words, tmp_path):
    workdir = tmp_path / "work"
    done = command(*(argument.replace("DIR", str(workdir)) for argument in arguments))
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1 and done.stderr.startswith("error: "), done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert not workdir.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "--workdir=none"),
        ("status", "--workdir="),
        ("run", f"--config={STUDY}", "--workdir=none", "--config.stepz=3"),
        ("run", f"--config={STUDY}"),
        ("rum",),
    ],
)
def test_what_needs_no_jax_is_answered_without_it(arguments):
    program = "import sys; sys.modules['jax'] = None; from symmetry_jax.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("error: "), done.stderr


def test_that_another_process_is_lost_is_an_interruption():
    program = """
import jax
from absl import app
from symmetry_jax.__main__ import main

def lose(*arguments, **named):
    raise jax.errors.JaxRuntimeError("UNKNOWN: Gloo all-reduce failed: Connection closed by peer")

jax.distributed.is_initialized, app.run = lambda: True, lose
main()
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 75
    said = (
        "interrupted: another process is gone or cannot be reached (UNKNOWN: Gloo all-reduce failed: Connection closed by peer)"
    )
    assert done.stderr == f"{said}: the same command goes on from what was saved\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_a_study_runs_ends_at_once(number):
    """Nothing is unwound: compiled modules that are being imported make something else of a KeyboardInterrupt, or crash."""
    program = f"""
import os
from symmetry_jax.__main__ import listen
listen()
try:
    os.kill(os.getpid(), {int(number)})
finally:
    print("unwound", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 75 and done.stdout == ""
    assert done.stderr == "interrupted: the same command goes on from what was saved\n"
    unheard = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", program], cwd=ROOT, check=False)
    assert unheard.returncode == 75


def test_too_little_memory_is_one_line(monkeypatch):
    def fail(*arguments, **options):
        raise MemoryError("Unable to allocate 7.28 TiB")

    monkeypatch.setattr(command_line.app, "run", fail)
    with pytest.raises(SystemExit, match=r"error: this takes more memory than there is: Unable to allocate 7\.28 TiB"):
        command_line.run_command()
