"""Networks in flax.linen."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from symmetry_jax.errors import InputError, choose
from symmetry_jax.learning.convolution import Padding
from symmetry_jax.learning.layers import INPUTS, UNITS, Convolution, Initializer, Units, drop
from symmetry_jax.symmetry.discovery.discover import discover
from symmetry_jax.symmetry.units import Symmetry

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "tanh": jnp.tanh,
    "erf": lambda z: jax.lax.erf(z / np.sqrt(2).astype(z.dtype)),
    "relu": nn.relu,
    "gelu": lambda z: nn.gelu(z, approximate=False),
    "silu": nn.silu,
    "sigmoid": nn.sigmoid,
    "softplus": nn.softplus,
    "identity": lambda z: z,
}

Head = Literal["flatten", "average"]

HEADS: dict[str, Head] = {"flatten": "flatten", "average": "average"}

MOST_WEIGHTS = 2**28  # of one network: a gigabyte in float32


class MLP(nn.Module):
    """A multilayer perceptron: (batch, ...) -> (batch, outputs); inputs are flattened.

    Attributes:
        widths: units of each hidden layer.
        outputs: width of the last layer, which has no activation.
        activation: applied elementwise after each hidden layer.
        kernel_init: initializer of all weights.
        bias_init: initializer of all biases.
        batch_norm: whether what each unit sums up is normalised over the batch before its activation.
        dropped: hidden layers whose units are dropped in training, or `INPUTS`.

    Raises:
        InputError: for sizes that are not whole numbers from 1, or a dropped layer that there is not.
    """

    widths: tuple[int, ...]
    outputs: int
    activation: Callable[[jax.Array], jax.Array] = jnp.tanh
    kernel_init: Initializer = nn.initializers.lecun_normal()
    bias_init: Initializer = nn.initializers.zeros
    batch_norm: bool = False
    dropped: tuple[str, ...] = ()

    @nn.compact
    def __call__(self, inputs: jax.Array, train: bool = False, dropout: jax.Array | float = 0.0) -> jax.Array:
        """The outputs for a batch of inputs; in training, units of dropped layers are 0 with the chance `dropout`."""
        hidden = inputs.reshape(len(inputs), -1)
        hidden = drop(self, hidden, dropout) if train and INPUTS in self.dropped else hidden
        for name, width in zip(self.layers[:-1], self.widths, strict=True):
            hidden = _units(self, name, 1)(_dense(width, name, self, hidden), train, dropout)
        return _dense(self.outputs, self.layers[-1], self, hidden)

    @property
    def layers(self) -> list[str]:
        """The modules with weights, from the inputs to the outputs."""
        return [*(f"hidden_{number}" for number in range(len(self.widths))), "output"]

    def __post_init__(self) -> None:
        _check_sizes(self, "widths", "outputs")
        _check_dropped(self)
        super().__post_init__()

    def symmetry(self, input_shape: tuple[int, ...]) -> Symmetry:
        """Unit groups over the variables; `input_shape` is that of one example.

        Raises:
            InputError: if the network is too large for any machine.
        """
        wider = self.clone(widths=tuple(max(2, width) for width in self.widths))
        return _discovered(wider, self.widths, f"widths={self.widths}", input_shape)


class CNN(nn.Module):
    """Convolutions, each with an activation, and a linear head: (batch, height, width, channel) -> (batch, outputs).

    Attributes:
        filters: number of filters of each convolutional layer.
        outputs: width of the head.
        strides: stride of each layer; one for each entry of `filters`.
        kernel: side of the square kernels.
        padding: as in `convolve`.
        head: "flatten" hands every position to the head, "average" the mean over positions.
        activation: applied elementwise after each convolution.
        kernel_init: initializer of all weights.
        bias_init: initializer of all biases.
        batch_norm: whether what each filter sums up is normalised over batch and positions before its activation.
        dropped: layers whose filters are dropped in training, at each position apart, or `INPUTS`.

    Raises:
        InputError: for sizes that are not whole numbers from 1, or a dropped layer that there is not, or, once the images are
            known, sizes that do not fit them.
    """

    filters: tuple[int, ...]
    outputs: int
    strides: tuple[int, ...]
    kernel: int = 3
    padding: Padding = "SAME"
    head: Head = "flatten"
    activation: Callable[[jax.Array], jax.Array] = jnp.tanh
    kernel_init: Initializer = nn.initializers.lecun_normal()
    bias_init: Initializer = nn.initializers.zeros
    batch_norm: bool = False
    dropped: tuple[str, ...] = ()

    @nn.compact
    def __call__(self, inputs: jax.Array, train: bool = False, dropout: jax.Array | float = 0.0) -> jax.Array:
        """The outputs for a batch of inputs; in training, filters of dropped layers are 0 with the chance `dropout`."""
        _check_kernel(self.kernel, inputs.shape[1:3])
        maps = inputs.transpose(3, 1, 2, 0)  # the layout of `convolve`
        maps = drop(self, maps, dropout) if train and INPUTS in self.dropped else maps
        for number, (name, filters) in enumerate(zip(self.layers, self.filters, strict=False)):
            maps = _units(self, name, 0)(self._layer(number, filters, maps), train, dropout)
        maps = maps.mean(axis=(1, 2), keepdims=True) if self.head == "average" else maps
        return _dense(self.outputs, "output", self, maps.reshape(-1, maps.shape[-1]).T)

    def __post_init__(self) -> None:
        if not self.filters:
            raise InputError("filters=(): a CNN has at least one convolution")
        _check_sizes(self, "filters", "strides", "kernel", "outputs")
        if len(self.filters) != len(self.strides):
            raise InputError(f"filters={self.filters} and strides={self.strides}: one stride for each layer")
        _check_dropped(self)
        super().__post_init__()

    @property
    def layers(self) -> list[str]:
        """The modules with weights, from the inputs to the outputs."""
        return [*(f"conv_{number}" for number in range(len(self.filters))), "output"]

    def _layer(self, number: int, filters: int, maps: jax.Array) -> jax.Array:
        _check_stride(self.strides, number, maps.shape[1:3])
        stride = (self.strides[number],) * 2
        inits = (self.kernel_init, self.bias_init)
        layer = Convolution(filters, self.kernel, stride, self.padding, *inits, name=self.layers[number])
        return layer(maps)

    def symmetry(self, input_shape: tuple[int, ...]) -> Symmetry:
        """Unit groups over the variables, for examples of (height, width, channel).

        Raises:
            InputError: if such examples are too small for the network, or it is too large for any machine.
        """
        wider = self.clone(filters=tuple(max(2, filters) for filters in self.filters))
        return _discovered(wider, self.filters, f"filters={self.filters} and kernel={self.kernel}", input_shape)


def _discovered(model: MLP | CNN, units: Sequence[int], sizes: str, input_shape: tuple[int, ...]) -> Symmetry:
    """The groups that the network's own program shows, for a batch of one example.

    Args:
        model: the network, with two units in layers of one, which is no group of units to be permuted.
        units: how many units each layer has.
        sizes: the network's, in words.
        input_shape: that of the example.
    """
    examples = jax.ShapeDtypeStruct((1, *input_shape), jnp.result_type(float))
    variables = jax.eval_shape(model.init, jax.random.key(0), examples)
    weights = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(variables))
    if weights > MOST_WEIGHTS:
        raise InputError(f"{sizes}: {weights:,} weights, and at most {MOST_WEIGHTS:,} are possible")
    symmetry = discover(model.apply, variables, examples)
    groups = (dataclasses.replace(group, size=size) for group, size in zip(symmetry.groups, units, strict=True))
    return dataclasses.replace(symmetry, groups=tuple(groups))


def _units(model: MLP | CNN, name: str, axis: int) -> Units:
    dropped = name in model.dropped
    return Units(model.activation, axis, model.batch_norm, dropped, name=f"{name}{UNITS}")


def _check_dropped(model: MLP | CNN) -> None:
    places = [INPUTS, *model.layers[:-1]]
    for name in model.dropped:
        choose("dropped", name, dict.fromkeys(places))


def _check_sizes(model: MLP | CNN, *names: str) -> None:
    for name in names:
        sizes = getattr(model, name)
        if not all(type(size) is int and size >= 1 for size in (sizes if isinstance(sizes, Sequence) else [sizes])):
            raise InputError(f"{name}={sizes!r}: whole numbers, at least 1")


def _check_kernel(side: int, image: tuple[int, ...]) -> None:
    most = 2 * min(image) - 1
    if side > most:
        raise InputError(f"kernel={side}: at most {most} for images of {_by(image)}, or weights never meet a pixel")


def _check_stride(strides: tuple[int, ...], number: int, maps: tuple[int, ...]) -> None:
    if strides[number] > min(maps):
        layer = f"layer conv_{number}, which reads maps of {_by(maps)}"
        raise InputError(f"strides={strides}: at most {min(maps)} for {layer}")


def _by(sides: tuple[int, ...]) -> str:
    return "x".join(map(str, sides))


def _dense(width: int, name: str, model: MLP | CNN, inputs: jax.Array) -> jax.Array:
    layer = nn.Dense(width, param_dtype=inputs.dtype, kernel_init=model.kernel_init, bias_init=model.bias_init, name=name)
    return layer(inputs)
