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


def test_a_switch_decides_whether_ties_are_held(float64):
    random = np.random.default_rng(0)
    batch = Batch(jnp.asarray(random.uniform(size=(12, 6))), jnp.asarray(np.arange(12) % 3, jnp.int32))
    data, model = Dataset(batch, batch), MLP((4,), 3)
    hparams = {name: jnp.asarray(value) for name, value in HPARAMS.items()}
    fan_out = model.symmetry((6,)).only(["fan-out"])
    process = descend(classification(model, 1, "full"), OPTIMIZERS["sgd"], draw(model, INITIALIZERS["lecun"]))
    held = hold(process, fan_out, {"hidden_0": [(0, 1)]}, "held")
    assert not held.ranges["held"].holds(np.array(2.0)) and "held" not in process.ranges
    init, step, plain = jax.jit(held.init), jax.jit(held.step), jax.jit(process.step)
    for switch in (0.0, 1.0):
        numbers = hparams | {"held": jnp.asarray(switch)}
        start = init(data, numbers)
        after, _ = step(start, data, numbers, jnp.int32(0))
        free, _ = plain(start, data, numbers, jnp.int32(0))
        for state, units in ((start, start.variables["params"]), (after, after.variables["params"])):
            apart = separation(state.variables, fan_out["hidden_0"])[0, 1]
            assert (apart == 0) == (switch == 1)
            assert np.any(units["hidden_0"]["kernel"][:, 0] != units["hidden_0"]["kernel"][:, 1])
        out, expected = (np.array(state.variables["params"]["output"]["kernel"]) for state in (after, free))
        expected[:2] = expected[:2].mean(0) if switch else expected[:2]
        np.testing.assert_allclose(out, expected, rtol=1e-12)
