"""One equation of a traced program, and the rules that say what it demands of the layouts of its arrays."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from symmetry_jax.symmetry.discovery.layouts import Factor, Layout, freeze, unify
from symmetry_jax.symmetry.discovery.operands import Operand, joint_origins, rigid
from symmetry_jax.symmetry.discovery.sources import Reason
from symmetry_jax.symmetry.units import Role

# the members by position, of a factor along another one beside it
Families = dict[tuple[Factor, Factor], dict[int, Factor]]


@dataclasses.dataclass(frozen=True)
class Array:
    """The layouts of an array's axes, and of the scans that it is one step of."""

    axes: tuple[Layout, ...]
    scans: tuple[Layout, ...]


@dataclasses.dataclass(frozen=True)
class Use:
    """Parameters meet activations along an axis."""

    paths: frozenset[str]
    axis: Layout
    role: Role


@dataclasses.dataclass(frozen=True)
class Condition:
    """Units may be permuted only where this does not happen."""

    axis: Layout
    reason: Reason


@dataclasses.dataclass(frozen=True)
class Step:
    """One equation with its operands and results; or, with a name of ours, how arrays outside a loop go with those inside."""

    name: str
    params: dict[str, Any]
    operands: Sequence[Operand]
    results: Sequence[Operand]


@dataclasses.dataclass
class Findings:
    """What following a program brought to light, beside the layouts themselves, in the program's order.

    Attributes:
        arrays: every array, and those that are made only to be summed over.
        uses: where parameters meet activations.
        alike: for an axis of an array that is computed from parameters alone, the axes of its operands that it stands for too.
        conditions: where units may be permuted only if something does not happen.
        members: for a factor, another beside it and a position along that: the factor as it is at that position alone.
        steps: every equation, those of a function that is called before the call itself.
        operands: each variable's, as the program that it is in was read last.
        captured: the origins of arrays that the program itself holds; None where they are the data.
    """

    arrays: list[Array] = dataclasses.field(default_factory=list)
    uses: list[Use] = dataclasses.field(default_factory=list)
    alike: dict[Layout, list[Layout]] = dataclasses.field(default_factory=dict)
    conditions: list[Condition] = dataclasses.field(default_factory=list)
    members: dict[tuple[Factor, Factor, int], Factor] = dataclasses.field(default_factory=dict)
    steps: list[Step] = dataclasses.field(default_factory=list)
    operands: dict[Any, Operand] = dataclasses.field(default_factory=dict)
    captured: frozenset[str] | None = frozenset()

    def saw(self, operand: Operand, scans: tuple[Layout, ...]) -> None:
        """Notes an array and the scans that it is in; one whose entries are positions along an axis has that axis as well."""
        self.arrays.append(Array(operand.layouts, scans))


# reads a called function: its jaxpr, the operands, and the scan that it is a step of
Read = Callable[[Any, Sequence[Operand], tuple[Layout, ...]], list[Operand]]


@dataclasses.dataclass(frozen=True)
class Equation:
    """One equation, without its operands.

    Attributes:
        name: of its primitive.
        params: of its primitive.
        shapes: of its results.
        findings: where rules put what else they learn.
        scans: the scans that it is in.
        source: the equation that stands in the user's code.
        read: reads the functions that it calls.
    """

    name: str
    params: dict[str, Any]
    shapes: tuple[tuple[int, ...], ...]
    findings: Findings
    scans: tuple[Layout, ...]
    source: Any
    read: Read

    def because(self, text: str = "") -> Reason:
        """A reason that names this equation."""
        return Reason(f"{self.name}: {text}" if text else self.name, self.source)

    def note_role(self, operand: Operand, axis: Layout, role: Role) -> None:
        """Notes that parameters have this role for the units along one of their axes."""
        if operand.origins:
            self.findings.uses.append(Use(operand.origins, axis, role))

    def join(self, axis: Layout, other: Layout, operands: Sequence[Operand], reason: Reason) -> None:
        """Two operands' axes are one axis of the result, which is given the first: it stands for the other too."""
        unify(axis, other, reason)
        if joint_origins(operands):
            self.findings.alike.setdefault(axis, []).append(other)

    def note_joint(self, axes: Sequence[Layout]) -> None:
        """Notes an array that is made only to be summed over: that of all products which a contraction adds up."""
        self.findings.arrays.append(Array(tuple(axes), self.scans))

    def note_mixing(self, operand: Operand, axes: Sequence[int]) -> None:
        """Notes that entries at different positions of these axes meet, so that units cannot be apart there."""
        self.note_joint([layout for axis, layout in enumerate(operand.layouts) if axis not in axes])

    def note_step(self, name: str, operands: Sequence[Operand], results: Sequence[Operand]) -> None:
        """Notes how arrays outside a function that is called go with those inside."""
        self.findings.steps.append(Step(name, self.params, operands, results))

    def note_condition(self, axis: Layout, text: str) -> None:
        """Notes on what condition the units of an axis may be permuted."""
        self.findings.conditions.append(Condition(axis, Reason(f"{text} at {self.name}", self.source)))


Rule = Callable[[Equation, list[Operand]], list[Operand]]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Registers the rule for primitives of these names; positions among its operands' entries are used as numbers."""

    def register(function: Rule) -> Rule:
        def strict(equation: Equation, operands: list[Operand]) -> list[Operand]:
            for operand in operands:
                operand.use_as_numbers(equation.because("positions along this axis are used as numbers"))
            return function(equation, [operand.plain() for operand in operands])

        return _register(names, strict, function)

    return register


def rule_for_positions(*names: str) -> Callable[[Rule], Rule]:
    """Registers a rule that knows what to do with entries which are positions."""
    return lambda function: _register(names, function, function)


def _register(names: Sequence[str], used: Rule, function: Rule) -> Rule:
    for name in names:
        assert name not in RULES, name
        RULES[name] = used
    return function


def opaque(equation: Equation, operands: list[Operand], text: str) -> list[Operand]:
    """The rule for what is not understood: every axis that it touches is rigid."""
    reason = equation.because(text)
    for operand in operands:
        operand.use_as_numbers(reason)
        for axis in operand.axes:
            freeze(axis, reason)
    return [rigid(shape, reason) for shape in equation.shapes]
