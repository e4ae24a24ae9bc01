"""Optimizers: the structure is static, every number is traced.

An optimizer proposes a direction for a learning rate of 1. The learning rate, its schedule and per-entry rates multiply the
final update outside (`training.descend`), so that all of them may be swept and work alike with every optimizer.
"""

from collections.abc import Callable

import optax

from symmetry_jax.learning.intervals import Interval
from symmetry_jax.learning.process import Hparams

# from the hparams of one run; what it returns as update is subtracted, times the learning rate
Optimizer = Callable[[Hparams], optax.GradientTransformation]


def sgd(hparams: Hparams) -> optax.GradientTransformation:
    """g + wd theta."""
    return optax.add_decayed_weights(hparams["weight_decay"])


def momentum(hparams: Hparams) -> optax.GradientTransformation:
    """m' = momentum m + g + wd theta."""
    return optax.chain(sgd(hparams), optax.trace(hparams["momentum"]))


def nesterov(hparams: Hparams) -> optax.GradientTransformation:
    """m' = momentum m + g + wd theta; the update is g + wd theta + momentum m'."""
    return optax.chain(sgd(hparams), optax.trace(hparams["momentum"], nesterov=True))


def _scale_by_adam(hparams: Hparams) -> optax.GradientTransformation:
    # a gradient that is exactly 0 (a pixel that is always black) would make the derivative of sqrt infinite
    return optax.scale_by_adam(hparams["beta1"], hparams["beta2"], hparams["adam_eps"], eps_root=1e-30)


def adam(hparams: Hparams) -> optax.GradientTransformation:
    """Adam on g + wd theta: weight decay is coupled (Kingma & Ba 2015)."""
    return optax.chain(sgd(hparams), _scale_by_adam(hparams))


def adamw(hparams: Hparams) -> optax.GradientTransformation:
    """Adam on g, plus wd theta: weight decay is decoupled, at rate lr wd (Loshchilov & Hutter 2019)."""
    return optax.chain(_scale_by_adam(hparams), sgd(hparams))


# the values of what is read above; at a momentum or a beta of 1 nothing is ever forgotten
RANGES = {
    "weight_decay": Interval(0),
    "momentum": Interval(0, 1),
    "beta1": Interval(0, 1),
    "beta2": Interval(0, 1),
    "adam_eps": Interval(0, ends="()"),
}

OPTIMIZERS: dict[str, Optimizer] = {"sgd": sgd, "momentum": momentum, "nesterov": nesterov, "adam": adam, "adamw": adamw}
