"""The study of niches from end to end, small; and that its claims hold and fail as the numbers say."""

import functools
import json
import re

import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot as plt

from symmetry_jax import load_results
from symmetry_jax.command_line import load_study
from symmetry_jax.errors import InputError
from symmetry_jax.reports.niches import ERRORS, chance_errors, settings_of, start
from symmetry_jax.reports.report import write_report
from symmetry_jax.sweeps.loading import load_sweeps
from symmetry_jax.sweeps.runner import run_study
from symmetry_jax.theory.chance_overlap import even_cosine, mean_cosine
from tests.experiments import presets

pytestmark = pytest.mark.slow  # compiles every program of the study

STUDY = load_study("complementary_niches")
NAME, PUSH = "cnn, relu", "orthogonality"
TRAINED, NEAR = {"spread": 1, "hidden_rate": 1}, {"spread": 0.001, "hidden_rate": 1}


smoke = functools.partial(presets.changed, "complementary_niches")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "work"
    run_study(STUDY, smoke(save_steps=0, steps=30, records=3, width="4"), path, "", say=lambda line: None)
    write_report(STUDY, path)
    return path


@pytest.fixture(scope="module")
def sweeps(workdir):
    return load_sweeps(workdir)


def with_values(sweeps, *changes):
    """Copies of the results in which some numbers are made up: (sweep, variable, value or what makes it of the old, labels)."""
    copy = {name: dataset.copy(deep=True) for name, dataset in sweeps.items()}
    for sweep, variable, value, where in changes:
        array = copy[sweep][variable]
        old = array.loc[where]
        array.loc[where] = value(old) if callable(value) else np.full(old.shape, value)
    return copy


def holds(sweeps, claim, *changes):
    found = {one.name: one.holds for one in STUDY.claims(with_values(sweeps, *changes))}
    return found[claim]


def test_results_are_labelled_by_the_axes(workdir, sweeps):
    assert load_results(workdir).sizes["seed"] == 4 and set(sweeps) == {"niches", "penalised"}
    runs = sweeps["niches"].sel(network="cnn", activation="relu", width=4, learning_rate=0.1)
    np.testing.assert_array_equal(runs.fan_in_numbers, 9)
    drawn = runs.sel(hidden_rate=0)
    np.testing.assert_array_equal(drawn.overlap.isel(step=-1), drawn.overlap.isel(step=0))
    assert float(abs(runs.sel(TRAINED).overlap.isel(step=-1) - runs.sel(TRAINED).overlap.isel(step=0)).min()) > 0
    np.testing.assert_array_equal(drawn.overlap.isel(step=0), runs.sel(hidden_rate=1).overlap.isel(step=0))


def test_claims_that_theory_makes_hold(workdir, sweeps):
    assert holds(sweeps, f"tied: {PUSH}") and holds(sweeps, "chance: cnn")
    claims = json.loads((workdir / "claims.json").read_text())["claims"]
    kinds = [claim["name"].split(":")[0] for claim in claims]
    signs = ["apart", "own", "filled"]
    assert kinds == [*signs, "chance", "superadditive", "memory", "tied", *2 * ["apart", "helps", "alive"]]


LAST = {"step": 30}
ENDS = {"end": "last"}
COST = {"way": "mean", **ENDS}
FIRST = {"step": 0, "statistic": "mean"}
MEAN = {"statistic": "mean", **LAST}
RANK = {"part": "activations", **LAST}
SEED = {**NEAR, **LAST, "seed": 1}
DEAD = [("niches", "overlap", -9.0, {**SEED, "statistic": "mean"})]  # what no claim is to read once the network is silent


