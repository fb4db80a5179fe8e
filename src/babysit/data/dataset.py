"""What every format is read into: one `Dataset`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from babysit.data.schema import InputSchema
from babysit.data.table_schema import TableSchema
from babysit.errors import InputError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Splits:
    """Which examples train, which decide, which are kept for the end: disjoint, sorted ``int64`` indices.

    Example:
        >>> splits = Splits(np.arange(8), np.array([8]), np.array([9]))
        >>> splits.of("validation")
        array([8])
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def of(self, split: str) -> np.ndarray:
        """The indices of one split, by its name.

        Raises:
            InputError: The name is none of ``train``, ``validation`` and ``test``.
        """
        if split not in SPLITS:
            raise InputError("split", expected=", ".join(SPLITS), found=repr(split), todo="name one of these")
        indices: np.ndarray = getattr(self, split)
        return indices


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples, targets and their splits, ready for batches.

    Attributes:
        name: Short name, such as ``"digits"``.
        source: Where it came from: an absolute path, or ``"scikit-learn digits"``.
        kind: ``"image"``, ``"features"`` or ``"table"``.
        task: ``"classification"`` or ``"regression"``.
        x: Images: ``(N, C, H, W)``, ``uint8`` in 0…255, or ``float32`` where the source was not uint8. Features and
            tables: ``(N, F)`` ``float32``; in tables NaN is a missing value and a category is its code, -1 if it does
            not occur in the training split. Read-only and on disk where it would not fit in memory.
        y: Classification: ``(N,)`` ``int64`` in 0…C-1. Regression: ``(N,)`` ``float32``.
        splits: Indices into ``x`` and ``y``.
        class_names: The original labels as text, in the order of the codes; empty for regression.
        feature_names: One per column of ``x``; empty for images.
        table: How raw columns become ``x``; None unless ``kind`` is ``"table"``.
        notes: What was guessed or repaired, one line each.
        fixed_test: Whether the source brought its own test split.
    """

    name: str
    source: str
    kind: str
    task: str
    x: np.ndarray
    y: np.ndarray
    splits: Splits
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    table: TableSchema | None
    notes: tuple[str, ...]
    fixed_test: bool

    @property
    def example_shape(self) -> tuple[int, ...]:
        """Shape of one example: ``(C, H, W)`` or ``(F,)``."""
        return self.x.shape[1:]

    @property
    def classes(self) -> int:
        """Number of classes; 0 for regression."""
        return len(self.class_names)

    def inputs(self, split: str) -> np.ndarray:
        """A copy of the inputs of one split, ``(n, *example_shape)``."""
        return np.asarray(self.x[self.splits.of(split)])

    def targets(self, split: str) -> np.ndarray:
        """A copy of the targets of one split, ``(n,)``."""
        return np.asarray(self.y[self.splits.of(split)])

    def schema(self) -> InputSchema:
        """What new data must look like to be given to a model trained on this."""
        return InputSchema(
            kind=self.kind,
            task=self.task,
            example_shape=self.example_shape,
            dtype=str(self.x.dtype),
            class_names=self.class_names,
            feature_names=self.feature_names,
            table=self.table,
            target=self.table.target if self.table else None,
        )
