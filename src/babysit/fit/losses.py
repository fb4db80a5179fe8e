"""The loss and the score of a task."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.errors import InputError

LossFunction = Callable[[Tensor, Tensor], Tensor]
Metric = Callable[[Tensor, Tensor], float | Tensor]


def mean_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error that never broadcasts: ``(N, 1)`` against ``(N,)`` is read as ``(N,)``.

    Args:
        outputs: As the targets; dimensions of size 1 after the first may differ, such as ``(N, 1)`` for ``(N,)``.
        targets: ``(N,)`` or ``(N, T)``.

    Raises:
        InputError: The shapes cannot mean the same.
    """
    if _meaning(outputs) != _meaning(targets):
        raise InputError(
            "model",
            expected=f"outputs for targets of shape {tuple(targets.shape)}",
            found=f"shape {tuple(outputs.shape)}",
            todo="give the model one output a target",
        )
    return F.mse_loss(outputs.reshape(targets.shape), targets)


def _meaning(values: Tensor) -> tuple[tuple[int, ...], list[int]]:
    """The number of examples, and the shape of one without its dimensions of size 1."""
    return values.shape[:1], [size for size in values.shape[1:] if size != 1]


@dataclass(frozen=True)
class Task:
    """How a kind of problem is trained and scored.

    Attributes:
        name: ``"classification"`` or ``"regression"``.
        loss_name: The loss function's usual name.
        loss: Mean loss of a batch.
        score_name: What the score is called.
        metric: ``(outputs, targets)`` of a whole split to the score, higher is better; accuracy or R² by default.
        comparable: Whether outputs are classes, or values in the targets' unit; without that there is no R².
    """

    name: str
    loss_name: str
    loss: LossFunction
    score_name: str
    metric: Metric | None = None
    comparable: bool = True

    @property
    def score_is_share(self) -> bool:
        """Whether the score is a share of 0 to 1, which a metric of the user's own need not be."""
        return self.metric is None and self.name == "classification"


CLASSIFICATION = Task("classification", "cross_entropy", F.cross_entropy, "accuracy")
REGRESSION = Task("regression", "mse_loss", mean_squared_error, "R²")


_DISTANCES = (mean_squared_error, F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss)
_DISTANCE_MODULES = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss)


def task_under(loss: LossFunction | None, targets: Tensor) -> Task:
    """The task that targets make, under a loss of one's own where there is one.

    Args:
        loss: None for cross-entropy of integer targets and squared error of others.
        targets: Some of them, for their type.

    Example:
        >>> task = task_under(nn.BCEWithLogitsLoss(), torch.ones(2, 1))
        >>> task.name, task.score_name
        ('regression', '−BCEWithLogitsLoss')
    """
    base = REGRESSION if targets.is_floating_point() else CLASSIFICATION
    if loss is None:
        return base
    task = dataclasses.replace(base, loss=loss, loss_name=name_of(loss))
    if base is CLASSIFICATION or _is_distance(loss):
        return task
    return dataclasses.replace(task, score_name=f"−{task.loss_name}", comparable=False)


def name_of(function: object) -> str:
    """What a loss function or a metric is called."""
    return str(getattr(function, "__name__", type(function).__name__))


def _is_distance(loss: LossFunction) -> bool:
    """Whether it compares values of one unit, as R² does; what a model gives any other loss may be logits."""
    return loss in _DISTANCES or isinstance(loss, _DISTANCE_MODULES)


def task_named(name: str) -> Task:
    """The task of that name.

    Example:
        >>> task_named("regression").score_name
        'R²'
    """
    return {task.name: task for task in (CLASSIFICATION, REGRESSION)}[name]


def score(task: Task, outputs: Tensor, targets: Tensor) -> float:
    """The task's own metric; otherwise accuracy, or R² = 1 − squared error over squared deviation; higher is better.

    Args:
        task: Which of them.
        outputs: ``(N, C)`` logits, or ``(N,)`` / ``(N, 1)`` / ``(N, T)`` values.
        targets: ``(N,)`` class indices, or ``(N,)`` / ``(N, T)`` values; deviations are from the mean of each of the T.

    Returns:
        NaN where a loss of one's own leaves open how outputs are to be compared with targets.

    Example:
        >>> score(REGRESSION, torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 2.0, 3.0]))
        1.0
    """
    if task.metric is not None:
        return float(task.metric(outputs, targets))
    if task.name == "classification":
        return _accuracy(outputs, targets)
    return _r_squared(outputs, targets) if task.comparable and outputs.numel() == targets.numel() else math.nan


def _accuracy(outputs: Tensor, targets: Tensor) -> float:
    if outputs.dim() != targets.dim() + 1 or outputs.shape[1] < 2:  # one value an example: a threshold, a rating, …
        return math.nan
    return (outputs.argmax(dim=1) == targets).double().mean().item()


def _r_squared(outputs: Tensor, targets: Tensor) -> float:
    truth = targets.double()
    residual = (outputs.double().reshape(truth.shape) - truth).square().sum().item()
    deviation = (truth - truth.mean(dim=0)).square().sum().item()
    return 1 - residual / deviation if deviation > 0 else (1.0 if residual == 0 else -math.inf)


@torch.no_grad()
def chance_loss(task: Task, targets: Tensor) -> float:
    """Loss of the constant prediction that knows nothing: ln C, or the variance of the targets.

    Args:
        task: Classification takes C from the largest class index.
        targets: Training targets ``(N,)`` or ``(N, T)``.

    Example:
        >>> round(chance_loss(CLASSIFICATION, torch.arange(10)), 4)
        2.3026
    """
    if task.name == "classification":
        return math.log(int(targets.max().item()) + 1)
    return targets.double().var(dim=0, correction=0).mean().item()
