"""A zoo of small models whose unit groups are counted by hand, from understanding each model."""

import importlib
import importlib.util
from collections.abc import Callable

from tests.symmetry.discovery.zoo.case import Case

LIBRARIES = {"plain": "jax", "linen": "flax", "nnx": "flax", "equinox_models": "equinox", "haiku_models": "haiku"}

# the functions that build the cases, of every library that is installed
ALL: list[Callable[[], Case]] = [
    build
    for module, library in LIBRARIES.items()
    if importlib.util.find_spec(library)
    for build in importlib.import_module(f"{__name__}.{module}").CASES
]
