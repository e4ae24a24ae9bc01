"""The unit groups of any JAX function of parameters, read off its traced program."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr
from jax.interpreters import partial_eval

from symmetry_jax.errors import InputError
from symmetry_jax.symmetry.discovery.charges import charged
from symmetry_jax.symmetry.discovery.families import settle
from symmetry_jax.symmetry.discovery.grouping import Axes, groups, occurrences
from symmetry_jax.symmetry.discovery.layouts import ONE_BY_ONE, Factor, Layout, free, freeze, ones
from symmetry_jax.symmetry.discovery.nesting import nested
from symmetry_jax.symmetry.discovery.operands import Operand, rigid
from symmetry_jax.symmetry.discovery.reading import follow
from symmetry_jax.symmetry.discovery.sources import Reason
from symmetry_jax.symmetry.units import PyTree, RigidAxis, Symmetry, leaves

UNUSED = "no output depends on it"


def discover(
    function: Callable[..., Any],
    params: PyTree,
    *inputs: PyTree,
    outputs: Callable[[Any], Any] = lambda result: result,
    trained: Callable[[str], bool] | None = None,
) -> Symmetry:
    """Every unit group of `function(params, *inputs)` that its traced program proves.

    Each axis of each array is followed through the program. Axes that are indexed alike form a class; a class that touches
    parameters and nothing rigid is a group. Axes of inputs and of outputs are rigid, and so is what is used in a way that
    depends on position or is not understood, so that no group is false; that all are found is not promised.

    Args:
        function: any function that JAX can trace.
        params: its parameters, a pytree of arrays or of their shapes (`jax.eval_shape`); variables that are not trained, such
            as batch statistics, belong to it.
        inputs: further arguments, arrays or shapes. What is no array belongs in the function (`functools.partial`). Without
            any, arrays that the function has captured are taken for the data, which decides about roles and names alone; one
            that captures masks of its weights as well is read better with the data as inputs.
        outputs: which of the results count: `lambda result: result[0]` leaves out the batch statistics that are returned.
            Arrays that only the others depend on are in the groups of those that they go with.
        trained: tells of an array's path whether it is trained, which gives its axes their roles. By default integers are not,
            nor are, where the tree holds a collection `params`, the arrays of other collections.

    Returns:
        The groups, in the order in which the program makes their units, and which axes are rigid and why. Prints as a table.

    Raises:
        InputError: where an argument holds something that is no array, or two arrays of `params` have the same path.
    """
    arrays = _arrays(params)
    _arrays(inputs, "inputs")
    program, counted = _trace(function, outputs, params, *inputs)
    is_trained = trained or _by_collection([path for path, _ in arrays])
    state = [path for path, array in arrays if not is_trained(path) or not jnp.issubdtype(array.dtype, jnp.inexact)]
    shapes = [jax.typeof(leaf) for leaf in jax.tree.leaves(inputs)]
    symmetry = _read_off(program, counted, counted, arrays, shapes, state)
    if all(counted):
        return symmetry
    # statistics that only the other results depend on belong to their units, unless those results tell of less than this
    wider = _read_off(program, [True] * len(counted), counted, arrays, shapes, state)
    unused = {axis.path for axis in symmetry.rigid if axis.axis is None}
    return wider if _told(wider, unused) == _told(symmetry, unused) else symmetry


def _trace(function: Callable[..., Any], outputs: Callable[[Any], Any], *arguments: PyTree) -> tuple[ClosedJaxpr, list[bool]]:
    """The program, and which of its results count."""

    def both(*arguments: PyTree) -> tuple[Any, Any]:
        results = function(*arguments)
        return outputs(results), results

    program, shapes = jax.make_jaxpr(both, return_shape=True)(*arguments)
    number = len(jax.tree.leaves(shapes[0]))
    chosen = {id(result) for result in program.jaxpr.outvars[:number]}
    return program, [place < number or id(result) in chosen for place, result in enumerate(program.jaxpr.outvars)]


def _read_off(
    program: ClosedJaxpr,
    wanted: Sequence[bool],
    counted: Sequence[bool],
    arrays: Sequence[tuple[str, Any]],
    inputs: Sequence[Any],
    state: Sequence[str],
) -> Symmetry:
    """The symmetry that the program shows without what the results that are wanted do not depend on."""
    program, used = _without_dead_code(program, wanted)
    axes: Axes = {path: tuple(map(_marked, array.shape)) for path, array in arrays}
    operands = [Operand(axes[path], frozenset([path])) for path, _ in arrays]
    operands += [rigid(array.shape, Reason("an axis of the input")) for array in inputs]
    taken_in = [operand for operand, kept in zip(operands, used, strict=True) if kept]
    results, findings = follow(program, taken_in, frozenset() if inputs else None)
    for result in itertools.compress(results, itertools.compress(counted, wanted)):
        result.use_as_numbers(Reason("positions along this axis are an output"))
        for layout in result.axes:
            freeze(layout, Reason("an axis of the output"))
    taken = {path: axes[path] for (path, _), kept in zip(arrays, used, strict=False) if kept}
    families = settle(taken, findings)
    found = groups(taken, findings, state)
    apart = nested(found, taken, findings, families)
    numbers = [path for path, array in arrays if jnp.issubdtype(array.dtype, jnp.inexact)]
    begins = {path: operand for (path, _), operand in zip(arrays, operands, strict=False) if path in numbers}
    factors = [factor for factor, _ in found]
    symmetries = charged(list(zip(factors, apart, strict=True)), families, begins, findings.steps)
    return Symmetry(tuple(symmetries), tuple(_rigid_axes(axes, taken)))


def _without_dead_code(program: ClosedJaxpr, wanted: Sequence[bool]) -> tuple[ClosedJaxpr, list[bool]]:
    """The program with the results that are wanted, and which of its arguments they depend on."""
    jaxpr, used = partial_eval.dce_jaxpr(program.jaxpr, list(wanted))
    constants = dict(zip(program.jaxpr.constvars, program.consts, strict=True))
    return ClosedJaxpr(jaxpr, [constants[variable] for variable in jaxpr.constvars]), list(used)


def _told(symmetry: Symmetry, unused: Set[str]) -> set[Any]:
    """What a symmetry tells of the arrays that are used."""
    told = ((frozenset(axis for axis in group.axes if axis.path not in unused), group) for group in symmetry.values())
    return {(axes, group.size, group.sets, group.conditions) for axes, group in told if axes}


def _arrays(tree: PyTree, name: str = "params") -> list[tuple[str, Any]]:
    found = []
    for path, leaf in leaves(tree):
        try:
            found.append((path, jax.typeof(leaf)))
        except TypeError:
            kind = type(leaf).__name__
            where = f"{name}, {path}" if path else name
            raise InputError(f"{where}: a {kind} is no array; what is no array belongs in the function") from None
    repeated = [path for path, times in Counter(path for path, _ in found).items() if times > 1]
    if repeated and name == "params":
        raise InputError(f"params: several arrays have the path {repeated[0]!r}; keys must tell them apart")
    if not found and name == "params":
        raise InputError("params holds no arrays")
    return found


def _marked(size: int) -> Layout:
    """The layout of a parameter's axis: an object that stands for this axis alone, whatever it turns out to be."""
    axis = Factor(size)
    axis.form = free(size)
    return axis


def _by_collection(paths: list[str]) -> Callable[[str], bool]:
    collections = {path.split("/")[0] for path in paths}
    return lambda path: "params" not in collections or path.split("/")[0] == "params"


def _rigid_axes(axes: Axes, used: Axes) -> Iterator[RigidAxis]:
    for path, layouts in axes.items():
        if path not in used:
            yield RigidAxis(path, None, 0, UNUSED)
            continue
        for axis, layout in enumerate(layouts):
            for place in occurrences(layout):
                if place.factor.rigid is not None:
                    yield RigidAxis(path, axis, place.factor.size, str(place.factor.rigid))
            if single := ones(layout):
                yield RigidAxis(path, axis, single, str(ONE_BY_ONE))
