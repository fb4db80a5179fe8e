"""What is in a data set, in numbers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from babysit.data.dataset import SPLITS, Dataset

CHUNK = 1 << 24  # bytes of inputs looked at together


@dataclass(frozen=True)
class Moments:
    """Minimum, maximum, mean and standard deviation (divided by N) of the finite values; NaN where there are none."""

    minimum: float
    maximum: float
    mean: float
    std: float


@dataclass(frozen=True)
class Duplicates:
    """Exact repetitions of inputs, whatever their targets.

    Attributes:
        train: Training examples equal to an earlier one.
        train_validation: Validation examples that also occur in training.
        train_test: Test examples that also occur in training.
        validation_test: Test examples that also occur in validation.
    """

    train: int
    train_validation: int
    train_test: int
    validation_test: int


@dataclass(frozen=True)
class DataSummary:
    """What `describe` found.

    Attributes:
        examples: Number of examples of each split.
        example_shape: ``(C, H, W)`` or ``(F,)``.
        kind: ``"image"``, ``"features"`` or ``"table"``.
        task: ``"classification"`` or ``"regression"``.
        classes: Number of classes; 0 for regression.
        class_names: Their names.
        class_counts: Examples of each class, for each split; empty for regression.
        imbalance: Largest class over smallest in the training split (infinite if one is absent); None for regression.
        missing: Missing values (NaN) in all splits.
        missing_per_column: The columns that have any, and how many.
        nonfinite: Infinite values in all splits, and NaN where the data is no table.
        duplicates: Exact repetitions within training and across splits.
        inputs: Moments of the training inputs.
        targets: Moments of the training targets; None for classification.
    """

    examples: dict[str, int]
    example_shape: tuple[int, ...]
    kind: str
    task: str
    classes: int
    class_names: tuple[str, ...]
    class_counts: dict[str, tuple[int, ...]]
    imbalance: float | None
    missing: int
    missing_per_column: dict[str, int]
    nonfinite: int
    duplicates: Duplicates
    inputs: Moments
    targets: Moments | None

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings and numbers, for a JSON file."""
        return asdict(self)


def describe(dataset: Dataset) -> DataSummary:
    """Count, measure and compare the examples; sums in float64, a piece of the data at a time.

    Example:
        >>> from babysit.data import read
        >>> summary = describe(read("iris"))
        >>> summary.examples, summary.class_counts["train"], summary.duplicates.train_validation
        ({'train': 106, 'validation': 22, 'test': 22}, (34, 36, 36), 1)
    """
    counts = {name: np.bincount(dataset.targets(name), minlength=dataset.classes) for name in SPLITS if dataset.classes}
    nan, infinite = _nonfinite(dataset)
    per_column = {name: int(count) for name, count in zip(dataset.feature_names, nan, strict=False) if count}
    return DataSummary(
        examples={name: len(dataset.splits.of(name)) for name in SPLITS},
        example_shape=dataset.example_shape,
        kind=dataset.kind,
        task=dataset.task,
        classes=dataset.classes,
        class_names=dataset.class_names,
        class_counts={name: tuple(map(int, count)) for name, count in counts.items()},
        imbalance=_imbalance(counts["train"]) if counts else None,
        missing=int(nan.sum()),
        missing_per_column=per_column,
        nonfinite=infinite if dataset.kind == "table" else infinite + int(nan.sum()),
        duplicates=_duplicates(dataset),
        inputs=_moments(_chunks(dataset.x, dataset.splits.train)),
        targets=None if dataset.classes else _moments(iter([dataset.targets("train")])),
    )


def fingerprints(x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """64-bit hashes of the bytes of the chosen examples, ``(n,)`` uint64; equal values give equal hashes.

    Zeros of both signs count as equal, and so do all NaNs. Among a million different examples a chance collision has a
    probability of 3e-8.
    """
    digests = []
    for chunk in _chunks(x, indices):
        rows = chunk
        if chunk.dtype.kind == "f":
            rows = chunk + 0.0
            rows[np.isnan(rows)] = np.nan
        digests += [hashlib.blake2b(row.data, digest_size=8).digest() for row in np.ascontiguousarray(rows)]
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


def _duplicates(dataset: Dataset) -> Duplicates:
    hashes = {name: fingerprints(dataset.x, dataset.splits.of(name)) for name in SPLITS}
    train, validation, test = (hashes[name] for name in SPLITS)
    return Duplicates(
        train=len(train) - len(np.unique(train)),
        train_validation=int(np.isin(validation, train).sum()),
        train_test=int(np.isin(test, train).sum()),
        validation_test=int(np.isin(test, validation).sum()),
    )


def _chunks(x: np.ndarray, indices: np.ndarray) -> Iterator[np.ndarray]:
    step = max(1, CHUNK // max(1, x[:1].nbytes))
    return (x[indices[start : start + step]] for start in range(0, len(indices), step))


def _nonfinite(dataset: Dataset) -> tuple[np.ndarray, int]:
    """NaN per column (or pixel), and how many values are infinite."""
    nan = np.zeros(math.prod(dataset.example_shape), dtype=np.int64)
    infinite = 0
    if dataset.x.dtype.kind == "f":
        for chunk in _chunks(dataset.x, np.arange(len(dataset.x))):
            nan += np.isnan(chunk).reshape(len(chunk), -1).sum(axis=0)
            infinite += int(np.isinf(chunk).sum())
    return nan, infinite


def _imbalance(counts: np.ndarray) -> float:
    return float(counts.max() / counts.min()) if counts.min() else math.inf


def _moments(chunks: Iterator[np.ndarray]) -> Moments:
    """Of the finite values; the variance is merged chunk by chunk (Chan et al. 1979), so no digits cancel."""
    count, mean, squares, low, high = 0, 0.0, 0.0, math.inf, -math.inf
    for chunk in chunks:
        values = chunk.ravel() if chunk.dtype.kind != "f" else chunk[np.isfinite(chunk)]
        if not values.size:
            continue
        wide = values.astype(np.float64)
        own = float(wide.mean())
        wide -= own
        total = count + wide.size
        squares += float(wide @ wide) + (own - mean) ** 2 * count * wide.size / total
        mean += (own - mean) * wide.size / total
        count, low, high = total, min(low, float(values.min())), max(high, float(values.max()))
    if not count:
        return Moments(math.nan, math.nan, math.nan, math.nan)
    return Moments(low, high, mean, math.sqrt(squares / count))
