"""Signs and scales of units: those that were counted by hand are found, and nothing that is found is false."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from symmetry_jax import Charges, Symmetry, UnitAxis, UnitGroup, discover, permute, rescale, verify
from symmetry_jax.learning.models import ACTIVATIONS as ACTIVATIONS_OF_OURS
from symmetry_jax.learning.models import CNN
from tests.symmetry.discovery.zoo import ALL

pytestmark = pytest.mark.usefixtures("float64")

ROUNDING = 1e-9


def drawn(seed=1, **shapes):
    random = np.random.default_rng(seed)
    return {name: jnp.asarray(random.normal(size=shape)) for name, shape in shapes.items()}


def powers(charges):
    """The exponent for each array, and for each range of one that does not start with the units."""
    places = [(axis.path, axis.start) if axis.start else axis.path for axis in charges.axes]
    return dict(zip(places, charges.exponents, strict=True))


def holds(function, params, *inputs):
    """The signs and the scales of each group, after multiplying units at random: alike in all sets, and in each by itself."""
    random = np.random.default_rng(0)
    symmetry = discover(function, params, *inputs)
    evaluate = jax.jit(function)
    before = evaluate(params, *inputs)
    for group in symmetry.values():
        for sizes in {(group.size,), (*(outer.size for outer in group.inside), group.size)}:
            for charges in group.signs:
                assert_same(before, evaluate(rescale(params, group, charges, random.choice([-1.0, 1.0], sizes)), *inputs))
            for charges in group.scales:
                assert_same(before, evaluate(rescale(params, group, charges, random.uniform(0.3, 3, sizes)), *inputs))
    return {name: ([*map(powers, group.signs)], [*map(powers, group.scales)]) for name, group in symmetry.items()}


def assert_same(one, other):
    """Up to rounding, relative to the largest entry of each array."""
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        a, b = np.asarray(a, complex), np.asarray(b, complex)
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
        np.testing.assert_allclose(a, b, rtol=ROUNDING, atol=ROUNDING * np.max(abs(np.nan_to_num(a)), initial=1))


def assert_spans(found, expected, modulo):
    """The found exponents are a basis of what the expected ones span, over the integers modulo 2 or over the rationals."""
    names = sorted({name for vector in [*found, *expected] for name in vector}, key=str)
    ranks = [
        rank(np.array([[vector.get(name, 0) for name in names] for vector in vectors], float), modulo)
        for vectors in (found, expected, [*found, *expected])
        if vectors
    ]
    assert len(found) == len(expected) and set(ranks) <= {len(found)}, (found, expected)


def rank(matrix, modulo):
    rows, number = matrix.copy(), 0
    for column in range(rows.shape[1]):
        pivots = [row for row in range(number, len(rows)) if rows[row, column] != 0]
        if pivots:
            rows[[number, pivots[0]]] = rows[[pivots[0], number]]
            others = np.arange(len(rows)) != number
            rows[others] -= np.outer(rows[others, column] / rows[number, column], rows[number])
            rows = rows % 2 if modulo else np.where(abs(rows) < 1e-12, 0, rows)
            number += 1
    return number


X = np.random.default_rng(2).normal(size=(5, 3))
MLP = {"w": (3, 4), "b": 4, "v": (4, 2)}
ODD, FAN_IN = {"w": 1, "b": 1, "v": 1}, {"w": 1, "b": 1}


def by(power):
    return {"w": 1, "b": 1, "v": -power}


# the signs and the scales of units with each activation
ACTIVATIONS = {
    "tanh": (jnp.tanh, [ODD], []),
    "sin": (jnp.sin, [ODD], []),
    "erf": (jax.scipy.special.erf, [ODD], []),
    "softsign": (jax.nn.soft_sign, [ODD], []),
    "tan of sinh of arctan": (lambda h: jnp.tan(jnp.sinh(jnp.arctan(h)) / 9), [ODD], []),
    "cube": (lambda h: h**3, [ODD], [by(3)]),
    "cube root": (jnp.cbrt, [ODD], [{"w": 3, "b": 3, "v": -1}]),
    "linear": (lambda h: h, [ODD], [by(1)]),
    "odd polynomial": (lambda h: h**3 - 2 * h, [ODD], []),
    "cosine": (jnp.cos, [FAN_IN], []),
    "hyperbolic cosine": (lambda h: jnp.cosh(h), [FAN_IN], []),
    "absolute value": (jnp.abs, [FAN_IN], [by(1)]),
    "square": (jnp.square, [FAN_IN], [by(2)]),
    "product with itself": (lambda h: h * h, [FAN_IN], [by(2)]),
    "fourth power": (lambda h: h**4, [FAN_IN], [by(4)]),
    "inverse square": (lambda h: h**-2, [FAN_IN], [by(-2)]),
    "even polynomial": (lambda h: h**4 - h**2 + 1, [FAN_IN], []),
    "square root of size": (lambda h: jnp.sqrt(jnp.abs(h)), [FAN_IN], [{"w": 2, "b": 2, "v": -1}]),
    "power of size": (lambda h: jnp.abs(h) ** 1.5, [FAN_IN], [{"w": 2, "b": 2, "v": -3}]),
    "sign": (jnp.sign, [ODD], [FAN_IN]),
    "sign by size": (lambda h: jnp.sign(h) * jnp.abs(h), [ODD], [by(1)]),
    "divided by its size": (lambda h: h / jnp.abs(h), [ODD], [FAN_IN]),
    "divided by itself": (lambda h: h / h, [], [FAN_IN]),
    "inverse": (lambda h: 1 / h, [], [by(-1)]),
    "relu": (jax.nn.relu, [], [by(1)]),
    "relu by choice": (lambda h: jnp.where(h > 0, h, 0), [], [by(1)]),
    "relu as a product": (lambda h: h * (h > 0).astype(h.dtype), [], [by(1)]),
    "leaky relu": (jax.nn.leaky_relu, [], [by(1)]),
    "squared relu": (lambda h: jax.nn.relu(h) ** 2, [], [by(2)]),
    "step": (lambda h: (h >= 0).astype(h.dtype), [], [FAN_IN]),
    "larger of both": (lambda h: jnp.maximum(h, -2 * h), [], [by(1)]),
    "relu capped": (jax.nn.relu6, [], []),
    "relu of a constant": (lambda h: jnp.maximum(h, 0.5), [], []),
    "relu shifted": (lambda h: jax.nn.relu(h) + 1, [], []),
    "relu from another threshold": (lambda h: jnp.where(h > 0.5, h, 0), [], []),
    "a constant chosen": (lambda h: jnp.where(h > 0, h, 0.5), [], []),
    "tanh shifted": (lambda h: jnp.tanh(h) + 0.5, [], []),
    "tanh of a shift": (lambda h: jnp.tanh(h + 0.5), [], []),
    "gelu": (jax.nn.gelu, [], []),
    "silu": (jax.nn.silu, [], []),
    "sigmoid": (jax.nn.sigmoid, [], []),
    "softplus": (jax.nn.softplus, [], []),
    "elu": (jax.nn.elu, [], []),
    "exponential": (jnp.exp, [], []),
    "rounded down": (jnp.floor, [], []),
    "remainder": (lambda h: jnp.fmod(h, 1.0), [], []),
    "to integers and back": (lambda h: h.astype(int).astype(h.dtype), [], []),
    "compared with another unit's bound": (lambda h: h * (h > jnp.mean(h, axis=1, keepdims=True)).astype(h.dtype), [], []),
    "a unit with two powers": (lambda h: h + h**2, [], []),
}
if hasattr(jax.lax, "one_minus_square"):  # since jax 0.11.2, in the derivative of tanh
    ACTIVATIONS["one minus square"] = (jax.lax.one_minus_square, [FAN_IN], [])


@pytest.mark.parametrize(("activation", "signs", "scales"), ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_activations(activation, signs, scales):
    found = holds(lambda p, x: activation(x @ p["w"] + p["b"][None]) @ p["v"], drawn(**MLP), X)
    assert found == {"w": (signs, scales)}


def total(values):
    return jnp.sum(jnp.sin(values))


def hidden(p):
    return X @ p["w"] + p["b"][None]


def normalised(h, axis, epsilon=1e-3):
    return (h - jnp.mean(h, axis, keepdims=True)) * lax.rsqrt(jnp.var(h, axis, keepdims=True) + epsilon)


def state_by_state(step):
    """The last state of a recurrent network that starts with zeros."""
    return lambda p: lax.scan(lambda h, x: (step(p, h, x), None), jnp.zeros(4), jnp.asarray(X))[0] @ p["v"]


def repeated(p):
    def step(carried):
        number, h = carried
        return number + 1, h + p["w"] * p["b"]

    return lax.while_loop(lambda carried: carried[0] < 3, step, (0, jnp.zeros(4)))[1] @ p["v"]


def swapped(p):
    """Two units' states change places at every step."""
    start = (p["w"], p["b"])
    a, b = lax.scan(lambda carried, _: (carried[::-1], None), start, None, length=3)[0]
    return total(a) + b @ p["v"]


