"""What new data must look like to be given to a trained model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from babysit.data.table_schema import TableSchema
from babysit.errors import InputError


@dataclass(frozen=True)
class InputSchema:
    """The layout a model was trained on; kept with the model as JSON.

    Attributes:
        kind: ``"image"``, ``"features"`` or ``"table"``.
        task: ``"classification"`` or ``"regression"``.
        example_shape: ``(C, H, W)`` or ``(F,)``.
        dtype: ``"uint8"`` or ``"float32"``.
        class_names: The labels as text, in the order of the codes.
        feature_names: One per column; empty for images.
        table: How raw columns become numbers, for tables.
        target: The name of the target column, for tables.
    """

    kind: str
    task: str
    example_shape: tuple[int, ...]
    dtype: str
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    table: TableSchema | None
    target: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain lists, strings and numbers, for a JSON file."""
        return {
            "kind": self.kind,
            "task": self.task,
            "example_shape": list(self.example_shape),
            "dtype": self.dtype,
            "class_names": list(self.class_names),
            "feature_names": list(self.feature_names),
            "table": self.table.to_json() if self.table else None,
            "target": self.target,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> InputSchema:
        """The schema that :meth:`to_json` wrote.

        Raises:
            InputError: The value is not such a schema.
        """
        try:
            return cls(
                kind=str(value["kind"]),
                task=str(value["task"]),
                example_shape=tuple(int(size) for size in value["example_shape"]),
                dtype=np.dtype(value["dtype"]).name,
                class_names=tuple(map(str, value["class_names"])),
                feature_names=tuple(map(str, value["feature_names"])),
                table=TableSchema.from_json(value["table"]) if value["table"] else None,
                target=value["target"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                "input schema",
                expected="what a data set's schema was saved as",
                found=f"a damaged one ({error!r})",
                todo="use the run folder as it was written",
            ) from error


@dataclass(frozen=True, eq=False)
class PredictionInputs:
    """New examples in the layout a model was trained on.

    Attributes:
        x: ``(N, *example_shape)`` of the schema's dtype.
        y: ``(N,)`` ``int64`` codes or ``float32`` values, -1 or NaN for a label that the model does not know; None
            where the source has none that it knows.
        names: One per example: file names for images, else ``"0"``, ``"1"``, ….
        notes: What was guessed or repaired, one line each.
    """

    x: np.ndarray
    y: np.ndarray | None
    names: tuple[str, ...]
    notes: tuple[str, ...]
