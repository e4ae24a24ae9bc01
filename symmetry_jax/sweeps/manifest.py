"""The manifest of a study: what it was computed on, in how many parts, and how long it took."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from symmetry_jax.sweeps.hosts import is_first
from symmetry_jax.sweeps.machine import changes, describe_machine, now, peak_memory
from symmetry_jax.sweeps.sealed import write_sealed
from symmetry_jax.sweeps.workdir import MANIFEST


class Manifest:
    """`manifest.json`, written by the first host whenever it changes.

    Args:
        workdir: the work directory.
        content: what it says so far; what is not told by the machine, if the study is new.
    """

    def __init__(self, workdir: Path, content: Mapping[str, Any]) -> None:
        self._path = workdir / MANIFEST
        self._content = dict(content)
        self._begun = False

    def __getitem__(self, name: str) -> Any:
        return self._content[name]

    @property
    def is_finished(self) -> bool:
        """Whether the study is."""
        return "finished" in self._content

    def begin(self, say: Callable[[str], None]) -> None:
        """A part of the study begins, the first or, after an interruption, another; tells what changed since the last one.

        Only the first call counts.
        """
        if self._begun:
            return
        self._begun, here = True, describe_machine()
        if "started" not in self._content:
            self._content |= here | {"programs": [], "resumed": []}
        else:
            last = [self._content, *self._content["resumed"]][-1]
            changed = changes(last, here)
            if changed:
                say(f"not the same bits as without an interruption, perhaps: {', '.join(changed)}")
            self._content["resumed"].append(here | {"changed": changed})
        self._content.pop("finished", None)
        self._write()

    def add_program(self, summary: Mapping[str, Any]) -> None:
        """A program is through, in this part of the study."""
        self._content["programs"].append(dict(summary))
        self._write()

    def finish(self) -> None:
        """The study is finished."""
        if "started" not in self._content:
            self.begin(lambda line: None)
        self._content |= {"finished": now(), "peak_memory_bytes": peak_memory()}
        self._write()

    def _write(self) -> None:
        if is_first():
            write_sealed(self._path, self._content)
