"""What a convolution without a nonlinearity amounts to: its matrix, what that can represent, and how fast it learns.

A convolution of one channel is a matrix T from pixels to features, linear in its kernels: T = sum_ij k_ij S_ij, where
S_ij[p, o] is 1 if weight (i, j) meets pixel p at position o, and each pair (p, o) meets in one weight at most. With biases b of
the filters, and weights V and bias c of a dense layer, logits are

    x T V + (sum_f b_f sum_o V_fo + c):

softmax regression, whatever the number of filters, with the matrix M = T V in place of a free one. M can be any matrix whose
columns lie in the range of T, and so any at all once T has the rank of the pixels.

Descent moves M by -lr (T T^T G + sum_fij S_ij V_f <S_ij V_f, G>) to first order, where G is the gradient in M. The gain is how
many times faster that is than softmax regression's -lr G in the mean over directions: the trace over the entries of M.
"""

from math import comb
from typing import Any

import numpy as np


def shifts(side: int, kernel: int, padding: str) -> np.ndarray:
    """S: (kernel, kernel, pixels, positions), 0 or 1, for square images of one channel and kernels of odd side."""
    before, positions = ((kernel - 1) // 2, side) if padding == "SAME" else (0, side - kernel + 1)
    place, pixel = np.arange(positions), np.arange(side)
    along = np.array([pixel[:, None] == place + offset - before for offset in range(kernel)])  # (kernel, pixel, position)
    both = along[:, None, :, None, :, None] & along[None, :, None, :, None, :]
    return both.reshape(kernel, kernel, side**2, positions**2).astype(float)


def convolution_matrix(kernels: Any, side: int, padding: str) -> Any:
    """T: (pixels, filters * positions), filter by filter, of kernels (kernel, kernel, filters): numpy's or jax's arrays."""
    met = shifts(side, kernels.shape[0], padding)
    pixels, positions = met.shape[2:]
    entries = met.reshape(-1, pixels * positions).T.astype(kernels.dtype) @ kernels.reshape(-1, kernels.shape[-1])
    return entries.reshape(pixels, positions, -1).transpose(0, 2, 1).reshape(pixels, -1)


def generic_rank(side: int, kernel: int, padding: str, filters: int) -> int:
    """The rank of T for kernels in general position.

    With "SAME" one filter is enough: its matrix is square, the identity for one choice of weights, and so invertible for almost
    all. With "VALID" one filter has p_1 features, and the features of two share p_2 relations, since k_1 * k_2 = k_2 * k_1; so
    on, by inclusion and exclusion,

        rank = sum_{j=1}^{F} (-1)^(j+1) C(F, j) p_j,   p_j = max(0, side - j (kernel - 1))^2,

    until it is the number of pixels, where it stays. Known for two filters; for more it is what generic polynomials do (R.
    Froeberg, "An inequality for Hilbert series of graded algebras", 1985), and what random kernels are tested to do.
    """
    if padding == "SAME":
        return side**2
    places = [max(0, side - j * (kernel - 1)) ** 2 for j in range(filters + 1)]
    ranks = (sum((-1) ** (j + 1) * comb(count, j) * places[j] for j in range(1, count + 1)) for count in range(1, filters + 1))
    return min(side**2, max(ranks))


def gain(kernels: Any, head: Any, side: int, padding: str) -> Any:
    """The gain () of kernels (kernel, kernel, filters) and a head (filters * positions, classes), numpy's or jax's.

    (classes ||T||^2 + sum_o n_o ||V_o||^2) / (pixels classes), where n_o weights meet a pixel at position o.
    """
    met, classes = shifts(side, kernels.shape[0], padding), head.shape[1]
    pairs, meetings = (met.sum(axes).astype(kernels.dtype) for axes in ((2, 3), (0, 1, 2)))
    by_position = (head.reshape(kernels.shape[-1], -1, classes) ** 2).sum((0, 2))
    own = (pairs * (kernels**2).sum(2)).sum()
    return own / side**2 + (meetings * by_position).sum() / (side**2 * classes)


def first_gain(side: int, kernel: int, padding: str, filters: int) -> float:
    """The mean gain of weights drawn with variance 1 / fan-in: n (filters / kernel^2 + 1 / positions) / pixels, n meetings."""
    met = shifts(side, kernel, padding)
    return float(met.sum() * (filters / kernel**2 + 1 / met.shape[3]) / side**2)
