"""The transverse exponent, against twins that are apart and against the whole Jacobian."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from jax.flatten_util import ravel_pytree

from symmetry_jax import permute, sweep
from symmetry_jax.errors import InputError
from symmetry_jax.learning.breakers import flipped_labels, noisy_gradients, stochastic_rounding
from symmetry_jax.learning.data.digits import digits
from symmetry_jax.learning.models import ACTIVATIONS, CNN, MLP
from symmetry_jax.learning.optimizers import OPTIMIZERS
from symmetry_jax.learning.process import Process, State
from symmetry_jax.learning.schedules import SCHEDULES
from symmetry_jax.learning.starts import INITIALIZERS, draw, near_tied
from symmetry_jax.learning.tasks import classification
from symmetry_jax.learning.ties import hold
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.separation import twin_separation
from symmetry_jax.measures.training import first_nonfinite_step, minibatch_loss
from symmetry_jax.measures.transverse import log_growth, transverse
from symmetry_jax.sweeps.precision import cast
from symmetry_jax.symmetry.separation import difference
from symmetry_jax.symmetry.units import Symmetry, UnitAxis, UnitGroup, swap

DATA = digits()
AXES = {
    "seed": [0, 1],
    "epsilon": [1e-7],
    "learning_rate": [0.1],
    "weight_decay": [0.01],
    "momentum": [0.9],
    "beta1": [0.9],
    "beta2": [0.99],
    "adam_eps": [1e-6],
    "label_noise": [0.2],
    "drop_every": [7.0],
    "drop_factor": [0.5],
    "dropout": [0.2],
}
STEPS = 25
NOISE = (flipped_labels(10),)


def training(model, pairs, optimizer="sgd", breakers=NOISE, minibatches="per_seed", schedule="step"):
    """By default with minibatches, noise on labels, decay, and a schedule."""
    symmetry = model.symmetry(DATA.shape)
    start = near_tied(draw(model, INITIALIZERS["lecun"]), symmetry, pairs)
    task = classification(model, 16, minibatches)
    return symmetry, descend(task, OPTIMIZERS.get(optimizer, optimizer), start, SCHEDULES[schedule], breakers=breakers)


def grown(symmetry, process, pairs, data=DATA):
    """Log growth of twins that are apart, in float64: (seed, group, step)."""
    results = sweep(process, [twin_separation(symmetry, pairs)], AXES, STEPS, data=data, records=6, precision="float64")
    apart = results.separation.sel(part="orbit").squeeze(list(set(AXES) - {"seed"}))
    return np.log(apart / apart.isel(step=0)).transpose("seed", "group", "step").values


def followed(symmetry, process, pairs, directions=1, data=DATA):
    """Log growth of tangents, (seed, group, step, direction), and all else that was measured."""
    measures = [log_growth(pairs, directions), twin_separation(symmetry, pairs), minibatch_loss()]
    results = sweep(
        transverse(process, symmetry, pairs, directions),
        measures,
        {**AXES, "epsilon": [0.0]},
        STEPS,
        data=data,
        records=6,
        precision="float64",
    )
    growth = results.log_growth.squeeze(list(set(AXES) - {"seed"})).transpose("seed", "group", "step", "direction")
    return growth.values, results


def test_it_is_the_growth_of_twins_that_start_close():
    """Two pairs at once, in layers that share an array."""
    model, pairs = MLP((5, 4), 10, ACTIVATIONS["gelu"]), {"hidden_0": (1, 3), "hidden_1": (0, 1)}
    symmetry, process = training(model, pairs)
    expected = grown(symmetry, process, pairs)
    found, results = followed(symmetry, process, pairs)
    np.testing.assert_allclose(found[..., 0], expected, atol=2e-6)
    assert abs(expected[..., -1]).min() > 1e-3
    assert float(results.separation.max()) < 1e-13  # the twins themselves stay tied, but for rounding


@pytest.mark.parametrize(
    "optimizer", ["adam", *(pytest.param(name, marks=pytest.mark.slow) for name in OPTIMIZERS if name != "adam")]
)
def test_what_an_optimizer_remembers_is_followed_too(optimizer):
    model, pairs = MLP((4,), 10), {"hidden_0": (0, 1)}
    few = jax.tree.map(lambda array: array[:20], DATA)
    symmetry, process = training(model, pairs, optimizer, (), "full", "constant")
    found, _ = followed(symmetry, process, pairs, data=few)
    np.testing.assert_allclose(found[..., 0], grown(symmetry, process, pairs, few), atol=2e-6)


def downhill(direction):
    """An optax optimizer that subtracts, as one of ours."""
    return lambda hparams: optax.chain(direction, optax.scale(-1.0))


FORMS = {
    "copies of the parameters, in flat vectors": downhill(
        optax.flatten(optax.contrib.schedule_free(optax.sgd(0.1), 0.1, b1=0.9))
    ),
    "means of rows": downhill(optax.adafactor(0.01, min_dim_size_to_factor=2)),
    "a number of earlier steps": lambda hparams: optax.scale_by_lbfgs(3),
}


@pytest.mark.parametrize(
    "form",
    ["copies of the parameters, in flat vectors", *(pytest.param(one, marks=pytest.mark.slow) for one in list(FORMS)[1:])],
)
def test_what_is_remembered_is_followed_in_whatever_form(form):
    model, pairs = MLP((4,), 10), {"hidden_0": (0, 1)}
    few = jax.tree.map(lambda array: array[:20], DATA)
    symmetry, process = training(model, pairs, FORMS[form], (), "full", "constant")
    found, _ = followed(symmetry, process, pairs, data=few)
    expected = grown(symmetry, process, pairs, few)
    np.testing.assert_allclose(found[..., 0], expected, atol=2e-6)
    assert abs(expected[..., -1]).min() > 1e-4


@pytest.mark.slow
def test_filters_of_a_convolution():
    model, pairs = CNN((3, 4), 10, (2, 2)), {"conv_0": (0, 1), "conv_1": (0, 1)}
    symmetry, process = training(model, pairs, "adam")
    found, _ = followed(symmetry, process, pairs)
    np.testing.assert_allclose(found[..., 0], grown(symmetry, process, pairs), atol=2e-6)


@pytest.mark.slow
def test_units_that_are_normalised_while_others_are_dropped():
    model, pairs = MLP((3, 4), 10, batch_norm=True, dropped=("inputs", "hidden_1")), {"hidden_0": (0, 1)}
    symmetry, process = training(model, pairs)
    found, _ = followed(symmetry, process, pairs)
    np.testing.assert_allclose(found[..., 0], grown(symmetry, process, pairs), atol=2e-6)
    with pytest.raises(InputError, match="cannot be followed: dropout gives each unit a mask of its own"):
        transverse(process, symmetry, {"hidden_1": (0, 1)})


@pytest.mark.slow
def test_training_goes_on_as_if_nobody_followed():
    model, pairs = MLP((4,), 10), {"hidden_0": (0, 1)}
    symmetry, process = training(model, pairs, "adamw")
    alone = sweep(process, [minibatch_loss()], {**AXES, "epsilon": [0.0]}, STEPS, data=DATA, records=6, precision="float64")
    _, results = followed(symmetry, process, pairs)
    np.testing.assert_allclose(results.loss, alone.loss, rtol=1e-12)


def one_run(process, symmetry, pairs, steps):
    """The flat states of one run of tied twins, and the Jacobians of its steps, by jax.jacfwd of everything."""
    hparams = {name: jnp.asarray(values[0]) for name, values in AXES.items()} | {"epsilon": jnp.zeros(()), "seed": jnp.int32(1)}
    data = jax.tree.map(jnp.asarray, cast(DATA, "float64"))
    state = jax.jit(process.init)(data, hparams)
    whole = (state.variables, jax.tree.map(lambda leaf: jnp.asarray(leaf, float), state.memory))
    vector, structure = ravel_pytree(whole)

    @jax.jit
    def advance(theta, step):
        variables, memory = structure(theta)
        memory = jax.tree.map(lambda leaf, like: leaf.astype(like.dtype), memory, state.memory)
        after, _ = process.step(State(variables, memory), data, hparams, step)
        return ravel_pytree((after.variables, jax.tree.map(lambda leaf: jnp.asarray(leaf, float), after.memory)))[0]

    jacobian = jax.jit(jax.jacfwd(advance))
    for step in range(steps):
        yield vector, structure, np.asarray(jacobian(vector, jnp.int32(step)))
        vector = advance(vector, jnp.int32(step))


@pytest.mark.usefixtures("float64")
def test_a_tangent_stays_antisymmetric_without_being_held():
    model, pairs = MLP((3,), 10), {"hidden_0": (0, 1)}
    symmetry, process = training(model, pairs, "momentum")
    group = symmetry["hidden_0"]
    tangent = None
    for vector, structure, jacobian in one_run(process, symmetry, pairs, 20):
        places = permute(structure(jnp.arange(len(vector), dtype=float)), group.within(structure(vector)), swap(group, 0, 1))
        exchange = np.asarray(ravel_pytree(places)[0], int)
        if tangent is None:
            drawn = np.random.default_rng(0).normal(size=vector.shape)
            tangent = drawn - drawn[exchange]
        tangent = jacobian @ tangent
        tangent = tangent / np.linalg.norm(tangent)
    assert np.linalg.norm(tangent + tangent[exchange]) < 1e-13


@pytest.mark.usefixtures("float64")
def test_several_directions_are_those_of_the_whole_jacobian():
    """Products of whole Jacobians, brought back to orthonormal columns by LAPACK."""
    model, pairs, directions = MLP((3,), 10), {"hidden_0": (0, 2)}, 3
    symmetry, process = training(model, pairs, "momentum")
    follow = transverse(process, symmetry, pairs, directions)
    hparams = {name: jnp.asarray(values[0]) for name, values in AXES.items()} | {"epsilon": jnp.zeros(()), "seed": jnp.int32(1)}
    data = jax.tree.map(jnp.asarray, cast(DATA, "float64"))
    state, advance = jax.jit(follow.init)(data, hparams), jax.jit(follow.step)
    columns, logs = None, np.zeros(directions)
    for step, (vector, structure, jacobian) in enumerate(one_run(process, symmetry, pairs, 8)):

        def apart(flat, structure=structure):
            return difference(structure(flat)[0], symmetry["hidden_0"], pairs["hidden_0"])

        project = np.asarray(jax.jit(jax.jacobian(apart))(vector))
        if columns is None:
            # what is trained comes before the same in momentum
            starts = [np.concatenate(tangent[: len(tangent) // 2]) for tangent in state.memory.tangents["hidden_0"]]
            np.testing.assert_allclose(np.array(starts) @ np.array(starts).T, np.eye(directions), atol=1e-12)
            columns = project.T @ np.array(starts).T / 2
        columns = jacobian @ columns
        _, triangle = np.linalg.qr(project @ columns)
        logs += np.log(abs(np.diag(triangle)))
        columns = columns @ np.linalg.inv(triangle)
        state, _ = advance(state, data, hparams, jnp.int32(step))
    np.testing.assert_allclose(state.memory.log_growth["hidden_0"], logs, atol=1e-9)


def test_any_process_and_a_difference_that_vanishes():
    """theta' = factor theta: growth is the factor, and where it is 0 nothing is left, which is no divergence.

    What is remembered stays as it was, and counts for nothing.
    """
    group = UnitGroup("unit", 2, (UnitAxis("w", 0, "fan-in"),))
    symmetry, pairs = Symmetry((group,)), {"unit": (0, 1)}

    def init(data, hparams, previous=None):
        return State({"w": jnp.ones((2, 3))}, {"first": {"w": jnp.ones((2, 3))}, "later": {"w": jnp.ones((2, 3))}})

    def step(state, data, hparams, step):
        later = {"w": state.variables["w"]}
        return State({"w": hparams["factor"] * state.variables["w"]}, {**state.memory, "later": later}), ()

    process = transverse(Process(init, step), symmetry, pairs)
    results = sweep(
        process, [log_growth(pairs), first_nonfinite_step()], {"seed": [0], "factor": [0.0, 0.5, 2.0]}, 10, records=3
    )
    growth = results.log_growth.squeeze(["seed", "group", "direction"]).transpose("factor", "step")
    np.testing.assert_allclose(growth.sel(factor=[0.5, 2]), np.outer(np.log([0.5, 2]), [0, 5, 10]), rtol=1e-6)
    np.testing.assert_array_equal(growth.sel(factor=0), [0, -np.inf, -np.inf])
    assert (results.first_nonfinite_step == -1).all()


@pytest.mark.parametrize(
    "breaker, reason", [(noisy_gradients(), "gives each unit noise of its own"), (stochastic_rounding(), "has no derivative")]
)
def test_what_cannot_be_followed_is_refused_with_the_reason(breaker, reason):
    pairs = {"hidden_0": (0, 1)}
    symmetry, process = training(MLP((3,), 10), pairs, breakers=(*NOISE, breaker))
    with pytest.raises(InputError, match=f"the transverse exponent cannot be followed: .*{reason}"):
        transverse(process, symmetry, pairs)


AMONG = Symmetry((UnitGroup("unit", 2, (UnitAxis("w", 0, "fan-in"), UnitAxis("w", 1, "fan-out"))),))
ROWS = Symmetry((UnitGroup("unit", 2, (UnitAxis("w", 0, "fan-in"),)),))
UNIT = {"unit": (0, 1)}
INPUTS, TARGETS = np.random.default_rng(0).normal(size=(2, 8, 3))


def slope(w):
    """The gradient of how badly sums of bent products of rows (2, 3) and inputs fit targets."""
    return jax.grad(lambda w: jnp.sum((jnp.tanh(INPUTS @ w.T).sum(1) - TARGETS[:, 0]) ** 2))(w)


def masked(seen, w):
    """What is remembered is a mask of each row's own, which is tied with it."""
    return seen, w - 0.01 * jnp.where(seen, slope(w), 0)


