"""A part of a data set, where the whole of it would take too long."""

from __future__ import annotations

import dataclasses

import numpy as np

from babysit.data import Dataset, Splits


def fewer(dataset: Dataset, train: int, validation: int) -> Dataset:
    """The data set with some of its training and validation examples, drawn at random once and for all.

    Args:
        dataset: Which may be sorted by class.
        train: Training examples at most.
        validation: Validation examples at most.

    Example:
        >>> from babysit.data import read
        >>> len(fewer(read("digits"), 100, 50).splits.train)
        100
    """
    splits = dataset.splits
    part = Splits(_some(splits.train, train), _some(splits.validation, validation), splits.test)
    return dataclasses.replace(dataset, splits=part)


def _some(rows: np.ndarray, most: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(rows)[:most])
