"""What may be added to the loss of training to push units apart, each with its strength as a traced number.

Both are a mean over the pairs of units of a layer, lie between 0 and 1, and do not depend on the scale of a unit, so that units
cannot escape by becoming small. Exchanging units leaves them as they are: units that are exactly equal get equal gradients.
"""

import dataclasses
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from symmetry_jax.errors import InputError
from symmetry_jax.learning.activity import observe
from symmetry_jax.learning.contributions import last_maps
from symmetry_jax.learning.intervals import Interval
from symmetry_jax.learning.models import CNN, MLP
from symmetry_jax.learning.process import Hparams, PyTree
from symmetry_jax.symmetry.similarity import correlations, plain_cosines


@dataclasses.dataclass(frozen=True)
class Regularizer:
    """Something that is added to the loss of a step of training.

    Attributes:
        name: the setting that is its strength; at 0 it adds nothing.
        cost: from the variables and the inputs of the minibatch, at a strength of 1: ().
        allowed: the strengths that can be.
    """

    name: str
    cost: Callable[[PyTree, jax.Array], jax.Array]
    allowed: Interval = dataclasses.field(default_factory=lambda: Interval(0))

    def __call__(self, variables: PyTree, inputs: jax.Array, hparams: Hparams) -> jax.Array:
        """What it adds at the strength of a run."""
        return hparams[self.name] * self.cost(variables, inputs)


def orthogonality(model: MLP | CNN, name: str = "orthogonality") -> Regularizer:
    """The mean squared cosine between fan-ins of units of the last hidden layer.

    That is ||W W^T - I||^2 / (U (U - 1)) of fan-ins W (units U, numbers) at norm 1 (N. Bansal, X. Chen & Z. Wang, NeurIPS 2018;
    A. Brock et al., ICLR 2017, for the same without the diagonal). Descent moves units that are almost a common w apart, across
    w, in each step by 4 lr strength / ((U - 1) ||w||^2) of their distance from their mean.
    """

    def cost(variables: PyTree, inputs: jax.Array) -> jax.Array:
        del inputs
        return _mean_square(plain_cosines(fan_in(model, variables)))

    return Regularizer(name, cost)


def decorrelation(model: MLP | CNN, name: str = "decorrelation") -> Regularizer:
    """The mean squared correlation, over the minibatch and all positions, between activations of the last hidden layer.

    DeCov is the same of covariances (M. Cogswell et al., ICLR 2016). Activations are those of evaluation: with running means,
    and none dropped.
    """

    def cost(variables: PyTree, inputs: jax.Array) -> jax.Array:
        maps = last_maps(model, observe(model, variables, inputs)[1])
        return _mean_square(correlations(maps.reshape(len(maps), -1)))

    return Regularizer(name, cost)


REGULARIZERS: Mapping[str, Callable[[MLP | CNN, str], Regularizer]] = {
    "orthogonality": orthogonality,
    "decorrelation": decorrelation,
}


def fan_in(model: MLP | CNN, variables: PyTree) -> jax.Array:
    """The weights that units of the last hidden layer read with, without biases: (units, numbers)."""
    kernel = variables["params"][model.layers[-2]]["kernel"]
    return kernel.reshape(-1, kernel.shape[-1]).T


def _mean_square(matrix: jax.Array) -> jax.Array:
    """The mean square of what is off the diagonal of cosines (units, units).

    The diagonal is a constant and stays in the gradient, so that it sums up the same numbers in the same order for equal units:
    a sum over pairs i < j does not, and its rounding takes exactly equal units apart.
    """
    units = len(matrix)
    if units < 2:
        raise InputError("units of the last hidden layer are pushed apart: it has one, and at least 2 are needed")
    constant = jax.lax.stop_gradient(jnp.sum(jnp.square(jnp.diagonal(matrix))))
    return (jnp.sum(jnp.square(matrix)) - constant) / (units * (units - 1))
