"""Overlap of units, against numpy and against networks with units taken out."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax.learning.models import ACTIVATIONS, CNN, MLP
from symmetry_jax.learning.process import State
from symmetry_jax.learning.tasks import Batch, Dataset, classification
from symmetry_jax.measures.overlap import (
    contribution_correlation,
    duplicates,
    effective_rank,
    fan_in_numbers,
    furthest,
    overlap,
    silent,
)
from symmetry_jax.measures.removal import interactions, removal, removal_costs
from symmetry_jax.symmetry.units import tie
from tests.drawing import inputs_of, variables_of

pytestmark = pytest.mark.usefixtures("float64")

UNITS, SHAPE = 5, (6, 5, 2)
PAIRS = list(itertools.combinations(range(UNITS), 2))
NETWORKS = {"mlp": MLP((UNITS,), 4, ACTIVATIONS["relu"]), "cnn": CNN((UNITS,), 4, (2,), activation=ACTIVATIONS["relu"])}


@pytest.fixture(params=NETWORKS)
def model(request):
    return NETWORKS[request.param]


@pytest.fixture
def data():
    inputs = inputs_of(SHAPE, batch=12)
    batch = Batch(inputs, jnp.asarray(np.random.default_rng(3).integers(0, 4, 12), jnp.int32))
    return Dataset(batch, batch)


@pytest.fixture
def variables(model, data):
    return variables_of(model, data.test.inputs)


def read(measure, variables, data):
    return np.asarray(jax.jit(lambda: measure.read(State(variables), None, data, {}, jnp.int32(0)))())


def layer(model):
    return model.layers[0]


def maps_of(model, variables, inputs):
    """Activations (units, batch, positions) and fan-outs (units, positions, outputs), with numpy's own loops."""
    _, seen = model.apply(variables, inputs, mutable="intermediates")
    after = np.asarray(seen["intermediates"][f"{layer(model)}_units"]["after"])
    maps = after.T[:, :, None] if isinstance(model, MLP) else np.stack([m.reshape(-1, len(inputs)).T for m in after])
    return maps, np.asarray(variables["params"]["output"]["kernel"]).reshape(UNITS, -1, 4)


def changed(variables, path, value):
    head, array = path
    return {"params": {**variables["params"], head: {**variables["params"][head], array: value}}}


def test_overlap_of_fan_ins(model, variables, data):
    kernel = np.asarray(variables["params"][layer(model)]["kernel"]).reshape(-1, UNITS)
    sizes = [abs(kernel[:, i] @ kernel[:, j]) / np.linalg.norm(kernel[:, i]) / np.linalg.norm(kernel[:, j]) for i, j in PAIRS]
    np.testing.assert_allclose(read(overlap(model), variables, data), [np.mean(sizes), np.max(sizes)], rtol=1e-10)
    assert read(fan_in_numbers(model), variables, data) == len(kernel)


def test_effective_ranks_are_those_of_singular_values(model, variables, data):
    maps, _ = maps_of(model, variables, data.test.inputs)
    samples = maps.reshape(UNITS, -1)
    matrices = (
        np.asarray(variables["params"][layer(model)]["kernel"]).reshape(-1, UNITS),
        samples - samples.mean(1, keepdims=True),
    )
    expected = [(s**2).sum() ** 2 / (s**4).sum() for s in (np.linalg.svd(m, compute_uv=False) for m in matrices)]
    np.testing.assert_allclose(read(effective_rank(model), variables, data), expected, rtol=1e-9)


def correlation_of(model, variables, data):
    maps, fan_out = maps_of(model, variables, data.test.inputs)
    added = np.einsum("ubp,upk->ubk", maps, fan_out)
    added = added - added.mean(2, keepdims=True)
    return np.corrcoef((added - added.mean(1, keepdims=True)).reshape(UNITS, -1))


def test_correlation_of_contributions(model, variables, data):
    found = correlation_of(model, variables, data)
    told = np.array([found[pair] for pair in PAIRS])
    expected = [np.abs(told).mean(), told.mean()]
    np.testing.assert_allclose(read(contribution_correlation(model), variables, data), expected, rtol=1e-9)
    # a constant on all logits, and one on all examples, is nothing that softmax or a bias would miss
    shifted = variables["params"]["output"]["kernel"] + 0.7
    moved = changed(variables, ("output", "kernel"), shifted)
    np.testing.assert_allclose(read(contribution_correlation(model), moved, data), expected, rtol=1e-8)


