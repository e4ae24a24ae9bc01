"""A convolution that stays fast when its weights are vmapped over runs.

`lax.conv_general_dilated` vmapped over its kernel becomes a grouped convolution, which XLA runs slowly on every backend but
TPU. Written as one product of the kernel with the patches of the image, vmapping gives a batched matrix product instead.
Images are laid out (channel, height, width, batch): a shifted slice of a batch is then contiguous, patches are put
together without a transpose, and height, width and batch together are the long side of the product.
"""

import contextlib
import contextvars
from collections.abc import Iterator, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax

from symmetry_jax.errors import InputError

Lowering = Literal["patches", "xla"]
Pads = Sequence[tuple[int, int]]  # before and after, along height and width
Padding = str | Pads

LOWERINGS: dict[str, Lowering] = {"patches": "patches", "xla": "xla"}

_lowering: contextvars.ContextVar[Lowering] = contextvars.ContextVar("lowering", default="patches")


@contextlib.contextmanager
def lowered(lowering: Lowering) -> Iterator[None]:
    """Convolutions traced inside are computed in this way: "patches", as they usually are, or "xla"."""
    token = _lowering.set(lowering)
    try:
        yield
    finally:
        _lowering.reset(token)


def convolve(
    images: jax.Array,
    kernel: jax.Array,
    strides: tuple[int, int] = (1, 1),
    padding: Padding = "SAME",
) -> jax.Array:
    """Cross-correlation y[f, u, v, b] = sum_cij k[i, j, c, f] x[c, su u + i - pu, sv v + j - pv, b].

    It is one product of the kernel with patches of the images, or, traced inside `lowered("xla")`, XLA's own convolution.

    Args:
        images: (channels, height, width, batch).
        kernel: (kernel height, kernel width, channels, filters).
        strides: steps (su, sv) along height and width.
        padding: "SAME", "VALID" or ((top, bottom), (left, right)), as in `lax.conv_general_dilated`.

    Returns:
        (filters, height, width, batch).
    """
    pads = lax.padtype_to_pads(images.shape[1:3], kernel.shape[:2], strides, padding) if isinstance(padding, str) else padding
    height, width = (
        (size + sum(pad) - side) // stride + 1
        for size, pad, side, stride in zip(images.shape[1:3], pads, kernel.shape[:2], strides, strict=True)
    )
    if min(height, width) < 1:
        window, maps = ("x".join(map(str, sides)) for sides in (kernel.shape[:2], images.shape[1:3]))
        raise InputError(f"a kernel of {window} does not fit maps of {maps}")
    if _lowering.get() == "xla":
        return lax.conv_general_dilated(images, kernel, strides, pads, dimension_numbers=("CHWN", "HWIO", "CHWN"))
    patches = _patches(images, kernel.shape[:2], strides, pads, (height, width))
    filters, batch = kernel.shape[3], images.shape[3]
    return jnp.einsum("kf,kn->fn", kernel.reshape(-1, filters), patches).reshape(filters, height, width, batch)


def _patches(
    images: jax.Array, window: tuple[int, ...], strides: tuple[int, int], pads: Pads, size: tuple[int, int]
) -> jax.Array:
    """Every patch as a column: (kernel height * kernel width * channels, height * width * batch)."""
    padded = jnp.pad(images, ((0, 0), *pads, (0, 0)))
    (height, width), (down, right) = size, strides
    shifted = [
        padded[:, i : i + (height - 1) * down + 1 : down, j : j + (width - 1) * right + 1 : right]
        for i in range(window[0])
        for j in range(window[1])
    ]
    # stacked on a new axis they would be copied once more when runs are vmapped, to bring the runs to the front
    return jnp.concatenate(shifted).reshape(len(shifted) * images.shape[0], height * width * images.shape[3])
