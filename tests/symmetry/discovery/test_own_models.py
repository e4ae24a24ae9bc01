"""A network that is given only as a function is studied like one of ours."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax import discover, sweep
from symmetry_jax.learning.data.digits import digits
from symmetry_jax.learning.models import CNN
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.starts import INITIALIZERS, draw, near_tied
from symmetry_jax.learning.tasks import Task, classification
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.separation import twin_separation
from symmetry_jax.measures.training import minibatch_loss

MODEL = CNN((4, 6), 10, (1, 2))
AXES = {"seed": range(2), "epsilon": [1e-3, 1e-1], "learning_rate": [0.3], "weight_decay": [0.0]}


def convolution(images, kernel, stride):
    """One tap of the kernel after the other."""
    sides, pads = images.shape[1:3], jax.lax.padtype_to_pads(images.shape[1:3], (3, 3), (stride, stride), "SAME")
    padded = jnp.pad(images, ((0, 0), *pads, (0, 0)))
    taps = [
        jnp.einsum("bhwc,cf->bhwf", padded[:, i : i + sides[0] : stride, j : j + sides[1] : stride], kernel[i, j])
        for i in range(3)
        for j in range(3)
    ]
    return sum(taps[1:], taps[0])


def network(params, images):
    """The same network in plain JAX, whose layers are a list."""
    *convolutions, (weight, bias) = params["layers"]
    for (kernel, shift), stride in zip(convolutions, (1, 2), strict=True):
        images = jnp.tanh(convolution(images, kernel, stride) + shift[None, None, None])
    maps = images.transpose(3, 1, 2, 0)  # the head of ours is flattened with channels first
    return maps.reshape(-1, maps.shape[-1]).T @ weight + bias[None]


def as_list(variables):
    return {"layers": [(layer["kernel"], layer["bias"]) for layer in (variables["params"][name] for name in MODEL.layers)]}


@pytest.mark.usefixtures("float64")
def test_near_identical_filters_of_a_function():
    data = digits()
    start, task = draw(MODEL, INITIALIZERS["lecun"]), classification(MODEL, 16, "per_seed")
    declared = MODEL.symmetry(data.shape)
    shapes = jax.eval_shape(MODEL.init, jax.random.key(0), data.train.inputs[:1])
    found = discover(network, as_list(shapes), data.train.inputs[:1])
    assert [group.size for group in found.values()] == [group.size for group in declared.values()]

    def separations(symmetry, begin, task):
        pairs = {name: (0, 1) for name in symmetry}
        process = descend(task, OPTIMIZERS["sgd"], near_tied(begin, symmetry, pairs))
        results = sweep(
            process, [minibatch_loss(), twin_separation(symmetry, pairs)], AXES, steps=30, data=data, precision="float64"
        )
        return results.isel(step=-1)

    ours = separations(declared, start, task)
    theirs = separations(found, lambda hparams, x: as_list(start(hparams, x)), Task(network, task.loss, task.batch))
    assert float(theirs.loss.max()) < 2.2
    # the direction in which twins differ is drawn for arrays by their order in the group, which is the same
    np.testing.assert_allclose(theirs.separation.values, ours.separation.values, rtol=1e-8)
