"""A study: a question, the programs that answer it, and the claims that are computed from their results."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import xarray as xr
from matplotlib.figure import Figure
from ml_collections import ConfigDict

from symmetry_jax.sweeps.program import Program

Results = Mapping[str, xr.Dataset]  # the labelled results of each sweep, by name; the first is the study's main one


@dataclasses.dataclass(frozen=True)
class Claim:
    """A finding, held against a closed form or a published result.

    Attributes:
        name: a short handle, unique in the study.
        statement: what is claimed, in words that the numbers can contradict.
        expected: the value, or the bound as text (">= 0.5").
        measured: what the results say; None if they do not say anything.
        tolerance: largest distance from the expected value that still counts; 0 for a bound.
        holds: whether the results bear it out.
    """

    name: str
    statement: str
    expected: float | str
    measured: float | None
    tolerance: float
    holds: bool

    @classmethod
    def near(cls, name: str, statement: str, expected: float, measured: float, tolerance: float) -> "Claim":
        """Holds if |measured - expected| <= tolerance, and not where what is expected is not known (all runs diverged)."""
        if not (math.isfinite(expected) and math.isfinite(tolerance)):
            return cls(name, statement, "not known", _number(measured), 0.0, False)
        holds = bool(abs(measured - expected) <= tolerance)
        return cls(name, statement, float(expected), _number(measured), float(tolerance), holds)

    @classmethod
    def at_least(cls, name: str, statement: str, bound: float, measured: float) -> "Claim":
        """Holds if measured >= bound."""
        return cls(name, statement, f">= {bound:g}", _number(measured), 0.0, bool(measured >= bound))

    @classmethod
    def at_most(cls, name: str, statement: str, bound: float, measured: float) -> "Claim":
        """Holds if measured <= bound."""
        return cls(name, statement, f"<= {bound:g}", _number(measured), 0.0, bool(measured <= bound))

    def to_json(self) -> dict[str, Any]:
        """As it stands in `claims.json`."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure with what it shows and what a reader may not conclude from it."""

    name: str
    figure: Figure
    caption: str


@dataclasses.dataclass(frozen=True)
class Table:
    """Numbers side by side, with what they show; a page shows them, and a file of comma-separated values holds them."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | int, ...], ...]
    caption: str


def as_they_are(results: Results) -> Results:
    """What a study has whose claims, figures and words each read the results themselves."""
    return results


def no_tables(results: Results) -> Sequence[Table]:
    """What a study has that shows all in figures."""
    del results
    return ()


@dataclasses.dataclass(frozen=True)
class Study:
    """What a module in `experiments/` defines as `STUDY`.

    Attributes:
        question: in one line.
        build: the programs for a config; raises InputError for settings that cannot be.
        claims: computed from results.
        pictures: drawn from results.
        answer: the answer in words, derived from results and claims: in one line, then, after an empty line, in detail.
        tables: made of results.
        prepare: what the four above are given, made of the results on disk: what all of them need is worked out once.
    """

    question: str
    build: Callable[[ConfigDict], Sequence[Program]]
    claims: Callable[[Results], Sequence[Claim]]
    pictures: Callable[[Results], Sequence[Picture]]
    answer: Callable[[Results, Sequence[Claim]], str]
    tables: Callable[[Results], Sequence[Table]] = no_tables
    prepare: Callable[[Results], Results] = as_they_are


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
