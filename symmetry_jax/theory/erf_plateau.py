"""The plateau on which a committee of erf imitates an orthonormal teacher with equal units, and how fast it is left.

For K units g(z) = erf(z / sqrt 2) on both sides, inputs N(0, I), half the mean squared error and a learning rate to 0
(D. Saad & S. A. Solla, Physical Review E 52, 1995; M. Biehl, P. Riegler & C. Woehler, Journal of Physics A 29, 1996).
"""

import numpy as np


def plateau_loss(units: int) -> float:
    """(K / pi) (pi / 6 - K asin(1 / (2K)))."""
    return float(units / np.pi * (np.pi / 6 - units * np.arcsin(1 / (2 * units))))


def escape_rate(units: int) -> float:
    """Minus the lowest curvature between two units: (2 / pi) K (2K - 1)^(-1/2) (2K + 1)^(-3/2).

    Per step and unit of learning rate; descent at a rate lr multiplies their difference by 1 + lr times this.
    """
    return float(2 / np.pi * units * (2 * units - 1) ** -0.5 * (2 * units + 1) ** -1.5)
