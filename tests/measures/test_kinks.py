"""When an example first falls between the kinks of two units."""

import jax
import jax.numpy as jnp
import numpy as np

from symmetry_jax import sweep
from symmetry_jax.learning.data.digits import digits
from symmetry_jax.learning.models import ACTIVATIONS, MLP
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.starts import INITIALIZERS, draw, near_tied
from symmetry_jax.learning.tasks import classification
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.kinks import first_crossing, watch_kinks
from symmetry_jax.measures.separation import twin_separation
from symmetry_jax.sweeps.precision import cast, numerics

DATA, MODEL, STEPS = digits(), MLP((4, 3), 10, ACTIVATIONS["relu"]), 40
PAIRS = {"hidden_0": (0, 1), "hidden_1": (1, 2)}
SYMMETRY = MODEL.symmetry(DATA.shape)
PROCESS = descend(
    classification(MODEL, 8, "per_seed"), OPTIMIZERS["sgd"], near_tied(draw(MODEL, INITIALIZERS["lecun"]), SYMMETRY, PAIRS)
)
EPSILONS = [1e-9, 0.03, 1.0]


def by_hand(layer, epsilon):
    """The first step at which an example makes one of the two units active and not the other; -1 if there is none."""
    hparams = {
        "seed": jnp.int32(0),
        "epsilon": jnp.asarray(epsilon),
        "learning_rate": jnp.asarray(0.1),
        "weight_decay": jnp.zeros(()),
    }
    data = jax.tree.map(jnp.asarray, cast(DATA, "float64"))
    state, advance = jax.jit(PROCESS.init)(data, hparams), jax.jit(PROCESS.step)
    first, second = PAIRS[layer]
    for step in range(STEPS):
        after, aux = advance(state, data, hparams, jnp.int32(step))
        values = np.asarray(aux.batch.inputs).reshape(8, -1)
        for name in MODEL.layers[: MODEL.layers.index(layer) + 1]:
            weights = jax.tree.map(np.asarray, state.variables["params"][name])
            z = values @ weights["kernel"] + weights["bias"]
            values = np.maximum(z, 0)
        if np.any((z[:, first] > 0) != (z[:, second] > 0)):
            return step
        state = after
    return -1


def test_it_is_the_step_found_by_hand():
    for layer in PAIRS:
        watched = watch_kinks(PROCESS, MODEL, layer, PAIRS[layer])
        axes = {"seed": [0], "epsilon": EPSILONS, "learning_rate": [0.1], "weight_decay": [0.0]}
        measures = [*first_crossing(), twin_separation(SYMMETRY, PAIRS)]
        found = sweep(watched, measures, axes, STEPS, data=DATA, records=STEPS + 1, precision="float64").squeeze(drop=True)
        with numerics("float64"):
            expected = [by_hand(layer, epsilon) for epsilon in EPSILONS]
        assert found.crossed.isel(end=-1).values.tolist() == expected and expected[0] == -1 and expected[2] >= 0
        for place, step in enumerate(expected):
            apart = found.separation.sel(group=layer, part="orbit").isel(epsilon=place, step=step if step >= 0 else STEPS - 1)
            np.testing.assert_allclose(found.separation_then.isel(end=-1, epsilon=place), apart, rtol=1e-12)