@pytest.mark.parametrize(
    "claim, holding, failing",
    [
        (
            "chance: cnn",
            [("niches", "overlap", mean_cosine(9), {**TRAINED, **FIRST})],
            [("niches", "overlap", mean_cosine(9) + 0.2, {**TRAINED, **FIRST})],
        ),
        (
            "apart",
            [("niches", "overlap", -0.1, {**TRAINED, **MEAN})],  # below anything that is untrained
            [("niches", "overlap", 1.0, {**TRAINED, **MEAN})],
        ),
        (
            "own",
            [("niches", "contribution_correlation", -1.0, {**TRAINED, **LAST})],
            [("niches", "contribution_correlation", 1.0, {**TRAINED, **LAST})],
        ),
        (
            "filled",
            [("niches", "effective_rank", 4.0, {**TRAINED, **RANK})],
            [("niches", "effective_rank", 0.9, {**TRAINED, **RANK})],
        ),
        (
            f"superadditive: {NAME}",
            [("niches", "removal", 9.0, {**TRAINED, **COST, "quantity": "two"})],
            [("niches", "removal", lambda old: 9.0 * (-1) ** old.seed, {**TRAINED, **COST, "quantity": "two"})],
        ),
        (
            f"memory: {NAME}",
            [("niches", "overlap", 1.0, {**NEAR, **MEAN})],
            [("niches", "overlap", -0.1, {**NEAR, **MEAN})],
        ),
        (
            f"memory: {NAME}",
            [*(made := [("niches", "overlap", 0.9, {**NEAR, **MEAN}), *DEAD]), ("niches", "silent", 1.0, SEED)],
            made,
        ),
        (f"tied: {PUSH}", [], [("penalised", "furthest", 1e-30, {"spread": 0, "strength": 10, "seed": 1, **ENDS})]),
        (f"tied: {PUSH}", [], [("penalised", "furthest", np.nan, {"spread": 0, "strength": 10, "seed": 1, **ENDS})]),
        (
            f"apart: {PUSH}, spread 1",
            [("penalised", "overlap", -0.1, {"spread": 1, "strength": 10, **MEAN})],
            [("penalised", "overlap", 1.0, {"spread": 1, "strength": 10, **MEAN})],
        ),
        (
            f"helps: {PUSH}, spread 0.001",
            [("penalised", "test_accuracy", 2.0, {"spread": 0.001, "strength": 10, **LAST})],
            [("penalised", "test_accuracy", lambda old: old * 0, {"spread": 0.001, "strength": 10, **LAST})],
        ),
        (
            f"alive: {PUSH}, spread 1",
            [("penalised", "silent", 0.0, {"spread": 1, **LAST})],
            [("penalised", "silent", 0.5, {"spread": 1, "strength": 10, **LAST})],
        ),
    ],
)
def test_claims_go_with_the_numbers(sweeps, claim, holding, failing):
    assert holds(sweeps, claim, *holding) and not holds(sweeps, claim, *failing)


def test_a_number_that_is_missing_bears_nothing_out(sweeps):
    lost = [
        ("niches", "overlap", np.nan, {**TRAINED, "statistic": "mean"}),
        ("niches", "removal", np.nan, TRAINED),
        ("niches", "contribution_correlation", np.nan, TRAINED),
        ("niches", "effective_rank", np.nan, TRAINED),
    ]
    found = {one.name: one.holds for one in STUDY.claims(with_values(sweeps, *lost))}
    assert not any(found[name] for name in ("chance: cnn", "apart", "own", "filled"))
    assert not any(found[f"{kind}: {NAME}"] for kind in ("superadditive", "memory"))


def test_errors_of_chance_are_those_of_directions_that_are_drawn(sweeps):
    """With the cosines of 10,000 draws for each seed the errors are normal: their mean square is 1."""
    random, units, numbers, seeds = np.random.default_rng(0), 4, 9, 4
    (_, setting), *_ = settings_of(sweeps)
    runs = start(setting)
    errors = []
    for _ in range(400):
        vectors = random.normal(size=(seeds, units, numbers))
        vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
        sizes = np.abs(vectors @ vectors.transpose(0, 2, 1))[:, *np.triu_indices(units, 1)].mean(1)
        made = runs.copy(deep=True)
        made["overlap"].loc[FIRST] = np.broadcast_to(sizes, made.overlap.loc[FIRST].shape)
        errors.append(float(chance_errors(made)[0]))
    assert np.mean(np.square(errors)) == pytest.approx(1, abs=0.2) and np.max(errors) < ERRORS + 0.5


