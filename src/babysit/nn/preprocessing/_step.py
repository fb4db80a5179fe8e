"""What a preprocessing step is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn

from babysit.errors import InputError

Shape = tuple[int, ...]


class Step(nn.Module, ABC):
    """One transformation of a batch, with statistics of the training set in its buffers.

    A new step holds NaN in its buffers: it is of no use until it is fitted, which ``fit_preprocessing`` alone does, or
    loaded from a state dict.

    Args:
        shape: Of one example that goes in.
        value: The number after the colon of a specification, for the steps that take one.
    """

    name: ClassVar[str]
    value_form: ClassVar[str] = ""
    """How the number is written in a specification: K, EPS; empty where there is none."""
    default_value: ClassVar[float | None] = None
    takes_missing: ClassVar[bool] = False
    """Whether NaN may come in."""

    def __init__(self, shape: Shape, value: float | None = None) -> None:
        super().__init__()
        self.input_shape = shape
        self.value = value

    @property
    def output_shape(self) -> Shape:
        """The shape of one example that comes out."""
        return self.input_shape

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Transform a floating-point batch ``(N, *input_shape)`` into ``(N, *output_shape)``."""

    @abstractmethod
    def _fit(self, chunks: Iterable[Tensor]) -> None:
        """Take the statistics from all training examples; each chunk is a batch that ``forward`` would take."""

    @abstractmethod
    def describe(self) -> str:
        """What it does, in a few words with its fitted numbers."""

    def _unfitted(self, *shape: int) -> Tensor:
        return torch.full(shape, torch.nan)


def format_shape(shape: Shape) -> str:
    """A shape as people write it.

    Example:
        >>> format_shape((3, 32, 32))
        '3×32×32'
    """
    return "×".join(map(str, shape)) or "1"


def require_image(step: str, shape: Shape, instead: str) -> None:
    """Refuse a step for images on anything else.

    Raises:
        InputError: The examples are not ``(C, H, W)``.
    """
    if len(shape) != 3:
        raise InputError(
            f"preprocessing step {step!r}",
            expected="images (channels × height × width)",
            found=f"examples of shape {format_shape(shape)}",
            todo=f"use {instead!r} for these",
        )
