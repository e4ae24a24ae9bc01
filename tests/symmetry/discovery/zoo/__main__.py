"""The zoo at a glance: `python -m tests.symmetry.discovery.zoo` prints each model, the units of its groups as they are
discovered, and the seconds that tracing and discovering take.
"""

import statistics
import time

from symmetry_jax import discover
from tests.symmetry.discovery.zoo import ALL


def main() -> None:
    """Prints a line for each model, and the sum and the median of the seconds."""
    seconds, found = [], []
    for case in (build() for build in ALL):
        begin = time.perf_counter()
        symmetry = discover(case.function, case.params, *case.inputs, outputs=case.outputs)
        seconds.append(time.perf_counter() - begin)
        found += symmetry.values()
        print(f"{case.name:40} {seconds[-1]:6.3f} s  {'; '.join(group.number() for group in symmetry.values())}")
    print(f"{len(seconds)} models, {len(found)} groups, {sum(seconds):.2f} s together")
    signs, scales = sum(group.signs != () for group in found), sum(group.scales != () for group in found)
    print(f"{signs} groups whose units may change sign, {scales} whose units may be multiplied by c > 0")
    print(f"{statistics.median(seconds):.3f} s in the median, {max(seconds):.3f} s at most")


if __name__ == "__main__":
    main()
