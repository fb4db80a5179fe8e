"""Fitting a preprocessing: from the whole training split, and from nothing else.

The functions here are the only way to fit, and they take a data set, not an array: statistics of validation or test
examples cannot get in by construction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from babysit.errors import InputError
from babysit.nn.preprocessing._moments import moments
from babysit.nn.preprocessing._step import Step
from babysit.nn.preprocessing.pipeline import Preprocessing, as_floating
from babysit.nn.preprocessing.tabular import Tabular
from babysit.nn.preprocessing.targets import TargetScaling

_CHUNK_VALUES = 2**20  # at the widest step: 8 MiB in float64


class Column(Protocol):
    """What is asked of a table's column."""

    @property
    def kind(self) -> str:
        """One of "numeric", "boolean", "categorical"."""

    @property
    def categories(self) -> Sequence[str]:
        """Of a categorical column, in the order of their codes."""


class Table(Protocol):
    """What is asked of a table's schema."""

    @property
    def columns(self) -> Sequence[Column]:
        """In the order of the inputs."""


class Splits(Protocol):
    """What is asked of the splits."""

    @property
    def train(self) -> npt.NDArray[np.int64]:
        """The indices of the training examples."""


class TrainingSet(Protocol):
    """What is asked of a data set; ``babysit.data.Dataset`` has it."""

    @property
    def x(self) -> npt.NDArray[Any]:
        """All examples, ``(N, *example_shape)``."""

    @property
    def y(self) -> npt.NDArray[Any]:
        """All targets, ``(N,)`` or ``(N, outputs)``."""

    @property
    def splits(self) -> Splits:
        """Which examples are for training."""

    @property
    def table(self) -> Table | None:
        """The columns, where the examples are a table's rows."""

    @property
    def feature_names(self) -> Sequence[str]:
        """One per column of ``x``; empty for images."""

    @property
    def example_shape(self) -> tuple[int, ...]:
        """Of one example."""


@torch.no_grad()
def fit_preprocessing(spec: str, dataset: TrainingSet) -> Preprocessing:
    """Fit the steps of ``spec`` on the training split, each on what the steps before it give.

    Reads the training examples once a step, in chunks of about a million values, with statistics in float64: the data
    set may be far larger than its float copy would allow. A table gets :class:`Tabular` first, whatever ``spec`` says.

    Args:
        spec: As :func:`babysit.nn.preprocessing.parse` reads it; ``none`` for no change.
        dataset: Only its training examples are looked at.

    Raises:
        InputError: The steps do not fit the data, there are no training examples, or a column holds NaN, infinities or
            (in a table) nothing.
    """
    columns = None if dataset.table is None else [(c.kind, len(c.categories)) for c in dataset.table.columns]
    preprocessing = Preprocessing(spec, dataset.example_shape, columns)
    _require_examples(dataset)
    steps = preprocessing.ordered_steps()
    names = _column_names(dataset, steps)
    rows = max(1, _CHUNK_VALUES // _widest(preprocessing.input_shape, steps))
    for index, step in enumerate(steps):
        chunks = (_apply(steps[:index], chunk) for chunk in _training_chunks(dataset, rows))
        step._fit(chunks if step.takes_missing else _finite_only(chunks, names))
        if isinstance(step, Tabular):
            _require_finite(step.fill.unsqueeze(0), names)
    return preprocessing


@torch.no_grad()
def fit_target_scaling(dataset: TrainingSet) -> TargetScaling:
    """The scaling that gives the training targets mean 0 and standard deviation 1, each output by itself.

    Raises:
        InputError: There are no training examples, or a target is NaN or infinite.
    """
    _require_examples(dataset)
    targets = torch.from_numpy(dataset.y[dataset.splits.train])
    columns = as_floating(targets).reshape(len(targets), -1)
    _require_finite(columns, [f"target {index}" for index in range(columns.shape[1])])
    found = moments([columns])
    scaling = TargetScaling(columns.shape[1])
    scaling.mean.copy_(found.mean)
    scaling.std.copy_(found.divisor)
    return scaling


def _training_chunks(dataset: TrainingSet, rows: int) -> Iterator[Tensor]:
    train = dataset.splits.train
    for start in range(0, len(train), rows):
        yield as_floating(torch.from_numpy(dataset.x[train[start : start + rows]]))


def _apply(steps: Sequence[Step], x: Tensor) -> Tensor:
    for step in steps:
        x = step(x)
    return x


def _widest(input_shape: tuple[int, ...], steps: Sequence[Step]) -> int:
    return max(1, *(prod(shape) for shape in [input_shape, *(step.output_shape for step in steps)]))


def _finite_only(chunks: Iterable[Tensor], names: Sequence[str]) -> Iterator[Tensor]:
    for chunk in chunks:
        _require_finite(chunk, names)
        yield chunk


def _require_finite(rows: Tensor, names: Sequence[str]) -> None:
    """Refuse rows ``(N, …)`` with a value that is NaN or infinite, naming the first such column."""
    finite = rows.isfinite()
    if finite.all():
        return
    column = int((~finite).flatten(1).any(0).nonzero()[0])
    raise InputError(
        names[column],
        expected="finite values in the training examples",
        found="NaN, infinities or nothing at all",
        todo="remove or replace them (in a table, empty cells are filled in if some are not empty)",
    )


def _require_examples(dataset: TrainingSet) -> None:
    if len(dataset.splits.train) == 0:
        raise InputError(
            "preprocessing", expected="training examples", found="none", todo="give the training split a share"
        )


def _column_names(dataset: TrainingSet, steps: Sequence[Step]) -> list[str]:
    """What to call each value of an example: for a table, the column behind each output of its first step."""
    if not dataset.feature_names:
        return [f"value {index}" for index in range(prod(dataset.example_shape))]
    names = [f"column {name!r}" for name in dataset.feature_names]
    return names if dataset.table is None else [names[i] for i in steps[0].get_buffer("source").tolist()]
