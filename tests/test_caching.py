"""The cache folder, each time in a process of its own."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import jax
from symmetry_jax.caching import cache_folder, use_cache
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event) if event.endswith("cache_hits") else None)
use_cache()
assert jax.jit(lambda x: x + 1)(1) == 2
print(cache_folder(), len(hits))
"""


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """The folder that a process keeps programs in, and how many it found there."""
    for name in ("JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "usual"))

    def run(**environment):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=os.environ | environment, capture_output=True, text=True, check=True
        )
        folder, hits = done.stdout.split()
        return folder, int(hits)

    return run


def test_programs_are_kept_in_the_users_cache_folder(ask, tmp_path):
    folder, hits = ask()
    assert folder.startswith(str(tmp_path)) and not hits
    again, found = ask()
    assert again == folder and found >= 1


def test_jax_own_settings_move_it_and_turn_it_off(ask, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    assert ask(JAX_COMPILATION_CACHE_DIR=str(elsewhere))[0] == str(elsewhere)
    assert ask(JAX_ENABLE_COMPILATION_CACHE="false") == ("None", 0)
    assert not (tmp_path / "usual").exists()


def test_where_it_cannot_be_written_nothing_is_kept(ask, tmp_path):
    (tmp_path / "file").touch()
    beneath = str(tmp_path / "file" / "beneath")
    assert ask(HOME=beneath, XDG_CACHE_HOME=beneath) == ("None", 0)
