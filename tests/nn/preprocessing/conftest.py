from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest


@dataclass
class ToyDataset:
    """Stands in for ``babysit.data.Dataset``; what is not for training is spoilt, so that a look at it shows."""

    x: npt.NDArray[Any]
    y: npt.NDArray[Any]
    splits: Any
    table: Any = None
    feature_names: tuple[str, ...] = field(default=())

    @property
    def example_shape(self) -> tuple[int, ...]:
        return self.x.shape[1:]


def toy(train: npt.NDArray[Any], y: npt.NDArray[Any] | None = None, columns: Any = None) -> ToyDataset:
    """A data set whose training split, in shuffled places, is ``train``."""
    spoilt = np.full_like(train[: len(train) // 2 + 1], 255 if train.dtype == np.uint8 else 1e9)
    everything = np.concatenate([train, spoilt])
    place = np.random.default_rng(1).permutation(len(everything))
    x = np.empty_like(everything)
    x[place] = everything
    targets = np.full((len(x), *(() if y is None else y.shape[1:])), 1e9, dtype=np.float64 if y is None else y.dtype)
    targets[place[: len(train)]] = 0 if y is None else y
    names = () if train.ndim != 2 else tuple(f"f{i}" for i in range(train.shape[1]))
    table = None
    if columns is not None:
        names = tuple(name for name, _, _ in columns)
        table = SimpleNamespace(columns=[SimpleNamespace(name=n, kind=k, categories=c) for n, k, c in columns])
    return ToyDataset(x, targets, SimpleNamespace(train=place[: len(train)]), table, names)


@pytest.fixture(name="toy")
def _toy() -> Any:
    return toy
