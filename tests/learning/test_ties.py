"""Ties that are held, whatever takes them apart."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from symmetry_jax import separation
from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.process import State
from symmetry_jax.learning.starts import INITIALIZERS, draw
from symmetry_jax.learning.tasks import Batch, Dataset, classification
from symmetry_jax.learning.ties import hold
from symmetry_jax.learning.training import descend

HPARAMS = {"seed": 0, "constant": 0.1, "learning_rate": 0.1, "weight_decay": 0.0, "momentum": 0.9}


def test_units_stay_equal_in_every_bit_though_each_step_takes_them_apart(float64):
    random = np.random.default_rng(0)
    batch = Batch(jnp.asarray(random.uniform(size=(12, 6))), jnp.asarray(np.arange(12) % 3, jnp.int32))
    data, model = Dataset(batch, batch), MLP((5, 3), 3)
    hparams = {name: jnp.asarray(value) for name, value in HPARAMS.items()}
    task = classification(model, 1, "full")
    process = descend(task, OPTIMIZERS["momentum"], draw(model, INITIALIZERS["constant"]))

    def torn(state, data, hparams, step):
        after, aux = process.step(state, data, hparams, step)
        noise = jax.tree.map(
            lambda leaf: 1e-3 * jnp.cos(jnp.arange(leaf.size, dtype=leaf.dtype)).reshape(leaf.shape), after.variables
        )
        moved = jax.tree.map(jnp.add, after.variables, noise)
        return State(
            moved,
            jax.tree.map(
                lambda leaf: leaf + jnp.sin(jnp.arange(leaf.size, dtype=leaf.dtype)).reshape(leaf.shape), after.memory
            ),
        ), aux

    symmetry = model.symmetry((6,))
    blocks = {name: [range(group.size)] for name, group in symmetry.items()}
    held = hold(dataclasses.replace(process, step=torn), symmetry, blocks)
    state = held.init(data, hparams)
    for step in range(3):
        state, _ = jax.jit(held.step)(state, data, hparams, jnp.int32(step))
    for group in symmetry.values():
        assert (separation(state.variables, group) == 0).all()
        assert (separation(state.memory, group.within(state.memory)) == 0).all()
    assert abs(state.variables["params"]["hidden_0"]["bias"]).max() > 0
