"""Traced programs, equation by equation."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

Values = Sequence[Any]  # arrays, random keys and what else a program may compute

INLINED = "call closed_call core_call jit pjit".split()  # calls of functions that stand in the program for convenience alone
BODIES = ("jaxpr", "call_jaxpr")


def flat_program(function: Callable[[Any], Any], tree: Any) -> tuple[ClosedJaxpr, Any]:
    """A function's program with the functions that it calls written out in their places, and the shapes of its results."""
    program, shapes = jax.make_jaxpr(function, return_shape=True)(tree)
    return jax.make_jaxpr(lambda *leaves: _evaluate(program, leaves))(*jax.tree.leaves(tree)), shapes


def compute(program: Jaxpr, line: JaxprEqn, values: Values) -> list[Any]:
    """The results of an equation of a program for these operands."""
    given = [(atom, value) for atom, value in zip(line.invars, values, strict=True) if not isinstance(atom, Literal)]
    alone = program.replace(constvars=[], invars=[atom for atom, _ in given], outvars=line.outvars, eqns=[line])
    return jax.core.eval_jaxpr(alone, (), *(value for _, value in given))


def read(known: dict[Any, Any], atom: Any) -> Any:
    """The value of an operand."""
    return atom.val if isinstance(atom, Literal) else known[atom]


def cut(function: Callable[[], tuple[Any, Any]]) -> tuple[Any, Callable[[Any], Any]]:
    """The first of two results, and the second as a function of the first: what is computed of it, where the two are made."""
    program, shapes = flat_program(lambda nothing: function(), ())
    first, second = map(jax.tree.structure, shapes)
    jaxpr, count = program.jaxpr, len(jax.tree.leaves(shapes[0]))
    made, rest = jaxpr.outvars[:count], jaxpr.outvars[count:]
    constants = dict(zip(jaxpr.constvars, program.consts, strict=True))

    def follow(given: dict[Any, Any], wanted: Sequence[Any]) -> list[Any]:
        known = {**constants, **given}
        for line in jaxpr.eqns:
            results = compute(jaxpr, line, [read(known, atom) for atom in line.invars])
            known.update((one, result) for one, result in zip(line.outvars, results, strict=True) if one not in given)
        return [read(known, atom) for atom in wanted]

    def second_of(values: Any) -> Any:
        pairs = zip(made, jax.tree.leaves(values), strict=True)
        given = {atom: value for atom, value in pairs if not isinstance(atom, Literal)}
        return jax.tree.unflatten(second, follow(given, rest))

    return jax.tree.unflatten(first, follow({}, made)), second_of


def _evaluate(program: ClosedJaxpr, arguments: Values) -> list[Any]:
    jaxpr = program.jaxpr
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*program.consts, *arguments], strict=True))
    for line in jaxpr.eqns:
        values = [read(known, atom) for atom in line.invars]
        name = line.primitive.name
        results = _evaluate(_body(line), values) if name in INLINED else compute(jaxpr, line, values)
        known.update(zip(line.outvars, results, strict=True))
    return [read(known, atom) for atom in jaxpr.outvars]


def _body(line: JaxprEqn) -> ClosedJaxpr:
    body = next(line.params[name] for name in BODIES if name in line.params)
    return body if isinstance(body, ClosedJaxpr) else ClosedJaxpr(body, ())
