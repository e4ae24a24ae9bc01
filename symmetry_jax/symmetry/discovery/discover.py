"""The unit groups of any JAX function of parameters, read off its traced program."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr
from jax.interpreters import partial_eval

from symmetry_jax.errors import InputError
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
        inputs: further arguments, arrays or shapes. What is no array belongs in the function (`functools.partial`).
        outputs: which of the results count: `lambda result: result[0]` leaves out the batch statistics that are returned.
        trained: tells of an array's path whether it is trained, which gives its axes their roles. By default integers are not,
            nor are, where the tree holds a collection `params`, the arrays of other collections.

    Returns:
        The groups, in the order in which the program makes their units, and which axes are rigid and why. Prints as a table.

    Raises:
        InputError: where an argument holds something that is no array, or two arrays of `params` have the same path.
    """
    arrays = _arrays(params)
    _arrays(inputs, "inputs")
    program, used = _trace(lambda *arguments: outputs(function(*arguments)), params, *inputs)
    axes: Axes = {path: tuple(map(_marked, array.shape)) for path, array in arrays}
    operands = [Operand(axes[path], frozenset([path])) for path, _ in arrays]
    operands += [rigid(leaf.shape, Reason("an axis of the input")) for leaf in map(jax.typeof, jax.tree.leaves(inputs))]
    results, findings = follow(program, [operand for operand, kept in zip(operands, used, strict=True) if kept])
    for result in results:
        result.use_as_numbers(Reason("positions along this axis are an output"))
        for layout in result.axes:
            freeze(layout, Reason("an axis of the output"))
    taken = {path: axes[path] for (path, _), kept in zip(arrays, used, strict=False) if kept}
    is_trained = trained or _by_collection([path for path, _ in arrays])
    state = [path for path, array in arrays if not is_trained(path) or not jax.numpy.issubdtype(array.dtype, jax.numpy.inexact)]
    families = settle(taken, findings)
    found = nested(groups(taken, findings, state), taken, findings, families)
    return Symmetry(tuple(found), tuple(_rigid_axes(axes, taken)))


def _trace(function: Callable[..., Any], *arguments: PyTree) -> tuple[ClosedJaxpr, list[bool]]:
    """The program without what its results do not depend on, and which arrays they do depend on."""
    program = jax.make_jaxpr(function)(*arguments)
    jaxpr, used = partial_eval.dce_jaxpr(program.jaxpr, [True] * len(program.jaxpr.outvars))
    constants = dict(zip(program.jaxpr.constvars, program.consts, strict=True))
    return ClosedJaxpr(jaxpr, [constants[variable] for variable in jaxpr.constvars]), list(used)


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
