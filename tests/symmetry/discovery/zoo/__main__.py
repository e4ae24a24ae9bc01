"""The zoo at a glance: `python -m tests.symmetry.discovery.zoo` prints each model, the units of its groups as they are
discovered, and the seconds that tracing and discovering take.
"""

import statistics
import time

from symmetry_jax import discover
from tests.symmetry.discovery.zoo import ALL


def main() -> None:
    """Prints a line for each model, and the sum and the median of the seconds."""
    seconds, found = [], 0
    for case in (build() for build in ALL):
        begin = time.perf_counter()
        symmetry = discover(case.function, case.params, *case.inputs, outputs=case.outputs)
        seconds.append(time.perf_counter() - begin)
        found += len(symmetry)
        print(f"{case.name:40} {seconds[-1]:6.3f} s  {'; '.join(group.number() for group in symmetry.values())}")
    print(f"{len(seconds)} models, {found} groups, {sum(seconds):.2f} s together")
    print(f"{statistics.median(seconds):.3f} s in the median, {max(seconds):.3f} s at most")


if __name__ == "__main__":
    main()
