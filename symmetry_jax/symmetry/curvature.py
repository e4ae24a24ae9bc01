"""The curvature that two equal units feel between them, for any function of any parameters.

Let a loss L be the same when two units are exchanged, and let them be equal. Moved apart by +d/sqrt 2 and -d/sqrt 2 they change
the loss by d^T H d / 2 to second order, where H = H_ii - H_ij, the twin curvature, has two parts:

    H = J^T L'' J + sum_o L'_o grad^2 f_o,

the Gauss-Newton part, which is 0 since the outputs f are even in d and so J = 0, and the residual part.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from symmetry_jax.symmetry.separation import Unit, difference, move, norm, orbits
from symmetry_jax.symmetry.units import TRAINED, PyTree, Role, UnitGroup

Operator = Callable[[jax.Array], jax.Array]  # a matrix by its product with a vector: (numbers,) -> (numbers,)
Outputs = Callable[[PyTree], jax.Array]  # from the parameters
Loss = Callable[[jax.Array], jax.Array]  # from the outputs to a number ()


def twin_curvature(
    outputs: Outputs, loss: Loss, params: PyTree, group: UnitGroup, units: tuple[Unit, Unit], roles: Sequence[Role] = TRAINED
) -> tuple[Operator, Operator]:
    """The Gauss-Newton part and the residual part of H_ii - H_ij of two units, as operators on transverse coordinates.

    A vector (numbers in a unit,) is laid out as by `orbits`. Where the units are equal, descent at a small rate lr multiplies
    the difference between them by I - lr H.

    Args:
        outputs: the function, from parameters to outputs of any shape.
        loss: from outputs to a number.
        params: where; the two units need not be equal there, but only then is the first part 0.
        group: the group of the units.
        units: the two.
        roles: which parts of a unit move; without "fan-out" that is frozen.
    """

    half = np.sqrt(0.5)

    def along(apart: jax.Array) -> jax.Array:
        share = jnp.asarray(half, apart.dtype) * apart
        return outputs(move(params, group, units, (share, -share), roles))

    return curvature(along, loss, jnp.zeros_like(difference(params, group, units, roles)))


def unit_curvature(
    outputs: Outputs, loss: Loss, params: PyTree, group: UnitGroup, units: tuple[Unit, Unit], roles: Sequence[Role] = TRAINED
) -> tuple[Operator, Operator]:
    """The two parts of H_ii: what the first of two units feels if it moves alone; arguments as of `twin_curvature`."""

    def along(moved: jax.Array) -> jax.Array:
        return outputs(move(params, group, units, (moved, jnp.zeros_like(moved)), roles))

    return curvature(along, loss, jnp.zeros_like(difference(params, group, units, roles)))


def cross_curvature(
    outputs: Outputs, loss: Loss, params: PyTree, group: UnitGroup, units: tuple[Unit, Unit], roles: Sequence[Role] = TRAINED
) -> tuple[Operator, Operator]:
    """The two parts of H_ij, the interaction of two units: how the gradient of the first changes as the second moves.

    Arguments as of `twin_curvature`; neither unit needs to equal the other. The transpose, H_ji, is that of the units in the
    other order. Where units enter the outputs additively, as those of a last hidden layer do, the residual part is 0: they
    interact through the error alone, of which each leaves less to the other.
    """

    def block(whole: Operator) -> Operator:
        return lambda vector: whole(jnp.concatenate([jnp.zeros_like(vector), vector]))[: len(vector)]

    gauss_newton, residual = pair_curvature(outputs, loss, params, group, units, roles)
    return block(gauss_newton), block(residual)


def pair_curvature(
    outputs: Outputs, loss: Loss, params: PyTree, group: UnitGroup, units: tuple[Unit, Unit], roles: Sequence[Role] = TRAINED
) -> tuple[Operator, Operator]:
    """The two parts of [[H_ii, H_ij], [H_ji, H_jj]], on vectors of both units, the first before the second: (2 numbers,).

    Arguments as of `twin_curvature`.
    """

    def along(moved: jax.Array) -> jax.Array:
        first, second = jnp.split(moved, 2)
        return outputs(move(params, group, units, (first, second), roles))

    return curvature(along, loss, jnp.zeros_like(jnp.concatenate(orbits(params, group, units, roles))))


def curvature(outputs: Callable[[jax.Array], jax.Array], loss: Loss, at: jax.Array) -> tuple[Operator, Operator]:
    """The two parts of the Hessian of loss(outputs(x)) in x (numbers,), as operators: Gauss-Newton, and residual."""
    slope = jax.grad(loss)

    def gauss_newton(vector: jax.Array) -> jax.Array:
        value, moved = jax.jvp(outputs, (at,), (vector,))
        _, bent = jax.jvp(slope, (value,), (moved,))
        return jax.vjp(outputs, at)[1](bent)[0]

    def residual(vector: jax.Array) -> jax.Array:
        error = slope(outputs(at))
        return jax.jvp(lambda x: jax.vjp(outputs, x)[1](error)[0], (at,), (vector,))[1]

    return gauss_newton, residual


def dense(operator: Operator, numbers: int, dtype: jax.typing.DTypeLike) -> jax.Array:
    """The matrix of an operator: (numbers, numbers)."""
    return jax.vmap(operator, out_axes=1)(jnp.eye(numbers, dtype=dtype))


def extreme_eigenvalues(operator: Operator, start: jax.Array, iterations: int) -> jax.Array:
    """The lowest and the highest eigenvalue of a symmetric operator: (2,).

    By the Lanczos process with every vector orthogonalised against all before it, and the eigenvalues of the tridiagonal matrix
    by bisection: nothing of LAPACK, which in a sweep could let two CPU devices wait for each other for ever. Exact once the
    iterations are as many as the vectors that the start reaches; before that the eigenvalues lie inside of the true ones.

    Args:
        operator: the matrix, by its product with a vector.
        start: (numbers,), not 0; a random one reaches every eigenvector.
        iterations: products with a vector, at least 1.
    """
    size = min(iterations, len(start))
    negligible = len(start) * jnp.finfo(start.dtype).eps.astype(start.dtype)

    def iterate(
        carry: tuple[jax.Array, jax.Array], place: jax.Array
    ) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, ...]]:
        basis, vector = carry
        basis = basis.at[place].set(vector)
        image = operator(vector)
        weight = jnp.dot(image, vector)
        left = image
        for _ in range(2):  # once more takes away what rounding left
            left = left - (basis @ left) @ basis
        length = norm(left)
        more = length > negligible * norm(image)
        following = jnp.where(more, left / jnp.where(more, length, 1), 0)
        return (basis, following), (weight, jnp.where(more, length, 0), jnp.any(vector != 0))

    blank = jnp.zeros((size, len(start)), start.dtype)
    _, (diagonal, beside, reached) = lax.scan(iterate, (blank, start / norm(start)), jnp.arange(size))
    # where the start reaches no further vectors the matrix is filled up with a number that is no extreme of it
    diagonal = jnp.where(reached, diagonal, diagonal[0])
    values = jax.scipy.linalg.eigh_tridiagonal(diagonal, beside[:-1], eigvals_only=True)
    return jnp.stack([jnp.min(values), jnp.max(values)])
