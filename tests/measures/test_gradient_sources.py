"""Sources of gradient differences in real networks, against definitions written out, and against what steps do."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from symmetry_jax.learning.activity import observe
from symmetry_jax.learning.models import ACTIVATIONS, CNN, MLP
from symmetry_jax.learning.optimizers import sgd
from symmetry_jax.learning.process import State
from symmetry_jax.learning.starts import INITIALIZERS, draw
from symmetry_jax.learning.tasks import Batch, Dataset, classification
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.gradient_factors import fan_in, gradient_factors, upstream_inputs
from symmetry_jax.measures.gradient_sources import gradient_sources, pair_distance, predicted_kick
from symmetry_jax.measures.kinks import between_kinks
from symmetry_jax.symmetry.units import tie
from tests.drawing import inputs_of, variables_of

pytestmark = pytest.mark.usefixtures("float64")

MODELS = {
    "mlp": MLP((4, 4), 3, ACTIVATIONS["gelu"]),
    "cnn": CNN((4, 3), 3, (1, 2), activation=ACTIVATIONS["tanh"]),
    "average": CNN((3,), 3, (2,), padding="VALID", head="average", activation=ACTIVATIONS["tanh"]),
}
SHAPE = (5, 4, 2)


def pairs_of(model):
    return {f"{name} {second}": ((name, 0), (name, second)) for name in model.layers[:-1] for second in (1, 2)}


def case(model, variables=None):
    """A task, a state with what a step that starts in it computes, and the state after."""
    numbers = {"seed": jnp.asarray(0), "learning_rate": jnp.asarray(0.1), "weight_decay": jnp.asarray(0.0)}
    inputs, step = inputs_of(SHAPE, 6), jnp.asarray(0, jnp.int32)
    data = Dataset(*[Batch(inputs, jnp.asarray([0, 1, 2, 0, 1, 1], jnp.int32))] * 2)
    task = classification(model, 6, "full")
    process = descend(task, sgd, draw(model, INITIALIZERS["lecun"]))
    variables = variables_of(model, inputs) if variables is None else variables
    state = State(variables, sgd(numbers).init(variables))
    after, aux = jax.jit(process.step)(state, data, numbers, step)
    return task, (state, aux, data, numbers, step), after


@functools.cache
def known(name):
    """The same of one of the models."""
    return case(MODELS[name])


@pytest.mark.parametrize("name", MODELS)
def test_factors_make_the_gradient_of_every_unit(name):
    model = MODELS[name]
    task, (state, aux, *_), _ = known(name)
    units = [(layer, unit) for layer in model.layers[:-1] for unit in range(3)]

    def gradients():
        of = gradient_factors(model, task.loss, state.variables, aux.batch)
        return [of(unit).inputs.T @ (of(unit).slope * of(unit).error) for unit in units]

    for unit, found in zip(units, jax.jit(gradients)(), strict=True):
        np.testing.assert_allclose(found, fan_in(aux.gradients, unit), rtol=1e-9, atol=1e-12)


def test_patches_are_those_of_lax():
    model = MODELS["cnn"]
    inputs = inputs_of(SHAPE, 6)
    after = observe(model, variables_of(model, inputs), inputs)[1].after
    found = upstream_inputs(model, inputs, after)
    for layer, stride, maps in (("conv_0", 1, inputs.transpose(3, 1, 2, 0)), ("conv_1", 2, after["conv_0"])):
        # (batch, channel * height * width of the kernel, height, width), the channel slowest
        patches = lax.conv_general_dilated_patches(maps.transpose(3, 0, 1, 2), (3, 3), (stride, stride), "SAME")
        batch, _, height, width = patches.shape
        split = patches.reshape(batch, len(maps), 9, height, width).transpose(3, 4, 0, 2, 1).reshape(-1, 9 * len(maps))
        np.testing.assert_allclose(found[layer], np.concatenate([split, np.ones((len(split), 1))], axis=1), rtol=1e-12)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_sources_add_up_to_what_the_step_computed(name):
    model = MODELS[name]
    task, seen, _ = known(name)
    measure = gradient_sources(model, task, pairs_of(model))
    found = np.asarray(jax.jit(measure.read)(*seen))
    assert found.shape == tuple(len(measure.coords[dim]) for dim in measure.dims)
    share, push, size = np.moveaxis(found, 2, 0)
    np.testing.assert_allclose(share[:, :3].sum(1), 1, rtol=1e-9)
    np.testing.assert_allclose(push[:, :3].sum(1), push[:, 4], rtol=1e-9)
    assert size[:, 3].max() < 1e-13 and (size[:, 0] == 0).all() and (size[:, 1:3] > 1e-3).all()


def test_shares_pushes_and_sizes_are_those_of_the_formula():
    model, pair = MODELS["mlp"], (("hidden_1", 0), ("hidden_1", 2))
    task, seen, after = known("mlp")
    state, aux = seen[:2]
    found = jax.jit(gradient_sources(model, task, {"pair": pair}).read)(*seen)[0]
    factors = jax.jit(lambda: [gradient_factors(model, task.loss, state.variables, aux.batch)(unit) for unit in pair])()
    (inputs, *own), (_, *other) = (map(np.asarray, (of.inputs, of.slope, of.error)) for of in factors)
    local = inputs.T @ ((own[0] - other[0]) * (own[1] + other[1]) / 2)
    downstream = inputs.T @ ((own[0] + other[0]) / 2 * (own[1] - other[1]))
    gradients, before, later = (
        [np.asarray(fan_in(tree, unit)) for unit in pair] for tree in (aux.gradients, state.variables, after.variables)
    )
    difference, apart, moved = (first - second for first, second in (gradients, before, later))
    root = np.sqrt((gradients[0] @ gradients[0] + gradients[1] @ gradients[1]) / 2)
    for term, vector in ((1, local), (2, downstream), (4, difference)):
        share, push = vector @ difference / (difference @ difference), -vector @ apart / (apart @ apart)
        np.testing.assert_allclose(found[term], [share, push, np.linalg.norm(vector) / root], rtol=1e-9)
    # a push is what a small step does to the distance
    first_order = (moved @ moved / (apart @ apart) - 1 - 0.01 * (difference @ difference) / (apart @ apart)) / 0.2
    np.testing.assert_allclose(found[4, 1], first_order, rtol=1e-9)


def test_units_of_different_layers_differ_upstream():
    model = MODELS["mlp"].clone(widths=(4, 4, 4))
    task, seen, _ = case(model)
    pairs = {"layers": (("hidden_1", 0), ("hidden_2", 0))}
    found = np.asarray(jax.jit(gradient_sources(model, task, pairs).read)(*seen))[0]
    np.testing.assert_allclose(found[:3, 0].sum(), 1, rtol=1e-9)
    assert found[0, 2] > 1e-3 and found[3, 2] < 1e-13


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_equal_fan_outs_leave_nothing_downstream(name):
    model = MODELS[name]
    fan_outs = model.symmetry(SHAPE).only(["fan-out"])
    variables = variables_of(model, inputs_of(SHAPE, 6))
    for layer in model.layers[:-1]:
        variables = tie(variables, fan_outs[layer], [(0, 1)])
    task, seen, _ = case(model, variables)
    measure = gradient_sources(model, task, pairs_of(model))
    found = dict(zip(measure.coords["pair"], np.asarray(jax.jit(measure.read)(*seen))[:, 2, 2], strict=True))
    for layer in model.layers[:-1]:
        assert found[f"{layer} 1"] < 1e-15 and found[f"{layer} 2"] > 1e-3


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_kicks_are_predicted(name):
    """Units that are equal but for their fan-outs are after one step as far apart as predicted; others are not."""
    model = MODELS[name].clone(widths=(4,)) if name == "mlp" else MODELS[name].clone(filters=(4,), strides=(2,))
    symmetry, layer = model.symmetry(SHAPE), model.layers[0]
    variables = tie(variables_of(model, inputs_of(SHAPE, 6)), symmetry[layer].only(["fan-in", "bias"]), [(0, 1)])
    _, seen, after = case(model, variables)
    pairs = {"kicked": ((layer, 0), (layer, 1)), "unlike": ((layer, 0), (layer, 2))}
    predicted = jax.jit(predicted_kick(model, symmetry, pairs).read)(*seen)
    distance = pair_distance(pairs).read(after, *seen[1:])
    np.testing.assert_allclose(predicted[0], distance[0], rtol=1e-9)
    assert distance[0] > 1e-3 and abs(predicted[1] / distance[1] - 1) > 0.1
    own = after.variables["params"][layer]
    first, second = (np.append(own["kernel"][..., unit], own["bias"][unit]) for unit in (0, 2))
    np.testing.assert_allclose(distance[1], np.linalg.norm(first - second), rtol=1e-12)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_points_between_kinks_are_counted(name):
    model = MODELS[name].clone(activation=ACTIVATIONS["relu"])
    _, seen, _ = case(model)
    before = observe(model, seen[0].variables, seen[1].batch.inputs)[1].before
    pairs = pairs_of(model)
    for pair, found in zip(pairs.values(), between_kinks(model, pairs).read(*seen), strict=True):
        z = np.asarray(before[pair[0][0]])
        z = z.T if name == "mlp" else z
        one, other = (z[unit].ravel() > 0 for _, unit in pair)
        np.testing.assert_allclose(found, np.mean(one ^ other), rtol=1e-12)


@pytest.mark.parametrize("changes", [{"batch_norm": True}, {"dropped": ("hidden_0",)}])
def test_gradients_that_have_other_factors_are_refused(changes):
    model = MODELS["mlp"].clone(**changes)
    with pytest.raises(ValueError, match="without batch norm and dropout"):
        gradient_factors(model, None, {}, Batch(inputs_of(SHAPE), None))
