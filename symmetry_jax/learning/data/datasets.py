"""Every dataset that a config can name."""

from collections.abc import Callable

from symmetry_jax.learning.data.digits import digits
from symmetry_jax.learning.tasks import Dataset

DATASETS: dict[str, Callable[[], Dataset]] = {"digits": digits}