def towards_a_copy(seen, w):
    """What is remembered starts as a copy of the rows."""
    return 0.9 * seen + 0.1 * w, w - 0.01 * slope(w) - 0.3 * (w - seen) ** 3 - 0.1 * jnp.sin(seen)


def by_their_size(seen, w):
    """What is remembered is a number, of all rows together."""
    return 0.9 * seen + 0.1 * jnp.sum(w**2), w - 0.01 * seen * slope(w)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "remembers, move",
    [
        (lambda w: jnp.asarray([[True, False, True], [False, True, True]]), masked),
        (lambda w: w, towards_a_copy),
        (lambda w: jnp.sum(w**2), by_their_size),
    ],
)
def test_the_start_of_what_is_remembered_is_that_of_tied_twins(remembers, move):
    """Also where `init` goes on from nothing: against the whole Jacobian of what becomes of the variables."""

    def init(data, hparams, previous=None):
        w = jax.random.normal(jax.random.fold_in(jax.random.key(0), hparams["seed"]), (2, 3))
        return State({"w": w}, remembers(w))

    def step(state, data, hparams, step):
        seen, w = move(state.memory, state.variables["w"])
        return State({"w": w}, seen), ()

    process, hparams = Process(init, step), {"seed": jnp.int32(3)}
    follow = transverse(process, ROWS, UNIT)
    state = jax.jit(follow.init)((), hparams)
    start = state.memory.tangents["unit"][0][0]

    def end(w):
        seen = remembers(w) if move is not masked else jnp.asarray([[True, False, True]] * 2)
        for _ in range(5):
            seen, w = move(seen, w)
        return w

    _, apart = jax.jit(lambda w, by: jax.jvp(end, (w,), (by,)))(state.variables["w"], jnp.stack([start, -start]) / 2)
    for number in range(5):
        state, _ = jax.jit(follow.step)(state, (), hparams, jnp.int32(number))
    expected = np.log(np.linalg.norm(apart[0] - apart[1]))
    np.testing.assert_allclose(state.memory.log_growth["unit"], [expected], atol=1e-12)
    assert abs(expected) > 1e-3


