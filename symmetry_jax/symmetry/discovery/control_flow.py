"""Rules for equations that call functions: once, over and over, or one of several."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from symmetry_jax.symmetry.discovery.equations import Equation, rule, rule_for_positions
from symmetry_jax.symmetry.discovery.layouts import free, freeze, unify
from symmetry_jax.symmetry.discovery.operands import Operand, joint_origins, unknown

CALLS = """
    call checkpoint closed_call core_call custom_jvp_call custom_vjp_call custom_vjp_call_jaxpr custom_vmap_call jit pjit remat
    remat2
""".split()
BODIES = ("jaxpr", "call_jaxpr", "fun_jaxpr", "call")
CARRIED = "what is carried from step to step is laid out in ways that do not fit"


@rule_for_positions(*CALLS)
def call(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """A function is called."""
    body = next(equation.params[name] for name in BODIES if name in equation.params)
    return equation.read(body, operands, equation.scans)


@rule_for_positions("linear_map")
def linear_map(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """A function that is written in jax, whatever computes it."""
    (operand,) = operands
    written = jax.make_jaxpr(equation.params["map"].in_jax)(jax.ShapeDtypeStruct(operand.sizes, np.float32))
    return equation.read(written, operands, equation.scans)


@rule_for_positions("scan")
def scan(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Step after step: what is carried is laid out alike at every step; with nothing carried the steps have no order."""
    params = equation.params
    constant, carry = _constant_and_carried(params)
    constants, start, scanned = operands[:constant], operands[constant : constant + carry], operands[constant + carry :]
    step = free(params["length"])
    for operand in scanned:
        unify(step, operand.axes[0], equation.because("axes that are scanned together do not fit"))
    if start:
        freeze(step, equation.because("scanned in order"))
    carried = _carried(equation, start)
    slices = [operand.with_axes(operand.axes[1:]) for operand in scanned]
    equation.note_step("scanned", scanned, slices)
    results = equation.read(params["jaxpr"], [*constants, *carried, *slices], (*equation.scans, step))
    _close(equation, carried, results[: len(carried)])
    stacked = [operand.with_axes((step, *operand.axes)) for operand in results[len(carried) :]]
    equation.note_step("scanned", results[len(carried) :], stacked)
    return [*carried, *stacked]


def _constant_and_carried(params: Mapping[str, Any]) -> tuple[int, int]:
    """How many inputs of a scan are the same at every step, and how many are carried."""
    if "ft_in" in params:  # since jax 0.11.0
        constants, carry, _ = params["ft_in"].unpack()
        return len(constants), len(carry)
    return params["num_consts"], params["num_carry"]


@rule_for_positions("while")
def repeat(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Repeated while a condition holds."""
    params = equation.params
    asked, done = params["cond_nconsts"], params["body_nconsts"]
    carried = _carried(equation, operands[asked + done :])
    (go,) = equation.read(params["cond_jaxpr"], [*operands[:asked], *carried], equation.scans)
    go.use_as_numbers(equation.because("positions along this axis decide how often"))
    results = equation.read(params["body_jaxpr"], [*operands[asked : asked + done], *carried], equation.scans)
    _close(equation, carried, results)
    return carried


@rule_for_positions("cond")
def choice(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """One of several functions."""
    which, *given = operands
    which.use_as_numbers(equation.because("a position along this axis chooses a branch"))
    first, *others = (equation.read(branch, given, equation.scans) for branch in equation.params["branches"])
    reason = equation.because("branches lay out what they return in ways that do not fit each other")
    for results in (first, *others):
        for one, other in zip(first, results, strict=True):
            other.use_as_numbers(reason)
            for axis, same in zip(one.axes, other.axes, strict=True):
                equation.join(axis, same, [which, one, other], reason)
    branches = zip(first, *others, strict=True)
    chosen = []
    for cases in branches:
        chosen.append(Operand(cases[0].axes, joint_origins([which, *cases])))
        equation.note_step("chosen", cases, chosen[-1:])
    return chosen


@rule("debug_callback", "debug_print")
def remark(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """What is printed is no part of the function."""
    del equation, operands
    return []


def _carried(equation: Equation, start: Sequence[Operand]) -> list[Operand]:
    """What each step begins with: laid out like the start, of which nothing else is known."""
    reason = equation.because(CARRIED)
    carried = []
    for operand in start:
        operand.use_as_numbers(reason)
        begin = unknown(operand.sizes)
        for one, other in zip(begin.axes, operand.axes, strict=True):
            unify(one, other, reason)
        carried.append(begin)
    equation.note_step("carried", start, carried)
    return carried


def _close(equation: Equation, carried: Sequence[Operand], results: Sequence[Operand]) -> None:
    """What a step ends with is what the next one begins with."""
    reason = equation.because(CARRIED)
    equation.note_step("carried on", results, carried)
    for begin, end in zip(carried, results, strict=True):
        end.use_as_numbers(reason)
        for one, other in zip(begin.axes, end.axes, strict=True):
            unify(one, other, reason)
