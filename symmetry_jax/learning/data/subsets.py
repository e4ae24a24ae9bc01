"""Parts of a dataset, and a dataset of which nothing can be learned but by heart."""

import numpy as np

from symmetry_jax.errors import InputError
from symmetry_jax.learning.tasks import Batch, Dataset


def restrict(data: Dataset, classes: object) -> Dataset:
    """The examples of the first classes.

    Raises:
        InputError: for fewer than two classes, or more than there are.
    """
    most = len(np.unique(data.train.targets))
    if type(classes) is not int or not 2 <= classes <= most:
        raise InputError(f"classes={classes!r}: a whole number from 2 to {most}")
    return Dataset(*(_chosen(batch, np.asarray(batch.targets) < classes) for batch in (data.train, data.test)))


def balance(data: Dataset) -> Dataset:
    """As many training examples of each class as there are of the rarest: the first ones; the test set as it is."""
    labels = np.asarray(data.train.targets)
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    ranks = np.empty(len(labels), int)  # of each example among those of its class
    ranks[order] = np.concatenate([np.arange(count) for count in counts])
    return Dataset(_chosen(data.train, ranks < counts.min()), data.test)


def scramble(data: Dataset) -> Dataset:
    """The training labels in a random order, always the same one; the test set as it is."""
    order = np.random.default_rng(0).permutation(len(data.train.targets))
    return Dataset(Batch(data.train.inputs, data.train.targets[order]), data.test)


def _chosen(batch: Batch, kept: np.ndarray) -> Batch:
    return Batch(batch.inputs[kept], batch.targets[kept])
