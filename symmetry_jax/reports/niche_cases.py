"""Whether units move towards niches, case by case, by three signs: what they read, what they add and how much they fill.

A case is a network with its activation at a width, trained from independent units. If units came to fill niches, their
fan-ins would overlap less than before, what they add would correlate less than in random features, and their activations would
fill more directions. A sign moves towards niches or away from them where an interval excludes 0; it stays where a move towards
niches by a tenth of what it could is excluded; or it cannot be told. The intervals of a sign hold for all cases together.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import xarray as xr

from symmetry_jax.reports.bias_scales import interval
from symmetry_jax.reports.niches import (
    active_rank,
    change,
    correlation,
    fan_in_numbers,
    last,
    mean_overlap,
    settings_of,
    start,
)
from symmetry_jax.sweeps.study import Claim, Results
from symmetry_jax.theory.chance_overlap import even_cosine, least_correlation, mean_cosine

TENTH = 0.1  # of what a sign could move towards niches: a move by less is none


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """One point that has several seeds.

    Attributes:
        setting: network and activation, and what else is varied.
        runs: trained from independent units: (seed, width), at one width.
        features: the runs of the same seeds that trained the output alone; None without any.
    """

    setting: str
    runs: xr.Dataset
    features: xr.Dataset | None

    @property
    def width(self) -> int:
        """How many units there are."""
        return int(self.runs.width[0])


@dataclasses.dataclass(frozen=True)
class Sign:
    """A quantity in which niches would show.

    Attributes:
        claim: the name of its claim.
        noun: what it is, in words.
        niches: -1 if niches would lower it, 1 if they would raise it.
        read: what training adds to it in a case, (seed, width), and how far niches could move it at most; None if there is
            nothing to tell it by.
        form: how its numbers are written.
    """

    claim: str
    noun: str
    niches: int
    read: Callable[[Case], tuple[xr.DataArray, float] | None]
    form: str

    @property
    def verbs(self) -> tuple[str, str]:
        """What training does to it: towards niches, and away from them."""
        return ("lowers", "raises") if self.niches < 0 else ("raises", "lowers")

    def fate(self, case: Case, among: int) -> str:
        """Where it moves in a case, one of so many: "towards", "away", "stays" or "untold"."""
        found = self.read(case)
        if found is None:
            return "untold"
        moved, room = found
        low, high = sorted(self.niches * end for end in interval(moved, among)[::2])
        if low > 0 or high < 0:
            return "towards" if low > 0 else "away"
        return "stays" if high < TENTH * room else "untold"


def _overlap(case: Case) -> tuple[xr.DataArray, float]:
    """Fan-ins could go from chance to what is left where directions are spread as evenly as they can be."""
    numbers = int(fan_in_numbers(case.runs)[0])
    return change(mean_overlap(case.runs)), mean_cosine(numbers) - even_cosine(numbers, case.width)


def _told_alike(case: Case) -> tuple[xr.DataArray, float] | None:
    """What units add could cancel out in the sum."""
    if case.features is None:
        return None
    there = last(correlation(case.features))
    return last(correlation(case.runs)) - there, float(there.mean()) - least_correlation(case.width)


def _filled(case: Case) -> tuple[xr.DataArray, float]:
    """Activations could fill as many directions as there are units."""
    filled = active_rank(case.runs)
    return change(filled), case.width - float(filled.isel(step=0).mean())


SIGNS = (
    Sign("apart", "the mean |cosine| of fan-ins", -1, _overlap, "+.3f"),
    Sign("own", "the correlation of contributions beside random features", -1, _told_alike, "+.3f"),
    Sign("filled", "the effective rank of activations", 1, _filled, "+.2f"),
)


def cases_of(results: Results) -> list[Case]:
    """Every case, in the order of settings and widths."""
    found: list[Case] = []
    for name, setting in settings_of(results):
        runs, features = start(setting), start(setting, trained=False)
        if runs is not None and runs.sizes["seed"] > 1:
            for width in runs.width.values:
                beside = None if features is None else features.sel(width=[width])
                found.append(Case(name, runs.sel(width=[width]), beside))
    return found


def signs_of(cases: Sequence[Case]) -> list[Sign]:
    """The signs that some case has what to tell by."""
    return [sign for sign in SIGNS if any(sign.read(case) is not None for case in cases)]


def fates(sign: Sign, cases: Sequence[Case]) -> dict[str, list[Case]]:
    """The cases of each fate."""
    found: dict[str, list[Case]] = {"towards": [], "away": [], "stays": [], "untold": []}
    for case in cases:
        found[sign.fate(case, len(cases))].append(case)
    return found


def fate_words(sign: Sign, cases: Sequence[Case]) -> tuple[str, str]:
    """How often a sign moves towards niches, in words, and the three other counts."""
    count = {fate: len(found) for fate, found in fates(sign, cases).items()}
    towards, away = sign.verbs
    rest = (
        f"{away} it in {count['away']}, does not {towards[:-1]} it by a tenth of what it could in {count['stays']}, and "
        f"{count['untold']} cannot be told"
    )
    return f"{towards} {sign.noun} in {count['towards']}", rest


def sign_claims(results: Results) -> Iterator[Claim]:
    """Whether most cases move towards niches, by each sign; the statement has the other counts as well."""
    cases = cases_of(results)
    for sign in signs_of(cases):
        count, rest = len(fates(sign, cases)["towards"]), fate_words(sign, cases)[1]
        statement = (
            f"Cases of {len(cases)} (network, activation, width) in which training {sign.verbs[0]} {sign.noun}, as niches "
            f"would in most; it {rest} (intervals that hold for all cases with 95% confidence)"
        )
        yield Claim.at_least(sign.claim, statement, len(cases) // 2 + 1, count)


def verdict(cases: Sequence[Case]) -> str:
    """Whether units fill niches, by all signs together."""
    found = [sign.fate(case, len(cases)) for sign in signs_of(cases) for case in cases]
    towards, against, untold = ("towards" in found, "away" in found or "stays" in found, "untold" in found)
    if towards:
        return "Not in general" if against else f"By these signs yes{', where it can be told' if untold else ''}"
    if not against:
        return "It cannot be told"
    return "Not where it can be told" if untold else "No"
