"""A sequence of preprocessing steps as one module that travels with the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from babysit.errors import InputError
from babysit.nn.preprocessing._step import Shape, Step, format_shape
from babysit.nn.preprocessing.spec import parse
from babysit.nn.preprocessing.tabular import ColumnKind, Tabular


class Preprocessing(nn.Module):
    """Raw examples to what the network sees; made fitted by ``fit_preprocessing``, empty by :meth:`from_json`.

    Takes integers (uint8 pixels become float32, 0 … 255 kept) and floats; gives float32, or the dtype that
    ``.double()`` or ``.half()`` has set. Its statistics are buffers: they move, save and load with the module.

    Shapes: ``(N, *input_shape)`` → ``(N, *output_shape)``; ``pca`` and ``whiten`` flatten.

    Args:
        spec: The steps, as ``parse`` reads them.
        input_shape: Of one raw example.
        columns: For a table, the kind and category count of every column: :class:`Tabular` then comes first.

    Raises:
        InputError: The steps do not fit each other or the shape.
    """

    _anchor: Tensor

    def __init__(self, spec: str, input_shape: Shape, columns: Iterable[ColumnKind] | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.input_shape = tuple(input_shape)
        self.columns = None if columns is None else tuple(columns)
        self.steps = nn.ModuleList(_build_steps(spec, self.input_shape, self.columns))
        self.register_buffer("_anchor", torch.empty(()), persistent=False)  # follows .double(), .half()

    @property
    def output_shape(self) -> Shape:
        """The shape of one preprocessed example."""
        steps = self.ordered_steps()
        return steps[-1].output_shape if steps else self.input_shape

    def ordered_steps(self) -> list[Step]:
        """The steps in the order they are applied."""
        return [step for step in self.steps if isinstance(step, Step)]

    def forward(self, x: Tensor) -> Tensor:
        """Apply every step to a batch ``(N, *input_shape)``.

        Raises:
            InputError: The examples are of another shape than those of the training set.
        """
        if tuple(x.shape[1:]) != self.input_shape:
            raise InputError(
                "inputs",
                expected=f"examples of shape {format_shape(self.input_shape)} as in the training set",
                found=format_shape(tuple(x.shape[1:])),
                todo="give data of the same layout",
            )
        x = as_floating(x)
        for step in self.steps:
            x = step(x)
        return x.to(self._anchor.dtype)

    def describe(self) -> str:
        """What is done to the inputs, in one line."""
        return ", ".join(step.describe() for step in self.ordered_steps()) or "use the inputs as they are"

    def to_json(self) -> dict[str, Any]:
        """The structure without the statistics, which are in the state dict."""
        return {
            "spec": self.spec,
            "input_shape": list(self.input_shape),
            "columns": None if self.columns is None else [list(column) for column in self.columns],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The structure that :meth:`to_json` described, its buffers of the right shape and waiting for a state dict.

        Raises:
            InputError: It is not such a description.
        """
        try:
            columns = data["columns"]
            kinds = None if columns is None else [(str(kind), int(count)) for kind, count in columns]
            spec, shape = str(data["spec"]), tuple(int(size) for size in data["input_shape"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                "preprocessing",
                expected="an object with spec, input_shape and columns",
                found=f"{type(error).__name__}: {error}",
                todo="the file is damaged or of another version; train again",
            ) from error
        return cls(spec, shape, kinds)


def as_floating(x: Tensor) -> Tensor:
    """Integers and booleans as float32, floats as they are."""
    return x if x.is_floating_point() else x.float()


def _build_steps(spec: str, shape: Shape, columns: tuple[ColumnKind, ...] | None) -> list[Step]:
    steps: list[Step] = []
    if columns is not None:
        steps.append(Tabular(columns))
        shape = steps[0].output_shape
    for parsed in parse(spec):
        steps.append(parsed.step(shape, parsed.value))
        shape = steps[-1].output_shape
    return steps
