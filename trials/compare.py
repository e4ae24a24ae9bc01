"""Whether two work directories of one study hold the same bits: `python -m trials.compare DIR OTHER`.

What differs is told, for results with the largest difference.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from symmetry_jax.errors import InputError
from symmetry_jax.sweeps.loading import load_sweeps
from trials.studies import bits, unequal


def main() -> None:
    """Prints what differs; fails if anything does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directories", type=Path, nargs=2, metavar="DIR", help="work directories of finished studies")
    first, second = parser.parse_args().directories
    try:
        found = compare(first, second)
    except InputError as error:
        raise SystemExit(f"error: {error}") from error
    print(*(f"{name}: {difference}" for name, difference in found.items()), sep="\n")
    if found:
        raise SystemExit(f"{len(found)} arrays differ")
    print("every bit is the same")


def compare(first: Path, second: Path) -> Mapping[str, str]:
    """What differs between two work directories, and by how much.

    Raises:
        InputError: if the results of one are damaged, or not there.
    """
    mine, other = bits(first), bits(second)
    apart = _largest_differences(first, second)
    both = {*mine} & {*other}
    return {name: apart.get(name, "differs") if name in both else "only in one" for name in unequal(mine, other)}


def _largest_differences(first: Path, second: Path) -> dict[str, str]:
    ours, theirs = load_sweeps(first), load_sweeps(second)
    found = {}
    for sweep in {*ours} & {*theirs}:
        for name in {*ours[sweep].data_vars} & {*theirs[sweep].data_vars}:
            a, b = ours[sweep][name].values, theirs[sweep][name].values
            if a.shape == b.shape and a.dtype.kind == "f":
                found[f"{sweep} {name}"] = difference(a, b)
    return found


def difference(a: np.ndarray, b: np.ndarray) -> str:
    """How far two arrays are apart, in words."""
    both = np.isfinite(a) & np.isfinite(b)
    largest = np.max(np.abs(a[both] - b[both]), initial=0)
    lost = int(np.sum(np.isfinite(a) != np.isfinite(b)))
    return f"by up to {largest:.3g}" + (f", and {lost:,} numbers are finite in one alone" if lost else "")


if __name__ == "__main__":
    main()