def fused(p):
    gate, up = jnp.split(X @ p["w"], 2, axis=1)
    return (jax.nn.sigmoid(gate) * up) @ p["v"]


def fused_with_other_powers(p):
    """Three ranges of the same units: in one matrix, with a charge each."""
    a, b, c = (X @ p["w"])[:, :4], (X @ p["w"])[:, 4:8], (X @ p["w"])[:, 8:]
    return (a**2 * jnp.tanh(b) * jax.nn.relu(c)) @ p["v"]


def written_into(p):
    kept = lax.dynamic_update_slice(jnp.zeros((5, 4)), (X @ p["w"])[:2], (1, 0))
    return kept @ p["v"]


def written_over(p):
    kept = lax.dynamic_update_slice(jnp.ones((5, 4)), (X @ p["w"])[:2], (1, 0))
    return kept @ p["v"]


@jax.custom_jvp
def clipped(h):
    return jnp.sign(h)


clipped.defjvp(lambda given, tangents: (clipped(given[0]), tangents[0]))

V = {"v": (4, 2)}
PAIR = {"w": (3, 4), "u": (3, 4), **V}
OUT = {"w": 1, "v": 1}
OUT_SCALE = {"w": 1, "v": -1}
# the function, the shapes of its parameters, and the signs and the scales of the units of its group of 4
PROGRAMS = {
    # products of units with units
    "gram matrix": (lambda p: total(p["w"].T @ p["w"]), {"w": (3, 4)}, [], []),
    "gram matrix of one vector": (lambda p: total(jnp.outer(p["b"], p["b"])), {"b": 4}, [], []),
    "each with each, summed twice": (lambda p: total(jnp.einsum("u,v,u->v", p["b"], p["b"], p["a"])), {"a": 4, "b": 4}, [], []),
    "quadratic form": (lambda p: total(p["b"] @ p["m"] @ p["b"]), {"b": 4, "m": (4, 4)}, [], []),
    "both ways through one matrix": (lambda p: X @ p["w"] @ p["w"].T, {"w": (3, 4)}, [{"w": 1}], []),
    "both ways through a bent one": (lambda p: jax.nn.relu(X @ p["w"]) @ p["w"].T, {"w": (3, 4)}, [], []),
    "two inputs through one matrix": (lambda p: total((X @ p["w"]) @ (X**2 @ p["w"]).T), {"w": (3, 4)}, [{"w": 1}], []),
    "two matrices that meet": (lambda p: total((X @ p["w"]) @ (X @ p["u"]).T), PAIR, [{"w": 1, "u": 1}], [{"w": 1, "u": -1}]),
    "ratios of units": (lambda p: total(p["b"][:, None] / p["b"][None]), {"b": 4}, [], []),
    "differences of units": (lambda p: total(p["b"][:, None] - p["b"][None]), {"b": 4}, [], []),
    "units in order": (lambda p: total((p["b"][:, None] > p["b"][None]).astype(float) * p["m"]), {"b": 4, "m": (4, 4)}, [], []),
    "equal units": (lambda p: total((p["b"][:, None] == p["b"][None]).astype(float)), {"b": 4}, [], []),
    "larger of two units": (lambda p: total(jnp.maximum(p["b"][:, None], p["b"][None])), {"b": 4}, [], []),
    "one of two units": (lambda p: total(jnp.where(X[0, 0] > 0, p["b"][:, None], p["b"][None])), {"b": 4}, [], []),
    "a matrix used twice": (lambda p: jnp.tanh(X @ p["w"]) @ p["v"] + total(X @ p["w"]), MLP, [], []),
    "a matrix used in two powers": (lambda p: (X @ p["w"]) @ p["v"] + ((X @ p["w"]) ** 3) @ p["v"], MLP, [OUT], []),
    # sums with constants and with other charges
    "constants along units": (lambda p: (X @ p["w"] + np.full((1, 4), 0.5)) @ p["v"], MLP, [], []),
    "zeros along units": (lambda p: (X @ p["w"] + jnp.zeros((5, 4))) @ p["v"], MLP, [OUT], [OUT_SCALE]),
    "known zeros along units": (lambda p: jnp.maximum(X @ p["w"], np.float64(0)) @ p["v"], MLP, [], [OUT_SCALE]),
    "summands with other charges": (lambda p: (jnp.tanh(X @ p["w"]) + (X @ p["u"]) ** 2) @ p["v"], PAIR, [{"u": 1}], []),
    "summands that share a charge": (
        lambda p: (X @ p["w"] + jnp.abs(X @ p["u"])) @ p["v"],
        PAIR,
        [{"u": 1}],
        [{"w": 1, "u": 1, "v": -1}],
    ),
    "a gate": (lambda p: (jax.nn.silu(X @ p["w"]) * (X @ p["u"])) @ p["v"], PAIR, [{"u": 1, "v": 1}], [{"u": 1, "v": -1}]),
    "a gate by sign": (
        lambda p: jnp.where(X @ p["w"] > 0, X @ p["u"], 0.0) @ p["v"],
        PAIR,
        [{"u": 1, "v": 1}],
        [{"w": 1}, {"u": 1, "v": -1}],
    ),
    "a gate by comparison": (
        lambda p: jnp.where(X @ p["w"] > X @ p["u"], 1.0, 0.0) @ p["v"],
        PAIR,
        [],
        [{"w": 1, "u": 1}],
    ),
    "a parameter compared with a number": (lambda p: jnp.where(p["w"] > 0.5, p["w"], 0.0).sum(0) @ p["v"], MLP, [], []),
    "a parameter compared with itself": (lambda p: jnp.where(p["w"] == p["w"], p["w"], 7.0).sum(0) @ p["v"], MLP, [], []),
    "not compared at all": (lambda p: jnp.where(X[:, :1] > 0, X @ p["w"], 0.0) @ p["v"], MLP, [OUT], [OUT_SCALE]),
    # norms
    "layer norm over units": (lambda p: normalised(hidden(p), 1) @ p["v"], MLP, [], []),
    "batch norm with epsilon": (lambda p: normalised(X @ p["w"], 0) @ p["v"], MLP, [OUT], []),
    "batch norm without epsilon": (lambda p: normalised(X @ p["w"], 0, 0.0) @ p["v"], MLP, [OUT], [{"w": 1}]),
    "batch norm, gain and shift": (
        lambda p: jnp.tanh(normalised(X @ p["w"], 0) * p["g"][None] + p["b"][None]) @ p["v"],
        {**MLP, "g": 4},
        [{"w": 1, "g": 1}, {"g": 1, "b": 1, "v": 1}],
        [],
    ),
    "running statistics": (
        lambda p: jax.nn.relu((X @ p["w"] - p["mean"]) / jnp.sqrt(p["var"] ** 2 + 1e-3) * p["g"][None]) @ p["v"],
        {**MLP, "mean": (1, 4), "var": (1, 4), "g": 4},
        [{"w": 1, "mean": 1, "g": 1}, {"var": 1}],
        [{"w": 1, "mean": 1, "v": -1}, {"g": 1, "v": -1}],
    ),
    "running statistics without epsilon": (
        lambda p: jnp.tanh((X @ p["w"] - p["mean"]) / jnp.sqrt(p["var"] ** 2)) @ p["v"],
        {**MLP, "mean": (1, 4), "var": (1, 4)},
        [{"w": 1, "mean": 1, "v": 1}, {"var": 1}],
        [{"w": 1, "mean": 1, "var": 1}],
    ),
    "weights normalised": (
        lambda p: jax.nn.relu(X @ (p["w"] / jnp.sqrt(jnp.sum(p["w"] ** 2, 0, keepdims=True)) * p["g"][None])) @ p["v"],
        {**MLP, "g": 4},
        [{"w": 1, "g": 1}],
        [{"w": 1}, {"g": 1, "v": -1}],
    ),
    "weights normalised with epsilon": (
        lambda p: jax.nn.relu(X @ (p["w"] / jnp.sqrt(jnp.sum(p["w"] ** 2, 0, keepdims=True) + 1e-3))) @ p["v"],
        MLP,
        [],
        [],
    ),
    # over units
    "largest unit": (lambda p: total(jnp.max(hidden(p), axis=1)), MLP, [], []),
    "sum of units": (lambda p: total(jnp.sum(hidden(p), axis=1)), MLP, [], []),
    "product of units": (lambda p: total(jnp.prod(hidden(p), axis=1)), MLP, [], []),
    "sorted units": (lambda p: jnp.sort(hidden(p), axis=1), MLP, [], []),
    "norm of units": (lambda p: total(jnp.linalg.norm(hidden(p), axis=1)), MLP, [FAN_IN], []),
    "softmax of units": (lambda p: jax.nn.softmax(hidden(p), axis=1) @ p["v"], MLP, [], []),
    "place of the largest unit": (lambda p: p["v"][jnp.argmax(hidden(p), axis=1)], MLP, [], []),
    "largest input of each unit": (lambda p: jnp.max(X @ p["w"], axis=0) @ p["v"], MLP, [], [OUT_SCALE]),
    "inputs sorted for each unit": (lambda p: jnp.sort(X @ p["w"], axis=0) @ p["v"], MLP, [], [OUT_SCALE]),
    "place of each unit's largest input": (
        lambda p: jnp.argmax(X @ p["w"], axis=0).astype(float) @ p["v"],
        MLP,
        [],
        [{"w": 1}],
    ),
    "product over inputs": (lambda p: jnp.prod(X @ p["w"], axis=0) @ p["v"], MLP, [], []),
    "summed up over inputs": (lambda p: jnp.cumsum(X @ p["w"], axis=0) @ p["v"], MLP, [OUT], [OUT_SCALE]),
    # moved, joined, cut
    "padded with zeros": (lambda p: jnp.pad(X @ p["w"], ((1, 0), (0, 0))) @ p["v"], MLP, [OUT], [OUT_SCALE]),
    "padded with ones": (lambda p: jnp.pad(X @ p["w"], ((1, 0), (0, 0)), constant_values=1) @ p["v"], MLP, [], []),
    "padded with negative infinity": (
        lambda p: lax.reduce_window(X @ p["w"], -jnp.inf, lax.max, (2, 1), (1, 1), "SAME") @ p["v"],
        MLP,
        [],
        [OUT_SCALE],
    ),
    "units beside units that are padded": (
        lambda p: jnp.pad(X @ p["w"], ((0, 0), (0, 4))) @ jnp.concatenate([p["v"], p["v"] ** 2]),
        MLP,
        [OUT],
        [],  # zeros that are padded are not known to have any charge
    ),
    "joined with their squares": (
        lambda p: jnp.concatenate([X @ p["w"], (X @ p["w"]) ** 2], axis=1) @ jnp.concatenate([p["v"], p["u"]]),
        {**MLP, "u": (4, 2)},
        [OUT],
        [{"w": 1, "v": -1, "u": -2}],
    ),
    "joined along inputs": (lambda p: jnp.concatenate([X @ p["w"], (X @ p["w"]) ** 2]) @ p["v"], MLP, [], []),
    "joined with ones": (lambda p: jnp.concatenate([X @ p["w"], jnp.ones((1, 4))]) @ p["v"], MLP, [], []),
    "joined with zeros": (lambda p: jnp.concatenate([X @ p["w"], jnp.zeros((1, 4))]) @ p["v"], MLP, [OUT], [OUT_SCALE]),
    "stacked": (
        lambda p: jnp.stack([X @ p["w"], -(X @ p["u"])]) @ p["v"],
        PAIR,
        [{"w": 1, "u": 1, "v": 1}],
        [{"w": 1, "u": 1, "v": -1}],
    ),
    "written into zeros": (written_into, MLP, [OUT], [OUT_SCALE]),
    "written over ones": (written_over, MLP, [], []),
    "fused gate": (fused, {"w": (3, 8), **V}, [{("w", 4): 1, "v": 1}], [{("w", 4): 1, "v": -1}]),
    "fused, three powers": (
        fused_with_other_powers,
        {"w": (3, 12), **V},
        [{"w": 1}, {("w", 4): 1, "v": 1}],
        [{"w": 1, "v": -2}, {("w", 8): 1, "v": -1}],
    ),
    "an output is not counted by its units": (lambda p: hidden(p)[:, :2], MLP, None, None),
    # loops and branches
    "recurrent tanh": (
        state_by_state(lambda p, h, x: jnp.tanh(x @ p["w"] + p["b"] * h)),
        MLP,
        [{"w": 1, "v": 1}],
        [],
    ),
    "recurrent relu": (
        state_by_state(lambda p, h, x: jax.nn.relu(x @ p["w"] + p["b"] ** 2 * h)),
        MLP,
        [{"b": 1}],
        [OUT_SCALE],
    ),
    "recurrent with a constant": (state_by_state(lambda p, h, x: jnp.tanh(x @ p["w"]) + 0.1 + h), MLP, [], []),
    "recurrent through a full matrix": (
        state_by_state(lambda p, h, x: jnp.tanh(x @ p["w"] + h @ p["m"])),
        {**MLP, "m": (4, 4)},
        [],
        [],
    ),
    "repeated": (repeated, {"w": 4, "b": 4, **V}, [{"w": 1, "v": 1}, {"b": 1, "v": 1}], [{"w": 1, "v": -1}, {"b": 1, "v": -1}]),
    "carried crosswise": (swapped, {"w": 4, "b": 4, **V}, [], []),
    "one of two branches": (
        lambda p: lax.cond(X[0, 0] > 0, jnp.tanh, lambda h: jnp.zeros_like(h), hidden(p)) @ p["v"],
        MLP,
        [ODD],
        [],
    ),
    "branches of other charges": (lambda p: lax.cond(X[0, 0] > 0, jnp.tanh, jnp.square, hidden(p)) @ p["v"], MLP, [], []),
    "a branch chosen by units": (
        lambda p: lax.cond(jnp.sum(p["a"]) > 0, jnp.sin, jnp.tanh, X @ p["w"]) @ p["v"],
        {**MLP, "a": 5},
        [OUT],
        [],
    ),
    "a derivative of its own": (lambda p: clipped(X @ p["w"]) @ p["v"], MLP, [OUT], [{"w": 1}]),
    # types
    "complex": (
        lambda p: jnp.abs(lax.complex(X @ p["w"], X @ p["u"])) @ p["v"],
        PAIR,
        [{"w": 1, "u": 1}],
        [{"w": 1, "u": 1, "v": -1}],
    ),
    "frequencies": (lambda p: jnp.real(jnp.fft.rfft(X @ p["w"], axis=0)) @ p["v"], MLP, [OUT], [OUT_SCALE]),
    "narrow": (lambda p: (X @ p["w"]).astype(bool).astype(float) @ p["v"], MLP, [], []),
    "scattered": (lambda p: jnp.zeros((5, 4)).at[jnp.asarray([0, 0, 1, 2, 3])].add(X @ p["w"]) @ p["v"], MLP, [], []),
    # zeros that have signs
    "divided by what may be zero": (lambda p: jnp.tanh(1 / jnp.where(X[:, :1] > 0, X @ p["w"], 0.0)) @ p["v"], MLP, [], []),
    "negative power of what may be zero": (
        lambda p: jnp.tanh(jnp.where(X[:, :1] > 0, X @ p["w"], 0.0) ** -1) @ p["v"],
        MLP,
        [],
        [],
    ),
    "angle": (lambda p: jnp.arctan2(X @ p["w"], X[:, :1]) @ p["v"], MLP, [], []),
}


