"""Why units of erf with an adjustable bias never attract each other at a stationary point.

Let a unit enter a network as sum_o a_o g(z), z = w . x + b = w~ . x~ with x~ = (x, 1), and let l' be the slope of any loss in
the network's outputs. Its gradient and its curvature along the bias, with what the unit adds to the outputs bent, are means
over examples

    dL/dw~ = <(a . l') g'(z) x~>,    B_bb = <(a . l') g''(z)>.

For g(z) = erf(z / sqrt 2) the second derivative is g'' = -z g', and z = w~ . x~ is linear in w~. Hence

    B_bb = -<(a . l') g'(z) w~ . x~> = -w~ . dL/dw~,

for any data, teacher, loss, number of outputs and layers after the unit. Where the gradient is 0, so is B_bb. B is the twin
curvature of two equal units whose fan-outs are frozen (`symmetry.curvature`), and a matrix with a 0 on its diagonal is not
positive definite: its lowest eigenvalue is 0 at the most, and below 0 unless its row is 0 too. So two such units never attract
each other strictly. With weight decay wd on w~ a stationary point has dL/dw~ = -wd w~ instead, and B_bb = wd |w~|^2.
"""

from typing import Any


def bias_curvature(unit: Any, gradient: Any) -> Any:
    """B_bb of a unit of erf (z / sqrt 2), at any point, stationary or not.

    Args:
        unit: w~ (numbers,), the weights and the bias; an array of numpy or jax.
        gradient: dL/dw~ (numbers,), without weight decay.
    """
    return -(unit @ gradient)
