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
from symmetry_jax.kernels.patches import Patches

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
    (_, height, width, batch), (down, across, _, filters) = images.shape, kernel.shape
    (top, bottom), (left, right) = pads
    patches = Patches((height, width), (down, across), (strides[0], strides[1]), ((top, bottom), (left, right)))
    if min(patches.size) < 1:
        raise InputError(f"a kernel of {down}x{across} does not fit maps of {height}x{width}")
    if _lowering.get() == "xla":
        return lax.conv_general_dilated(images, kernel, strides, pads, dimension_numbers=("CHWN", "HWIO", "CHWN"))
    return jnp.einsum("kf,kn->fn", kernel.reshape(-1, filters), patches(images)).reshape(filters, *patches.size, batch)