@pytest.mark.parametrize(("function", "shapes", "signs", "scales"), PROGRAMS.values(), ids=PROGRAMS)
def test_programs(function, shapes, signs, scales):
    params = drawn(**shapes)
    found = holds(function, params)
    sizes = {group.name: group.size for group in discover(function, params).values()}
    ours = [found[name] for name, size in sizes.items() if size == 4]
    if signs is None:
        assert not ours
        return
    ((found_signs, found_scales),) = ours
    assert_spans(found_signs, signs, True)
    assert_spans(found_scales, scales, False)


# networks drawn at random: how each kind of unit is made, whether its sign passes through it, and the power that does, if any
KINDS = {
    "tanh": (jnp.tanh, 1, None),
    "sin": (jnp.sin, 1, None),
    "linear": (lambda h: h, 1, 1),
    "relu": (jax.nn.relu, None, 1),
    "leaky": (jax.nn.leaky_relu, None, 1),
    "abs": (jnp.abs, 0, 1),
    "square": (jnp.square, 0, 2),
    "cube": (lambda h: h**3, 1, 3),
    "cos": (jnp.cos, 0, None),
    "sign": (jnp.sign, 1, 0),
    "gelu": (jax.nn.gelu, None, None),
    "softplus": (jax.nn.softplus, None, None),
}


