"""The transverse exponent: how fast an infinitesimal difference between two equal units grows while a network learns.

Let two units be tied, and F the whole step of a process: data, noise, gradient, optimizer, decay, schedule. F treats both
alike, so that tied units stay tied, and to first order a difference d between them becomes

    d' = D DF D^T d / 2,

where D theta is one unit minus the other, and D^T d / 2 moves one by +d/2 and the other by -d/2. The tangent d is pushed along
by a Jacobian-vector product of the step and brought back to norm 1; the logarithms of its growth add up to the log growth,
which over the number of steps is the transverse (Lyapunov) exponent (several tangents: G. Benettin et al., Meccanica 15, 1980).
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp

from symmetry_jax.errors import InputError
from symmetry_jax.learning.process import Hparams, Measure, Process, PyTree, State, remembered
from symmetry_jax.learning.starts import Pairs
from symmetry_jax.learning.streams import Stream, draw_key
from symmetry_jax.symmetry.axes import ROLES, TRAINED
from symmetry_jax.symmetry.separation import difference, displace, norm
from symmetry_jax.symmetry.units import Symmetry, UnitGroup, direction, project, tie

Tangent = tuple[jax.Array, ...]  # a difference between twins: in their parameters, and in what else the state holds of them
Tangents = Mapping[str, Tangent]  # of each group


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Followed:
    """What a process remembers whose twins' tangents are followed.

    Attributes:
        memory: of the process itself.
        tangents: of each group, one for each direction; orthonormal in the parameters, and 0 where one vanished.
        log_growth: for each group (directions,): the log of the factor by which the first tangent grew; for the area of the
            first two it is the sum of the first two entries; and so on.
    """

    memory: PyTree
    tangents: Mapping[str, Sequence[Tangent]]
    log_growth: Mapping[str, jax.Array]


def transverse(process: Process, symmetry: Symmetry, pairs: Pairs, directions: int = 1) -> Process:
    """The process with its twins tied, which also follows the differences they would have if they were almost tied.

    One Jacobian-vector product carries the twins of all groups, since a step mixes their differences with no others.

    Args:
        process: what is followed; its step is differentiable in its variables and in what it remembers.
        symmetry: of its variables.
        pairs: the twins of each group; both start as copies of the first.
        directions: tangents of each pair. The first starts in the direction in which `starts.near_tied` moves twins apart.

    Raises:
        InputError: for fewer than 1 direction, or more than a unit has numbers; if a source of noise in the process lets no
            difference be followed.
    """
    reasons = [obstacle.reason for obstacle in process.obstacles if not obstacle.groups or {*obstacle.groups} & {*pairs}]
    if reasons:
        raise InputError(f"the transverse exponent cannot be followed: {'; '.join(reasons)}")
    if directions < 1:
        raise InputError(f"directions={directions}: at least 1")

    def init(data: PyTree, hparams: Hparams, previous: State | None = None) -> State:
        begun = process.init(data, hparams, previous)
        whole = _Whole(begun.variables, begun.memory)
        twins = _twins(whole, symmetry, pairs)
        for pair in twins.values():
            whole = tie(whole, pair.group, [pair.units])
        blank = jax.tree.map(jnp.zeros_like, whole)

        def draw(name: str, place: int) -> Tangent:
            apart = _draw(whole.variables, symmetry, pairs, name, hparams["seed"], place)
            return twins[name].difference(dataclasses.replace(blank, variables=apart))

        drawn = {name: [draw(name, place) for place in range(directions)] for name in pairs}
        for name, starts in drawn.items():
            numbers = len(starts[0][0])
            if directions > numbers:
                raise InputError(f"directions={directions}: at most {numbers}, the numbers of a unit of {name}")
        tangents, growth = _renew(drawn)
        return State(whole.variables, Followed(whole.memory, tangents, jax.tree.map(jnp.zeros_like, growth)))

    def step(state: State, data: PyTree, hparams: Hparams, step: jax.Array) -> tuple[State, PyTree]:
        seen: Followed = state.memory
        whole = _Whole(state.variables, seen.memory)
        twins = _twins(whole, symmetry, pairs)

        def move(apart: Tangents) -> tuple[Tangents, tuple[State, PyTree]]:
            moved = whole
            for name, pair in twins.items():
                moved = pair.displace(moved, apart[name])
            after, aux = process.step(State(moved.variables, moved.memory, state.stopped), data, hparams, step)
            found = _Whole(after.variables, after.memory)
            return {name: pair.difference(found) for name, pair in twins.items()}, (after, aux)

        tied = {name: jax.tree.map(jnp.zeros_like, tangents[0]) for name, tangents in seen.tangents.items()}
        _, push, (after, aux) = jax.linearize(move, tied, has_aux=True)
        pushed = [push({name: seen.tangents[name][place] for name in pairs}) for place in range(directions)]
        tangents, growth = _renew({name: [tangent[name] for tangent in pushed] for name in pairs})
        return State(after.variables, Followed(after.memory, tangents, jax.tree.map(jnp.add, seen.log_growth, growth))), aux

    return dataclasses.replace(process, init=init, step=step)


def log_growth(pairs: Pairs, directions: int = 1) -> Measure:
    """Log of the factor by which each tangent of a followed process grew since step 0: (group, direction); -inf if it vanished.

    For twins that start close enough it is the log of their growth, as `twin_separation` measures it.
    """

    def read(state: State, aux: PyTree, data: PyTree, hparams: Hparams, step: jax.Array) -> jax.Array:
        del aux, data, hparams, step
        seen = remembered(state.memory, Followed)
        alive = {name: jnp.stack([jnp.any(tangent[0] != 0) for tangent in seen.tangents[name]]) for name in pairs}
        return jnp.stack([jnp.where(alive[name], seen.log_growth[name], -jnp.inf) for name in pairs])

    coords: dict[str, Sequence[str | int]] = {"group": list(pairs), "direction": range(1, directions + 1)}
    return Measure("log_growth", read, dims=("group", "direction"), coords=coords)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class _Whole:
    """A state but for whether it has stopped, as one tree."""

    variables: PyTree
    memory: PyTree


@dataclasses.dataclass(frozen=True)
class _Pair:
    """The twins of a group within a whole state.

    Attributes:
        group: the group in all arrays of the state.
        units: the twins.
        others: the groups that share arrays with this one, and their twins.
    """

    group: UnitGroup
    units: tuple[int, int]
    others: tuple[tuple[UnitGroup, tuple[int, int]], ...] = ()

    @property
    def parts(self) -> list[UnitGroup]:
        """The group in the parameters, and in all other arrays, if there are any."""
        trained = [axis.path.startswith("variables/") and axis.role in TRAINED for axis in self.group.axes]
        parts = [tuple(itertools.compress(self.group.axes, chosen)) for chosen in (trained, [not kept for kept in trained])]
        return [dataclasses.replace(self.group, axes=axes) for axes in parts if axes]

    def difference(self, whole: _Whole) -> Tangent:
        """The difference between the twins, but for what differs between the twins of other groups at the same time."""
        for other, units in self.others:
            whole = project(whole, other, [units])
        return tuple(difference(whole, part, self.units, ROLES) for part in self.parts)

    def displace(self, whole: _Whole, apart: Tangent) -> _Whole:
        """The state with the twins moved apart."""
        for part, move in zip(self.parts, apart, strict=True):
            whole = displace(whole, part, self.units, move, ROLES)
        return whole


def _twins(whole: _Whole, symmetry: Symmetry, pairs: Pairs) -> dict[str, _Pair]:
    groups = {name: symmetry[name].within(whole) for name in pairs}
    paths = {name: {axis.path for axis in group.axes} for name, group in groups.items()}
    return {
        name: _Pair(
            groups[name],
            units,
            tuple((groups[other], pairs[other]) for other in pairs if other != name and paths[other] & paths[name]),
        )
        for name, units in pairs.items()
    }


def _draw(variables: PyTree, symmetry: Symmetry, pairs: Pairs, name: str, seed: jax.Array, place: int) -> PyTree:
    """The direction of the tangent in that place: drawn from the seed, the first as in a near-tied start."""
    stream, number = Stream.TANGENTS if place else Stream.TWINS, list(pairs).index(name)
    key = draw_key(seed, stream, number)
    others = [(symmetry[other], units) for other, units in pairs.items() if other != name]
    return direction(variables, symmetry[name], pairs[name], jax.random.fold_in(key, place) if place else key, others)


def _renew(tangents: Mapping[str, Sequence[Tangent]]) -> tuple[dict[str, list[Tangent]], dict[str, jax.Array]]:
    """The tangents made orthonormal in the parameters, and the logs of the factors by which they had grown."""
    found = {name: _orthonormal(drawn) for name, drawn in tangents.items()}
    return {name: drawn for name, (drawn, _) in found.items()}, {name: jnp.log(lengths) for name, (_, lengths) in found.items()}


def _orthonormal(tangents: Sequence[Tangent]) -> tuple[list[Tangent], jax.Array]:
    """Gram-Schmidt, and the lengths that it took away: LAPACK's QR could let two CPU devices wait for each other for ever."""
    done: list[Tangent] = []
    lengths = []
    for tangent in tangents:
        for earlier in [*done, *done]:  # once more takes away what rounding left
            share = jnp.dot(tangent[0], earlier[0])
            tangent = tuple(part - share * other for part, other in zip(tangent, earlier, strict=True))
        length = norm(tangent[0])
        length = jnp.where(length > 0, length, 1)
        done.append(tuple(part / length for part in tangent))
        lengths.append(length)
    return done, jnp.stack(lengths)
