"""When equal units first differ in a bit, by dynamics whose moment is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from symmetry_jax import sweep
from symmetry_jax.errors import InputError
from symmetry_jax.learning.process import Measure, Process, State, renamed
from symmetry_jax.measures.parting import NEVER, block_distance, distinct_units, first_parting, watch_ties
from symmetry_jax.symmetry.units import Symmetry, UnitAxis, UnitGroup

GROUP = UnitGroup("layer", 4, (UnitAxis("params/w", 1, "fan-in"), UnitAxis("params/a", 0, "fan-out")))
SYMMETRY = Symmetry((GROUP,))
BLOCKS = {"layer": [(0, 1, 3)]}  # unit 2 is of another kind


def torn(at, by):
    """Equal units grow alike; at one step the last of them is moved, and the differences double from then on."""

    def init(data, hparams, previous=None):
        del data, previous
        w = jnp.ones((2, 4)).at[:, 2].set(5.0)
        return State({"params": {"w": w.at[0, 3].add(by if at == 0 else 0), "a": jnp.ones((4, 3))}})

    def step(state, data, hparams, step):
        del data
        w, a = state.variables["params"]["w"], state.variables["params"]["a"]
        w = w.at[:, 3].set(2 * w[:, 3] - w[:, 0]) + hparams["drift"]
        w = w.at[:, 3].add(jnp.where(step + 1 == at, by, 0))
        return State({"params": {"w": w, "a": a.at[1, 0].add(jnp.where(step + 1 == at, 3 * by, 0))}}), None

    return Process(init, step)


@pytest.mark.parametrize("at", [0, 1, 4, 99])
def test_the_first_bit_and_the_kick_are_those_of_the_step_in_which_units_part(at):
    by = 2.0**-20
    watched = watch_ties(torn(at, by), SYMMETRY, BLOCKS)
    measures = [*first_parting(BLOCKS), block_distance(SYMMETRY, BLOCKS)]
    found = sweep(watched, measures, {"drift": [0.5]}, 8, records=9).squeeze(["drift", "group"], drop=True)
    # unit 3 moved in two numbers, unit 1 in one number by three times as much; at the start unit 3 alone, in one
    kick = 0 if at > 8 else by if at == 0 else 3 * by
    assert int(found.parted_after.sel(end="last")) == (at if at <= 8 else NEVER)
    assert float(found.kick.sel(end="last")) == pytest.approx(kick, rel=1e-6)
    spread = found.spread.values
    assert np.all(spread[:at] == 0) and (at > 8 or spread[at] == pytest.approx(kick, rel=1e-6))
    if 0 < at <= 8:
        last = by * np.sqrt(2) * 2.0 ** (8 - at)
        assert spread[-1] == pytest.approx(max(3 * by, last), rel=1e-5)


@pytest.mark.parametrize("blocks, after", [([(2,)], NEVER), ([(2,), (0, 1, 3)], 4)])
def test_a_unit_that_is_alone_in_its_block_parts_from_none(blocks, after):
    watched = watch_ties(torn(4, 0.25), SYMMETRY, {"layer": blocks})
    found = sweep(watched, first_parting({"layer": blocks}), {"drift": [0.5]}, 8, records=2)
    assert found.parted_after.sel(end="last").item() == after


def test_hparams_may_have_another_name_outside():
    process = renamed(torn(99, 0.0), {"drift": "strength"})
    first = Measure("first", lambda state, aux, data, hparams, step: state.variables["params"]["w"][0, 0])
    found = sweep(process, [first], {"strength": [0.0, 0.5]}, 2, records=3).first
    np.testing.assert_allclose(found.transpose("strength", "step"), [[1, 1, 1], [1, 1.5, 2]])
    with pytest.raises(InputError, match="needs an axis strength"):
        sweep(process, [first], {"drift": [0.5]}, 2)


@pytest.mark.parametrize("numbers, count", [([1, 1, 7, 1], 1), ([1, 2, 7, 1], 2), ([2, 1, 7, 1], 2), ([1, 2, 7, 3], 3)])
@pytest.mark.parametrize("array", ["w", "a"])
def test_distinct_units_are_those_that_are_equal_to_none_before_them(numbers, count, array):
    w, a = (1 + 2.0**-23 * jnp.array(numbers, float) if name == array else jnp.ones(4) for name in ("w", "a"))
    state = State({"params": {"w": jnp.stack([jnp.zeros(4), w]), "a": a[:, None]}})
    measure = distinct_units(SYMMETRY, {"layer": [(0, 1, 3)]})
    assert measure.read(state, None, None, {}, jnp.array(0)).tolist() == [count]
    both = distinct_units(SYMMETRY, {"layer": [(0, 1), (2, 3)]})
    apart = 2 + (numbers[0] != numbers[1]) + (numbers[2] != numbers[3])
    assert both.read(state, None, None, {}, jnp.array(0)).tolist() == [apart]


def test_zeros_of_either_sign_are_one_unit():
    state = State({"params": {"w": jnp.array([[0.0, -0.0, 1, 0]] * 2), "a": jnp.ones((4, 1))}})
    assert distinct_units(SYMMETRY, BLOCKS).read(state, None, None, {}, jnp.array(0)).tolist() == [1]