def random_network(random):
    """A network of dense layers, its parameters, and for each group the signs and the scales of its units."""
    kinds = [str(kind) for kind in random.choice(list(KINDS), 3)]
    widths = [3, *(int(width) for width in random.choice([4, 5, 6, 7], 3, replace=False)), 2]
    biased, shifted, gated = (random.random((3, 3)) < [[0.5], [0.2], [0.3]]).tolist()
    params, expected = {}, {}
    for layer, (before, after) in enumerate(itertools.pairwise(widths)):
        params[f"w{layer}"] = jnp.asarray(random.normal(size=(before, after)) / np.sqrt(before))
    for layer, width in enumerate(widths[1:-1]):
        if biased[layer]:
            params[f"b{layer}"] = jnp.asarray(random.normal(size=width))
        if gated[layer]:
            params[f"g{layer}"] = jnp.asarray(random.normal(size=(widths[layer], width)))
    for layer, kind in enumerate(kinds):
        into = [f"w{layer}"] + [f"b{layer}"] * biased[layer]
        out = [name for name in (f"w{layer + 1}", f"g{layer + 1}") if name in params]
        _, parity, degree = KINDS[kind]
        out_by = [{} if not power else dict.fromkeys(out, -power) for power in (parity, degree)]
        signs, scales = (
            [] if power is None or (power and shifted[layer]) else [dict.fromkeys(into, 1) | last]
            for power, last in zip((parity, degree), out_by, strict=True)
        )
        gate = [f"g{layer}"] * gated[layer]  # a linear factor, after the shift
        expected[f"w{layer}"] = (
            [*signs, *(dict.fromkeys([one, *out], 1) for one in gate)],
            [*scales, *({one: 1} | dict.fromkeys(out, -1) for one in gate)],
        )

    def function(params, x):
        for layer, kind in enumerate(kinds):
            h = KINDS[kind][0](x @ params[f"w{layer}"] + (params[f"b{layer}"][None] if biased[layer] else 0.0))
            h = h + 0.3 if shifted[layer] else h
            x = h * (x @ params[f"g{layer}"]) if gated[layer] else h
        return x @ params["w3"]

    return function, params, expected


