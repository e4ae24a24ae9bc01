"""Layers that networks are made of: a convolution, and what becomes of the sums that units compute."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from symmetry_jax.learning.convolution import Padding, convolve

Initializer = Callable[..., jax.Array]

INPUTS = "inputs"  # the place before the first layer, where entries of the inputs may be dropped
UNITS = "_units"  # the module of what follows a layer is named after it
STATISTICS = "batch_stats"  # a collection of variables that are not trained
DROPOUT = "dropout"  # the random key that units are dropped with
SHIFTS = "shifts"  # a collection of variables, of which there are none unless they are asked for


class Convolution(nn.Module):
    """A convolution with bias on (channel, height, width, batch)."""

    filters: int
    kernel: int
    strides: tuple[int, int]
    padding: Padding
    kernel_init: Initializer
    bias_init: Initializer

    @nn.compact
    def __call__(self, maps: jax.Array) -> jax.Array:
        """The maps of all filters."""
        shape = (self.kernel, self.kernel, maps.shape[0], self.filters)
        kernel = self.param("kernel", self.kernel_init, shape, maps.dtype)
        bias = self.param("bias", self.bias_init, (self.filters,), maps.dtype)
        sums = convolve(maps, kernel, self.strides, self.padding)
        # along one long axis: over maps that a short one ends, XLA on CPU adds a bias in short loops
        return (sums.reshape(self.filters, -1) + bias[:, None]).reshape(sums.shape)


class Units(nn.Module):
    """What units make of their sums: normalised if so asked, through the activation, and in training dropped if so asked.

    With "intermediates" mutable, what goes into the activation is kept there as `before` and what comes out of it as `after`.
    What is in the collection `SHIFTS` as `after` is added to what comes out, so that a loss can be differentiated by it.

    Attributes:
        activation: applied elementwise.
        axis: along which units lie.
        batch_norm: whether sums are normalised over all other axes: by their own statistics in training, and by running means
            of them (collection `STATISTICS`) otherwise.
        dropped: whether entries are dropped in training.
    """

    activation: Callable[[jax.Array], jax.Array]
    axis: int
    batch_norm: bool
    dropped: bool

    @nn.compact
    def __call__(self, sums: jax.Array, train: bool, dropout: jax.Array | float) -> jax.Array:
        """What the units hand on; `dropout` is the chance with which an entry is dropped."""
        if self.batch_norm:
            with jax.numpy_dtype_promotion("standard"):  # running means are made in float32, whatever is normalised
                sums = nn.BatchNorm(not train, self.axis, param_dtype=sums.dtype, name="norm")(sums)
        values = self.activation(sums)
        if self.has_variable(SHIFTS, "after"):
            values = values + self.get_variable(SHIFTS, "after")
        for name, array in (("before", sums), ("after", values)):
            self.sow("intermediates", name, array, init_fn=lambda: None, reduce_fn=lambda _, new: new)
        return drop(self, values, dropout) if train and self.dropped else values


def drop(module: nn.Module, values: jax.Array, dropout: jax.Array | float) -> jax.Array:
    """Inverted dropout: each entry is 0 with the chance `dropout`, which may be traced, or else over 1 - dropout.

    nn.Dropout asks whether its rate is 0 or 1, which a traced number cannot tell (N. Srivastava et al., JMLR 15, 2014).
    """
    kept = jax.random.uniform(module.make_rng(DROPOUT), values.shape, values.dtype) >= dropout
    return jnp.where(kept, values / (1 - jnp.asarray(dropout, values.dtype)), 0)
