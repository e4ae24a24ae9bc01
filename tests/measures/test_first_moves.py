"""First moves as a process remembers them, against the gradients themselves; and the bound on rounding, against float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax import sweep
from symmetry_jax.learning.models import ACTIVATIONS, MLP
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.starts import INITIALIZERS, biased, draw
from symmetry_jax.learning.tasks import Batch, Dataset, classification
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.first_moves import first_moves, watch
from symmetry_jax.measures.rounding import gradient_doubts
from symmetry_jax.measures.training import minibatch_loss
from symmetry_jax.sweeps.precision import numerics
from tests.drawing import drawn

AXES = {"seed": [0], "constant": [0.0, 0.3], "bias": [0.0], "learning_rate": [0.5], "weight_decay": [0.0]}
CLASSES = 7


def dataset(counts):
    """Non-negative random images, so many of each class."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    batch = Batch(random.uniform(0, 1, (len(labels), 3, 2, 1)), labels)
    return Dataset(batch, batch)


def run(activation, counts, watched=True, initializer="constant", axes=AXES, steps=12, **settings):
    model = MLP((4, 4), CLASSES, ACTIVATIONS[activation])
    task = classification(model, 1, "full")
    process = descend(task, OPTIMIZERS["sgd"], draw(model, INITIALIZERS[initializer], biased))
    measures = (minibatch_loss(), *first_moves(model)) if watched else (minibatch_loss(),)
    process = watch(process, model) if watched else process
    settings = {"precision": "float64", "tile": 1, **settings}
    return sweep(process, measures, axes, steps, data=dataset(counts), records=steps + 1, **settings)


UNEQUAL, BALANCED = [8, 1, 1, 1, 1, 1, 1], [2] * CLASSES


def test_first_moves_of_constant_starts_are_those_predicted():
    last = run("sigmoid", UNEQUAL).isel(seed=0, bias=0, learning_rate=0, weight_decay=0, end=-1)
    np.testing.assert_array_equal(last.first_move.sel(constant=0), [[3, 3], [2, 2], [1, 1]])
    np.testing.assert_array_equal(last.first_move.sel(constant=0.3), [[2, 2], [2, 2], [1, 1]])
    assert (last.first_change <= last.first_move).all()
    last = run("tanh", UNEQUAL).isel(seed=0, bias=0, learning_rate=0, weight_decay=0, end=-1)
    np.testing.assert_array_equal(last.first_move.sel(constant=0), [[-1, -1], [-1, -1], [-1, 1]])


def test_what_only_rounding_moves_has_not_moved():
    last = run("sigmoid", BALANCED).isel(seed=0, bias=0, learning_rate=0, weight_decay=0, end=-1)
    assert (last.first_move.sel(constant=0) == -1).all()
    assert (last.first_change.sel(constant=0, part="bias", layer=3) == 1).all()  # seven times 1/7 is not 1


def test_from_random_weights_everything_moves_at_once_by_its_gradient():
    axes = {name: values for name, values in AXES.items() if name != "constant"}
    results = run("tanh", UNEQUAL, initializer="lecun", axes=axes, steps=3)
    assert (results.first_move.isel(end=-1) == 1).all() and (results.first_move.isel(end=0) == -1).all()
    with numerics("float64"):
        model, data = MLP((4, 4), CLASSES), dataset(UNEQUAL)
        task = classification(model, 1, "full")
        hparams = {"seed": jnp.int32(0), "bias": jnp.float64(0)}
        variables = draw(model, INITIALIZERS["lecun"], biased)(hparams, data.train.inputs)
        loss = jax.grad(lambda params: task.loss(task.predict(params, data.train.inputs), data.train.targets))
        gradients = loss(variables)["params"]
    for layer, name in enumerate(model.layers):
        for part, array in (("weight", "kernel"), ("bias", "bias")):
            size = results.first_gradient.isel(end=-1, layer=layer).sel(part=part)
            # starts are compiled with other options
            np.testing.assert_allclose(size, np.linalg.norm(gradients[name][array]), rtol=1e-6)


def test_watching_changes_nothing():
    for activation in ("tanh", "sigmoid"):
        watched, alone = run(activation, UNEQUAL), run(activation, UNEQUAL, watched=False)
        np.testing.assert_allclose(watched.loss, alone.loss, rtol=1e-14)


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_rounding_stays_within_its_bound(activation):
    """Gradients in float32 differ from those in float64 by less than the doubt, which is not much more than that."""
    model = MLP((32, 32), CLASSES, ACTIVATIONS[activation])
    data = dataset([30] * CLASSES).train
    task = classification(model, 1, "full")

    @jax.jit
    def both(variables, batch):
        def loss(variables):
            outputs = task.predict(variables, batch.inputs)
            return task.loss(outputs, batch.targets), outputs

        (_, outputs), gradients = jax.value_and_grad(loss, has_aux=True)(variables)
        return gradients, gradient_doubts(model, variables, jax.tree.map(jnp.zeros_like, variables), batch, outputs)

    variables = jax.tree.map(lambda array: array / 4, drawn(model.init(jax.random.key(0), jnp.zeros((1, 6)))))
    inputs = jnp.asarray(data.inputs, jnp.float32)
    rough, doubts = both(variables, Batch(inputs, data.targets))
    with numerics("float64"):
        wide, wide_inputs = jax.tree.map(lambda array: jnp.asarray(array, jnp.float64), (variables, inputs))
        exact, _ = both(wide, Batch(wide_inputs, data.targets))
    apart = jax.tree.map(lambda one, other: np.abs(np.float64(one) - np.float64(other)), rough, exact)
    for error, doubt in zip(jax.tree.leaves(apart), jax.tree.leaves(doubts), strict=True):
        assert (error <= doubt).all()
        assert error.max() > doubt.max() / 100_000
