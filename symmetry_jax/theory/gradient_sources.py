"""Where a difference between the gradients of two units comes from.

A unit reads x_p at the points p (examples, and positions of a convolution), sums up z_p = w . x_p, where x_p has a 1 for the
bias, and hands on phi(z_p). With the downstream error delta_p = dL/dphi(z_p) its gradient is a sum of products of three:

    dL/dw = sum_p x_p phi'(z_p) delta_p:      upstream input, local derivative, downstream error.

**The split.** Let m_f be the mean of a factor over two units i and j, and d_f the first one's less the second's. Then

    x_i s_i e_i - x_j s_j e_j = d_x m_s m_e + m_x d_s m_e + m_x m_s d_e + d_x d_s d_e / 4.

The last part belongs to all three alike. To exchange the factors of j for those of i one by one, and to average what each
exchange changes over the 3! orders, gives each a third of it (L. S. Shapley, Contributions to the Theory of Games 2, 1953,
whose axioms single this out: nothing is left over, no factor is treated unlike another, and one that does not differ gets 0):

    upstream    sum_p d_x (m_s m_e + d_s d_e / 12),   local and downstream likewise.

Units of one layer read the same: d_x = 0, nothing is upstream, and sum_p x_p [d_s m_e + m_s d_e] is left.

**Almost equal units of one layer.** The downstream error is linear in the fan-out, delta = a . l', so that the downstream part
is due to the fan-outs alone, at any distance: G (a_i - a_j) for units of equal fan-in, G = sum_p phi' x_p l'^T. The local part
is due to the fan-ins alone: B (w_i - w_j) to first order, B = sum_p (a . l') phi'' x_p x_p^T. They are the blocks of the
curvature H = [[B, G], [G^T, 0]] between twins (see `theory.twin_curvature`). Along an eigenvector (w, a) of H of eigenvalue mu,
G^T w = mu a and so w . G a = |G^T w|^2 / mu: **the downstream part drives fan-ins apart along every direction in which twins
part (mu < 0), and together along all others; the local part may do either.**
"""

import dataclasses

import jax
import jax.numpy as jnp

SOURCES = ("upstream", "local", "downstream")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Factors:
    """What the gradient of a unit is made of, at every point.

    Attributes:
        inputs: what it reads, with a 1 for the bias: (points, numbers).
        slope: phi'(z): (points,).
        error: dL/dphi(z), of the loss that is trained on, so that points are summed over: (points,).
    """

    inputs: jax.Array
    slope: jax.Array
    error: jax.Array


def split_difference(first: Factors, second: Factors) -> jax.Array:
    """The gradient of one unit less that of another, as the sum of its three `SOURCES`: (source, numbers).

    The points of both are aligned: the same examples, and positions. Whatever factors do not differ contribute exactly 0.
    """
    (mean_x, apart_x), (mean_s, apart_s), (mean_e, apart_e) = (
        ((one + other) / 2, one - other) for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    )
    cubic = apart_s * apart_e / 12
    of_apart = jnp.stack([mean_s * mean_e + cubic, cubic, cubic])
    of_mean = jnp.stack([jnp.zeros_like(cubic), apart_s * mean_e, mean_s * apart_e])
    return of_apart @ apart_x + of_mean @ mean_x


def first_kick(inputs: jax.Array, slope: jax.Array, errors: jax.Array, apart: jax.Array) -> jax.Array:
    """G (a_i - a_j): the difference between the gradients of units whose fan-outs alone differ: (numbers,).

    One step of gradient descent puts their fan-ins lr |G (a_i - a_j)| apart: linear in the difference between the fan-outs, at
    any distance, as long as their sum stays what it is, since the outputs and with them l' depend on that alone. Where l' sums
    to 0 over the classes, as it does for softmax, it is 0 for fan-outs that differ by the same number in all classes.

    Args:
        inputs: what the units read, with a 1 for the bias: (examples, positions, numbers).
        slope: phi'(z), the same for both: (examples, positions).
        errors: l', the derivative of the loss by the outputs: (examples, outputs).
        apart: a_i - a_j: (positions, outputs).
    """
    return jnp.einsum("epn,ep,eo,po->n", inputs, slope, errors, apart)
