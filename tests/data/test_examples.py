from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from babysit.data.options import ReadOptions
from babysit.data.read import read, read_for_prediction
from babysit.errors import InputError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 1, 8, 8), dtype=np.uint8)
LABELS = np.repeat([3, 5], 10)


def save(folder: Path, **arrays: np.ndarray) -> str:
    path = folder / "new.npz"
    np.savez(path, **arrays)
    return str(path)


def test_labels_are_mapped_as_in_training(tmp_path: Path) -> None:
    schema = read(save(tmp_path, x=IMAGES, y=LABELS)).schema()
    found = read_for_prediction(save(tmp_path, x=IMAGES[8:12], y=LABELS[8:12].astype(float)), schema)
    assert found.y is not None
    assert list(found.y) == [0, 0, 1, 1]
    assert found.names == ("0", "1", "2", "3")
    assert read_for_prediction(save(tmp_path, x=IMAGES), schema).y is None
    assert read_for_prediction(save(tmp_path, x=IMAGES, y=LABELS + 1), schema).y is None


def test_named_codes_are_mapped_by_name() -> None:
    cancer = read("breast_cancer")
    found = read_for_prediction("breast_cancer", cancer.schema())
    assert found.y is not None
    assert np.array_equal(found.y, cancer.y)


def test_regression_targets_come_along() -> None:
    found = read_for_prediction("diabetes", read("diabetes").schema())
    assert found.y is not None
    assert found.y.dtype == np.float32
    assert np.array_equal(found.y, read("diabetes").y)


def test_only_the_test_split_is_predicted(tmp_path: Path) -> None:
    path = save(tmp_path, x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:3], y_test=LABELS[:3])
    found = read_for_prediction(path, read(path).schema())
    assert np.array_equal(found.x, IMAGES[:3])
    assert found.names == ("20", "21", "22")
    assert found.notes == ("only the test split is used: 3 of 23 examples",)


def test_pixels_of_another_dtype(tmp_path: Path) -> None:
    bytes_schema = read(save(tmp_path, x=IMAGES, y=LABELS)).schema()
    floats = save(tmp_path, x=IMAGES.astype(np.float64))
    assert np.array_equal(read_for_prediction(floats, bytes_schema).x, IMAGES)
    with pytest.raises(InputError, match=r"expected pixels from 0 to 255, .* found values from 0 to 1"):
        read_for_prediction(save(tmp_path, x=IMAGES / 255), bytes_schema)
    with pytest.raises(InputError, match="found values from 0 to 1"):  # black and white: of which scale?
        read_for_prediction(save(tmp_path, x=(IMAGES > 99).astype(float)), bytes_schema)

    float_schema = read(save(tmp_path, x=IMAGES / 255, y=LABELS)).schema()
    found = read_for_prediction(save(tmp_path, x=IMAGES), float_schema)
    assert found.x.dtype == np.float32
    assert found.notes == ("pixels are 0 to 255 here and were floats in training: their scales must agree",)


def test_another_shape_is_refused(tmp_path: Path) -> None:
    schema = read("digits").schema()
    with pytest.raises(InputError, match=r"expected examples of shape \(1, 8, 8\), .* found shape \(1, 8, 7\)"):
        read_for_prediction(save(tmp_path, x=IMAGES[..., :7]), schema)


def test_a_regression_on_named_classes_is_refused() -> None:
    with pytest.raises(InputError, match="expected a numeric target for a regression, found classes such as 'setosa'"):
        read("iris", ReadOptions(task="regression"))
