"""Differences between twins pushed through a step of descent, against Jacobian-vector products of whole arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax import discover, tie
from symmetry_jax.symmetry.pushforward import Pushforward, Twins
from symmetry_jax.symmetry.units import direction, project
from tests.symmetry.discovery.random_networks import INPUTS, TOKENS, network
from tests.symmetry.discovery.zoo import ALL, linen, plain
from tests.symmetry.discovery.zoo.case import everyday

pytestmark = pytest.mark.usefixtures("float64")

QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}  # compiled once, run once


def descent(function, inputs, outputs=lambda result: result):
    """One step down the gradient of a loss that depends on every output."""

    @everyday
    def loss(params):
        results = [array for array in jax.tree.leaves(outputs(function(params, *inputs))) if is_float(array)]
        weights = [jnp.cos(jnp.arange(array.size, dtype=array.dtype)).reshape(array.shape) for array in results]
        return sum(jnp.sum(jnp.sin(weight + array) * array) for weight, array in zip(weights, results, strict=True))

    def step(params):
        value, slope = jax.value_and_grad(loss, allow_int=True)(params)
        return jax.tree.map(lambda one, down: one - 0.1 * down if is_float(one) else one, params, slope), value

    return step


def is_float(array):
    return jnp.issubdtype(array.dtype, jnp.floating)


def check(step, params, symmetry, tolerance=1e-10):
    """Twins of every group at once, each against its whole tangent."""
    step, twins = everyday(step), {name: Twins(group, (0, 1)) for name, group in symmetry.items()}
    params, moves, apart = jax.jit(lambda params: tied_and_moved(params, twins), compiler_options=QUICK)(params)
    after, aux, found = jax.jit(lambda *at: Pushforward(step, at[0], twins)(*at), compiler_options=QUICK)(params, apart)
    expected, value = jax.jit(step, compiler_options=QUICK)(params)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10), after, expected)
    np.testing.assert_allclose(aux, value, rtol=1e-10)
    differences = jax.jit(lambda *at: whole_differences(step, *at, twins), compiler_options=QUICK)(params, moves)
    for name in twins:
        for one, other in zip(found[name][0], differences[name], strict=True):
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def tied_and_moved(params, twins):
    """Tied twins; a direction for each; and their differences in it."""
    for pair in twins.values():
        params = tie(params, pair.group, [pair.units])
    moves = {name: moved(params, twins, name) for name in twins}
    return params, moves, {name: [pair.difference(pair.arrays(moves[name]))] for name, pair in twins.items()}


def whole_differences(step, params, moves, twins):
    """Of twins in their own tangent after a step, in which all other twins are made equal."""
    found = {}
    for name, pair in twins.items():
        tangent = whole_tangent(step, params, moves[name])
        for other in (other for key, other in twins.items() if key != name):
            tangent = project(tangent, other.group, [other.units])
        found[name] = pair.difference(pair.arrays(tangent))
    return found


def whole_tangent(step, params, tangent):
    """That of the parameters after a step, by jax.jvp in all numbers that are no integers."""
    leaves, structure = jax.tree.flatten(params)
    moving = [place for place, leaf in enumerate(leaves) if is_float(leaf)]

    def of_moving(*moved):
        put = dict(zip(moving, moved, strict=True))
        return step(jax.tree.unflatten(structure, [put.get(place, leaf) for place, leaf in enumerate(leaves)]))[0]

    at, by = ([leaf for leaf in jax.tree.leaves(tree) if is_float(leaf)] for tree in (params, tangent))
    _, pushed = jax.jvp(of_moving, tuple(at), tuple(by))
    return jax.tree.map(lambda leaf, like: leaf if is_float(like) else jnp.zeros_like(like), pushed, params)


def moved(params, twins, name):
    others = [(pair.group, pair.units) for key, pair in twins.items() if key != name]
    return direction(params, twins[name].group, twins[name].units, jax.random.key(1), others)


def check_case(build):
    case = build()
    symmetry = discover(case.function, case.params, *case.inputs, outputs=case.outputs)
    check(descent(case.function, case.inputs, case.outputs), case.params, symmetry, 100 * case.rounding)


SOME = (
    *(plain.mlp, plain.shared_matrix, plain.recurrent, plain.fused_attention_split, plain.rotary_attention, plain.concatenated),
    *(plain.mapped_experts, plain.softmax_units, plain.branches, linen.experts_weighed, linen.swiglu),
)
UNDIFFERENTIABLE = (plain.iterated, plain.custom_vjp)  # backwards; forwards


@pytest.mark.parametrize("build", SOME, ids=lambda build: build.__name__)
def test_it_is_the_tangent_of_models_counted_by_hand(build):
    check_case(build)


@pytest.mark.slow
@pytest.mark.parametrize("build", [build for build in ALL if build not in (*SOME, *UNDIFFERENTIABLE)])
def test_it_is_the_tangent_in_the_whole_zoo(build):
    check_case(build)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 14))])
def test_it_is_the_tangent_of_networks_drawn_at_random(seed):
    made, random = network(seed), np.random.default_rng(seed)
    inputs = jnp.asarray(random.normal(size=(TOKENS, INPUTS)))
    check(descent(made, (inputs,)), made.params, discover(made, made.params, inputs))


@pytest.mark.parametrize("build", [plain.sorted_units, plain.fused_attention_by_head])
def test_where_nothing_is_proved_whole_arrays_are_followed(build):
    """Sorting names the first of equal units; and units that lie in places of which no product is made."""
    check_case(build)


def test_what_does_not_tell_twins_apart_is_not_followed():
    """In floating-point operations: a Jacobian-vector product of the whole step takes more than twice those of the step."""
    random, width = np.random.default_rng(0), 32
    shapes = {"w1": (20, width), "b1": (width,), "w2": (width, width), "b2": (width,), "w3": (width, 5)}
    params = {name: jnp.asarray(random.normal(size=shape)) for name, shape in shapes.items()}
    inputs = jnp.asarray(random.normal(size=(64, 20)))

    def function(params, x):
        hidden = jnp.tanh(x @ params["w1"] + params["b1"][None])
        return jnp.tanh(hidden @ params["w2"] + params["b2"][None]) @ params["w3"]

    step, symmetry = descent(function, (inputs,)), discover(function, params, inputs)
    twins = {name: Twins(group, (0, 1)) for name, group in symmetry.items()}
    params, moves, apart = jax.jit(lambda params: tied_and_moved(params, twins))(params)
    plainly = operations(step, params)
    assert len(twins) == 2
    assert operations(lambda params, apart: Pushforward(step, params, twins)(params, apart), params, apart) < 1.25 * plainly
    assert operations(lambda params, by: jax.jvp(lambda at: step(at)[0], (params,), (by,)), params, moves["w1"]) > 2 * plainly


def operations(function, *arguments):
    return jax.jit(function).lower(*arguments).compile().cost_analysis()["flops"]
