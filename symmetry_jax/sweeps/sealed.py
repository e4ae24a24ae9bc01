"""JSON files that are written in one stroke and hold the digest of their content, so that damage to them is noticed."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symmetry_jax.errors import DamagedError

SEAL = "sha256"


def digest(content: Mapping[str, Any]) -> str:
    """sha256 of plain data, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON file so that a reader sees all of it or none, and an interruption leaves the old one."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON file with the digest of its content."""
    plain = json.loads(json.dumps(dict(content)))
    write_json(path, plain | {SEAL: digest(plain)})


def read_sealed(path: Path) -> dict[str, Any]:
    """The content of a file written by `write_sealed`.

    Raises:
        FileNotFoundError: if it is not there.
        DamagedError: if it is not what was written.
    """
    try:
        content = json.loads(path.read_bytes())
        seal = content.pop(SEAL)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise DamagedError(f"{path} is damaged") from error
    if seal != digest(content):
        raise DamagedError(f"{path} is damaged")
    return content
