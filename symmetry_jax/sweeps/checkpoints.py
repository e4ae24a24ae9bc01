"""Checkpoints of the states of a wave: saved beside the computation, verified when restored. The only orbax import.

Orbax restores a flipped bit without a word, so every leaf has a digest, kept beside it. A digest is made of those of tiles,
which stay whole however many devices and hosts the runs are spread over.
"""

import contextlib
import functools
import hashlib
import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp

from symmetry_jax.errors import DamagedError, damage, reason
from symmetry_jax.learning.process import PyTree
from symmetry_jax.sweeps.hosts import anywhere, combine, gather, is_first

STATES, LABEL = "states", "label"
DIGEST_BYTES = 32

Answer = TypeVar("Answer")
Identity = Mapping[str, Any]  # plain data that tells the states of one wave from all others; `runs` and `tile` among it


class Checkpoints:
    """The checkpoints of one wave of a program, one for each step at which it was saved.

    Args:
        folder: theirs alone.
        identity: kept with every checkpoint, and compared when it is restored; None to restore whatever is there.
        read_only: for a look at a study that another process may be computing.
    """

    def __init__(self, folder: Path, identity: Identity | None = None, read_only: bool = False) -> None:
        logging.getLogger("absl").addFilter(_is_of_others)
        self.identity = identity
        handlers = {STATES: ocp.StandardCheckpointHandler(), LABEL: ocp.JsonCheckpointHandler()}
        options = ocp.CheckpointManagerOptions(
            create=not read_only, read_only=read_only, cleanup_tmp_directories=not read_only, max_to_keep=None
        )
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options, item_handlers=handlers)

    def steps(self) -> list[int]:
        """The steps with a checkpoint that was written to its end, ascending."""
        return sorted(self._manager.all_steps())

    def save(self, step: int, states: PyTree) -> None:
        """Begins to save states, which may be consumed when this returns; of the earlier checkpoints it leaves the last."""
        assert self.identity is not None
        self.wait()
        for older in self.steps()[:-1]:
            self._manager.delete(older)
        items = {STATES: ocp.args.StandardSave(states), LABEL: ocp.args.JsonSave(_label(self.identity, step, states))}
        with _writing():
            self._manager.save(step, args=ocp.args.Composite(**items), force=True)

    def restore(self, step: int, target: PyTree) -> PyTree:
        """The states saved at a step.

        Args:
            step: one of `steps`.
            target: their shapes, dtypes and placement. Its runs may be more or fewer than were saved, where only the padding
                differs: padding that was not saved is 0.

        Raises:
            DamagedError: on every host, with what is wrong.
            OSError: on every host, if it cannot be read now for a fault of a machine.
        """
        read = functools.partial(self._read, step)
        self.shapes(step)  # whoever reads it without a target needs these
        label = _attempt(lambda: read(LABEL, ocp.args.JsonRestore()))
        states = _attempt(lambda: read(STATES, ocp.args.StandardRestore(target, strict=False)))
        identity = self.identity if self.identity is not None else label.get("identity")
        wrong = _differences(label, _attempt(lambda: _label(identity, step, states)))
        if wrong:
            raise DamagedError(f"{', '.join(wrong)}: not what was saved")
        return states

    def shapes(self, step: int) -> PyTree:
        """Shapes and dtypes of the states saved at a step, in dicts and lists.

        Raises:
            DamagedError: if they cannot be read.
        """
        tree = _attempt(lambda: self._manager.item_metadata(step)[STATES].tree)
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)

    def keep_only(self, step: int) -> None:
        """Leaves one checkpoint, once it is written."""
        self.wait()
        for other in self.steps():
            if other != step:
                self._manager.delete(other)

    def drop(self, step: int) -> None:
        """Removes a checkpoint."""
        self._manager.delete(step)

    def wait(self) -> None:
        """Returns when what was begun is written; raises OSError if it cannot be."""
        with _writing():
            self._manager.wait_until_finished()
            self._manager.check_for_errors()

    def close(self) -> None:
        """Waits and lets go."""
        self._manager.close()

    def _read(self, step: int, item: str, args: Any) -> Any:
        return self._manager.restore(step, args=ocp.args.Composite(**{item: args}))[item]


def _is_of_others(record: logging.LogRecord) -> bool:
    """Whether a message is not orbax's, which tells of every item, and of damage that is told here."""
    return "orbax" not in Path(record.pathname).parts


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """Whatever orbax and tensorstore raise when they cannot write, as the OSError that it comes from."""
    try:
        yield
    except Exception as error:
        raise OSError(f"a checkpoint: {reason(error)}") from error


def _attempt(function: Callable[[], Answer]) -> Answer:
    """What a function returns; orbax and tensorstore raise whatever the damage made them stumble over.

    Raises:
        DamagedError: on every host, if one of them cannot read what is there.
        OSError: on every host, if that is the fault of one of them.
    """
    answer, wrong = None, DamagedError("another host cannot read it")
    fault: OSError | None = None
    try:
        answer = function()
    except Exception as error:
        try:
            wrong = damage(error)
        except OSError as of_this_machine:
            fault = of_this_machine
    if anywhere(fault is not None):
        raise fault or OSError("another host cannot read a checkpoint")
    if anywhere(answer is None):
        raise wrong
    assert answer is not None
    return answer


def _label(identity: Identity, step: int, states: PyTree) -> dict[str, Any]:
    """What is kept with states to know them again."""
    leaves = jax.tree_util.tree_flatten_with_path(states)[0]
    names = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]  # alike for a dict and a dataclass
    digests = {name: _digest(leaf, identity["runs"], identity["tile"]) for name, (_, leaf) in zip(names, leaves, strict=True)}
    return json.loads(json.dumps({"identity": dict(identity), "step": step, "digests": digests}))


def _differences(label: Any, found: dict[str, Any]) -> list[str]:
    """What of a label is not what it should be: the leaves whose digests differ, or else the label."""
    if label == found:
        return []
    stored = label.get("digests") if isinstance(label, dict) else None
    if not isinstance(stored, dict) or {**label, "digests": None} != {**found, "digests": None}:
        return ["its label"]
    return [path for path in sorted({*stored, *found["digests"]}) if stored.get(path) != found["digests"].get(path)]


def _digest(leaf: jax.Array, runs: int, tile: int) -> str:
    """Of the runs of a leaf, without padding: sha256 of dtype, shape of a run, and the digest of every tile in turn."""
    tiles = np.zeros((math.ceil(runs / tile), DIGEST_BYTES), np.uint8)
    for first, block in _blocks(leaf, tile):
        rows = block[: max(runs - first, 0)]
        for begin in range(0, len(rows), tile):
            content = np.ascontiguousarray(rows[begin : begin + tile])
            tiles[(first + begin) // tile] = np.frombuffer(hashlib.sha256(content.data).digest(), np.uint8)
    total = hashlib.sha256(f"{leaf.dtype} {leaf.shape[1:]}".encode())
    total.update(combine(tiles).tobytes())
    return total.hexdigest()


def _blocks(leaf: jax.Array, tile: int) -> Iterator[tuple[int, np.ndarray]]:
    """Runs of a leaf that begin with a whole tile, with the number of the first; each run on one host alone."""
    if leaf.shape[0] // leaf.sharding.num_devices % tile == 0:
        for shard in leaf.addressable_shards:
            yield shard.index[0].start or 0, np.asarray(shard.data)
    else:  # states of a study with other tiles, of which this one is a fork
        everywhere = gather(leaf)
        if is_first():
            yield 0, np.asarray(everywhere)
