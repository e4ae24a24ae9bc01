"""What becomes of units that start equal, or almost equal, when a network learns."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symmetry_jax.learning.process import Measure as Measure
    from symmetry_jax.learning.process import Process as Process
    from symmetry_jax.learning.process import State as State
    from symmetry_jax.measures.transverse import log_growth as log_growth
    from symmetry_jax.measures.transverse import transverse as transverse
    from symmetry_jax.sweeps.devices import use_all_cores as use_all_cores
    from symmetry_jax.sweeps.loading import load_results as load_results
    from symmetry_jax.sweeps.loading import load_run as load_run
    from symmetry_jax.sweeps.sweep import sweep as sweep
    from symmetry_jax.symmetry.axes import Charges as Charges
    from symmetry_jax.symmetry.axes import UnitAxis as UnitAxis
    from symmetry_jax.symmetry.curvature import cross_curvature as cross_curvature
    from symmetry_jax.symmetry.curvature import twin_curvature as twin_curvature
    from symmetry_jax.symmetry.discovery.discover import discover as discover
    from symmetry_jax.symmetry.discovery.verify import verify as verify
    from symmetry_jax.symmetry.quotient import quotient as quotient
    from symmetry_jax.symmetry.rescaling import rescale as rescale
    from symmetry_jax.symmetry.separation import separation as separation
    from symmetry_jax.symmetry.units import Symmetry as Symmetry
    from symmetry_jax.symmetry.units import UnitGroup as UnitGroup
    from symmetry_jax.symmetry.units import permute as permute
    from symmetry_jax.symmetry.units import perturb as perturb
    from symmetry_jax.symmetry.units import tie as tie
    from symmetry_jax.theory.first_moves import predict_first_moves as predict_first_moves
    from symmetry_jax.theory.twin_separation import noise_for as noise_for

_MODULES = {
    "Charges": "symmetry.axes",
    "Measure": "learning.process",
    "Process": "learning.process",
    "State": "learning.process",
    "Symmetry": "symmetry.units",
    "UnitAxis": "symmetry.axes",
    "UnitGroup": "symmetry.units",
    "cross_curvature": "symmetry.curvature",
    "discover": "symmetry.discovery.discover",
    "load_results": "sweeps.loading",
    "load_run": "sweeps.loading",
    "log_growth": "measures.transverse",
    "noise_for": "theory.twin_separation",
    "permute": "symmetry.units",
    "perturb": "symmetry.units",
    "predict_first_moves": "theory.first_moves",
    "quotient": "symmetry.quotient",
    "rescale": "symmetry.rescaling",
    "separation": "symmetry.separation",
    "sweep": "sweeps.sweep",
    "tie": "symmetry.units",
    "transverse": "measures.transverse",
    "twin_curvature": "symmetry.curvature",
    "use_all_cores": "sweeps.devices",
    "verify": "symmetry.discovery.verify",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    # on first use, so that importing the package does not start jax
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
