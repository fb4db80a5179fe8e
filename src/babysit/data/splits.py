"""Divide examples into training, validation and test: stratified, seeded, the same everywhere.

The shuffle orders examples by raw 64-bit outputs of PCG64. NumPy promises those outputs for ever, which it does not for
``Generator.permutation``, so a seed means the same splits under every NumPy version.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from babysit.data.dataset import Splits
from babysit.data.options import ReadOptions
from babysit.errors import InputError

TRAIN, VALIDATION, TEST = 0, 1, 2
FEWEST_EXAMPLES = 10


def split(
    y: np.ndarray, class_names: Sequence[str], part: np.ndarray, options: ReadOptions, subject: str
) -> tuple[Splits, tuple[str, ...]]:
    """Keep the splits the source brings and carve the missing ones from its training examples.

    Each class gives its share to within one example, and keeps at least one for training.

    Args:
        y: ``(N,)`` targets; codes 0…C-1 where there are class names.
        class_names: One per class; empty for regression, which is divided without regard to ``y``.
        part: ``(N,)`` integers: where the source puts each example (`TRAIN`, `VALIDATION` or `TEST`).
        options: The seed and the fractions, which are shares of the examples in `TRAIN`.
        subject: What an error is about.

    Returns:
        The splits, and notes about classes that cannot be in all of them.

    Raises:
        InputError: There are too few examples to divide.

    Example:
        >>> y = np.repeat([0, 1], 50)
        >>> splits, notes = split(y, ["no", "yes"], np.zeros(100), ReadOptions(), "toy")
        >>> [len(splits.train), len(splits.validation), len(splits.test)]
        [70, 15, 15]
    """
    pool = np.flatnonzero(part == TRAIN)
    validation_fraction = 0.0 if np.any(part == VALIDATION) else options.validation_fraction
    test_fraction = 0.0 if np.any(part == TEST) else options.test_fraction
    if len(pool) == 0 or (validation_fraction + test_fraction > 0 and len(pool) < FEWEST_EXAMPLES):
        raise InputError(
            subject,
            expected=f"at least {FEWEST_EXAMPLES} examples (rows) to divide into training, validation and test",
            found=f"{len(pool)} example{'s' * (len(pool) != 1)}",
            todo="add examples; if rows and columns are swapped, transpose the data",
        )
    strata = y[pool] if class_names else np.zeros(len(pool), dtype=np.int64)
    counts = np.bincount(strata, minlength=max(len(class_names), 1))
    most = options.most_held_out / len(pool)
    to_test = _share(counts, min(test_fraction, most), counts - 1)
    to_validation = _share(counts, min(validation_fraction, most), counts - 1 - to_test)

    keys = np.random.PCG64(options.seed).random_raw(len(y))[pool]
    order = np.lexsort((keys, strata))
    stratum = strata[order]
    rank = np.arange(len(pool)) - (np.cumsum(counts) - counts)[stratum]
    carved = np.where(rank < to_test[stratum], TEST, TRAIN)
    carved[(carved == TRAIN) & (rank < (to_test + to_validation)[stratum])] = VALIDATION

    final = np.asarray(part, dtype=np.int64).copy()
    final[pool[order]] = carved
    train, validation, test = (np.flatnonzero(final == code) for code in (TRAIN, VALIDATION, TEST))
    return Splits(train, validation, test), _notes(class_names, counts)


def _share(counts: np.ndarray, fraction: float, room: np.ndarray) -> np.ndarray:
    """How many examples each class gives: its quota rounded so that the total is right (largest remainder)."""
    if fraction == 0:
        return np.zeros(len(counts), dtype=np.int64)
    quota = counts * fraction
    room = np.maximum(room, 0)
    given: np.ndarray = np.minimum(np.floor(quota + 1e-9).astype(np.int64), room)
    remainder = np.where(given < room, quota - given, 0)
    missing = max(round(float(quota.sum())), 1) - int(given.sum())
    most = np.argsort(-remainder, kind="stable")[: max(missing, 0)]
    given[most[remainder[most] > 1e-9]] += 1
    return given


def _notes(class_names: Sequence[str], counts: np.ndarray) -> tuple[str, ...]:
    single = [name for name, count in zip(class_names, counts, strict=False) if count == 1]
    absent = [name for name, count in zip(class_names, counts, strict=False) if count == 0]
    return tuple(
        [f"class {name!r} has a single example to divide: it is in the training split only" for name in single]
        + [f"class {name!r} has no training example" for name in absent]
    )
