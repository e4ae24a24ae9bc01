"""Random networks: discovered are exactly the groups known by construction, and nothing false once positions count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from symmetry_jax.symmetry.discovery.discover import discover
from symmetry_jax.symmetry.nested import permute_each
from symmetry_jax.symmetry.units import permute
from tests.symmetry.discovery.random_networks import INPUTS, TOKENS, Network, network, places, touched

pytestmark = pytest.mark.usefixtures("float64")

RANDOM = np.random.default_rng(7)
MATRIX, MASK = RANDOM.normal(size=(100, 100)), RANDOM.integers(2, size=100)


def wide(h):
    """The number of units, of which some changes need several."""
    return h.shape[-1]


CHANGES = {
    "cumulative sum": lambda h: jnp.cumsum(h, axis=-1),
    "roll": lambda h: jnp.roll(h, 1, axis=-1),
    "shift added": lambda h: h + jnp.roll(h, 1, axis=-1),
    "neighbours added": lambda h: h[:, 1:] + h[:, :-1],
    "reversed": lambda h: h + jnp.flip(h, axis=-1),
    "numbered": lambda h: h * jnp.arange(wide(h), dtype=h.dtype)[None],
    "first left out": lambda h: h[:, 1:],
    "every second": lambda h: h[:, ::2],
    "sorted": lambda h: jnp.sort(h, axis=-1),
    "ranked": lambda h: h * jnp.argsort(jnp.argsort(h, axis=-1), axis=-1).astype(h.dtype),
    "where the largest is": lambda h: h * jnp.argmax(h, axis=-1).astype(h.dtype)[:, None],
    "from the largest on": lambda h: jax.vmap(lambda one: lax.dynamic_slice(one, [jnp.argmax(one)], [2]))(h),
    "the largest replaced": lambda h: jax.vmap(lambda one: lax.dynamic_update_slice(one, one[:2] + 1, [jnp.argmax(one)]))(h),
    "padded before": lambda h: jnp.pad(h, ((0, 0), (1, 0))) * jnp.pad(h, ((0, 0), (0, 1))),
    "spread": lambda h: lax.pad(h, jnp.asarray(0.0, h.dtype), ((0, 0, 0), (0, 0, 1))),
    "triangle": lambda h: jnp.sin(h) @ jnp.tril(jnp.ones((wide(h), wide(h)), h.dtype)),
    "a fixed matrix": lambda h: h @ jnp.asarray(MATRIX[: wide(h), : wide(h)]),
    "a fixed mask": lambda h: jnp.where((MASK[: wide(h)] == 1)[None], h, 0),
    "dropout": lambda h: jnp.where(jax.random.bernoulli(jax.random.key(0), 0.5, h.shape), h, 0),
    "frequencies": lambda h: jnp.abs(jnp.fft.rfft(h, axis=-1)),
    "gathered": lambda h: h[:, np.arange(wide(h)) // 2],
    "interleaved": lambda h: jnp.stack([h, jnp.sin(h)], axis=-1).reshape(h.shape[0], -1) * jnp.tile(h, (1, 2)),
    "window": lambda h: lax.reduce_window(h, -jnp.inf, lax.max, (1, 2), (1, 1), "SAME"),
    "scanned": lambda h: lax.scan(lambda c, one: (jnp.sin(c + one),) * 2, h[:, 0] * 0, h.T)[1].T,
    "one set to zero": lambda h: h.at[:, 1].set(0),
}


def counted(made: Network, labels):
    """What identifies each group, by construction: its places, and those of what it lies in, in the same arrays."""
    groups = set()
    for label in labels:
        own = places(made, label)
        paths = [path for path, _ in own]
        inside = frozenset(frozen(places(made, outer, paths)) for outer in made.inside[label])
        groups.add((frozen(own), inside))
    return groups


def frozen(found):
    return frozenset(found.items())


def discovered(symmetry):
    """The same of what was discovered, with the groups."""
    return {
        (frozen(covered(group)), frozenset(frozen(covered(outer)) for outer in group.inside)): group
        for group in symmetry.values()
    }


def covered(group):
    found = {}
    for axis in group.axes:
        before = found.get((axis.path, axis.axis), [frozenset()] * group.size)
        positions = axis.positions(group.size)
        found[axis.path, axis.axis] = tuple(old | frozenset(map(int, new)) for old, new in zip(before, positions, strict=True))
    return found


def largest_change(function, params, group, *inputs, seed=0):
    """How far permuting the units moves the outputs: alike in all sets, and in each by itself."""
    random = np.random.default_rng(seed)
    before = flat(function(params, *inputs))
    assert np.isfinite(before).all()
    orders = np.stack([random.permutation(group.size) for _ in range(group.sets)])
    each = permute_each(params, group, orders.reshape(*(outer.size for outer in group.inside), group.size))
    alike = permute(params, group, np.roll(np.arange(group.size), 1))
    size = np.abs(before).max()
    return max(np.abs(flat(function(moved, *inputs)) - before).max() / (size or 1) for moved in (each, alike))


def flat(results):
    return np.concatenate([np.ravel(np.asarray(leaf, float)) for leaf in jax.tree.leaves(results)])


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng([seed, *shape]).normal(size=shape))


INPUT = (TOKENS, INPUTS)


@pytest.mark.parametrize("start", range(0, 60, 10))
def test_the_groups_known_by_construction_are_discovered(start):
    for seed in range(start, start + 10):
        made = network(seed)
        found = discovered(discover(made, made.params, jnp.zeros(INPUT)))
        assert set(found) == counted(made, range(len(made.sizes))), seed


@pytest.mark.parametrize("change", CHANGES)
def test_where_positions_count_nothing_false_is_left(change):
    for seed in range(1000, 1002):
        made = network(seed, CHANGES[change], layers=3)
        found = discovered(discover(made, made.params, jnp.zeros(INPUT)))
        far = counted(made, set(range(len(made.sizes))) - touched(made))
        assert far <= set(found), seed
        near = [group for key, group in found.items() if key not in far]
        function = jax.jit(made)
        for group in near:
            assert largest_change(function, made.params, group, draw(*INPUT)) < 1e-9, (seed, group)


def positions_meet_across_sets(params, x):
    """The largest of each set is compared with that of each other set."""
    largest = jnp.argmax(params["w"] * x, axis=1)
    return (largest[:, None] == largest[None]).sum()


def gathered_across_sets(params, x):
    """Each set gives what lies where another one is largest."""
    hidden = jnp.sin(params["w"] * x)
    return (hidden[:, jnp.argmax(hidden, axis=1)] * params["square"]).sum()


def scattered_across_sets(params, x):
    hidden = jnp.sin(params["w"] * x)
    return jnp.square(hidden.at[:, jnp.argmax(hidden, axis=1)].add(params["square"])).sum()


def largest_of_the_sets(params, x):
    """The largest of several sets ties their units."""
    hidden = jnp.sin(params["w"] * x)
    return (jnp.take_along_axis(hidden * params["sets"], jnp.argmax(hidden, axis=0)[None], axis=0) * params["v"]).sum()


def rows_cut_otherwise(params, x):
    """Rigid axes are cut in another way, and meet what they were: sets mix though none of them moves."""
    hidden = jnp.tanh(params["pairs"] * x)
    mixed = jnp.tanh(hidden.sum(0)) + jnp.sin(hidden.reshape(3, 2, 4).sum(1))
    return (mixed * params["read"]).sum()


def rows_shifted(params, x):
    """A slice across the digits of an axis is added to one of the digits."""
    hidden = jnp.tanh(params["pairs"] * x)
    mixed = jnp.tanh(hidden.sum(0)) + hidden.reshape(6, 4)[1:4]
    return (mixed * params["read"]).sum()


def summed_at_each_step(params, x):
    """Steps without an order are units; what is summed at each step ties the sets inside it."""

    def step(carry, given):
        both = jnp.sin(given * x)
        return carry, both * both.sum()

    return jnp.square(lax.scan(step, jnp.zeros(()), params["w"])[1]).sum()


def neighbour_of_the_largest(params, x):
    hidden = params["units"] * x
    return lax.dynamic_slice(hidden, [jnp.argmax(hidden)], [2]).sum()


def largest_and_neighbour_replaced(params, x):
    hidden = params["units"] * x
    return lax.dynamic_update_slice(hidden, jnp.zeros(2), [jnp.argmax(hidden)]).sum()


def largest_and_neighbour_gathered(params, x):
    hidden = params["units"] * x
    numbers = lax.GatherDimensionNumbers((0,), (), (0,))
    return lax.gather(hidden, jnp.argmax(hidden)[None], numbers, (2,)).sum()


def whether_the_first_is_largest(params, x):
    """As truth values all positions but the first are the same."""
    hidden = params["units"] * x
    return jnp.where(jnp.argmax(hidden).astype(bool) == jnp.arange(5).astype(bool), jnp.tanh(hidden), 0).sum()


def positions_with_few_digits(params, x):
    hidden = params["units"] * x
    few = [lax.reduce_precision(jnp.asarray(one, jnp.float32), 8, 0) for one in (jnp.argmax(hidden), jnp.arange(5))]
    return jnp.where(few[0] == few[1], jnp.tanh(hidden), 0).sum()


def sets_in_two_places(params, x):
    """The index of the sets lies on an axis of its own for some units, and beside others on theirs."""
    hidden = jnp.tanh(params["both"] * x)
    some, others = hidden[:, :4], hidden[:, 4:].reshape(3, 3, 2)
    beside = jnp.sin(others) * params["row"][None, :, None] * params["row"][:, None, None]
    return (some * params["read"]).sum() + beside.sum()


def one_window_over_two_arrays(params, x):
    """The second array is taken where the first is largest in a window."""

    def larger(one, other):
        return tuple(jnp.where(one[0] > other[0], *pair) for pair in zip(one, other, strict=True))

    arrays = jnp.sin(params["w"] * x), jnp.cos(params["v"] * x)
    return jnp.square(lax.reduce_window(arrays, (-jnp.inf, 0.0), larger, (1, 2), (1, 1), "VALID")[1]).sum()


def rows_and_columns_in_one_index(params, x):
    """A parameter holds indices of different axes side by side."""
    numbers = lax.GatherDimensionNumbers((), (0, 1), (0, 1))
    return (lax.gather(jnp.sin(params["w"]) * x, params["indices"], numbers, (1, 1)) * params["row"]).sum()


def rows_and_columns_added_to(params, x):
    numbers = lax.ScatterDimensionNumbers((), (0, 1), (0, 1))
    added = lax.scatter_add(jnp.sin(params["w"]) * x, params["indices"], params["row"], numbers)
    return (added * jnp.tanh(params["square"][:, :3])).sum()


def position_out_of_bounds(params, x):
    """Where there is no such position another number is filled in."""
    hidden = params["units"] * x
    return hidden.at[jnp.argsort(hidden).at[7].get(mode="fill")].get(mode="clip")


SHAPES = {
    **{"w": (5, 3), "v": (5, 3), "sets": (5, 1), "square": (5, 5), "pairs": (2, 3, 4), "read": (3, 4)},
    **{"units": (5,), "both": (3, 10), "row": (3,)},
}
MIXED = (
    *(positions_meet_across_sets, gathered_across_sets, scattered_across_sets, largest_of_the_sets, rows_cut_otherwise),
    *(rows_shifted, summed_at_each_step, neighbour_of_the_largest, largest_and_neighbour_replaced),
    *(largest_and_neighbour_gathered, whether_the_first_is_largest, positions_with_few_digits, sets_in_two_places),
    *(one_window_over_two_arrays, rows_and_columns_in_one_index, rows_and_columns_added_to, position_out_of_bounds),
)


@pytest.mark.parametrize("function", MIXED, ids=lambda function: function.__name__)
def test_no_false_group_of(function):
    params = {name: draw(*shape, seed=3) for name, shape in SHAPES.items()}
    params["indices"] = jnp.asarray([[0, 1], [4, 0], [2, 1]])
    compiled = jax.jit(function)
    for group in discover(function, params, jnp.zeros(())).values():
        for seed in range(4):
            assert largest_change(compiled, params, group, draw(), seed=seed) < 1e-9, group