@pytest.mark.parametrize("seed", range(12))
def test_networks_drawn_at_random(seed):
    function, params, expected = random_network(np.random.default_rng(seed))
    found = holds(function, params, X)
    assert set(found) == set(expected)
    for name, (signs, scales) in expected.items():
        assert_spans(found[name][0], signs, True)
        assert_spans(found[name][1], scales, False)


# of models of the zoo, the signs and the scales of each group, counted by hand
COUNTED = {
    "plain/mlp": [(0, 1), (0, 1)],
    # heads and their dimensions: queries against keys, and values against the way out
    "plain/fused_attention_split": [(2, 2), (1, 1), (1, 1)],
    "plain/fused_attention_reshaped": [(2, 2), (1, 1), (1, 1)],
    # queries, keys and values of a head lie together: all change sign at once
    "plain/fused_attention_by_head": [(1, 0), (1, 1), (1, 1)],
    "equinox_models/attention": [(2, 2), (1, 1), (1, 1)],
    # statistics that are parameters: kernel, bias and mean against gain; for scales, gain and shift against what reads them
    "linen/cnn_batch_norm": [(1, 2), (1, 2)],
    "nnx/cnn_batch_norm": [(1, 2), (1, 2)],
    # statistics of the batch, with epsilon: kernel and gain change sign; gain and shift against what reads them
    "linen/cnn_batch_norm_trained": [(1, 1), (1, 1)],
    # groups before and after the second layer; each channel before it, and each after it
    "linen/grouped_convolution": [(0, 2), (0, 1), (0, 1)],
    "plain/softmax_units": [(0, 0)],
    "plain/sorted_units": [(0, 0)],
    "plain/mapped_experts": [(0, 0), (0, 0)],
}


