"""Equations cut at a unit, each against the Jacobian-vector product of whole arrays; none of them may fall back on those."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from symmetry_jax import UnitAxis, UnitGroup, tie
from symmetry_jax.learning.convolution import convolve
from symmetry_jax.symmetry import pushforward as pushing
from symmetry_jax.symmetry.pushforward import Pushforward, Twins
from symmetry_jax.symmetry.units import direction

pytestmark = pytest.mark.usefixtures("float64")

UNITS, ENTRIES = 4, 3
RANDOM = np.random.default_rng(0)
BESIDE, AFTER = (RANDOM.normal(size=(number, ENTRIES)) for number in (2, 1))
MIXED, KERNEL, IMAGE = (RANDOM.normal(size=shape) for shape in ((ENTRIES, ENTRIES), (3, 3), (5, 2)))
TWINS = Twins(UnitGroup("unit", UNITS, (UnitAxis("w", 0, "fan-in"),)), (1, 3))


def convolved(images, kernel):
    return lax.conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=("CHWN", "HWIO", "CHWN"))


# from (units, entries) to the same
STEPS = {
    "elementwise": lambda w: jnp.tanh(w) * w + 1 / (2 + w**2),
    "chosen": lambda w: jnp.where(w > 0, jnp.sin(w), 2 * w) + jnp.clip(w, -1, 1),
    "over units": lambda w: jnp.exp(w) / jnp.exp(w).sum(0, keepdims=True) + w.max(1, keepdims=True),
    "products": lambda w: w @ MIXED + jnp.einsum("uk,ul,l->uk", w, w, MIXED[0]) + w @ (w.T @ w),
    "transposed": lambda w: jnp.moveaxis(w.T[None] * jnp.ones((2, 1, 1)), 0, -1).sum(-1).T,
    "broadcast": lambda w: (w[:, :1] * jnp.ones((1, ENTRIES))) * w,
    "flattened": lambda w: (w.reshape(-1) * 2).reshape(UNITS, ENTRIES) + w.T.reshape(-1).reshape(ENTRIES, UNITS).T,
    "joined, and a range": lambda w: jnp.sin(jnp.concatenate([BESIDE, w, AFTER]))[2 : 2 + UNITS],
    "joined twice": lambda w: jnp.concatenate([w, jnp.sin(w)]).reshape(2, UNITS, ENTRIES).sum(0),
    "ranges that are split": lambda w: jnp.split(jnp.concatenate([BESIDE, jnp.sin(w), w**2]), [2, 2 + UNITS])[2],
    "split beside units": lambda w: jnp.concatenate(jnp.split(w, [1], axis=1)[::-1], axis=1),
    "padded": lambda w: jnp.sin(jnp.pad(w, ((2, 1), (1, 0))))[2 : 2 + UNITS, 1:],
    "padded onto others": lambda w: (jnp.pad(w, ((UNITS, 0), (0, 0))) + jnp.concatenate([w, w**2]))[UNITS:],
    "cut off": lambda w: lax.pad(jnp.concatenate([BESIDE, jnp.sin(w), AFTER]), 0.0, ((-2, -1, 0), (0, 0, 0))),
    "entries between": lambda w: lax.slice(lax.pad(w, 0.0, ((0, 0, 0), (0, 0, 1))), (0, 0), (UNITS, 2 * ENTRIES - 1), (1, 2)),
    "cumulative": lambda w: jnp.cumsum(w, axis=1) + jnp.flip(w, axis=1),
    "windows": lambda w: lax.reduce_window(jnp.sin(w), 0.0, lax.add, (1, 2), (1, 1), "SAME"),
    "filters": lambda w: convolved(jnp.ones((ENTRIES, 3, 3, 2)), jnp.einsum("uk,ij->ijku", w, KERNEL))[:, :, 0, 0],
    "channels": lambda w: (
        w * convolved(jnp.einsum("uk,hb->ukhb", w, IMAGE), jnp.einsum("uk,ij->ijuk", w, KERNEL)).sum((1, 2, 3))[None]
    ),
    "channels of patches": lambda w: (
        w * convolve(jnp.einsum("uk,hb->ukhb", w, IMAGE), jnp.einsum("uk,ij->ijuk", w, KERNEL)).sum((1, 2, 3))[None]
    ),
    "back from patches": jax.grad(
        lambda w: jnp.sum(jnp.sin(convolve(jnp.einsum("uk,hb->ukhb", w, IMAGE), jnp.einsum("uk,ij->ijuk", w, KERNEL))))
    ),
    "gradient": jax.grad(lambda w: jnp.sum(jnp.sin(jnp.concatenate([BESIDE, w, w]).T @ jnp.concatenate([BESIDE, w, w])))),
}


def both(step):
    """The difference that is made of a small one, pushed forward, and by the whole tangent."""
    return jax.jit(lambda params: _both(step, params))({"w": RANDOM.normal(size=(UNITS, ENTRIES))})


def _both(step, params):
    params = tie(params, TWINS.group, [TWINS.units])
    move = direction(params, TWINS.group, TWINS.units, jax.random.key(0))
    apart = TWINS.difference(TWINS.arrays(move))
    _, _, found = Pushforward(lambda tree: ({"w": step(tree["w"])}, ()), params, {"": TWINS})(params, {"": [apart]})
    _, expected = jax.jvp(step, (params["w"],), (move["w"],))
    return found[""][0], TWINS.difference([("w", expected)])


@pytest.mark.parametrize("name", STEPS)
def test_sections_are_those_of_the_whole_tangent(name, monkeypatch):
    def refuse(self, line, values, moves):
        raise AssertionError(f"{line.primitive.name} is differentiated whole")

    monkeypatch.setattr(pushing._Travel, "_differentiate_whole", refuse)
    for found, expected in zip(*both(STEPS[name]), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
        assert abs(expected).max() > 1e-3


@pytest.mark.parametrize(
    "step",
    [
        lambda w: w * jnp.arange(UNITS, dtype=float)[:, None],
        lambda w: jnp.where(jnp.arange(UNITS)[:, None] < 2, w, 0),
        lambda w: w * jnp.asarray([1.0, 2, 3, 4])[:, None],
        lambda w: jnp.cumsum(w, axis=0),
        lambda w: w.at[1].set(0),
        lambda w: jnp.sort(w, axis=0),
        lambda w: convolve(w[None, :, :, None], MIXED[:1, :, None, None])[0, :, :, 0],
    ],
)
def test_what_tells_units_apart_by_position_is_differentiated_whole(step):
    for found, expected in zip(*both(step), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
