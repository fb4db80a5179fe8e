"""The lecture's update rules by name, each torch's own, fused where torch has a fused kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from babysit.errors import InputError, suggest
from babysit.nn.regularization import decay_groups

_Make = Callable[[list[dict[str, Any]], float, float], torch.optim.Optimizer]


def _sgd(groups: list[dict[str, Any]], lr: float, momentum: float) -> torch.optim.Optimizer:  # noqa: ARG001
    return torch.optim.SGD(groups, lr=lr, fused=True)


def _momentum(groups: list[dict[str, Any]], lr: float, momentum: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, fused=_keeps_momentum(groups))


def _nesterov(groups: list[dict[str, Any]], lr: float, momentum: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=True, fused=_keeps_momentum(groups))


def _keeps_momentum(groups: list[dict[str, Any]]) -> bool:
    """Whether the fused kernel may be used: torch's for a CPU loses the momentum of half-precision parameters."""
    parameters = (parameter for group in groups for parameter in group["params"])
    return all(parameter.device.type != "cpu" or parameter.dtype.itemsize >= 4 for parameter in parameters)


def _adagrad(groups: list[dict[str, Any]], lr: float, momentum: float) -> torch.optim.Optimizer:  # noqa: ARG001
    return torch.optim.Adagrad(groups, lr=lr)


def _rmsprop(groups: list[dict[str, Any]], lr: float, momentum: float) -> torch.optim.Optimizer:  # noqa: ARG001
    return torch.optim.RMSprop(groups, lr=lr)


def _adam(groups: list[dict[str, Any]], lr: float, momentum: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(groups, lr=lr, betas=(momentum, 0.999), fused=True)


def _adamw(groups: list[dict[str, Any]], lr: float, momentum: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=lr, betas=(momentum, 0.999), fused=True)


OPTIMIZERS: Mapping[str, _Make] = {
    "sgd": _sgd,
    "momentum": _momentum,
    "nesterov": _nesterov,
    "adagrad": _adagrad,
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adamw": _adamw,
}

WITHOUT_MOMENTUM = ("sgd", "adagrad", "rmsprop")
"""Update rules that a momentum changes nothing in."""


def require_known(name: str) -> None:
    """Check the name of an update rule.

    Raises:
        InputError: It is none of ``OPTIMIZERS``.
    """
    if name not in OPTIMIZERS:
        raise InputError(
            "optimizer",
            expected=f"one of {', '.join(OPTIMIZERS)}",
            found=repr(name),
            todo=suggest(name, OPTIMIZERS),
        )


def make_optimizer(
    name: str, model: nn.Module, *, lr: float, l2: float = 0.0, momentum: float = 0.9
) -> torch.optim.Optimizer:
    """One of the update rules, over a model's trainable parameters.

    Args:
        name: One of ``OPTIMIZERS``.
        model: Its parameters are optimised; weights are regularised, biases and normalisation are not.
        lr: Learning rate.
        l2: Strength λ of ½·λ·‖W‖²; decoupled weight decay for ``adamw``.
        momentum: Of ``momentum`` and ``nesterov``; the first β of ``adam`` and ``adamw``. 0.9 is the lecture's.

    Raises:
        InputError: No such optimizer, or the model has nothing to train.

    Example:
        >>> type(make_optimizer("nesterov", nn.Linear(2, 1), lr=0.1)).__name__
        'SGD'
    """
    require_known(name)
    # one group where nothing tells the parameters apart: each group costs a kernel call a step
    groups = decay_groups(model, l2) if l2 else [{"params": list(model.parameters()), "weight_decay": 0.0}]
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise InputError(
            "model",
            expected="at least one parameter with requires_grad",
            found="none",
            todo="unfreeze a layer",
        )
    return OPTIMIZERS[name](groups, lr, momentum)
