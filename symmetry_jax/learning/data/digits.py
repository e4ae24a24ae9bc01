"""The handwritten digits that ship with scikit-learn: 1,797 images of 8x8 pixels."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from symmetry_jax.learning.tasks import Batch, Dataset

CLASSES = 10


def digits() -> Dataset:
    """1,437 training and 360 test images, always the same ones, with every class in proportion.

    Inputs are (n, 8, 8, 1) float64 in 0..1, targets (n,) int32. Source: E. Alpaydin and C. Kaynak, Optical Recognition of
    Handwritten Digits, UCI Machine Learning Repository, 1998 (its test set).
    """
    source = load_digits()
    images = source.images[..., None] / 16  # counts of 0..16 black pixels in cells of 4x4
    labels = source.target.astype(np.int32)
    arrays = train_test_split(images, labels, test_size=360, random_state=0, stratify=labels)
    train_images, test_images, train_labels, test_labels = arrays
    return Dataset(Batch(train_images, train_labels), Batch(test_images, test_labels))
