"""The losses of many trials and the gradients of their outputs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.fit.losses import LossFunction, mean_squared_error

StackedLoss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""``(outputs (K, C, N), targets) -> losses (K,), gradient (K, C, N)``: each trial's with respect to its own outputs."""


def stacked(loss: LossFunction) -> StackedLoss:
    """A loss function for many trials; whatever is not known is asked for one trial after the other."""
    if loss is F.cross_entropy or _is_plain_cross_entropy(loss):
        return _cross_entropy
    if loss is mean_squared_error:
        return _mean_squared_error
    return lambda outputs, targets: _by_autograd(loss, outputs, targets)


def _is_plain_cross_entropy(loss: LossFunction) -> bool:
    plain = ("mean", -100, 0.0)
    return (
        type(loss) is nn.CrossEntropyLoss
        and loss.weight is None
        and (loss.reduction, loss.ignore_index, loss.label_smoothing) == plain
    )


def _cross_entropy(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    if targets.dim() != 1 or targets.dtype is not torch.int64 or bool(targets.min() < 0):
        return _by_autograd(F.cross_entropy, outputs, targets)
    trials, _, examples = outputs.shape
    logs = outputs.log_softmax(dim=1)
    chosen = targets.view(1, 1, -1).expand(trials, 1, examples)
    losses = logs.gather(1, chosen).mean(dim=(1, 2)).neg_()
    gradient = logs.exp_().scatter_add_(1, chosen, logs.new_full((), -1.0).expand(trials, 1, examples))
    return losses, gradient.div_(examples)


def _mean_squared_error(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    _, columns, examples = outputs.shape
    shapes = [(examples, columns)] if columns > 1 else [(examples,), (examples, 1)]
    if tuple(targets.shape) not in shapes or targets.dtype != outputs.dtype:
        return _by_autograd(mean_squared_error, outputs, targets)
    error = outputs - targets.view(examples, columns).t()
    losses = error.square().mean(dim=(1, 2))
    return losses, error.mul_(2 / targets.numel())


def _by_autograd(loss: LossFunction, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        leaf = outputs.transpose(1, 2).contiguous().requires_grad_()
        losses = torch.stack([loss(own, targets) for own in leaf])
        (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    return losses.detach(), gradient.transpose(1, 2)
