"""Linear maps of arrays, each one equation of a program, computed as it is written in jax or, on CPU, by a kernel in C++.

They can be differentiated, forward and backward and again, transposed, vmapped and compiled like any operation of jax.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from symmetry_jax.kernels import library

DTYPES = ("float32", "float64")  # of numbers that kernels take


class LinearMap(Protocol):
    """A linear map of the last axes of an array, whatever axes lead; hashable, and equal to another that maps alike.

    Attributes:
        kernel: the name of its kernel in C++.
    """

    kernel: ClassVar[str]

    def in_jax(self, array: jax.Array) -> jax.Array:
        """What becomes of an array, written in jax."""

    def transposed(self) -> "LinearMap":
        """The map whose matrix is the transpose of this one's."""

    def attributes(self) -> Mapping[str, Sequence[int]]:
        """What its kernel has to know besides shapes."""


def apply(linear: LinearMap, array: jax.Array) -> jax.Array:
    """What becomes of an array."""
    return _linear_map.bind(array, map=linear)


_linear_map = Primitive("linear_map")


@functools.partial(jax.jit, static_argnames="map")
def _compute(array: jax.Array, *, map: LinearMap) -> jax.Array:
    return apply(map, array)


def _shape(array: Any, *, map: LinearMap) -> Any:
    result = jax.eval_shape(map.in_jax, jax.ShapeDtypeStruct(array.shape, array.dtype))
    return jax.core.ShapedArray(result.shape, result.dtype)


def _transpose(cotangent: jax.Array, array: Any, *, map: LinearMap) -> list[jax.Array]:
    del array
    return [apply(map.transposed(), cotangent)]


def _batch(arrays: Sequence[jax.Array], axes: Sequence[int], *, map: LinearMap) -> tuple[jax.Array, int]:
    return apply(map, jnp.moveaxis(arrays[0], axes[0], 0)), 0


_lower = mlir.lower_fun(lambda array, *, map: map.in_jax(array), multiple_results=False)


def _lower_on_cpu(context: Any, array: Any, *, map: LinearMap) -> Any:
    if context.avals_in[0].dtype.name not in DTYPES or not library.is_at_hand():
        return _lower(context, array, map=map)
    attributes = {name: np.asarray(values, np.int64) for name, values in map.attributes().items()}
    return jax.ffi.ffi_lowering(map.kernel)(context, array, **attributes)


_linear_map.def_impl(_compute)
_linear_map.def_abstract_eval(_shape)
ad.deflinear2(_linear_map, _transpose)
batching.primitive_batchers[_linear_map] = _batch
mlir.register_lowering(_linear_map, _lower)
mlir.register_lowering(_linear_map, _lower_on_cpu, platform="cpu")
