"""All patches of images, as columns of a matrix, and the way back.

On CPU both are kernels in C++ where there is a compiler: XLA would copy each patch twice, and on the way back decide for every
entry of a padded image which patches it is in. Both add the same numbers in the same order, so that only the sign of a sum of
zeros may differ, and what XLA itself makes one with the sum: a product, where there is but one filter.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import lax

from symmetry_jax.kernels.linear_maps import apply

Sides = tuple[int, int]  # along height and width


@dataclasses.dataclass(frozen=True)
class Patches:
    """The patches that a window sees of images (..., channel, height, width, batch), put side by side ("im2col").

    Patches are (..., window height * window width * channels, rows of patches * columns of patches * batch).

    Attributes:
        image: height and width.
        window: height and width.
        strides: from a patch to the next, along height and width.
        pads: zeros before and after, along height and width.
    """

    kernel: ClassVar[str] = "symmetry_jax_patches"
    image: Sides
    window: Sides
    strides: Sides
    pads: tuple[Sides, Sides]

    def __call__(self, images: jax.Array) -> jax.Array:
        """The patches of images."""
        return apply(self, images)

    @property
    def size(self) -> Sides:
        """The number of patches, along height and width; below 1 where the window does not fit."""
        sides = zip(self.image, self.window, self.strides, self.pads, strict=True)
        down, across = ((side + sum(pad) - window) // stride + 1 for side, window, stride, pad in sides)
        return down, across

    def in_jax(self, images: jax.Array) -> jax.Array:
        """The same, written in jax."""
        *lead, channels, _, _, batch = images.shape
        padded = jnp.pad(images, [(0, 0)] * (len(lead) + 1) + [*self.pads, (0, 0)])
        (height, width), (down, right) = self.size, self.strides
        shifted = [
            padded[..., i : i + (height - 1) * down + 1 : down, j : j + (width - 1) * right + 1 : right, :]
            for i in range(self.window[0])
            for j in range(self.window[1])
        ]
        # stacked on a new axis they would be copied once more when runs are vmapped, to bring the runs to the front
        return jnp.concatenate(shifted, -4).reshape(*lead, len(shifted) * channels, height * width * batch)

    def transposed(self) -> "OverlapAdd":
        """From patches to images."""
        return OverlapAdd(self)

    def attributes(self) -> Mapping[str, Sequence[int]]:
        """Of both kernels."""
        before = [pad[0] for pad in self.pads]
        return {"window": self.window, "strides": self.strides, "pads": before, "size": self.size}


@dataclasses.dataclass(frozen=True)
class OverlapAdd:
    """Images in which each entry is the sum of those of patches that see it ("col2im").

    Attributes:
        patches: whose transpose this is.
    """

    kernel: ClassVar[str] = "symmetry_jax_overlap_add"
    patches: Patches

    def in_jax(self, patches: jax.Array) -> jax.Array:
        """The same, written in jax: taps are added from the last to the first."""
        of = self.patches
        *lead, rows, columns = patches.shape
        channels, batch = rows // math.prod(of.window), columns // math.prod(of.size)
        taps = patches.reshape(*lead, -1, channels, *of.size, batch)
        zero = jnp.zeros((), patches.dtype)

        def around(side: int, tap: int) -> tuple[int, int, int]:
            """Entries before, after and between those that a tap sees, along height or width."""
            before, stride = tap - of.pads[side][0], of.strides[side]
            return before, of.image[side] - before - (of.size[side] - 1) * stride - 1, stride - 1

        def seen(tap: int) -> jax.Array:
            down, across = divmod(tap, of.window[1])
            config = [*[(0, 0, 0)] * (len(lead) + 1), around(0, down), around(1, across), (0, 0, 0)]
            return lax.pad(lax.index_in_dim(taps, tap, len(lead), keepdims=False), zero, config)

        return functools.reduce(jnp.add, map(seen, reversed(range(math.prod(of.window)))))

    def transposed(self) -> Patches:
        """From images to patches."""
        return self.patches

    def attributes(self) -> Mapping[str, Sequence[int]]:
        """Of both kernels."""
        return self.patches.attributes()
