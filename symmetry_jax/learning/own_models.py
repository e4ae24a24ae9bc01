"""A network that its user wrote, given as two functions in a file of theirs."""

import contextlib
import dataclasses
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import jax
import jax.numpy as jnp

from symmetry_jax.errors import InputError, reason
from symmetry_jax.learning.process import PyTree
from symmetry_jax.learning.tasks import Dataset
from symmetry_jax.symmetry.discovery.discover import discover
from symmetry_jax.symmetry.units import Symmetry

FUNCTIONS = ("init", "apply")
PARAMS = "params"


@dataclasses.dataclass(frozen=True, eq=False)
class OwnModel:
    """A network of which nothing is known but two functions; used like one of ours, its parameters in the collection `params`.

    Attributes:
        path: the file that defines them.
        begin: parameters, a tree of floating arrays, from a random key and a batch of inputs.
        predict: logits (batch, classes) from parameters and a batch of inputs.
    """

    path: Path
    begin: Callable[[jax.Array, jax.Array], PyTree]
    predict: Callable[[PyTree, jax.Array], jax.Array]

    def init(self, key: jax.Array, inputs: jax.Array) -> PyTree:
        """The variables at the start."""
        with _told(self.path, "init"):
            params = self.begin(key, inputs)
        wrong = [leaf for leaf in jax.tree.leaves(params) if not jnp.issubdtype(jnp.result_type(leaf), jnp.floating)]
        if wrong:
            raise InputError(f"{self.path}: init returns a {jnp.result_type(wrong[0])}, and parameters are floating numbers")
        if isinstance(params, dict) and PARAMS in params and len(params) > 1:
            others = ", ".join(name for name in params if name != PARAMS)
            raise InputError(f"{self.path}: init returns {others} beside params, and nothing but parameters is trained here")
        return {PARAMS: params}

    def apply(self, variables: PyTree, inputs: jax.Array) -> jax.Array:
        """The outputs for a batch of inputs."""
        with _told(self.path, "apply"):
            return self.predict(variables[PARAMS], inputs)

    def symmetry(self, data: Dataset) -> Symmetry:
        """Unit groups over the variables, read off the program.

        Raises:
            InputError: for functions that do not work on such data.
        """
        inputs = jax.eval_shape(lambda: jnp.zeros((2, *data.shape)))
        variables = jax.eval_shape(self.init, jax.random.key(0), inputs)
        outputs = jax.eval_shape(self.apply, variables, inputs)
        classes = int(data.train.targets.max()) + 1
        shape = getattr(outputs, "shape", None)
        if shape is None or len(shape) != 2 or shape[0] != 2 or shape[1] < classes:
            found = type(outputs).__name__ if shape is None else shape
            raise InputError(f"{self.path}: apply returns {found} for 2 examples, and logits (2, {classes}) are needed")
        return discover(self.apply, variables, inputs)


def load_own_model(path: str) -> OwnModel:
    """The network that a file defines by its functions `init(key, inputs)` and `apply(params, inputs)`; the file is run.

    Raises:
        InputError: if it cannot be, or has no such functions.
    """
    module = _run(Path(path))
    missing = [name for name in FUNCTIONS if not callable(getattr(module, name, None))]
    if missing:
        raise InputError(f"{path} defines no function {missing[0]}: init(key, inputs) and apply(params, inputs) are needed")
    return OwnModel(Path(path), module.init, module.apply)


def digest_of(path: str) -> str:
    """What tells one content of a file from another.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; a Python file that defines init and apply is needed") from error


def _run(path: Path) -> ModuleType:
    # dataclasses, flax modules among them, look their annotations up in the module of that name
    name = f"{__name__}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _told(path, "it"):
            spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


@contextlib.contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    """Runs the user's code under jax's default rules of promotion; an error in it becomes one line that says where."""
    try:
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            yield
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = f"{path}:{lines[-1]}" if lines else str(path)
        raise InputError(f"{where}: {what} raised {type(error).__name__}: {reason(error)}") from error
