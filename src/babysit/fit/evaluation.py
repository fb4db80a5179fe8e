"""One pass over a split in evaluation mode."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from babysit.data.batches import as_inputs
from babysit.fit.casts import fresh_casts
from babysit.fit.losses import Task, score

BATCH = 1024


@dataclass(frozen=True, eq=False)
class Examples:
    """A split that can be evaluated.

    Attributes:
        x: Inputs ``(N, …)``: a tensor, or an array that may be a memory map.
        y: Targets ``(N, …)``.
        rows: Which rows of ``x`` belong to ``y``; all by default.
        dtype: What the model takes of an array, unless it holds tokens.
    """

    x: Tensor | np.ndarray
    y: Tensor
    rows: np.ndarray | None = None
    dtype: torch.dtype = torch.float32

    def __len__(self) -> int:
        return len(self.y)

    def inputs(self, rows: slice) -> Tensor:
        """Inputs of some of the examples, as the model takes them."""
        taken = self.x[rows] if self.rows is None else self.x[self.rows[rows]]
        return taken if isinstance(taken, Tensor) else as_inputs(taken, self.dtype).to(self.y.device)


@dataclass(frozen=True)
class Result:
    """What an evaluation gave.

    Attributes:
        loss: Mean over the split.
        score: Accuracy, R² or the task's own metric; NaN where none can be told.
        examples: Size of the split.
        merit: What choices are made by, higher is better: the score, or minus the loss where none can be told.
    """

    loss: float
    score: float
    examples: int
    merit: float


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Dropout off and running averages in use inside the block; every module's mode as before after it."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@torch.no_grad()
def predict(model: nn.Module, examples: Examples) -> Tensor:
    """The model's outputs for every example, in order.

    Args:
        model: Put into evaluation mode for the pass.
        examples: Targets are not looked at.

    Returns:
        ``(N, C)`` logits, or the outputs as the model gives them.
    """
    with evaluation_mode(model), fresh_casts():
        return torch.cat(
            [model(examples.inputs(slice(start, start + BATCH))) for start in range(0, len(examples), BATCH)]
        )


def evaluate(model: nn.Module, examples: Examples, task: Task) -> Result:
    """Loss and score of a model on a split, in evaluation mode."""
    outputs = predict(model, examples)
    return judge(outputs, examples.y, task)


def judge(outputs: Tensor, targets: Tensor, task: Task) -> Result:
    """Loss and score of outputs that are there already."""
    loss, found = task.loss(outputs, targets).item(), score(task, outputs, targets)
    told = task.metric is not None or not math.isnan(found)
    return Result(loss, found, len(targets), found if told else -loss)
