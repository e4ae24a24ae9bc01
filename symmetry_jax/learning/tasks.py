"""A task: a model, its data and its loss."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from symmetry_jax.errors import InputError
from symmetry_jax.learning.layers import DROPOUT, INPUTS, STATISTICS
from symmetry_jax.learning.models import CNN, MLP
from symmetry_jax.learning.process import Hparams, Obstacle, PyTree
from symmetry_jax.learning.streams import Stream, draw_key

Minibatches = Literal["per_seed", "shared", "full"]
Train = Callable[[PyTree, jax.Array, Hparams, jax.Array], tuple[jax.Array, PyTree]]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Batch:
    """Examples and their targets, aligned along the first axis."""

    inputs: jax.Array
    targets: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Dataset:
    """A training set and a test set."""

    train: Batch
    test: Batch

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.train.inputs.shape[1:]


@dataclasses.dataclass(frozen=True)
class Task:
    """What is learned.

    Attributes:
        predict: outputs of the model from its variables and inputs.
        loss: mean loss of outputs against targets.
        batch: the minibatch of a step.
        train: outputs in a step of training, where units may be dropped, and the variables with what such a step moves of them
            besides its gradient; from the variables, inputs, hparams and step. None for those of `predict`, and nothing moved.
        obstacles: to following a small difference between equal units through such a step.
    """

    predict: Callable[[PyTree, jax.Array], jax.Array]
    loss: Callable[[jax.Array, jax.Array], jax.Array]
    batch: Callable[[Dataset, Hparams, jax.Array], Batch]
    train: Train | None = None
    obstacles: tuple[Obstacle, ...] = ()


MINIBATCHES: dict[str, Minibatches] = {"per_seed": "per_seed", "shared": "shared", "full": "full"}


def minibatch(batch_size: int, minibatches: Minibatches) -> Callable[[Dataset, Hparams, jax.Array], Batch]:
    """The examples of a step, drawn with replacement from the training set, or all of them.

    Args:
        batch_size: examples in a minibatch.
        minibatches: "per_seed" draws from each run's seed; "shared" gives all runs the same examples at the same step, which
            is cheaper, since the inputs and their patches are then read once for all runs; "full" takes all examples, in their
            order, at every step.

    Raises:
        InputError: for a minibatch without examples, or, once the data is known, with more than there are.
    """
    if batch_size < 1:
        raise InputError(f"batch_size={batch_size}: at least 1 example")

    def batch(data: Dataset, hparams: Hparams, step: jax.Array) -> Batch:
        if minibatches == "full":
            return data.train
        seed = hparams["seed"] if minibatches == "per_seed" else 0
        key = draw_key(seed, Stream.MINIBATCH, step)
        examples = len(data.train.inputs)
        if batch_size > examples:
            raise InputError(f"batch_size={batch_size}: at most {examples:,}, the examples of the training set")
        chosen = jax.random.randint(key, (batch_size,), 0, examples, jnp.int32)
        return Batch(data.train.inputs[chosen], data.train.targets[chosen])

    return batch


def classification(model: Any, batch_size: int, minibatches: Minibatches) -> Task:
    """Classification with softmax cross-entropy.

    Args:
        model: a flax.linen module from inputs (batch, ...) to logits (batch, classes); one of ours may normalise over the batch
            and drop units with the chance hparams["dropout"].
        batch_size: examples in a minibatch.
        minibatches: how they are drawn, as in `minibatch`.

    Raises:
        InputError: as `minibatch` does.
    """

    def loss(logits: jax.Array, labels: jax.Array) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    return Task(model.apply, loss, minibatch(batch_size, minibatches), training_mode(model), own_masks(model))


def training_mode(model: Any) -> Train | None:
    """The forward pass in training of a network of ours that normalises over the batch or drops units; None for others."""
    if not isinstance(model, MLP | CNN) or not (model.dropped or model.batch_norm):
        return None

    def train(variables: PyTree, inputs: jax.Array, hparams: Hparams, step: jax.Array) -> tuple[jax.Array, PyTree]:
        chance = hparams["dropout"] if model.dropped else 0.0
        rngs = {DROPOUT: draw_key(hparams["seed"], Stream.DROPOUT, step)} if model.dropped else {}
        outputs, moved = model.apply(variables, inputs, True, chance, rngs=rngs, mutable=[STATISTICS])
        return outputs, {**variables, **moved}

    return train


def own_masks(model: Any) -> tuple[Obstacle, ...]:
    """The obstacle that dropout is to following units of the layers that it drops."""
    groups = tuple(name for name in model.dropped if name != INPUTS) if isinstance(model, MLP | CNN) else ()
    reason = "dropout gives each unit a mask of its own, so that equal units do not stay equal"
    return (Obstacle(reason, groups),) if groups else ()