def found_in(case):
    return discover(case.function, case.params, *case.inputs, outputs=case.outputs)


@pytest.mark.parametrize("name", COUNTED)
def test_models_of_the_zoo(name):
    module, function = name.split("/")
    builds = [build for build in ALL if (build.__module__.rsplit(".", 1)[-1], build.__name__) == (module, function)]
    for build in builds:  # none where its library is not installed
        found = found_in(build())
        assert sorted((len(group.signs), len(group.scales)) for group in found.values()) == sorted(COUNTED[name])


def mlp(params, x):
    return jnp.tanh(x @ params["w"] + params["b"][None]) @ params["v"]


def test_verify_tells_true_signs_and_scales_from_false_ones():
    params = drawn(**MLP)
    group = discover(mlp, params, X)["w"]
    true = verify(Symmetry((group,)), mlp, params, X, key=jax.random.key(0))["w"]
    assert true.signs < 1e-12 and true.scales is None
    half = Charges((UnitAxis("w", 1, "fan-in"),), (1,))
    false = UnitGroup("false", 4, group.axes, signs=(half,), scales=(half,))
    errors = verify(Symmetry((false,)), mlp, params, X, key=jax.random.key(0))["false"]
    assert errors.outputs < 1e-12 < 1e-2 < min(errors.signs, errors.scales)


