"""How the raw columns of a table become numbers, the same way in training and in prediction.

Filling in missing values, one-hot columns and scaling are not done here: they are fitted on the training split, with
the model's preprocessing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from babysit.data import columns as cols
from babysit.data.inputs import to_float32
from babysit.data.text import listed
from babysit.errors import InputError, suggest


@dataclass(frozen=True)
class Column:
    """One input column.

    Attributes:
        name: Its header.
        kind: ``"numeric"``, ``"categorical"`` or ``"boolean"``.
        categories: What a categorical column held in the training split, sorted; a code is an index into them.
    """

    name: str
    kind: str
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableSchema:
    """The input columns in order, and the name of the target.

    Example:
        >>> import pyarrow as pa
        >>> schema = TableSchema((Column("size", "numeric"), Column("colour", "categorical", ("blue", "red"))), "y")
        >>> schema.encode(pa.table({"colour": ["red", "pink"], "size": [1.5, None]}), "toy")[0]
        array([[ 1.5,  1. ],
               [ nan, -1. ]], dtype=float32)
    """

    columns: tuple[Column, ...]
    target: str | None

    def encode(self, table: Any, subject: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """Raw rows as numbers, columns matched by name; others are ignored.

        Args:
            table: A ``pyarrow.Table``.
            subject: What an error is about, such as the file.

        Returns:
            ``(N, F)`` float32 with NaN for missing, a category's index (-1 if unknown), booleans as 0 and 1; and notes
            on numbers that float32 cannot hold.

        Raises:
            InputError: A column is missing, or holds text where numbers were.
        """
        positions = {name: position for position, name in enumerate(table.column_names)}
        absent = [column.name for column in self.columns if column.name not in positions]
        if absent:
            raise InputError(
                subject,
                expected=f"the columns the model was trained on, also {listed(absent)}",
                found=f"columns {listed(table.column_names)}",
                todo=suggest(absent[0], table.column_names, "add the missing columns"),
            )
        x = np.empty((table.num_rows, len(self.columns)), dtype=np.float32)
        notes: list[str] = []
        for index, column in enumerate(self.columns):
            x[:, index], lost = to_float32(_encode(column, table.column(positions[column.name]), subject), column.name)
            notes += lost
        return x, tuple(notes)

    def to_json(self) -> dict[str, Any]:
        """Plain lists and strings, for a JSON file."""
        return {
            "columns": [{"name": c.name, "kind": c.kind, "categories": list(c.categories)} for c in self.columns],
            "target": self.target,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> TableSchema:
        """The schema that :meth:`to_json` wrote; what is none raises KeyError, TypeError or ValueError."""
        columns = tuple(Column(c["name"], c["kind"], tuple(c["categories"])) for c in value["columns"])
        if unknown := {column.kind for column in columns} - ENCODERS.keys():
            raise ValueError(f"unknown kind of column: {sorted(unknown)}")
        return cls(columns, value["target"])


def _encode(column: Column, raw: Any, subject: str) -> np.ndarray:
    clean = cols.cleaned(raw)
    values = ENCODERS[column.kind](clean, column)
    if values is None:
        raise InputError(
            subject,
            expected=f"a {column.kind} column {column.name!r}",
            found=_example(clean),
            todo="repair these values or leave them empty",
        )
    return values


def _example(clean: Any) -> str:
    """The first value that is not a number, with its row."""
    for row, value in enumerate(clean.to_pylist()):
        try:
            float("nan" if value is None else value)
        except (TypeError, ValueError):
            return f"{str(value)[:40]!r} in row {row}"
    return "other numbers"


ENCODERS: dict[str, Callable[[Any, Column], np.ndarray | None]] = {
    cols.NUMERIC: lambda clean, _: cols.numbers(clean),
    cols.BOOLEAN: lambda clean, _: cols.booleans(clean),
    cols.CATEGORICAL: lambda clean, column: cols.codes(clean, column.categories),
}
