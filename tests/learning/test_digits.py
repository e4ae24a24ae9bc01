"""The digits and their fixed split."""

import hashlib

import numpy as np
from sklearn.datasets import load_digits

from symmetry_jax.learning.data.digits import digits

SPLIT = "fcf7e20224636814"  # changes only if scikit-learn's split does: results before and after are then not comparable


def test_shapes_types_and_range():
    data = digits()
    assert data.train.inputs.shape == (1437, 8, 8, 1) and data.test.inputs.shape == (360, 8, 8, 1)
    assert data.train.targets.shape == (1437,) and data.test.targets.dtype == np.int32
    assert data.train.inputs.min() == 0 and data.train.inputs.max() == 1
    assert data.shape == (8, 8, 1)


def test_every_image_is_used_once():
    data, source = digits(), load_digits()
    images = np.concatenate([data.train.inputs, data.test.inputs]).reshape(1797, -1) * 16
    assert sorted(map(tuple, images)) == sorted(map(tuple, source.data))


def test_classes_are_in_proportion():
    data = digits()
    for label in range(10):
        in_test, in_all = np.sum(data.test.targets == label), np.sum(load_digits().target == label)
        assert abs(in_test - in_all * 360 / 1797) < 1


def test_the_split_is_always_the_same():
    assert hashlib.sha256(digits().test.inputs.tobytes()).hexdigest().startswith(SPLIT)
