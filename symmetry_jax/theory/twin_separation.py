"""How far apart twins will be, from how far apart they start and from the transverse exponent."""

import numpy as np
from numpy.typing import ArrayLike

LINEAR = 1e-2  # of a unit's own norm: up to there a difference between twins grows as an infinitesimal one does


def noise_for(separation: ArrayLike, log_growth: ArrayLike) -> np.ndarray:
    """separation exp(-log_growth): how far apart twins must start to be that far apart in the end.

    Args:
        separation: the distance wanted, in the units of the parameters.
        log_growth: log growth until then: the transverse exponent times the steps, or the sum of its parts as
            `measures.transverse.log_growth` reads it.
    """
    return np.asarray(separation) * np.exp(-np.asarray(log_growth))


def trusted_epsilons(
    steps: ArrayLike, log_growth: ArrayLike, size: float, precision: str, tolerance: float
) -> tuple[float, float]:
    """The distances at the start between which growth until the last step is predicted within a tolerance; low may exceed high.

    Above, twins leave the linear range: the largest separation on the way reaches `LINEAR` of their norm. Below, arithmetic
    sets them apart. Each step rounds both units on their own, an entry v by up to v eps / 2, which puts them

        kick = size eps / sqrt 6

    apart (evenly distributed errors, of two units, at most), and what a step s added has grown by the end like everything else:
    the kicks add up, as a random walk, to kick sqrt(sum_s exp(2 (log_growth_T - log_growth_s))).

    Args:
        steps: ascending from 0, (records,).
        log_growth: at those steps, (records,); straight between them.
        size: norm of one of the units.
        precision: "float32" or "float64", of the training.
        tolerance: of growth, as a fraction.
    """
    every = np.arange(int(np.asarray(steps)[-1]) + 1)
    climb = np.interp(every, np.asarray(steps, float), np.asarray(log_growth, float))
    kick = size * float(np.finfo(precision).eps) / np.sqrt(6)
    low = kick / tolerance * np.sqrt(np.sum(np.exp(-2 * climb[1:])))
    return float(low), float(LINEAR * size * np.exp(-climb.max()))