def test_a_derivative_of_its_own_is_no_part_of_the_function():
    def function(params, x):
        return clipped(x @ params["w"]) @ params["v"]

    errors = verify(discover(function, drawn(**MLP), X), function, drawn(**MLP), X, key=jax.random.key(0))["w"]
    assert errors.signs < 1e-12 < 1e-2 < errors.scales


def test_rescaling_acts_on_units_and_their_exponents():
    axes = (UnitAxis("w", 0, "fan-in", start=1), UnitAxis("v", 1, "fan-out", inner=2))
    group = UnitGroup("some", 3, axes, scales=(Charges(axes, (1, -2)),))
    params = {"w": jnp.ones((5, 2)), "v": jnp.ones((1, 6)), "other": jnp.ones(3)}
    scaled = rescale(params, group, group.scales[0], jnp.asarray([1.0, 2.0, 4.0]))
    np.testing.assert_array_equal(scaled["w"], np.array([1, 1, 2, 4, 1])[:, None] * np.ones((1, 2)))
    np.testing.assert_array_equal(scaled["v"], 1 / np.array([[1, 1, 4, 4, 16, 16]]))
    np.testing.assert_array_equal(scaled["other"], params["other"])


def test_signs_and_scales_are_printed_beside_the_table():
    def function(params, x):
        return jnp.square(x @ params["w"] + params["b"][None]) @ params["v"]

    symmetry = discover(function, drawn(**MLP), X)
    lines = str(symmetry).splitlines()
    assert "w: no permutation: w 1 by -1, b 0 by -1" in lines
    assert "w: no permutation, c > 0: w 1 by c, b 0 by c, v 0 by 1/c^2" in lines
    only = symmetry.only(("fan-in",))["w"]
    assert [powers(charges) for charges in (*only.signs, *only.scales)] == [{"w": 1}, {"w": 1}]
    moments = symmetry["w"].within({"mu": drawn(**MLP)})
    assert moments.signs == moments.scales == () and len(moments.axes) == 3
    permuted = permute(drawn(**MLP), symmetry["w"], [3, 2, 1, 0])
    assert holds(function, permuted, X) == holds(function, drawn(**MLP), X)


@pytest.mark.parametrize(
    ("activation", "signs", "scales"), [("tanh", 1, 0), ("relu", 0, 1), ("gelu", 0, 0), ("identity", 1, 1)]
)
def test_units_whose_patches_are_put_together(activation, signs, scales):
    """Each tap of a kernel is a digit of the kernel's axis, and a range of the patches'."""
    model = CNN((4, 3), 2, (1, 2), activation=ACTIVATIONS_OF_OURS[activation])
    images = jnp.asarray(np.random.default_rng(0).normal(size=(3, 6, 6, 2)))
    variables = jax.tree.map(lambda leaf: leaf.astype("float64"), model.init(jax.random.key(0), images))
    found = holds(model.apply, variables, images)
    numbers = {name: tuple(map(len, both)) for name, both in found.items()}
    assert numbers == dict.fromkeys(["conv_0", "conv_1"], (signs, scales))
