"""Following a traced program, equation by equation."""

from collections.abc import Sequence
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

# rules are registered where they are written
from symmetry_jax.symmetry.discovery import contractions, control_flow, elementwise, indexing, shaping, windows
from symmetry_jax.symmetry.discovery.equations import RULES, Equation, Findings, Step, opaque
from symmetry_jax.symmetry.discovery.layouts import Layout
from symmetry_jax.symmetry.discovery.operands import Operand, constant
from symmetry_jax.symmetry.discovery.sources import in_library

RULE_BOOKS = (contractions, control_flow, elementwise, indexing, shaping, windows)
RANDOM = ("random_", "rng_", "threefry")


def follow(
    program: ClosedJaxpr, operands: Sequence[Operand], captured: frozenset[str] | None = frozenset()
) -> tuple[list[Operand], Findings]:
    """The results of a program given its operands, and what came to light on the way.

    Arrays that the program itself holds are computed from no parameters, or, where `captured` is None, are its data.

    The layouts of the operands' axes themselves are changed to what the program demands of them.
    """
    findings = Findings(captured=captured)
    return _read(findings, None, program, operands, ()), findings


def _read(
    findings: Findings,
    caller: JaxprEqn | None,
    program: ClosedJaxpr | Jaxpr,
    arguments: Sequence[Operand],
    scans: tuple[Layout, ...],
) -> list[Operand]:
    """Reads one function; `caller` is the equation that calls a library's function, which its own lines are not shown for."""
    jaxpr, constants = (program.jaxpr, program.consts) if isinstance(program, ClosedJaxpr) else (program, [])
    known: dict[Any, Operand] = {
        variable: constant(array, findings.captured) for variable, array in zip(jaxpr.constvars, constants, strict=True)
    }
    known.update(zip(jaxpr.invars, arguments, strict=True))

    def value(atom: Any) -> Operand:
        return constant(atom.val, findings.captured) if isinstance(atom, Literal) else known[atom]

    for operand in known.values():
        findings.saw(operand, scans)
    for line in jaxpr.eqns:
        operands = [value(atom) for atom in line.invars]
        results = _apply(findings, caller, line, operands, scans)
        findings.steps.append(Step(line.primitive.name, line.params, operands, results))
        for variable, result in zip(line.outvars, results, strict=True):
            assert result.sizes == _shape(variable), f"{line.primitive.name}: {result.sizes} for {_shape(variable)}"
            findings.saw(result, scans)
            known[variable] = result
    findings.operands.update(known)
    return [value(atom) for atom in jaxpr.outvars]


def _apply(
    findings: Findings, caller: JaxprEqn | None, line: JaxprEqn, operands: list[Operand], scans: tuple[Layout, ...]
) -> list[Operand]:
    name, source = line.primitive.name, caller or line

    def read(program: Any, given: Sequence[Operand], inside: tuple[Layout, ...]) -> list[Operand]:
        jaxpr = getattr(program, "jaxpr", program)
        return _read(findings, caller or (line if in_library(jaxpr) else None), program, given, inside)

    shapes = tuple(_shape(variable) for variable in line.outvars)
    equation = Equation(name, line.params, shapes, findings, scans, source, read)
    if name in RULES:
        narrow = equation.because("positions along this axis are told apart by numbers too few")
        results = RULES[name](equation, operands)
        return [result.within(_dtype(variable), narrow) for result, variable in zip(results, line.outvars, strict=True)]
    if name.startswith(RANDOM):
        return opaque(equation, operands, "random numbers are drawn by position")
    return opaque(equation, operands, "this primitive is not followed")


def _dtype(variable: Any) -> Any:
    return getattr(variable.aval, "dtype", None)


def _shape(variable: Any) -> tuple[int, ...]:
    return tuple(getattr(variable.aval, "shape", ()))  # a token has none
