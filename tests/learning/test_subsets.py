"""Parts of a dataset."""

import numpy as np
import pytest

from symmetry_jax.errors import InputError
from symmetry_jax.learning.data.digits import digits
from symmetry_jax.learning.data.subsets import balance, restrict, scramble


def test_the_first_classes():
    data, part = digits(), restrict(digits(), 3)
    for whole, kept in ((data.train, part.train), (data.test, part.test)):
        chosen = whole.targets < 3
        np.testing.assert_array_equal(kept.inputs, whole.inputs[chosen])
        np.testing.assert_array_equal(kept.targets, whole.targets[chosen])
    np.testing.assert_array_equal(restrict(data, 10).train.inputs, data.train.inputs)


@pytest.mark.parametrize("classes", [1, 11, 2.0, "3"])
def test_classes_that_are_not_there(classes):
    with pytest.raises(InputError, match="a whole number from 2 to 10"):
        restrict(digits(), classes)


def test_as_many_of_each_class():
    data, part = digits(), balance(digits())
    counts, fewest = np.bincount(part.train.targets), np.bincount(data.train.targets).min()
    assert set(counts) == {fewest} and np.array_equal(part.test.inputs, data.test.inputs)
    first = [data.train.inputs[data.train.targets == label][:fewest] for label in range(10)]
    for label in range(10):
        np.testing.assert_array_equal(part.train.inputs[part.train.targets == label], first[label])


def test_labels_in_a_random_order():
    data, mixed = digits(), scramble(digits())
    np.testing.assert_array_equal(np.bincount(mixed.train.targets), np.bincount(data.train.targets))
    assert np.mean(mixed.train.targets == data.train.targets) < 0.2
    np.testing.assert_array_equal(mixed.train.inputs, data.train.inputs)
    np.testing.assert_array_equal(mixed.test.targets, data.test.targets)