def flattened(state, data, hparams, step):
    total = state.memory + (state.variables["w"] @ jnp.tanh(state.variables["w"])).ravel()
    return State({"w": total.reshape(2, 2)}, total), ()


def ordered(state, data, hparams, step):
    total = state.memory + jnp.sort(state.variables["w"], axis=0).ravel()
    return State({"w": total.reshape(2, 2)}, total), ()


@pytest.mark.parametrize(
    "symmetry, step, start, message",
    [
        (
            AMONG,
            flattened,
            State({"w": np.ones((2, 2))}, np.zeros(4)),
            "memory: axis 0 holds weights between the units of 'unit'",
        ),
        (
            ROWS,
            ordered,
            State({"w": np.ones((2, 2))}, np.zeros(4)),
            r"memory: an array of shape \(4,\) is not named and shaped",
        ),
    ],
)
def test_what_holds_units_in_a_form_that_is_not_known_is_refused(symmetry, step, start, message):
    """Flattened weights among units; a step that names the first of equal units."""
    process = Process(lambda data, hparams, previous=None: jax.tree.map(jnp.asarray, start), step)
    with pytest.raises(InputError, match=message):
        sweep(transverse(process, symmetry, UNIT), [log_growth(UNIT)], {"seed": [0]}, 2)


def test_ties_are_held_after_following():
    pairs = {"hidden_0": (0, 1)}
    symmetry, process = training(MLP((3,), 10), pairs)
    with pytest.raises(InputError, match="ties are held after each step"):
        transverse(hold(process, symmetry, {"hidden_0": [(0, 1)]}), symmetry, pairs)


def test_directions_that_cannot_be():
    pairs = {"hidden_0": (0, 1)}
    symmetry, process = training(MLP((3,), 10), pairs)
    with pytest.raises(InputError, match="directions=0: at least 1"):
        transverse(process, symmetry, pairs, 0)
    with pytest.raises(InputError, match="directions=76: at most 75, the numbers of a unit of hidden_0"):
        followed(symmetry, process, pairs, 76)
