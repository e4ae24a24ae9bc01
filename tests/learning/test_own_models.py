"""A network in a file of its user's, read by its functions."""

import sys

import jax
import jax.numpy as jnp
import pytest

from symmetry_jax.errors import InputError
from symmetry_jax.learning.own_models import load_own_model

MODEL = """
from __future__ import annotations

import dataclasses

import flax.linen as nn


@dataclasses.dataclass
class Settings:
    width: int = 4


class Network(nn.Module):
    settings: Settings

    @nn.compact
    def __call__(self, inputs):
        return nn.Dense(3)(nn.tanh(nn.Dense(self.settings.width)(inputs)))


NETWORK = Network(Settings())


def init(key, inputs):
    return NETWORK.init(key, inputs)


def apply(params, inputs):
    return NETWORK.apply(params, inputs)
"""


def test_annotations_may_be_postponed(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MODEL)
    model = load_own_model(str(file))
    variables = model.init(jax.random.key(0), jnp.ones((2, 5)))
    assert model.apply(variables, jnp.ones((2, 5))).shape == (2, 3)
    assert "mine" not in sys.modules


def test_two_files_of_one_name_are_two_models(tmp_path):
    for folder, width in (("one", 2), ("other", 7)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(MODEL.replace("= 4", f"= {width}"))
    models = [load_own_model(str(tmp_path / folder / "mine.py")) for folder in ("one", "other")]
    widths = [model.init(jax.random.key(0), jnp.ones((2, 5)))["params"]["params"]["Dense_1"]["bias"].shape for model in models]
    assert widths == [(2,), (7,)]


def test_a_file_that_fails_leaves_nothing_behind(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MODEL + "\n1 / 0\n")
    before = set(sys.modules)
    with pytest.raises(InputError, match=r"mine\.py:.*ZeroDivisionError"):
        load_own_model(str(file))
    assert not any("own_models_" in name for name in set(sys.modules) - before)
