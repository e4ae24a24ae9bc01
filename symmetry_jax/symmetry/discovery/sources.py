"""Where in the user's code an equation of a traced program comes from."""

import dataclasses
import os
import sysconfig
from functools import cached_property
from pathlib import Path
from typing import Any

import jax

LIBRARIES = tuple(os.path.join(sysconfig.get_paths()[name], "") for name in ("purelib", "platlib", "stdlib"))
JAX = os.path.join(Path(jax.__file__).parent, "")


@dataclasses.dataclass(frozen=True)
class Reason:
    """Why an axis is rigid.

    Attributes:
        text: what was done with it.
        equation: the equation that did it, or the call of the library's function that it is in.
    """

    text: str
    equation: Any = dataclasses.field(default=None, compare=False, repr=False)

    @cached_property
    def where(self) -> str:
        """`file:line` of the user's code, or nothing where no line did it."""
        traceback = getattr(getattr(self.equation, "source_info", None), "traceback", None)
        frames = [(frame.file_name, frame.line_num) for frame in traceback.frames] if traceback is not None else []
        users = [frame for frame in frames if not frame[0].startswith(LIBRARIES)]
        # a model that is installed itself has no other frames than those of libraries
        others = [frame for frame in frames if not frame[0].startswith((JAX, *LIBRARIES[2:]))]
        return next((f"{file}:{line}" for file, line in users + others), "")

    def __str__(self) -> str:
        return f"{self.text}, {self.where}" if self.where else self.text


def in_library(jaxpr: Any) -> bool:
    """Whether a function that is called was written in a library, so that its lines say nothing to the user.

    Such a function is traced once for all of its callers; only the call tells whose it is.
    """
    source = getattr(getattr(jaxpr, "debug_info", None), "func_src_info", None) or ""
    return source.rpartition(" at ")[2].startswith(LIBRARIES)
