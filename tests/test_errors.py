"""What a user is told."""

import errno
import os

import jax
import pytest

from symmetry_jax.errors import DamagedError, InputError, choose, damage


def test_choose():
    assert choose("color", "red", {"red": 1}) == 1
    with pytest.raises(InputError, match="unknown color 'blue': choose from red, green"):
        choose("color", "blue", {"red": 1, "green": 2})


@pytest.mark.parametrize(
    "fault",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        OSError(errno.ENOTCONN, "Transport endpoint is not connected"),
        PermissionError(errno.EACCES, "Permission denied", "a file"),
        RuntimeError("can't start new thread"),
        jax.errors.JaxRuntimeError("INTERNAL: CUDA error: out of memory"),
        ValueError(f"RESOURCE_EXHAUSTED: Error opening file [OS error 24: EMFILE {os.strerror(errno.EMFILE)}]"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_fault_of_the_machine_is_no_damage(fault, wrapped):
    error = fault
    if wrapped:
        error = ValueError("a library could not read it")
        error.__cause__ = fault
    with pytest.raises(OSError):
        damage(error)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        OSError("not a gzip file"),
        RuntimeError("Zstd decompression error: invalid input data"),
        ValueError("DATA_LOSS: checksum does not match"),
        KeyError("written"),
    ],
    ids=repr,
)
def test_what_is_not_as_it_was_written_is_damage(error):
    assert isinstance(damage(error), DamagedError)
