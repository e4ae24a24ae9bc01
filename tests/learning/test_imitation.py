"""Students that imitate a teacher: the task, its inputs, committees, and twins that are let go."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax import separation, sweep
from symmetry_jax.errors import InputError
from symmetry_jax.learning.committees import (
    ALL,
    GROUP,
    HIDDEN,
    WEIGHTS,
    alike,
    committee,
    isotropic,
    opposed,
    orthonormal,
    train,
    trained,
)
from symmetry_jax.learning.data.gaussian import gaussian, quantiles
from symmetry_jax.learning.imitation import imitation
from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.optimizers import sgd
from symmetry_jax.learning.process import State
from symmetry_jax.learning.ties import hold, part
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.curvature import erf_bias_curvature, spectrum
from symmetry_jax.measures.training import gradient_norm
from symmetry_jax.measures.transverse import log_growth, transverse
from symmetry_jax.sweeps.precision import cast
from symmetry_jax.symmetry.curvature import twin_curvature
from symmetry_jax.theory.opposed_unit import curvature
from symmetry_jax.theory.opposed_unit import quantiles as theory_quantiles

TWINS = {GROUP: (0, 1)}
NUMBERS = {
    "bias_scale": 0.5,
    "start_bias": -0.3,
    "start_weight": 0.6,
    "epsilon": 1e-3,
    "learning_rate": 0.3,
    "weight_decay": 0.0,
    "length": 2.5,
}


def hparams(dtype=jnp.float32, seed=3, **changes):
    return {"seed": jnp.int32(seed), **{name: jnp.asarray(value, dtype) for name, value in {**NUMBERS, **changes}.items()}}


def batches(lessons, size=8, seed=3):
    model, data = committee(2, jnp.tanh), cast(gaussian(32, 3), "float32")
    task = imitation(model, model, isotropic(2), size, lessons)
    return [task.batch(jax.tree.map(jnp.asarray, data), hparams(seed=seed), jnp.int32(step)) for step in (0, 1)]


def test_targets_are_the_outputs_of_the_teacher_and_the_loss_is_half_the_squared_error():
    student, teacher = MLP((5, 4), 1), committee(2, jnp.tanh)
    data = jax.tree.map(jnp.asarray, cast(gaussian(32, 3), "float32"))
    task = imitation(student, teacher, isotropic(2), 8, "full")
    batch = task.batch(data, hparams(), jnp.int32(0))
    params = jax.tree.map(np.asarray, isotropic(2)(hparams(), data.train.inputs)["params"])
    expected = np.tanh(np.asarray(batch.inputs) @ params[GROUP]["kernel"] + params[GROUP]["bias"]).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(batch.targets, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(batch.inputs, data.train.inputs)
    outputs = task.predict(student.init(jax.random.key(0), batch.inputs), batch.inputs)
    np.testing.assert_allclose(task.loss(outputs, batch.targets), np.mean((outputs - expected) ** 2) / 2, rtol=1e-5)


def test_inputs_are_drawn_as_they_are_asked_for():
    for lessons, same in (("per_seed", False), ("online", False), ("once", True), ("full", True)):
        first, second = batches(lessons)
        assert bool(jnp.array_equal(first.inputs, second.inputs)) is same
        assert len(first.inputs) == len(first.targets) == (32 if lessons == "full" else 8)
        np.testing.assert_array_equal(batches(lessons)[1].inputs, second.inputs)
    sample = np.asarray(gaussian(32, 3).train.inputs, np.float32)
    assert np.isin(batches("per_seed")[0].inputs, sample).all() and not np.isin(batches("online")[0].inputs, sample).any()
    assert not bool(jnp.array_equal(batches("once")[0].inputs, batches("once", seed=4)[0].inputs))
    fresh = np.concatenate([batch.inputs for batch in batches("online", size=4000)])
    np.testing.assert_allclose([fresh.mean(), fresh.std()], [0, 1], atol=0.03)
    with pytest.raises(InputError, match="batch_size=0: at least 1 example"):
        imitation(committee(2, jnp.tanh), committee(2, jnp.tanh), isotropic(2), 0, "online")
    with pytest.raises(InputError, match="unknown lessons 'typo': choose from per_seed, shared, full, once, online"):
        batches("typo")


def test_fixed_inputs_come_with_their_opposites():
    data = gaussian(100, 3)
    np.testing.assert_array_equal(data.train.inputs[:50], -data.train.inputs[50:])
    assert not np.isin(data.test.inputs, data.train.inputs).any() and data.shape == (3,)
    np.testing.assert_array_equal(gaussian(100, 3).train.inputs, data.train.inputs)
    points = quantiles(100).train.inputs[:, 0]
    np.testing.assert_allclose(points, -points[::-1], atol=1e-14)
    np.testing.assert_allclose(points, theory_quantiles(100).points, rtol=1e-15)
    for examples, inputs in ((0, 1), (3, 1), (2.0, 1), (4, 0)):
        with pytest.raises(InputError, match=r"even number from 2|inputs=0"):
            gaussian(examples, inputs)
    with pytest.raises(InputError, match="examples=5: an even number"):
        quantiles(5)


def test_committees_are_what_they_are_called():
    inputs = jnp.zeros((1, 4))
    ours = hparams()
    student = alike(3)(ours, inputs)["params"]
    np.testing.assert_allclose(jnp.linalg.norm(student[GROUP]["kernel"], axis=0), 0.6, rtol=1e-6)
    assert float(jnp.ptp(student[GROUP]["kernel"], axis=1).max()) == 0
    np.testing.assert_allclose(student[GROUP]["bias"], -0.3, rtol=1e-6)
    teacher = isotropic(3)(ours, inputs)["params"]
    np.testing.assert_allclose(jnp.linalg.norm(teacher[GROUP]["kernel"], axis=0), 1, rtol=1e-6)
    still = isotropic(3)(hparams(bias_scale=0.0), inputs)["params"]
    np.testing.assert_array_equal(still[GROUP]["kernel"], teacher[GROUP]["kernel"])
    assert jnp.all(still[GROUP]["bias"] == 0) and jnp.all(teacher[GROUP]["bias"] != 0)
    np.testing.assert_array_equal(opposed(3)(ours, inputs[:, :1])["params"][GROUP]["kernel"], [[1, 1, -2.5]])
    np.testing.assert_array_equal(orthonormal(3)(ours, inputs)["params"][GROUP]["kernel"], np.eye(4, 3))
    shapes = jax.tree.map(jnp.shape, committee(3, jnp.tanh).init(jax.random.key(0), inputs))
    assert jax.tree.map(jnp.shape, {"params": student}) == jax.tree.map(jnp.shape, {"params": teacher}) == shapes
    for units in (1, 2.0, "two"):
        with pytest.raises(InputError, match="a whole number from 2"):
            committee(units, jnp.tanh)


@pytest.mark.parametrize("arrays", [WEIGHTS, HIDDEN, ALL])
def test_only_what_is_named_is_trained(arrays):
    model, data = committee(2, jnp.tanh), jax.tree.map(jnp.asarray, cast(gaussian(32, 3), "float32"))
    process = descend(imitation(model, model, isotropic(2), 1, "full"), sgd, alike(2), rates=train(arrays))
    before = process.init(data, hparams())
    after, aux = process.step(before, data, hparams(), jnp.int32(0))
    moved = jax.tree.map(lambda old, new: bool(jnp.any(old != new)), before.variables, after.variables)["params"]
    assert {f"{layer}/{kind}" for layer, kinds in moved.items() for kind, yes in kinds.items() if yes} == set(arrays)
    norm = gradient_norm(train(arrays)).read(before, aux, data, hparams(), jnp.int32(0))
    squares = jax.tree.map(lambda old, new: jnp.sum(jnp.square(old - new)), before.variables, after.variables)
    np.testing.assert_allclose(norm * 0.3, np.sqrt(sum(map(float, jax.tree.leaves(squares)))), rtol=1e-4)
    group = trained(model.symmetry((3,)), arrays)[GROUP]
    assert {axis.role for axis in group.axes} == ({"fan-in"} if arrays == WEIGHTS else {"fan-in", "bias"})


def test_twins_are_let_go_where_another_program_ended():
    model, data = committee(3, jnp.tanh), jax.tree.map(jnp.asarray, cast(gaussian(32, 3), "float32"))
    process = descend(imitation(model, model, isotropic(3), 1, "full"), sgd, alike(3), rates=train(WEIGHTS))
    symmetry = trained(model.symmetry((3,)), WEIGHTS)
    apart = part(process, symmetry, TWINS)
    ended = State(jax.tree.map(lambda leaf: leaf + 1, process.init(data, hparams()).variables), memory=("of", "another"))
    begun = apart.init(data, hparams(), ended)
    distances = separation(begun.variables, model.symmetry((3,))[GROUP])
    np.testing.assert_allclose(distances[0], [0, 1e-3, 5e-4], rtol=1e-3)
    bias = begun.variables["params"][GROUP]["bias"]
    np.testing.assert_array_equal(bias, ended.variables["params"][GROUP]["bias"])
    assert jax.tree.structure(begun.memory) == jax.tree.structure(process.init(data, hparams()).memory)


@pytest.mark.parametrize("held", [True, False])
def test_the_exponent_of_a_tie_that_is_held_is_that_of_the_curvature(held):
    model, data, lengths = committee(3, jnp.tanh), quantiles(64), [1.0, 2.5, 5.0]
    task = imitation(model, model, opposed(3), 1, "full")
    symmetry = trained(model.symmetry(data.shape), WEIGHTS)
    process = transverse(descend(task, sgd, alike(3), rates=train(WEIGHTS)), symmetry, TWINS)
    process = hold(process, symmetry, {GROUP: [range(3)]}) if held else process
    measures = (
        log_growth(TWINS),
        spectrum("curvature", twin_curvature, task, symmetry, TWINS, when="ends"),
        erf_bias_curvature(task, model.symmetry((1,)), TWINS),
    )
    axes = {"seed": [0], "length": lengths, **{name: [value] for name, value in NUMBERS.items() if name != "length"}}
    axes |= {"bias_scale": [0.0], "start_bias": [0.0]}
    found = sweep(process, measures, axes, 60, data=data, precision="float64", records=3).squeeze(drop=True)
    expected = [curvature("tanh", 3, length, theory_quantiles(64)) for length in lengths]
    grown = found.log_growth.isel(step=-1) - found.log_growth.isel(step=1)
    np.testing.assert_allclose(grown / 30, np.log(1 - 0.3 * np.array(expected)), rtol=1e-6)
    np.testing.assert_allclose(found.curvature.sel(end="last", hessian="residual"), np.stack([expected] * 2, 1), rtol=1e-6)
