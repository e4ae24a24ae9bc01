"""Randomness as a function of (seed, stream, step): no key is carried, so that a run can be cut anywhere."""

import enum

import jax


class Stream(enum.IntEnum):
    """What a random number is for. The numbers are part of every result: add, never renumber."""

    WEIGHTS = 0
    TWINS = 1
    MINIBATCH = 2
    LABELS = 3
    GRADIENTS = 4
    ROUNDING = 5
    TANGENTS = 6
    TEACHER = 7
    DROPOUT = 8
    AUGMENTATION = 9
    WEIGHT_NOISE = 10


def draw_key(seed: jax.Array | int, stream: Stream, step: jax.Array | int = 0) -> jax.Array:
    """The random key of one seed, stream and step."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), stream), step)