def test_a_network_has_one_claim_of_chance(sweeps):
    """Whatever the activation, the same fan-ins are drawn; it is the worst that is told."""
    off = with_values(sweeps, ("niches", "overlap", mean_cosine(9) + 0.2, {**TRAINED, **FIRST}))["niches"]
    both = xr.concat([sweeps["niches"], off.assign_coords(activation=["tanh"])], "activation", data_vars="minimal")
    claims = [claim for claim in STUDY.claims({**sweeps, "niches": both}) if claim.name.startswith("chance")]
    assert [claim.name for claim in claims] == ["chance: cnn"] and not claims[0].holds


def test_the_answer_is_a_paragraph_and_details_from_the_results(sweeps):
    text = STUDY.answer(sweeps, STUDY.claims(sweeps))
    paragraph, details = text.split("\n\n")
    assert paragraph.count(". ") == 3 and paragraph.endswith(".") and "nan" not in text
    assert "random features" in details and "Removal is without training again" in details
    assert "largest |cosine|" in details and "effective rank of fan-ins" in details and "pairs duplicates" in details
    assert "independent directions: width 4: mean |cosine| 0.273 (0.000 spread evenly), largest |cosine| 0.54" in details


def moved(sweeps, cosine, told_alike, filled):
    """Results in which training adds so much to each of three signs, as functions of the seed."""
    kept = sweeps["niches"]
    before, drawn = kept.overlap.loc[{**TRAINED, **FIRST}], {"spread": 1, "hidden_rate": 0}
    features = kept.contribution_correlation.loc[{**drawn, **LAST}].drop_vars("hidden_rate")
    rank = kept.effective_rank.loc[{**TRAINED, "step": 0, "part": "activations"}].drop_vars("step")
    return with_values(
        sweeps,
        ("niches", "overlap", lambda old: before.drop_vars("step") + cosine(old.seed), {**TRAINED, **MEAN}),
        ("niches", "contribution_correlation", lambda old: features + told_alike(old.seed), {**TRAINED, **LAST}),
        ("niches", "effective_rank", lambda old: rank + filled(old.seed), {**TRAINED, **RANK}),
    )


UP, DOWN = (lambda seed: 0.2 + 0.001 * seed), (lambda seed: -0.2 + 0.001 * seed)
STILL, ANY = (lambda seed: 0.001 * (-1) ** seed), (lambda seed: 0.5 * (-1) ** seed)


@pytest.mark.parametrize(
    "signs, verdict, counts, every",
    [
        (
            (DOWN, DOWN, UP),
            "By these signs yes:",
            ("lowers 1000", "lowers 1000", "raises 1000"),
            "1 cases, and some of them in 1",
        ),
        ((UP, UP, DOWN), "No:", ("lowers 0100", "lowers 0100", "raises 0100"), "0 cases, and some of them in 0."),
        ((STILL, STILL, STILL), "No:", ("lowers 0010", "lowers 0010", "raises 0010"), "some of them in 0."),
        ((ANY, ANY, ANY), "It cannot be told:", ("lowers 0001", "lowers 0001", "raises 0001"), "some of them in 0."),
        ((UP, ANY, DOWN), "Not where it can be told:", ("lowers 0100", "lowers 0001", "raises 0100"), "some of them in 0."),
        ((UP, DOWN, DOWN), "Not in general:", ("lowers 0100", "lowers 1000", "raises 0100"), "in cnn, relu 4 (-0.199, -0.2"),
    ],
)
def test_the_verdict_rests_on_all_three_signs(sweeps, signs, verdict, counts, every):
    made = moved(sweeps, *signs)
    text = STUDY.answer(made, [])
    assert text.startswith(verdict) and every in text
    nouns = ("the mean |cosine| of fan-ins", "the correlation of contributions", "the effective rank of activations")
    for noun, (towards, numbers) in zip(nouns, (count.split() for count in counts), strict=True):
        form = rf"{towards} {re.escape(noun)}.*? in (\d), \w+ it in (\d), does [^,]* in (\d), and (\d) cannot be told"
        found = re.search(form, text)
        assert found and "".join(found.groups()) == numbers
    claims = {claim.name: claim for claim in STUDY.claims(made)}
    assert [claims[name].measured for name in ("apart", "own", "filled")] == [int(count.split()[1][0]) for count in counts]


