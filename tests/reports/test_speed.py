"""When a loss gets to a level, between records."""

import numpy as np
import xarray as xr

from symmetry_jax.reports.speed import first_step_at


def test_the_first_crossing_is_found_between_records():
    losses = [[4.0, 1.0, 0.5, 2.0], [4.0, 4.0, 4.0, 4.0], [0.1, 1.0, 1.0, 1.0], [4.0, np.nan, 0.5, 0.1]]
    found = first_step_at(xr.DataArray(losses, {"step": [0, 10, 20, 40]}, ("run", "step")), 2.0)
    np.testing.assert_allclose(found, [5, np.inf, 1, np.nan])  # log 4 to log 1 passes log 2 half-way
