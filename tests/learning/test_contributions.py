"""What units add to the outputs."""

import jax
import numpy as np
import pytest

from symmetry_jax.learning.contributions import contributions
from symmetry_jax.learning.models import CNN, MLP
from tests.drawing import inputs_of, variables_of

NETWORKS = [MLP((5,), 3), MLP((4, 5), 3), CNN((5,), 3, (2,)), CNN((4, 5), 3, (1, 2)), CNN((5,), 3, (2,), head="average")]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("model", NETWORKS, ids=["mlp", "deep mlp", "cnn", "deep cnn", "average"])
def test_a_unit_adds_what_goes_when_its_fan_out_is_zero(model):
    inputs = inputs_of((6, 5, 2))
    variables = variables_of(model, inputs)
    outputs, added = jax.jit(lambda: contributions(model, variables, inputs))()
    np.testing.assert_allclose(added.sum(0) + variables["params"]["output"]["bias"][None], outputs, rtol=1e-10)
    (place,) = (axis for axis in model.symmetry((6, 5, 2))[model.layers[-2]].axes if axis.role == "fan-out")
    kernel = variables["params"]["output"]["kernel"].at[place.positions(5)[3]].set(0)
    without = jax.jit(model.apply)(
        {"params": {**variables["params"], "output": {**variables["params"]["output"], "kernel": kernel}}}, inputs
    )
    np.testing.assert_allclose(outputs - added[3], without, rtol=1e-9)
