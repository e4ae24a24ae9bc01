"""Where does a symmetric phase attract: from which equal units do twins that are almost equal not part, but merge?

A committee of equal units imitates a teacher that it could match exactly if its units were different, on a fixed sample without
noise, by descent on all examples. First the tie is held, until the student rests, and the transverse exponent is read; then two
units are moved apart and let go. West, Saad & Nabney (1996) saw attractive symmetric phases in on-line learning once biases are
adjustable. Here three families of teachers are searched: on one input, with one unit that points the other way, where theory
has a threshold (`theory.opposed_unit`); random ones on several inputs, where with erf and an adjustable bias nothing attracts
(`theory.erf_biases`); and the orthonormal one, whose rate is known (`theory.erf_plateau`).
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

from ml_collections import ConfigDict

from symmetry_jax.errors import InputError, choose
from symmetry_jax.learning.committees import (
    ALL,
    GROUP,
    HIDDEN,
    WEIGHTS,
    Array,
    alike,
    committee,
    isotropic,
    opposed,
    orthonormal,
    train,
    trained,
)
from symmetry_jax.learning.data.gaussian import gaussian, quantiles
from symmetry_jax.learning.imitation import Lessons, imitation
from symmetry_jax.learning.models import ACTIVATIONS, MLP
from symmetry_jax.learning.optimizers import sgd
from symmetry_jax.learning.process import Process
from symmetry_jax.learning.starts import Start
from symmetry_jax.learning.tasks import Dataset, Task
from symmetry_jax.learning.ties import hold, part
from symmetry_jax.learning.training import descend
from symmetry_jax.measures.curvature import erf_bias_curvature, spectrum
from symmetry_jax.measures.separation import twin_separation
from symmetry_jax.measures.training import first_nonfinite_step, gradient_norm, minibatch_loss
from symmetry_jax.measures.transverse import log_growth, transverse
from symmetry_jax.reports.attracting_teachers import (
    plateau_claims,
    plateau_lines,
    teacher_claims,
    teacher_lines,
    teacher_pictures,
    teacher_sentence,
    teacher_table,
)
from symmetry_jax.reports.attraction import judged
from symmetry_jax.reports.opposed_units import length_claims, length_lines, length_pictures, length_sentence, length_table
from symmetry_jax.sweeps.axes import Axes, Value, parse_axes
from symmetry_jax.sweeps.precision import PRECISIONS
from symmetry_jax.sweeps.program import Program, record_steps
from symmetry_jax.sweeps.study import Claim, Picture, Results, Study, Table
from symmetry_jax.symmetry.curvature import twin_curvature
from symmetry_jax.symmetry.units import Symmetry

QUESTION = "Where does a symmetric phase attract, so that units that are almost equal merge instead of parting?"

NEEDED = ("activation", "seed", "length", "bias_scale", "start_bias", "start_weight", "epsilon", "learning_rate", "biases")
ODD = ("erf", "tanh")  # what theory has a threshold for
BIASES: dict[str, tuple[Array, ...]] = {"fixed": WEIGHTS, "free": HIDDEN}
TWINS = {GROUP: (0, 1)}
FEWEST_OPPOSED = 3  # units on one input: of two, one opposed and longer than the other, theory knows no weight of rest
FEWEST_RECORDS = 3  # one at half of the steps at least, between the first and the last

LIMITS = (
    "Not to be concluded: anything about on-line learning at a finite learning rate, which is where West, Saad & Nabney saw "
    "attractive phases: this is descent on a fixed sample, and their regime was not reproduced. What is known of erf holds "
    "where the gradient is zero, not while a student still drifts."
)


@dataclasses.dataclass(frozen=True)
class Arm:
    """A family of teachers, and the students that imitate them.

    Attributes:
        sweep: its name.
        static: the settings of its programs.
        teach: draws a teacher.
        data: of the right shape.
        moving: the arrays of a student that are trained.
        axes: the traced ones.
        lessons: how inputs are drawn.
        examples: of a sample.
    """

    sweep: str
    static: Mapping[str, Value]
    teach: Callable[[int], Start]
    data: Dataset
    moving: tuple[Array, ...]
    axes: Axes
    lessons: Lessons = "full"
    examples: int = 1

    @property
    def units(self) -> int:
        """Units of student and teacher."""
        return int(self.static["units"])

    @property
    def model(self) -> MLP:
        """Student and teacher."""
        return committee(self.units, choose("activation", str(self.static["activation"]), ACTIVATIONS))

    @property
    def symmetry(self) -> Symmetry:
        """Of student and teacher, the frozen parts of a unit among them."""
        return self.model.symmetry(self.data.shape)

    @property
    def task(self) -> Task:
        """To imitate the teacher."""
        return imitation(self.model, self.model, self.teach(self.units), self.examples, self.lessons)

    @property
    def process(self) -> Process:
        """Training as it is, without ties."""
        return descend(self.task, sgd, alike(self.units), rates=train(self.moving))


def build(config: ConfigDict) -> list[Program]:
    """For each family a program that holds the tie, and programs that go on from its end with twins apart."""
    choose("precision", config.precision, PRECISIONS)
    axes = parse_axes(config.sweep, config.zipped)
    _check_axes(axes)
    names, biases = ([str(value) for value in axes.columns()[name]] for name in ("activation", "biases"))
    numbers = axes.without("activation").without("biases").fix("weight_decay", 0.0)  # theory is without
    arms = [_lengths(config, *chosen, numbers) for chosen in itertools.product(names, biases) if chosen[0] in ODD]
    arms += [_teachers(config, name, numbers) for name in names]
    arms += [_plateau(config, numbers)] if "erf" in names else []
    programs: list[Program] = []
    for arm in arms:
        after = len(programs)
        programs += [_tied(config, arm), *_apart(config, arm, after)]
    return programs


def _lengths(config: ConfigDict, activation: str, biases: str, numbers: Axes) -> Arm:
    """One input, and a teacher with one unit of any length that points the other way."""
    if type(config.opposed_units) is not int or config.opposed_units < FEWEST_OPPOSED:
        raise InputError(f"opposed_units={config.opposed_units!r}: a whole number from {FEWEST_OPPOSED}, one of them opposed")
    moving = choose("biases", biases, BIASES)
    static = {"activation": activation, "units": config.opposed_units, "examples": config.examples, "biases": biases}
    return Arm("lengths", static, opposed, quantiles(config.examples), moving, _unbiased(numbers.cut("seed", 1)))


def _teachers(config: ConfigDict, activation: str, numbers: Axes) -> Arm:
    """Several inputs, random teachers, and all biases adjustable."""
    static = {"activation": activation, "units": config.units}
    axes = numbers.without("length").fix("epsilon", min(numbers.columns()["epsilon"]))
    return Arm("teachers", static, isotropic, gaussian(config.examples, config.inputs), ALL, axes)


def _plateau(config: ConfigDict, numbers: Axes) -> Arm:
    """The plateau that is known: erf without biases and an orthonormal teacher, on a sample of its own for each seed."""
    static = {"activation": "erf", "units": config.units}
    axes = _unbiased(numbers.without("length").without("epsilon"))
    return Arm("plateau", static, orthonormal, gaussian(2, config.units), WEIGHTS, axes, "once", config.plateau_examples)


def _unbiased(numbers: Axes) -> Axes:
    return numbers.fix("bias_scale", 0.0).fix("start_bias", 0.0)


def _tied(config: ConfigDict, arm: Arm) -> Program:
    """All units equal, with the difference between two of them followed."""
    symmetry, whole = trained(arm.symmetry, arm.moving), {GROUP: [range(arm.units)]}
    process = hold(transverse(arm.process, symmetry, TWINS), symmetry, whole)
    measures = [
        log_growth(TWINS),
        gradient_norm(train(arm.moving)),
        minibatch_loss(""),
        spectrum("curvature", twin_curvature, arm.task, symmetry, TWINS, when="ends"),
        first_nonfinite_step(),
    ]
    if arm.moving == ALL:  # the claim that is made of it is one of random teachers
        measures.append(erf_bias_curvature(arm.task, arm.symmetry, TWINS))
    axes = arm.axes.without("epsilon")
    return Program(arm.sweep, process, tuple(measures), axes, arm.data, _records(config), arm.static, config.precision)


def _apart(config: ConfigDict, arm: Arm, after: int) -> Iterator[Program]:
    """From the end of a tied program, twins each distance apart, and nothing held."""
    process = part(arm.process, trained(arm.symmetry, arm.moving), TWINS)
    measures = (twin_separation(arm.symmetry, TWINS), minibatch_loss(""), first_nonfinite_step())
    for epsilon in arm.axes.columns().get("epsilon", ()):
        axes = arm.axes.fix("epsilon", epsilon)
        name, data, records = f"{arm.sweep}_apart", arm.data, _records(config)
        yield Program(name, process, measures, axes, data, records, arm.static, config.precision, after)


def _records(config: ConfigDict) -> tuple[int, ...]:
    """When measures are read, at half of the steps too.

    Raises:
        InputError: for too few.
    """
    records = record_steps(config.steps, config.records, "even")
    if len(records) < FEWEST_RECORDS:
        allowed = f"at least {FEWEST_RECORDS} records at different steps, since exponents are read over the last half of them"
        raise InputError(f"steps={config.steps} and records={config.records}: {allowed}")
    return records


def _check_axes(axes: Axes) -> None:
    missing = sorted(set(NEEDED) - set(axes.names))
    if missing:
        raise InputError(f"this study needs an axis for {', '.join(missing)}")
    zipped = next((axis.names for axis in axes.axes if len(axis.names) > 1), ())
    if zipped:
        raise InputError(f"zipped={'+'.join(zipped)}: each axis of this study is one of its own")
    for epsilon in axes.columns()["epsilon"]:
        if isinstance(epsilon, str) or not epsilon > 0:
            raise InputError(f"axis epsilon: {epsilon} cannot be: a distance above 0, at which twins are let go")


def claims(results: Results) -> list[Claim]:
    """What the results bear out."""
    return [*length_claims(results), *teacher_claims(results), *plateau_claims(results)]


def answer(results: Results, claims: Sequence[Claim]) -> str:
    """The answer in two sentences, then in detail, each from the results."""
    details = [*length_lines(results), *teacher_lines(results), *plateau_lines(results), LIMITS]
    runs = sum(int(sweep.valid.sum()) for sweep in results.values())
    details.append(f"{runs:,} runs; {sum(claim.holds for claim in claims)} of {len(claims)} claims hold.")
    return "\n".join([f"{length_sentence(results)} {teacher_sentence(results)}", "", *details])


def tables(results: Results) -> list[Table]:
    """The exponent at every length; what becomes of random teachers' students at every start."""
    return [table for table in (length_table(results), teacher_table(results)) if table.rows]


def pictures(results: Results) -> list[Picture]:
    """The figures, with what they show."""
    return [*length_pictures(results), *teacher_pictures(results)]


STUDY = Study(QUESTION, build, claims, pictures, answer, tables, judged)
