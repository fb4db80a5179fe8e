from __future__ import annotations

import numpy as np
import pytest
from sklearn import datasets

from babysit.data.read import read
from babysit.data.sklearn_sets import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_sets_hold_what_scikit_learn_holds(name: str) -> None:
    bunch = getattr(datasets, f"load_{name}")()
    dataset = read(name)
    assert dataset.source == f"scikit-learn {name}"
    assert np.array_equal(dataset.x.reshape(len(dataset.x), -1), bunch.data.astype(np.float32))
    assert np.array_equal(dataset.y, bunch.target)
    assert dataset.task == ("regression" if name == "diabetes" else "classification")


def test_digits_are_images() -> None:
    digits = read("digits")
    assert (digits.kind, digits.x.shape, digits.x.dtype) == ("image", (1797, 1, 8, 8), np.uint8)
    assert digits.class_names == tuple("0123456789")
    assert digits.feature_names == ()


def test_names_come_along() -> None:
    assert read("iris").class_names == ("setosa", "versicolor", "virginica")
    assert read("breast_cancer").class_names == ("malignant", "benign")
    assert read("diabetes").feature_names == ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