def test_little_room_asks_for_little_change():
    """32 units of 9 numbers cannot be spread much more evenly than chance has them: a tenth of it is no tenth of chance."""
    assert mean_cosine(9) - even_cosine(9, 32) < 0.15 * mean_cosine(9)


def test_it_is_said_where_two_cost_less(sweeps):
    less = ("niches", "removal", lambda old: -1 + 0.001 * old.seed, {**TRAINED, **COST, "quantity": "two"})
    text = STUDY.answer(with_values(sweeps, ("niches", "removal", 0.0, {**TRAINED, **COST, "quantity": "one"}), less), [])
    assert "cost more than the sum of each at 0 of 1 widths; that it is so is not told at width 4 (-0.9985" in text


@pytest.mark.parametrize(
    "excess, told",
    [
        (lambda seed: 1 + 0.001 * seed, "in 1 of 1 cases, less in 0, and 0 cannot"),
        (lambda seed: -1 + 0.001 * seed, "in 0 of 1 cases, less in 1, and 0 cannot"),
        (lambda seed: (-1.0) ** seed, "in 0 of 1 cases, less in 0, and 1 cannot"),
    ],
)
def test_removal_is_told_beside_random_features_of_the_same_seed(sweeps, excess, told):
    alone = [("niches", "removal", 0.0, {**COST, "hidden_rate": rate, "quantity": ["one", "two"]}) for rate in (0, 1)]
    two = ("niches", "removal", lambda old: old * 0 + excess(old.seed), {**TRAINED, **COST, "quantity": "two"})
    assert told in STUDY.answer(with_values(sweeps, *alone, two), [])


def test_networks_that_fall_silent_are_left_out_and_counted(sweeps):
    made = with_values(sweeps, ("niches", "silent", 1.0, SEED), *DEAD)
    text = STUDY.answer(made, [])
    assert "1 of 4 networks of units alike fell silent" in text and "-9" not in text
    (claim,) = (claim for claim in STUDY.claims(made) if claim.name == f"memory: {NAME}")
    assert "without 1 of 4 networks" in claim.statement


def test_a_penalty_is_told_at_one_strength(sweeps):
    """At the one that is most accurate, though another takes units further apart and silences more."""
    runs = sweeps["penalised"]
    strongest = runs.sel(strength=[10.0]).assign_coords(strength=[100.0])
    wide = {**sweeps, "penalised": xr.concat([runs, strongest], "strength", data_vars="minimal")}
    numbers = {
        "test_accuracy": {0: 0, 10: 1, 100: 0.5},
        "overlap": {10: 0.33, 100: 0.11},
        "silent": {10: 0.25, 100: 0.75},
    }
    changes = [
        ("penalised", name, value, {"strength": strength, **(MEAN if name == "overlap" else LAST)})
        for name, values in numbers.items()
        for strength, value in values.items()
    ]
    made = with_values(wide, *changes)
    paragraph = STUDY.answer(made, []).split("\n\n")[0]
    assert paragraph.count("(strength 10)") == 2 and paragraph.count("to 0.33, gains +100.00") == 2
    assert paragraph.count("leaves 25.0% of units silent (at strength 100 75.0%, and +50.00 points") == 2
    assert "0.11" not in paragraph


