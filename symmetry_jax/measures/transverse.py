"""The transverse exponent: how fast an infinitesimal difference between two equal units grows while a network learns.

Let two units be tied, and F the whole step of a process: data, noise, gradient, optimizer, decay, schedule. F treats both
alike, so that tied units stay tied, and to first order a difference d between them becomes

    d' = D DF D^T d / 2,

where D theta is one unit minus the other, and D^T d / 2 moves one by +d/2 and the other by -d/2. The tangent d is pushed along
(`symmetry.pushforward`) and brought back to norm 1; the logarithms of its growth add up to the log growth,
which over the number of steps is the transverse (Lyapunov) exponent (several tangents: G. Benettin et al., Meccanica 15, 1980).
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp

from symmetry_jax.errors import InputError
from symmetry_jax.learning.process import Hparams, Measure, Process, PyTree, State, remembered
from symmetry_jax.learning.starts import Pairs
from symmetry_jax.learning.streams import Stream, draw_key
from symmetry_jax.symmetry.axes import TRAINED
from symmetry_jax.symmetry.programs import cut
from symmetry_jax.symmetry.pushforward import Difference, Pushforward, Twins
from symmetry_jax.symmetry.separation import norm
from symmetry_jax.symmetry.units import Symmetry, UnitGroup, direction, leaves, tie


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Followed:
    """What a process remembers whose twins' tangents are followed.

    Attributes:
        memory: of the process itself.
        tangents: of each group, one for each direction: the difference in each array of the state that carries the units;
            orthonormal in those that are trained, and 0 where one vanished.
        log_growth: for each group (directions,): the log of the factor by which the first tangent grew; for the area of the
            first two it is the sum of the first two entries; and so on.
        alive: for each group (directions,): whether the tangent is still there, in what is trained.
    """

    memory: PyTree
    tangents: Mapping[str, Sequence[Difference]]
    log_growth: Mapping[str, jax.Array]
    alive: Mapping[str, jax.Array]


def transverse(process: Process, symmetry: Symmetry, pairs: Pairs, directions: int = 1) -> Process:
    """The process with its twins tied, which also follows the differences they would have if they were almost tied.

    What does not tell a pair apart is not followed, which makes a step cheaper the more units there are.

    Where units lie in what the process remembers is read off its step, in whatever form: moments, copies of the parameters,
    flat vectors, means of rows. What it remembers at its start moves with the variables that `init` makes it of.

    Three things are believed. Variables that hold units and that their group does not name, as where they are frozen, are equal
    for both twins and stay so. The step treats twins alike, unless the process names an obstacle: noise of each unit's own
    would take tied units apart. And its derivative is finite: that of Adam's square root is not where a gradient is exactly 0,
    without an `eps_root`, and the run is then frozen as if it had diverged.

    Args:
        process: what is followed; its step is differentiable in its variables and in what it remembers.
        symmetry: of its variables.
        pairs: the twins of each group; both start as copies of the first.
        directions: tangents of each pair. The first starts in the direction in which `starts.near_tied` moves twins apart.

    Raises:
        InputError: for fewer than 1 direction, or more than a unit has numbers; if a source of noise in the process lets no
            difference be followed; if it remembers units where they cannot be moved apart, or, where its step is not proved to
            treat these units alone alike, in arrays that are not named and shaped like variables.
    """
    reasons = [obstacle.reason for obstacle in process.obstacles if not obstacle.groups or {*obstacle.groups} & {*pairs}]
    if reasons:
        raise InputError(f"the transverse exponent cannot be followed: {'; '.join(reasons)}")
    if directions < 1:
        raise InputError(f"directions={directions}: at least 1")

    def move(data: PyTree, hparams: Hparams, stopped: jax.Array, step: jax.Array, whole: _Whole) -> Pushforward:
        def after(before: _Whole) -> tuple[_Whole, PyTree]:
            state, aux = process.step(State(before.variables, before.memory, stopped), data, hparams, step)
            return _Whole(state.variables, state.memory), aux

        twins = {name: Twins(symmetry[name].within(_Whole(whole.variables, ())), units) for name, units in pairs.items()}
        return Pushforward(after, whole, twins, _is_remembered, lambda name: _named(symmetry[name], whole))

    def init(data: PyTree, hparams: Hparams, previous: State | None = None) -> State:
        def begin() -> tuple[PyTree, PyTree]:
            begun = process.init(data, hparams, previous)
            return begun.variables, begun.memory

        variables, remember = cut(begin)
        for name, units in pairs.items():
            variables = tie(variables, symmetry[name], [units])
        whole = _Whole(variables, remember(variables))
        twins = move(data, hparams, State(variables).stopped, jnp.int32(0), whole).twins
        for pair in twins.values():
            whole = tie(whole, pair.group, [pair.units])

        def draw(name: str, place: int) -> Difference:
            apart = _draw(whole.variables, symmetry, pairs, name, hparams["seed"], place)
            moved = _Whole(apart, _moves(remember, whole.variables, apart))
            return twins[name].difference(twins[name].arrays(moved))

        drawn = {name: [draw(name, place) for place in range(directions)] for name in pairs}
        trained = _trained(twins, whole)
        for name, starts in drawn.items():
            numbers = len(_vector(starts[0], trained[name]))
            if directions > numbers:
                raise InputError(f"directions={directions}: at most {numbers}, the numbers of a unit of {name}")
        tangents, lengths = _renew(drawn, trained)
        growth = jax.tree.map(jnp.zeros_like, lengths)
        return State(whole.variables, Followed(whole.memory, tangents, growth, _positive(lengths)))

    def step(state: State, data: PyTree, hparams: Hparams, step: jax.Array) -> tuple[State, PyTree]:
        seen: Followed = state.memory
        whole = _Whole(state.variables, seen.memory)
        push = move(data, hparams, state.stopped, step, whole)
        after, aux, pushed = push(whole, seen.tangents)
        tangents, lengths = _renew(pushed, _trained(push.twins, whole))
        growth = {name: seen.log_growth[name] + jnp.log(_or_one(each)) for name, each in lengths.items()}
        return State(after.variables, Followed(after.memory, tangents, growth, _positive(lengths))), aux

    return dataclasses.replace(process, init=init, step=step)


def log_growth(pairs: Pairs, directions: int = 1) -> Measure:
    """Log of the factor by which each tangent of a followed process grew since step 0: (group, direction); -inf if it vanished.

    For twins that start close enough it is the log of their growth, as `twin_separation` measures it.
    """

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        seen = remembered(state.memory, Followed)
        return jnp.stack([jnp.where(seen.alive[name], seen.log_growth[name], -jnp.inf) for name in pairs])

    coords: dict[str, Sequence[str | int]] = {"group": list(pairs), "direction": range(1, directions + 1)}
    return Measure("log_growth", read, dims=("group", "direction"), coords=coords)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class _Whole:
    """A state but for whether it has stopped, as one tree."""

    variables: PyTree
    memory: PyTree


def _is_remembered(path: str) -> bool:
    return path.split("/")[0] != "variables"


def _named(group: UnitGroup, whole: _Whole) -> UnitGroup:
    """The group in all arrays of a state that are named like those that carry the units.

    Raises:
        InputError: if what is remembered has an array that may hold units, and is not named and shaped like a variable.
    """
    variables = dict(leaves(whole.variables))
    for path, array in leaves(whole.memory):
        alike = any(f"/{path}".endswith(f"/{name}") and one.shape == array.shape for name, one in variables.items())
        if jnp.issubdtype(array.dtype, jnp.inexact) and array.size >= group.size and not alike:
            place, fault = f"{path or 'an array'} of shape {array.shape}", "is not named and shaped like a variable"
            raise InputError(
                f"memory: {place} {fault}, and the step is not proved to treat units of {group.name!r} (alone) alike, so that "
                "whether it holds them is not known"
            )
    return group.within(whole)


def _moves(function: Callable[[PyTree], PyTree], variables: PyTree, apart: PyTree) -> PyTree:
    """How what is made of variables moves with them; 0 where it is whole numbers."""
    arrays, structure = jax.tree.flatten(variables)
    moving = [place for place, array in enumerate(arrays) if jnp.issubdtype(array.dtype, jnp.inexact)]

    def made(moved: Sequence[jax.Array]) -> PyTree:
        put = dict(zip(moving, moved, strict=True))
        return function(jax.tree.unflatten(structure, [put.get(place, array) for place, array in enumerate(arrays)]))

    moves = jax.tree.leaves(apart)
    result, moved = jax.jvp(made, ([arrays[place] for place in moving],), ([moves[place] for place in moving],))
    return jax.tree.map(lambda array, by: by if by.dtype == array.dtype else jnp.zeros_like(array), result, moved)


def _trained(twins: Mapping[str, Twins], whole: _Whole) -> dict[str, list[bool]]:
    """For each pair, which of the arrays that carry the units are trained."""
    roles = {name: {axis.path: axis.role for axis in pair.group.axes} for name, pair in twins.items()}
    return {
        name: [not _is_remembered(path) and roles[name][path] in TRAINED for path, _ in pair.arrays(whole)]
        for name, pair in twins.items()
    }


def _draw(variables: PyTree, symmetry: Symmetry, pairs: Pairs, name: str, seed: jax.Array, place: int) -> PyTree:
    """The direction of the tangent in that place: drawn from the seed, the first as in a near-tied start."""
    stream, number = Stream.TANGENTS if place else Stream.TWINS, list(pairs).index(name)
    key = draw_key(seed, stream, number)
    others = [(symmetry[other], units) for other, units in pairs.items() if other != name]
    return direction(variables, symmetry[name], pairs[name], jax.random.fold_in(key, place) if place else key, others)


def _renew(
    tangents: Mapping[str, Sequence[Difference]], trained: Mapping[str, Sequence[bool]]
) -> tuple[dict[str, list[Difference]], dict[str, jax.Array]]:
    """The tangents made orthonormal in what is trained, and the factors by which they had grown; 0 where one vanished."""
    found = {name: _orthonormal(drawn, trained[name]) for name, drawn in tangents.items()}
    return {name: drawn for name, (drawn, _) in found.items()}, {name: lengths for name, (_, lengths) in found.items()}


def _orthonormal(tangents: Sequence[Difference], trained: Sequence[bool]) -> tuple[list[Difference], jax.Array]:
    """Gram-Schmidt, and the lengths that it took away: LAPACK's QR could let two CPU devices wait for each other for ever."""
    done: list[Difference] = []
    lengths = []
    for tangent in tangents:
        for earlier in [*done, *done]:  # once more takes away what rounding left
            share = jnp.dot(_vector(tangent, trained), _vector(earlier, trained))
            tangent = [part - share.astype(part.dtype) * other for part, other in zip(tangent, earlier, strict=True)]
        length = norm(_vector(tangent, trained))
        done.append([part / _or_one(length).astype(part.dtype) for part in tangent])
        lengths.append(length)
    return done, jnp.stack(lengths)


def _positive(lengths: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    return {name: each > 0 for name, each in lengths.items()}


def _or_one(length: jax.Array) -> jax.Array:
    return jnp.where(length > 0, length, 1)


def _vector(tangent: Difference, trained: Sequence[bool]) -> jax.Array:
    return jnp.concatenate(list(itertools.compress(tangent, trained)))
