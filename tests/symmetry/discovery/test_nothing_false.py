"""Programs that look as if units could be permuted, or nearly so: every group that is reported is a symmetry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from symmetry_jax.errors import InputError
from symmetry_jax.symmetry.discovery.discover import discover
from symmetry_jax.symmetry.nested import permute_each
from symmetry_jax.symmetry.units import permute

pytestmark = pytest.mark.usefixtures("float64")


def holds(function, params, *inputs, draws=5):
    """The number of units of each group, by its name, after permuting each: alike in all sets, and in each set by itself."""
    random = np.random.default_rng(0)
    found = discover(function, params, *inputs)
    evaluate = jax.jit(function)
    before = evaluate(params, *inputs)
    for group in found.groups:
        every = np.broadcast_to(np.arange(group.size), (*(outer.size for outer in group.inside), group.size))
        for _ in range(draws):
            moved = (
                permute(params, group, random.permutation(group.size)),
                permute_each(params, group, random.permuted(every, axis=-1)),
            )
            for changed in moved:
                jax.tree.map(assert_same, before, evaluate(changed, *inputs))
    numbers = {group.name: group.number() for group in found.groups}
    assert len(numbers) == len(found.groups) and all(numbers)
    return numbers


def assert_same(one, other):
    np.testing.assert_allclose(np.asarray(one, complex), np.asarray(other, complex), rtol=1e-9, atol=1e-9)


def drawn(**shapes):
    random = np.random.default_rng(1)
    return {name: jnp.asarray(random.normal(size=shape)) for name, shape in shapes.items()}


def bilinear(params, matrix):
    return jnp.einsum("i,ij,j", params["a"], matrix.astype(params["a"].dtype), params["b"])


def same_position(size, dtype):
    positions = jnp.arange(size).astype(dtype)
    return positions[:, None] == positions[None, :]


@pytest.mark.parametrize(
    ("dtype", "size", "expected"),
    [
        (jnp.bool, 2, {"a": "2"}),
        (jnp.bool, 3, {}),
        (jnp.uint8, 256, {"a": "256"}),
        (jnp.uint8, 257, {}),
        (jnp.bfloat16, 257, {"a": "257"}),
        (jnp.bfloat16, 258, {}),
        (jnp.complex64, 300, {"a": "300"}),
    ],
)
def test_positions_become_numbers_of_a_type_that_may_be_too_narrow(dtype, size, expected):
    assert holds(lambda p: bilinear(p, same_position(size, dtype)), drawn(a=size, b=size)) == expected


def test_positions_are_counted_in_a_type_that_is_too_narrow():
    def compared(p):
        positions = lax.iota(jnp.int8, 300)
        return bilinear(p, positions[:, None] == positions[None, :])

    assert holds(compared, drawn(a=300, b=300)) == {}
    assert holds(lambda p: p["a"][lax.argmax(p["b"], 0, jnp.int8)], drawn(a=300, b=300)) == {}


def test_positions_lose_digits():
    def compared(p):
        positions = lax.reduce_precision(jnp.arange(300.0), 8, 7)
        return bilinear(p, positions[:, None] == jnp.arange(300.0)[None, :])

    assert holds(compared, drawn(a=300, b=300)) == {}


@pytest.mark.parametrize(
    ("number", "becomes_true"),
    [
        (0.5, lambda number: lax.convert_element_type(number, bool)),
        (-1, lambda number: lax.convert_element_type(number, jnp.uint32) > jnp.uint32(0)),
        (1.001, lambda number: lax.reduce_precision(number, 8, 3) <= 1.0),
    ],
)
def test_a_known_number_becomes_another_one(number, becomes_true):
    def chosen(p):
        return jnp.where(jax.jit(becomes_true)(number), jnp.arange(6.0), p["a"]) @ p["b"]

    assert holds(chosen, drawn(a=6, b=6)) == {}


def read_two(p):
    return lax.dynamic_slice(p["a"], (jnp.argmax(p["b"]),), (2,))


def write_two(p):
    return lax.dynamic_update_slice(p["a"], jnp.ones(2), (jnp.argmax(p["b"]),)) @ p["c"]


def gather_two(p):
    numbers = lax.GatherDimensionNumbers(offset_dims=(0,), collapsed_slice_dims=(), start_index_map=(0,))
    return lax.gather(p["a"], jnp.argmax(p["b"])[None], numbers, (2,))


def scatter_two(p):
    numbers = lax.ScatterDimensionNumbers((0,), inserted_window_dims=(), scatter_dims_to_operand_dims=(0,))
    return lax.scatter_add(p["a"], jnp.argmax(p["b"])[None], jnp.ones(2), numbers) @ p["c"]


@pytest.mark.parametrize("function", [read_two, write_two, gather_two, scatter_two])
def test_several_entries_from_a_position_on_are_in_order(function):
    assert holds(function, drawn(a=6, b=6, c=6)) == {}


def read_one(p):
    return lax.dynamic_slice(p["a"], (jnp.argmax(p["b"]),), (1,))


def write_one(p):
    return lax.dynamic_update_slice(p["a"], jnp.ones(1), (jnp.argmax(p["b"]),)) @ p["b"]


@pytest.mark.parametrize("function", [read_one, write_one])
def test_one_entry_at_a_position_goes_with_it(function):
    assert holds(function, drawn(a=6, b=6)) == {"a": "6"}


def test_an_axis_without_positions_has_no_units():
    assert holds(lambda p: jnp.sum(p["a"] @ p["b"]) + jnp.sum(p["c"]), drawn(a=(3, 0), b=(0, 4), c=0)) == {"a": "3", "b": "4"}


def entries_at_the_largest_of_all(p):
    return p["x"][:, jnp.argmax(p["x"], axis=1)]


def where_the_largest_of_all_meet(p):
    largest = jnp.argmax(p["x"], axis=1)
    return (largest[:, None] == largest[None, :]).astype(jnp.float32)


def entries_at_the_largest_of_one(p):
    one = jnp.argmax(p["x"], axis=1)[jnp.argmax(p["z"])]
    return jnp.sum(p["x"][:, one] * p["z"])


def entries_at_the_largest_of_all_one_by_one(p):
    largest = jnp.argmax(p["x"], axis=1)
    return lax.map(lambda row: jnp.sum(row[largest]), p["x"])


def entries_at_the_largest_sorted(p):
    _, largest = lax.sort((p["z"], jnp.argmax(p["x"], axis=1)), num_keys=1)
    return jnp.take_along_axis(p["x"], largest[:, None], axis=1)


@pytest.mark.parametrize(
    "function",
    [
        entries_at_the_largest_of_all,
        where_the_largest_of_all_meet,
        entries_at_the_largest_of_one,
        entries_at_the_largest_of_all_one_by_one,
        entries_at_the_largest_sorted,
    ],
)
def test_positions_of_one_set_are_not_those_of_another(function):
    assert "6" in holds(function, drawn(x=(3, 6), z=3)).values()


def each_at_its_largest(p):
    return jnp.take_along_axis(p["x"], jnp.argmax(p["x"] ** 2, axis=1)[:, None], axis=1)[:, 0]


def each_by_itself(p):
    return lax.map(lambda row: row[jnp.argmax(row**2)], p["x"])


@pytest.mark.parametrize("function", [each_at_its_largest, each_by_itself])
def test_positions_within_each_set(function):
    assert holds(function, drawn(x=(3, 6))) == {"x": "6 in each of 3"}


def test_numbers_are_filled_in_among_positions():
    def filled(p, row):
        places = jnp.take(lax.broadcasted_iota(jnp.int32, (3, 6), 1), row, axis=0, mode="fill", fill_value=2)
        return p["a"][places] @ p["b"]

    assert holds(filled, drawn(a=6, b=6), jnp.asarray(5)) == {}


def test_arrays_in_one_window_are_indexed_alike():
    def at_largest(one, other):
        return jnp.where(one[1] > other[1], one[0], other[0]), jnp.maximum(one[1], other[1])

    def pooled(p):
        return jnp.sum(lax.reduce_window((p["a"], p["b"]), (0.0, -np.inf), at_largest, (2, 1), (1, 1), "VALID")[0])

    assert holds(pooled, drawn(a=(4, 6), b=(4, 6))) == {"a": "6"}


def test_zeros_have_signs():
    zeros = jnp.asarray([0.0, -0.0, 0.0, 0.0])
    assert holds(lambda p: jnp.sum(jnp.atan2(zeros, -jnp.abs(p["a"])) * p["a"]), drawn(a=4)) == {}
    assert holds(lambda p: jnp.sum(jnp.full(4, -0.0) + p["a"]), drawn(a=4)) == {"a": "4"}


@pytest.mark.parametrize(("padding", "expected"), [((-7, 8, 0), {}), ((-1, -2, 0), {"a": "3"}), ((2, -1, 1), {})])
def test_entries_are_cut_off(padding, expected):
    assert (
        holds(lambda p: jnp.prod(lax.pad(p["a"], 0.0, [padding]) + 1) + p["a"][0] + p["a"][4:] @ jnp.arange(2.0), drawn(a=6))
        == expected
    )


def test_every_group_has_a_name_of_its_own():
    def norms(p):
        return sum(jnp.sum(jnp.tanh(leaf) ** 2) for leaf in jax.tree.leaves(p))

    several = {"m": drawn(a=4, b=4, c=4), "m:4": drawn(a=3)}
    assert set(holds(norms, several)) == {"m:4", "m:4:2", "m:4:3", "m:4:4"}
    assert set(holds(norms, drawn(a=(5, 4))["a"])) == {"params:5", "params:4"}


def test_paths_tell_parameters_apart():
    with pytest.raises(InputError, match=r"several arrays have the path 'a/b'"):
        discover(lambda p: jnp.sum(p["a/b"]) + jnp.sum(p["a"]["b"]), {"a/b": jnp.ones(5), "a": {"b": jnp.ones(4)}})


def test_sets_lie_where_they_tell_units_apart():
    """Units of the first range lie in columns, whatever the rows of the second are."""

    def columns(p):
        units, others = p["w"][:4], p["w"][4:].reshape(3, 2, 3)
        return jnp.sum(jnp.prod(units, axis=0) * p["r"]) + jnp.sum(
            jnp.tanh(others + p["r"][:, None, None] + p["r"][None, None])
        )

    params = drawn(w=(10, 3), r=3)
    assert holds(columns, params)["w:4"] == "4 in each of 3"
    group = next(group for group in discover(columns, params).groups if group.size == 4)
    assert [axis.axis for outer in group.inside for axis in outer.axes] == [1]


def test_arrays_that_may_change_are_rigid():
    ones, kept = jax.new_ref(jnp.ones(6)), jax.new_ref(jnp.ones(()))

    def summed(p):
        kept[...] = kept[...] + p["a"][0]
        return p["a"] @ ones[:]

    assert holds(summed, drawn(a=6)) == {}


def total(values):
    return jnp.sum(jnp.tanh(values))


def windows(p, **options):
    numbers = ("NHC", "OIH", "NHC")
    return total(lax.conv_general_dilated(p["x"], p["k"], (1,), dimension_numbers=numbers, **options))


MIXED_ALONG_SETS = {
    "added up in order": lambda x: x + jnp.cumsum(x, 0),
    "reversed": lambda x: x + x[::-1],
    "shifted": lambda x: x + jnp.roll(x, 1, 0),
    "from known places": lambda x: x + x[np.array([1, 0, 2])],
    "sorted": lambda x: x + jnp.sort(x, 0),
    "mean taken off": lambda x: x - jnp.mean(x, 0, keepdims=True),
    "attention": lambda x: x + jax.nn.softmax(x @ x.T) @ x,
    "carried": lambda x: lax.scan(lambda last, row: (row, row * last), x[0], x)[1],
    "by known weights": lambda x: x + jnp.asarray(np.arange(9.0).reshape(3, 3)) @ x,
    "taken apart": lambda x: x * jnp.stack([x[2], x[0], x[1]]),
}


@pytest.mark.parametrize("mix", MIXED_ALONG_SETS.values(), ids=MIXED_ALONG_SETS)
def test_sets_that_are_mixed_are_not_apart(mix):
    found = holds(lambda p: total(mix(p["x"])), drawn(x=(3, 6)))
    assert [number for number in found.values() if number.startswith("6")] == ["6"]


GUARDED = {
    "channels in groups": (lambda p: windows(p, padding="SAME", feature_group_count=2), {"x": (2, 5, 4), "k": (4, 2, 3)}, 4),
    "images in groups": (lambda p: windows(p, padding="SAME", batch_group_count=2), {"x": (4, 5, 3), "k": (4, 3, 3)}, 4),
    "one-sided padding": (lambda p: windows(p, padding=((1, 0),)), {"x": (2, 5, 3), "k": (4, 3, 1)}, 3),
    "positions of a part": (lambda p: bilinear(p, jnp.arange(10)[2:7][:, None] == jnp.arange(5)[None]), {"a": 5, "b": 5}, 0),
    "positions joined": (lambda p: p["a"][jnp.concatenate([jnp.arange(3), jnp.arange(3)])] @ p["b"], {"a": 6, "b": 6}, 0),
    "positions moved on": (lambda p: p["a"][(jnp.arange(6) + 1) % 6] @ p["b"], {"a": 6, "b": 6}, 0),
    "digits swapped": (lambda p: total(p["a"].reshape(4, 3).T.reshape(12) * p["a"]), {"a": 12}, 0),
    "branches that swap": (
        lambda p: lax.cond(p["t"] > 0, lambda a: a, lambda a: a[::-1], p["a"]) @ p["b"],
        {"a": 6, "b": 6, "t": ()},
        0,
    ),
    "order of places": (lambda p: p["a"][jnp.argsort(jnp.argsort(p["b"]))] @ p["b"], {"a": 6, "b": 6}, 0),
    "larger of two places": (lambda p: p["a"][jnp.maximum(jnp.argmax(p["a"]), jnp.argmax(p["b"]))], {"a": 6, "b": 6}, 0),
    "a place or the first": (lambda p: p["a"][jnp.where(p["t"] > 0, jnp.argmax(p["b"]), 0)], {"a": 6, "b": 6, "t": ()}, 0),
    "each with each": (lambda p: total(jnp.outer(p["a"], p["a"]).reshape(-1) * p["b"]), {"a": 4, "b": 16}, 1),
}


@pytest.mark.parametrize(("function", "shapes", "number"), GUARDED.values(), ids=GUARDED)
def test_subtle_programs(function, shapes, number):
    assert len(holds(function, drawn(**shapes))) == number