def test_silent_units_are_told_and_left_out(model, variables, data):
    assert read(silent(model), variables, data) == 0
    dead = changed(variables, (layer(model), "bias"), variables["params"][layer(model)]["bias"].at[jnp.array([1, 3])].set(-1e3))
    assert read(silent(model), dead, data) == pytest.approx(2 / UNITS)
    with np.errstate(invalid="ignore"):
        found = correlation_of(model, dead, data)
    told = [found[pair] for pair in PAIRS if not {1, 3} & set(pair)]
    np.testing.assert_allclose(read(contribution_correlation(model), dead, data)[1], np.mean(told), rtol=1e-9)
    all_dead = changed(variables, (layer(model), "bias"), variables["params"][layer(model)]["bias"] - 1e3)
    assert np.isnan(read(contribution_correlation(model), all_dead, data)).all()


def test_duplicates_are_pairs_that_are_near_over_the_whole_orbit(model, variables, data):
    group = model.symmetry(SHAPE)[layer(model)]
    assert read(duplicates(group), variables, data) == 0
    equal = tie(variables, group, [(0, 2, 3)])
    assert read(duplicates(group), equal, data) == pytest.approx(3 / len(PAIRS))
    assert read(furthest(group), equal, data) > 0 == read(furthest(group), tie(variables, group, [range(UNITS)]), data)
    other = equal["params"]["output"]["kernel"].at[group.axes[-1].positions(UNITS)[2]].multiply(-1)
    assert read(duplicates(group), changed(equal, ("output", "kernel"), other), data) == pytest.approx(1 / len(PAIRS))


@pytest.mark.parametrize("way", ["zero", "mean"])
def test_removal_is_that_of_networks_without_the_units(model, variables, data, way):
    task = classification(model, 4, "per_seed")
    maps, fan_out = maps_of(model, variables, data.test.inputs)

    def loss(removed):
        kept = np.array(maps)
        for unit in removed:
            kept[unit] = kept[unit].mean(0, keepdims=True) if way == "mean" else 0
        logits = np.einsum("ubp,upk->bk", kept, fan_out) + np.asarray(variables["params"]["output"]["bias"])
        logits -= logits.max(1, keepdims=True)
        told = logits[np.arange(12), np.asarray(data.test.targets)] - np.log(np.exp(logits).sum(1))
        return -told.mean()

    one = np.array([loss([unit]) for unit in range(UNITS)]) - loss([])
    two = np.array([loss(pair) for pair in PAIRS]) - loss([])
    beyond = np.array([cost - one[i] - one[j] for cost, (i, j) in zip(two, PAIRS, strict=True)])
    kernel = np.asarray(variables["params"][layer(model)]["kernel"]).reshape(-1, UNITS)
    kernel = kernel / np.linalg.norm(kernel, axis=0)
    cosine, told = np.abs(kernel.T @ kernel), correlation_of(model, variables, data)
    by = [np.corrcoef(beyond, [kind[pair] for pair in PAIRS])[0, 1] for kind in (cosine, told)]
    measure = removal(task, model)
    found = read(measure, variables, data)[list(measure.coords["way"]).index(way)]
    np.testing.assert_allclose(found, [one.mean(), two.mean(), (beyond > 1e-6).mean(), *by], rtol=1e-7)


@pytest.mark.parametrize("margin, sign", [(4, 1), (0, -1)])
def test_with_a_margin_two_cost_more_than_the_sum_even_of_units_that_do_not_overlap(margin, sign):
    """Two units that add +1 or -1 to one of two logits, in all four ways equally often: their correlation is exactly 0."""
    ways = jnp.asarray([*itertools.product([-1.0, 1.0], repeat=2)]).T
    taken = jnp.stack([ways, jnp.zeros_like(ways)], axis=2)
    outputs = jnp.zeros((4, 2)).at[:, 0].set(margin)
    task = classification(NETWORKS["mlp"], 4, "per_seed")
    (found,) = interactions(*removal_costs(task, outputs, taken, jnp.zeros(4, jnp.int32)))
    assert float(ways[0] @ ways[1]) == 0 and sign * float(found) > 1e-3