def test_what_the_greatest_strength_silences_is_said(sweeps):
    drawn = [("penalised", "silent", silent, {"spread": 1, "strength": at, **LAST}) for at, silent in ((0, 0.0), (10, 0.5))]
    told = "from independent units, units that each strength silences beside none (95% intervals): 10 +50.0% (+50.0% to"
    assert told in STUDY.answer(with_values(sweeps, *drawn), [])
    assert told.split(" (95%")[0] not in STUDY.answer(with_values(sweeps, ("penalised", "silent", 0.0, LAST)), [])


def test_figures_and_tables(workdir, sweeps):
    folder = workdir / "report"
    assert {path.stem for path in folder.glob("*.png")} == {"overlap", "penalties"}
    assert len((folder / "niches.csv").read_text().splitlines()) == 1 + 2 * 2
    assert len((folder / "penalties.csv").read_text().splitlines()) == 1 + 3 * 2
    wide = {**sweeps, "niches": with_values(sweeps)["niches"].pad(width=(1, 0), mode="edge").assign_coords(width=[3, 4])}
    assert [picture.name for picture in STUDY.pictures(wide)] == ["overlap", "widths", "penalties"]
    plt.close("all")


@pytest.mark.parametrize(
    "kept",
    [{"spread": [1.0]}, {"spread": [0.001]}, {"hidden_rate": [1.0]}, {"hidden_rate": [0.0]}, {"seed": [0]}],
)
def test_other_axes_leave_claims_out(sweeps, kept):
    left = {**sweeps, "niches": sweeps["niches"].sel(kept)}
    claims = STUDY.claims(left)
    assert len(claims) < len(STUDY.claims(sweeps)) and STUDY.answer(left, claims)
    assert STUDY.pictures(left) and STUDY.tables(left)
    plt.close("all")


@pytest.mark.parametrize("kept", [{"spread": [0.0]}, {"strength": [10.0]}, {"strength": [0.0]}, {"seed": [0]}])
def test_other_penalties_leave_claims_out(sweeps, kept):
    left = {**sweeps, "penalised": sweeps["penalised"].sel(kept)}
    claims = STUDY.claims(left)
    assert len(claims) < len(STUDY.claims(sweeps)) and STUDY.answer(left, claims)
    assert STUDY.pictures(left) and STUDY.tables(left)
    plt.close("all")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"network": "rnn"}, "unknown network 'rnn': choose from cnn, deep, mlp"),
        ({"activation": "elu"}, "unknown activation 'elu'"),
        ({"width": "2"}, "width=2: a whole number from 3"),
        ({"width": "wide"}, "width='wide': a whole number from 3"),
        ({"spread": "2"}, "axis spread: 2 is outside of"),
        ({"hidden_rate": "-1"}, "axis hidden_rate: -1 is outside of"),
        ({"zipped": "spread+hidden_rate"}, "axes of their own in this study"),
        ({"initializer": "zero"}, "unknown initializer 'zero': choose from lecun, he"),
        ({"dataset": "letters"}, "unknown dataset 'letters'"),
        ({"penalised__penalty": "dropout"}, "unknown penalty 'dropout': choose from orthogonality, decorrelation"),
        ({"penalised__strength": "-1"}, "axis strength: -1 is outside of"),
        ({"penalised__width": "8,16"}, "config.penalised.width has several values"),
    ],
)
def test_impossible_settings_are_told_in_one_line(changes, message):
    with pytest.raises(InputError, match=message) as told:
        STUDY.build(smoke(**changes))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("part, axis", [("sweep", "hidden_rate"), ("penalised", "strength")])
def test_an_axis_that_the_study_needs(part, axis):
    config = smoke()
    del config[part][axis]
    with pytest.raises(InputError, match=f"config.{part} needs an axis for {axis}"):
        STUDY.build(config)
