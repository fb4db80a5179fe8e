"""A part of a data set, where the whole of it would take too long."""

from __future__ import annotations

import dataclasses

import numpy as np

from babysit.data import Dataset, Splits


def fewer(
    dataset: Dataset, train: int, *, validation: int | None = None, test: int | None = None, seed: int = 0
) -> Dataset:
    """The same data with a random part of its splits.

    Args:
        dataset: Not changed; it may be sorted by class.
        train: Training examples to keep, at most.
        validation: Likewise of validation; all by default.
        test: Likewise of test; all by default.
        seed: Of the choice.

    Example:
        >>> from babysit.data import read
        >>> len(fewer(read("digits"), 100).splits.train)
        100
    """
    generator, splits = np.random.default_rng(seed), dataset.splits

    def some(rows: np.ndarray, most: int | None) -> np.ndarray:
        return rows if most is None else np.sort(generator.permutation(rows)[:most])

    chosen = Splits(some(splits.train, train), some(splits.validation, validation), some(splits.test, test))
    return dataclasses.replace(dataset, splits=chosen)
