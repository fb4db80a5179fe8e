from __future__ import annotations

import dataclasses
import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from babysit.data.dataset import Dataset, Splits
from babysit.data.describe import describe, fingerprints
from babysit.data.read import read
from babysit.storage import strict

module = importlib.import_module("babysit.data.describe")  # the package's attribute of that name is the function


def dataset(x: np.ndarray, y: np.ndarray, splits: Splits, kind: str = "features") -> Dataset:
    classes = tuple(map(str, range(int(y.max()) + 1))) if y.dtype.kind == "i" else ()
    names = tuple(f"x{i}" for i in range(x.shape[1])) if x.ndim == 2 else ()
    task = "classification" if classes else "regression"
    return Dataset("toy", "toy", kind, task, x, y, splits, classes, names, None, (), False)


def thirds(count: int) -> Splits:
    return Splits(*np.array_split(np.arange(count), 3))


@settings(deadline=None)
@given(
    hnp.arrays(np.float32, (12, 3), elements=st.floats(-1e6, 1e6, width=32)),
    st.integers(1, 64),
    st.floats(0, 1e4),
)
def test_moments_agree_with_numpy(x: np.ndarray, chunk: int, shift: float) -> None:
    x = x + np.float32(shift)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        found = describe(dataset(x, np.arange(12) % 2, thirds(12))).inputs
    train = x[:4].astype(np.float64)
    assert found.minimum == train.min()
    assert found.maximum == train.max()
    assert found.mean == pytest.approx(train.mean(), rel=1e-12, abs=1e-9)
    assert found.std == pytest.approx(train.std(), rel=1e-9, abs=1e-9)


@given(hnp.arrays(np.uint8, (15, 2), elements=st.integers(0, 2)))
def test_duplicates_agree_with_sets(x: np.ndarray) -> None:
    found = describe(dataset(x, np.arange(15) % 3, thirds(15))).duplicates
    train, validation, test = ([tuple(row) for row in part] for part in np.array_split(x, 3))
    assert found.train == len(train) - len(set(train))
    assert found.train_validation == sum(row in set(train) for row in validation)
    assert found.train_test == sum(row in set(train) for row in test)
    assert found.validation_test == sum(row in set(validation) for row in test)


def test_equal_values_have_equal_fingerprints() -> None:
    x = np.array([[0.0, np.nan], [-0.0, -np.nan], [0.0, 1.0]], dtype=np.float32)
    hashes = fingerprints(x, np.arange(3))
    assert hashes[0] == hashes[1] != hashes[2]
    assert np.signbit(x[1, 0])  # the data is as it was


def test_missing_and_nonfinite_values() -> None:
    x = np.ones((12, 2), dtype=np.float32)
    x[:3, 1], x[11, 0] = np.nan, np.inf
    features = describe(dataset(x, np.arange(12) % 2, thirds(12)))
    assert (features.missing, features.missing_per_column, features.nonfinite) == (3, {"x1": 3}, 4)
    assert describe(dataset(x, np.arange(12) % 2, thirds(12), "table")).nonfinite == 1
    assert features.inputs.mean == 1.0


def test_counts_and_imbalance() -> None:
    y = np.array([0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1])
    summary = describe(dataset(np.arange(12, dtype=np.float32)[:, None], y, thirds(12)))
    assert summary.class_counts == {"train": (3, 1), "validation": (2, 2), "test": (2, 2)}
    assert summary.imbalance == 3.0
    assert summary.targets is None
    absent = Splits(np.arange(3), np.arange(3, 6), np.arange(6, 12))
    assert describe(dataset(np.zeros((12, 1), np.float32), y, absent)).imbalance == float("inf")


def test_regression_targets() -> None:
    diabetes = read("diabetes")
    summary = describe(diabetes)
    train = diabetes.targets("train").astype(np.float64)
    assert summary.targets is not None
    assert summary.targets.mean == pytest.approx(train.mean())
    assert summary.targets.std == pytest.approx(train.std())
    assert (summary.imbalance, summary.class_counts) == (None, {})


def test_images_and_empty_splits() -> None:
    digits = read("digits")
    nothing = np.array([], dtype=np.int64)
    whole = dataclasses.replace(digits, splits=Splits(np.arange(1797), nothing, nothing))
    summary = describe(whole)
    assert summary.examples == {"train": 1797, "validation": 0, "test": 0}
    assert summary.inputs.mean == pytest.approx(digits.x.mean())
    assert (summary.missing, summary.nonfinite, summary.duplicates.train_test) == (0, 0, 0)


def test_survives_json(tmp_path: Path) -> None:
    summary = describe(read("iris"))
    value = json.loads(json.dumps(strict(summary.to_json()), allow_nan=False))
    assert value["examples"] == {"train": 106, "validation": 22, "test": 22}
    assert value["inputs"]["mean"] == summary.inputs.mean
