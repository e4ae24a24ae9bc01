"""How much directions overlap by chance, and how little they can.

By chance: cosines between independent vectors that are evenly distributed on a sphere. The square of the cosine between two
such vectors of d numbers has the distribution Beta(1/2, (d - 1)/2): normal vectors of equal variance have such directions
(R. J. Muirhead, Aspects of Multivariate Statistical Theory, 1982, theorem 1.5.7).

At least: up to d vectors of d numbers can be orthogonal, more cannot, and the mean square of their cosines has a bound
(L. R. Welch, Lower bounds on the maximum cross correlation of signals, IEEE Transactions on Information Theory 20, 1974).
"""

import math

import numpy as np
from scipy.special import betainc


def mean_cosine(numbers: int) -> float:
    """E|cos| = Gamma(d/2) / (sqrt(pi) Gamma((d + 1)/2)) of two vectors of d numbers."""
    return math.exp(math.lgamma(numbers / 2) - math.lgamma((numbers + 1) / 2)) / math.sqrt(math.pi)


def largest_cosine(numbers: int, units: int) -> float:
    """E max |cos| over the P pairs of so many vectors: the integral of 1 - F(c)^P, F the distribution of |cos|.

    Pairs are taken to be independent. They are so two by two but not all together; simulated, the mean is within
    2% of this for 4 to 32 units and 9 to 288 numbers.
    """
    if numbers == 1:
        return 1.0
    cosine = np.linspace(0, 1, 20001)
    below = betainc(0.5, (numbers - 1) / 2, cosine**2)
    return float(np.trapezoid(1 - below ** (units * (units - 1) // 2), cosine))


def effective_rank(numbers: int, units: int) -> float:
    """E(tr G)^2 / E tr G^2 = (d U + 2) / (d + U + 1) of the Gram matrix of U normal vectors of d numbers."""
    return (numbers * units + 2) / (numbers + units + 1)


def welch_bound(numbers: int, units: int) -> float:
    """The least root mean square cosine over pairs of U > 1 vectors of d numbers: sqrt(max(0, U - d) / (d (U - 1))).

    The Gram matrix G of unit vectors has trace U and rank d at most, so that tr G^2 >= U^2/d: U of it is the diagonal's, the
    rest is the pairs'. Tight frames attain it; the largest cosine is no less.
    """
    return math.sqrt(max(0, units - numbers) / (numbers * (units - 1)))


def even_cosine(numbers: int, units: int) -> float:
    """The mean |cos| of U vectors that are spread as evenly as can be: `mean_cosine` times sqrt(max(0, U - d) / (U - 1)).

    Their root mean square is at Welch's bound, and the mean is to it as in independent vectors, whose root mean square is
    1/sqrt(d). Frames that descend from independent vectors to the bound are within 4% of this for 12 to 64 units of 9 numbers;
    one unit more than numbers ends equiangular, at the bound. No mean can exceed the bound. Copies of orthogonal vectors have a
    lower one, down to the bound's square, since |cos| >= cos^2; but copies share all that they read.
    """
    return mean_cosine(numbers) * math.sqrt(numbers) * welch_bound(numbers, units)


def least_correlation(units: int) -> float:
    """The least mean correlation over pairs of U > 1 quantities: -1/(U - 1), as the variance of their sum is not negative."""
    return -1 / (units - 1)
