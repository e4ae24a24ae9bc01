"""How fast training gets somewhere."""

import numpy as np
import xarray as xr


def first_step_at(losses: xr.DataArray, level: float) -> xr.DataArray:
    """The step at which a loss (..., step) first falls to a level, log loss being linear between records; inf if never."""

    def first(loss: np.ndarray, step: np.ndarray) -> float:
        below = np.flatnonzero(loss <= level)
        if np.isnan(loss).any():
            return np.nan
        if not below.size:
            return np.inf
        after = below[0]
        if not after:
            return 1.0
        high, low = np.log(loss[after - 1 : after + 1] / level)
        return float(step[after - 1] + (step[after] - step[after - 1]) * high / (high - low))

    return xr.apply_ufunc(first, losses, losses.step, input_core_dims=[["step"], ["step"]], vectorize=True)
