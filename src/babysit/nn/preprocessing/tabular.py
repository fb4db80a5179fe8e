"""Table columns to numbers: missing values filled, categories one-hot."""

# ruff: noqa: D102 - the methods are documented on Step
from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from babysit.errors import InputError
from babysit.nn.preprocessing._step import Step

ColumnKind = tuple[str, int]
"""What a column holds and, if categorical, how many categories: ("numeric", 0), ("boolean", 0), ("categorical", 4)."""

_KINDS = ("numeric", "boolean", "categorical")


class Tabular(Step):
    """Fill missing values and replace each categorical column by one 0/1 column per category, in place.

    A missing number (NaN) becomes the column's training mean, a missing boolean the more frequent value in training (0
    on a tie). A category that is missing (NaN) or unseen (−1) becomes zeros in all its columns.

    Shapes: ``(N, columns)`` → ``(N, outputs)``.

    Args:
        columns: Kind and category count of every column.

    Raises:
        InputError: A kind is unknown.
    """

    name = "tabular"
    takes_missing = True
    fill: Tensor
    source: Tensor
    code: Tensor
    one_hot: Tensor

    def __init__(self, columns: Sequence[ColumnKind]) -> None:
        super().__init__((len(columns),))
        self.columns = tuple(columns)
        outputs = [output for index, column in enumerate(columns) for output in _outputs(index, column)]
        source, code = [index for index, _ in outputs], [code for _, code in outputs]
        boolean = [self.columns[index][0] == "boolean" for index in source]
        # what follows from the columns alone is not part of the state dict
        self.register_buffer("source", torch.tensor(source, dtype=torch.long), persistent=False)
        self.register_buffer("code", torch.tensor(code), persistent=False)
        self.register_buffer("one_hot", torch.tensor(code) >= 0, persistent=False)
        self.register_buffer("_boolean", torch.tensor(boolean, dtype=torch.bool), persistent=False)
        self.register_buffer("fill", self._unfitted(len(outputs)))

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (self.fill.numel(),)

    def _fit(self, chunks: Iterable[Tensor]) -> None:
        mean, count = torch.zeros(self.input_shape, dtype=torch.float64), torch.zeros(self.input_shape)
        for chunk in chunks:
            rows = chunk.double()
            count = count + (~rows.isnan()).sum(0)
            mean = mean + (rows - mean).nansum(0) / count.clamp(min=1)
        fill = torch.where(count > 0, mean, torch.nan)[self.source]
        fill = torch.where(self.get_buffer("_boolean"), (fill > 0.5).to(fill), fill)
        self.fill.copy_(torch.where(self.one_hot, 0.0, fill))

    def forward(self, x: Tensor) -> Tensor:
        values = x[:, self.source]
        filled = torch.where(values.isnan(), self.fill, values)
        return torch.where(self.one_hot, (values == self.code).to(filled), filled)

    def describe(self) -> str:
        categorical = sum(kind == "categorical" for kind, _ in self.columns)
        widened = f", {categorical} categorical columns one-hot ({len(self.columns)} → {self.fill.numel()} columns)"
        return "fill missing values with the training mean or majority" + (widened if categorical else "")


def _outputs(index: int, column: ColumnKind) -> list[tuple[int, float]]:
    """For every output of a column: the column's index, and the category it stands for, or −1 if it holds a number."""
    kind, categories = column
    if kind not in _KINDS:
        raise InputError(
            f"column {index}",
            expected=f"one of {', '.join(_KINDS)}",
            found=repr(kind),
            todo="correct the table's schema",
        )
    return [(index, float(code)) for code in range(categories)] if kind == "categorical" else [(index, -1.0)]
