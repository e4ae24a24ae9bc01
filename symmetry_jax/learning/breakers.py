"""What may break a symmetry: sources of noise in a step of training, each with its strength as a traced number.

A source that treats units alike (noise on labels) leaves equal units equal, and a small difference between them can be
followed. One that gives each unit noise of its own takes them apart; one that rounds has no derivative.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp

from symmetry_jax.learning.intervals import Interval
from symmetry_jax.learning.process import Hparams, PyTree
from symmetry_jax.learning.streams import Stream, draw_key
from symmetry_jax.learning.tasks import Batch

Place = Literal["batch", "gradients", "variables"]


@dataclasses.dataclass(frozen=True)
class Breaker:
    """A source of noise in a step of training.

    Attributes:
        name: the setting that is its strength; at 0 it does nothing.
        place: what it changes: the minibatch, the gradients, or the variables after the update.
        change: from what it changes, hparams and the step, to the same with noise; the noise depends on seed and step alone.
        allowed: the strengths that can be.
        obstacle: why a small difference between equal units cannot be followed through it; "" if it can.
    """

    name: str
    place: Place
    change: Callable[[PyTree, Hparams, jax.Array], PyTree]
    allowed: Interval
    obstacle: str = ""


def flipped_labels(classes: int) -> Breaker:
    """With probability hparams["label_noise"] a label is replaced by a class drawn evenly from all, anew at every step.

    Evenly up to what a random number resolves below that probability: 2^-23 of 1 in float32, 1% of a probability of 1e-5.
    """

    def change(batch: Batch, hparams: Hparams, step: jax.Array) -> Batch:
        key, chance = draw_key(hparams["seed"], Stream.LABELS, step), hparams["label_noise"]
        # random bits are what costs: below the chance, a number is evenly distributed, and says which class as well
        number = jax.random.uniform(key, batch.targets.shape, chance.dtype)
        place = jnp.floor(classes * number / jnp.where(chance > 0, chance, 1)).astype(batch.targets.dtype)
        drawn = jnp.minimum(place, classes - 1)
        return dataclasses.replace(batch, targets=jnp.where(number < chance, drawn, batch.targets))

    return Breaker("label_noise", "batch", change, Interval(0, 1, "[]"))


def shifted_images() -> Breaker:
    """With probability hparams["augmentation"] an image is moved by up to one pixel each way, anew at every step.

    Images are (batch, height, width, channel); what comes in at the border is 0.
    """

    def change(batch: Batch, hparams: Hparams, step: jax.Array) -> Batch:
        examples, height, width, _ = batch.inputs.shape
        chosen, moved = jax.random.split(draw_key(hparams["seed"], Stream.AUGMENTATION, step))
        shifts = jax.random.randint(moved, (examples, 2), -1, 2, jnp.int32)
        chance = hparams["augmentation"]
        shifts = jnp.where(jax.random.uniform(chosen, (examples, 1), chance.dtype) < chance, shifts, 0)
        bordered = jnp.pad(batch.inputs, ((0, 0), (1, 1), (1, 1), (0, 0)))
        rows = jnp.arange(1, height + 1)[None, :] + shifts[:, :1]
        columns = jnp.arange(1, width + 1)[None, :] + shifts[:, 1:]
        images = bordered[jnp.arange(examples)[:, None, None], rows[:, :, None], columns[:, None, :]]
        return dataclasses.replace(batch, inputs=images)

    return Breaker("augmentation", "batch", change, Interval(0, 1, "[]"))


def noisy_gradients() -> Breaker:
    """Normal noise of standard deviation hparams["gradient_noise"] on every entry of the gradient, anew at every step."""

    return _normal("gradient_noise", "gradients", Stream.GRADIENTS)


def noisy_weights() -> Breaker:
    """Normal noise of standard deviation hparams["weight_noise"] on every variable after the update, anew at every step."""
    return _normal("weight_noise", "variables", Stream.WEIGHT_NOISE)


def stochastic_rounding() -> Breaker:
    """Each variable is rounded to a multiple of hparams["rounding"] after the update, at random and right on average."""

    def change(variables: PyTree, hparams: Hparams, step: jax.Array) -> PyTree:
        grid = hparams["rounding"]
        spacing = jnp.where(grid > 0, grid, 1)

        def leaf(key: jax.Array, array: jax.Array) -> jax.Array:
            rounded = jnp.floor(array / spacing + jax.random.uniform(key, array.shape, array.dtype)) * spacing
            return jnp.where(grid > 0, rounded, array)

        return _each(leaf, draw_key(hparams["seed"], Stream.ROUNDING, step), variables)

    obstacle = "rounding has no derivative, and rounds each unit on its own"
    return Breaker("rounding", "variables", change, Interval(0), obstacle)


def _normal(name: str, place: Place, stream: Stream) -> Breaker:
    """Normal noise on every entry of a tree."""

    def change(tree: PyTree, hparams: Hparams, step: jax.Array) -> PyTree:
        key, strength = draw_key(hparams["seed"], stream, step), hparams[name]
        return _each(lambda key, leaf: leaf + strength * jax.random.normal(key, leaf.shape, leaf.dtype), key, tree)

    return Breaker(
        name, place, change, Interval(0), f"{name} gives each unit noise of its own, so that equal units do not stay equal"
    )


def _each(change: Callable[[jax.Array, jax.Array], jax.Array], key: jax.Array, tree: PyTree) -> PyTree:
    """Applies a change to every array of a tree, with a key of its own."""
    leaves, structure = jax.tree.flatten(tree)
    return jax.tree.unflatten(structure, [change(jax.random.fold_in(key, place), leaf) for place, leaf in enumerate(leaves)])
