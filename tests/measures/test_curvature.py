"""Curvature between twins, read from the minibatches of training."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from symmetry_jax import sweep
from symmetry_jax.learning.data.digits import digits
from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.starts import INITIALIZERS, draw, tied
from symmetry_jax.learning.tasks import classification
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.curvature import spectrum
from symmetry_jax.sweeps.precision import cast, numerics
from symmetry_jax.symmetry.curvature import dense, twin_curvature, unit_curvature
from symmetry_jax.symmetry.separation import difference

DATA, MODEL = digits(), MLP((4,), 10)
SYMMETRY, PAIRS, TASK = MODEL.symmetry(DATA.shape), {"hidden_0": (0, 1)}, classification(MODEL, 16, "per_seed")
START = tied(draw(MODEL, INITIALIZERS["lecun"]), SYMMETRY, {"hidden_0": [(0, 1)]})
HPARAMS = {"learning_rate": 0.1, "weight_decay": 0.0}


def matrices_of(of, kept, variables, batch):
    """The whole matrix of each part."""
    unit = (SYMMETRY["hidden_0"], (0, 1), kept)
    parts = of(lambda v: TASK.predict(v, batch.inputs), lambda o: TASK.loss(o, batch.targets), variables, *unit)
    return [dense(part, len(difference(variables, *unit)), float) for part in parts]


def test_it_is_the_spectrum_of_the_dense_matrix():
    """With and without the fan-out, of both parts; the matrix by a loop over the basis, its eigenvalues by LAPACK."""
    process = descend(TASK, OPTIMIZERS["sgd"], START)
    roles = {"whole": ("fan-in", "bias", "fan-out"), "fan_in": ("fan-in", "bias")}
    measures = [
        spectrum(f"{of.__name__}_{name}", of, TASK, SYMMETRY, PAIRS, kept)
        for of in (twin_curvature, unit_curvature)
        for name, kept in roles.items()
    ]
    axes = {"seed": [3]} | {name: [value] for name, value in HPARAMS.items()}
    found = sweep(process, measures, axes, 5, data=DATA, records=2, precision="float64").isel(step=0).squeeze(drop=True)
    with numerics("float64"):
        hparams = {name: jnp.asarray(value) for name, value in HPARAMS.items()} | {"seed": jnp.int32(3)}
        data = jax.tree.map(jnp.asarray, cast(DATA, "float64"))
        variables = jax.jit(START)(hparams, data.train.inputs)
        batch = TASK.batch(data, hparams, jnp.int32(0))
        for measure in measures:
            of = twin_curvature if measure.name.startswith("twin") else unit_curvature
            kept = roles[measure.name.removeprefix(f"{of.__name__}_")]
            matrices = jax.jit(functools.partial(matrices_of, of, kept))(variables, batch)
            for matrix, name in zip(matrices, ("gauss_newton", "residual"), strict=True):
                values = np.linalg.eigvalsh(matrix)
                np.testing.assert_allclose(found[measure.name].sel(hessian=name), values[[0, -1]], rtol=1e-4, atol=1e-9)
    assert abs(found.twin_curvature_whole.sel(hessian="gauss_newton")).max() < 1e-14 < abs(found.unit_curvature_whole).max()
