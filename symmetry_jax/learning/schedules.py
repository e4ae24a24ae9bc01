"""Learning-rate schedules: a factor on the learning rate as a function of the step, with traced numbers.

Optax's own schedules check their numbers in Python, so that they cannot be traced and swept.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from symmetry_jax.learning.intervals import Interval
from symmetry_jax.learning.process import Hparams

Schedule = Callable[[Hparams, jax.Array], jax.Array]  # from hparams and step () to a factor (), of the dtype of the hparams


def constant(hparams: Hparams, step: jax.Array) -> jax.Array:
    """1."""
    del step
    return jnp.ones_like(hparams["learning_rate"])


def warmup_cosine(hparams: Hparams, step: jax.Array) -> jax.Array:
    """(t + 1)/w for t < w, then f + (1 - f)(1 + cos(pi (t - w)/(T - w)))/2 until T, then f.

    w = warmup_steps, T = decay_steps > w, f = final_factor.
    """
    warmup, total, final = hparams["warmup_steps"], hparams["decay_steps"], hparams["final_factor"]
    time = step.astype(warmup.dtype)
    progress = jnp.clip((time - warmup) / jnp.maximum(total - warmup, 1), 0, 1)
    cosine = final + (1 - final) * (1 + jnp.cos(jnp.pi * progress)) / 2
    return jnp.where(time < warmup, (time + 1) / jnp.maximum(warmup, 1), cosine)


def step_decay(hparams: Hparams, step: jax.Array) -> jax.Array:
    """drop_factor ** floor(t / drop_every)."""
    every, factor = hparams["drop_every"], hparams["drop_factor"]
    return factor ** jnp.floor(step.astype(every.dtype) / every)


RANGES = {
    "warmup_steps": Interval(0),
    "decay_steps": Interval(0),
    "final_factor": Interval(0),
    "drop_every": Interval(0, ends="()"),
    "drop_factor": Interval(0),
}

SCHEDULES: dict[str, Schedule] = {"constant": constant, "warmup_cosine": warmup_cosine, "step": step_decay}
