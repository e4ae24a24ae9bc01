"""Whether units may be permuted or multiplied, tried out: what comes of it for the outputs and for the gradients."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from symmetry_jax.errors import InputError
from symmetry_jax.symmetry.axes import Charges
from symmetry_jax.symmetry.discovery.differences import difference, scales_of
from symmetry_jax.symmetry.nested import permute_each
from symmetry_jax.symmetry.rescaling import rescale
from symmetry_jax.symmetry.units import PyTree, Symmetry, UnitGroup

Change = Callable[[PyTree], PyTree]

JOLTS = 4  # how often rounding is tried out: it may spare an array by chance


@dataclasses.dataclass(frozen=True)
class Errors:
    """How far permuting the units of a group is from changing nothing.

    Each is the largest difference in any array over the array's largest entry, or, where terms cancel but for rounding, over
    that of the terms: rounding, about 1e-6 in float32, where the symmetry holds. It is inf where a number becomes none.

    Attributes:
        outputs: of the outputs.
        gradients: of the gradients of a random projection of the outputs, which are permuted back; None where the function
            has none in reverse, as with a loop of unknown length or a callback.
        signs: of both, when signs are changed as the group says they may be; None where it names none.
        scales: of both, when units are multiplied as the group says they may be; None where it names none. Gradients are
            divided by the same powers. A function with derivatives of its own (`custom_jvp`) may be unchanged all the same.
    """

    outputs: float
    gradients: float | None
    signs: float | None = None
    scales: float | None = None


def verify(
    symmetry: Symmetry,
    function: Callable[..., Any],
    params: PyTree,
    *inputs: PyTree,
    key: jax.Array,
    outputs: Callable[[Any], Any] = lambda result: result,
) -> dict[str, Errors]:
    """Permutes each group at random, in each set of units by itself, and compares outputs and gradients.

    Where a group has signs or scales, units are multiplied by random ones as well.

    Parameters are moved at random first, each entry to between half and one and a half of itself, and zeros to normal numbers
    over 10: at a start many are equal, and permuting those shows nothing.

    Args:
        symmetry: the groups, of `discover` or written by hand.
        function: the function, called as `function(params, *inputs)`.
        params: its parameters: arrays.
        inputs: further arguments.
        key: a random key.
        outputs: which of the results count, as for `discover`.

    Returns:
        The errors of each group, by its name.

    Raises:
        InputError: where parameters are shapes alone.
    """
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(params)):
        raise InputError("params holds shapes: to verify takes arrays, though to discover does not")
    moved = jax.jit(_shaken)(params, jax.random.fold_in(key, 0))
    projected = _projected(lambda given: outputs(function(given, *inputs)), jax.random.fold_in(key, 1))
    gradient = jax.jit(jax.grad(projected, has_aux=True, allow_int=True)) if _reversible(projected, moved) else None
    evaluate = gradient or jax.jit(lambda given: (None, projected(given)[1]))

    def everything(given: PyTree) -> tuple[PyTree, PyTree]:
        slopes, results = evaluate(given)
        return jax.tree.map(_filled, slopes, given) if gradient else None, results

    slopes, before = everything(moved)
    eps = _precision((moved, before))
    jolt = jax.jit(functools.partial(_jolted, moved, eps))
    nearby = [everything(jolt(jax.random.fold_in(key, 2 + number))) for number in range(JOLTS)]
    steep, large = (
        scales_of(one, others, eps) for one, others in zip((slopes, before), zip(*nearby, strict=True), strict=True)
    )

    def compare(change: Change, back: Change) -> tuple[float, float | None]:
        changed, after = everything(change(moved))
        return difference(before, after, large), difference(slopes, back(changed), steep) if gradient else None

    def multiplied(group: UnitGroup, every: Sequence[Charges], factors: jax.Array) -> float | None:
        change = _multiplying(group, every, factors)
        return max(error for error in compare(change, change) if error is not None) if every else None

    errors = {}
    for number, group in enumerate(symmetry.values()):
        own = jax.random.fold_in(key, 2 + JOLTS + number)
        permuted = compare(*_permuting(group, own))
        sets = (*(outer.size for outer in group.inside), group.size)
        signs = jax.random.rademacher(own, (len(group.signs), *sets), jnp.float32)
        scales = jax.random.uniform(own, (len(group.scales), *sets), minval=0.5, maxval=2)
        errors[group.name] = Errors(*permuted, multiplied(group, group.signs, signs), multiplied(group, group.scales, scales))
    return errors


def _permuting(group: UnitGroup, key: jax.Array) -> tuple[Change, Change]:
    """Permutes a group at random, and back."""
    orders, permuted = _orders(group, key), jax.jit(permute_each, static_argnums=1)
    return lambda tree: permuted(tree, group, orders), lambda tree: permuted(tree, group, jnp.argsort(orders, axis=-1))


def _multiplying(group: UnitGroup, every: Sequence[Charges], factors: jax.Array) -> Change:
    """Multiplies units in all of these ways together. What this does to gradients undoes what it did to them before."""

    def change(tree: PyTree) -> PyTree:
        for number, charges in enumerate(every):
            tree = rescale(tree, group, charges, factors[number])
        return tree

    return jax.jit(change)


@functools.partial(jax.jit, static_argnums=0)
def _orders(group: UnitGroup, key: jax.Array) -> jax.Array:
    alike = jnp.broadcast_to(jnp.arange(group.size), (*(outer.size for outer in group.inside), group.size))
    return jax.random.permutation(key, alike, axis=-1, independent=True)


def _is_inexact(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jnp.inexact)


def _filled(slope: Any, leaf: Any) -> jax.Array:
    """A gradient to be permuted: that of whole numbers is nothing, not even an array."""
    return jnp.zeros(jnp.shape(leaf)) if slope.dtype == jax.dtypes.float0 else slope


def _precision(tree: PyTree) -> float:
    """The fraction by which rounding may move the coarsest numbers of a tree."""
    kinds = {leaf.dtype for leaf in jax.tree.leaves(tree) if _is_inexact(leaf)}
    return max((float(jnp.finfo(kind).eps) for kind in kinds), default=float(jnp.finfo(jnp.float32).eps))


def _projected(function: Callable[[PyTree], Any], key: jax.Array) -> Callable[[PyTree], tuple[jax.Array, Any]]:
    """A random projection of what a function returns, imaginary parts as well as real ones, and what it returns."""

    def projected(params: PyTree) -> tuple[jax.Array, Any]:
        results = jax.tree.map(jnp.asarray, function(params))
        total = jnp.zeros(())
        for number, leaf in enumerate(filter(_is_inexact, jax.tree.leaves(results))):
            weights = jax.random.normal(jax.random.fold_in(key, number), leaf.shape, leaf.dtype)
            total += jnp.real(jnp.sum(weights * leaf)).astype(total.dtype)
        return total, results

    return projected


def _reversible(projected: Callable[[PyTree], tuple[jax.Array, Any]], params: PyTree) -> bool:
    """Whether a function has gradients."""
    jax.eval_shape(projected, params)  # a mistake in the function itself is told as it is
    try:
        jax.eval_shape(jax.grad(projected, has_aux=True, allow_int=True), params)
    except (ValueError, TypeError, NotImplementedError):
        return False
    return True


def _shaken(params: PyTree, key: jax.Array) -> PyTree:
    def shake(leaf: jax.Array, factors: jax.Array, *zeros: jax.Array) -> jax.Array:
        real, imaginary = (zero.astype(leaf.real.dtype) / 10 for zero in zeros)
        zero = lax.complex(real, imaginary) if jnp.iscomplexobj(leaf) else real
        return jnp.where(leaf == 0, zero, leaf * factors.astype(leaf.dtype))

    factor, *parts = jax.random.split(key, 3)
    factors = _drawn(functools.partial(jax.random.uniform, minval=0.5, maxval=1.5), factor, params)
    return _inexact_alone(shake, params, factors, *(_drawn(jax.random.normal, part, params) for part in parts))


def _jolted(params: PyTree, eps: float, key: jax.Array) -> PyTree:
    """The parameters with each number moved as far as rounding may, up or down."""

    def jolt(leaf: jax.Array, way: jax.Array) -> jax.Array:
        return leaf * (1 + jnp.asarray(eps, leaf.real.dtype) * way.astype(leaf.real.dtype)).astype(leaf.dtype)

    return _inexact_alone(jolt, params, _drawn(jax.random.rademacher, key, params))


def _drawn(draw: Callable[[jax.Array, Sequence[int]], jax.Array], key: jax.Array, params: PyTree) -> PyTree:
    """A real number for each entry; all in one draw, since XLA takes long to compile one for each array."""
    leaves, tree = jax.tree.flatten(params)
    ends = np.cumsum([0, *(np.size(leaf) for leaf in leaves)])
    drawn = draw(key, (int(ends[-1]),))
    parts = (drawn[start:end] for start, end in itertools.pairwise(ends))
    return jax.tree.unflatten(tree, [part.reshape(np.shape(leaf)) for part, leaf in zip(parts, leaves, strict=True)])


def _inexact_alone(change: Callable[..., jax.Array], params: PyTree, *drawn: PyTree) -> PyTree:
    """Changes arrays by what was drawn for them, and leaves whole numbers alone."""
    return jax.tree.map(lambda leaf, *by: change(leaf, *by) if _is_inexact(leaf) else leaf, params, *drawn)
