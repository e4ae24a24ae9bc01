"""What a user is told."""

import pytest

from symmetry_jax.errors import InputError, choose


def test_choose():
    assert choose("color", "red", {"red": 1}) == 1
    with pytest.raises(InputError, match="unknown color 'blue': choose from red, green"):
        choose("color", "blue", {"red": 1, "green": 2})
