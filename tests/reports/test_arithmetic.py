"""Arithmetic as a source of asymmetry: what is said of widths."""

from symmetry_jax.reports.arithmetic import kinds_of_vector


def test_columns_are_cut_into_vectors_of_eight_four_two_and_one():
    for columns in range(1, 65):
        cut, left = [], columns
        for size in (8, 4, 2, 1):
            cut += [size] * (left // size)
            left %= size
        assert sum(cut) == columns and kinds_of_vector(columns) == len(set(cut))
