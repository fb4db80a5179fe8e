"""The update rules of `fit` for stacked parameters, each trial with its own rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Buffers = dict[str, Tensor]


@dataclass(frozen=True)
class Rates:
    """The numbers of each trial: ``(K, 1, …)``, to be broadcast against a stacked parameter.

    Attributes:
        lr: Learning rates of this step.
        decay: Strengths λ of the regularisation of this parameter.
        momentum: Momenta, or first β.
        step: Steps that will have been taken after this one.
    """

    lr: Tensor
    decay: Tensor
    momentum: Tensor
    step: int


@dataclass(frozen=True)
class UpdateRule:
    """How a parameter moves.

    Attributes:
        names: What it remembers of a parameter, as torch's optimizer names it.
        counts: Whether torch's optimizer keeps the number of steps, too.
        apply: Changes a parameter ``(K, …)`` in place, given its gradient, what is remembered, and the rates.
    """

    names: tuple[str, ...]
    counts: bool
    apply: Callable[[Tensor, Tensor, Buffers, Rates], None]


def _sgd(weight: Tensor, gradient: Tensor, buffers: Buffers, rates: Rates) -> None:  # noqa: ARG001
    weight.sub_(rates.lr * torch.addcmul(gradient, weight, rates.decay))


def _momentum(weight: Tensor, gradient: Tensor, buffers: Buffers, rates: Rates) -> None:
    velocity = buffers["momentum_buffer"]
    velocity.mul_(rates.momentum).add_(torch.addcmul(gradient, weight, rates.decay))
    weight.sub_(rates.lr * velocity)


def _nesterov(weight: Tensor, gradient: Tensor, buffers: Buffers, rates: Rates) -> None:
    gradient = torch.addcmul(gradient, weight, rates.decay)
    velocity = buffers["momentum_buffer"].mul_(rates.momentum).add_(gradient)
    weight.sub_(rates.lr * torch.addcmul(gradient, velocity, rates.momentum))


def _adagrad(weight: Tensor, gradient: Tensor, buffers: Buffers, rates: Rates) -> None:
    gradient = torch.addcmul(gradient, weight, rates.decay)
    total = buffers["sum"].addcmul_(gradient, gradient)
    weight.sub_(rates.lr * gradient / total.sqrt().add_(1e-10))


def _rmsprop(weight: Tensor, gradient: Tensor, buffers: Buffers, rates: Rates) -> None:
    gradient = torch.addcmul(gradient, weight, rates.decay)
    square = buffers["square_avg"].mul_(0.99).addcmul_(gradient, gradient, value=0.01)
    weight.sub_(rates.lr * gradient / square.sqrt().add_(1e-8))


def _adam(weight: Tensor, gradient: Tensor, buffers: Buffers, rates: Rates) -> None:
    _moments(weight, torch.addcmul(gradient, weight, rates.decay), buffers, rates)


def _adamw(weight: Tensor, gradient: Tensor, buffers: Buffers, rates: Rates) -> None:
    weight.mul_(1 - rates.lr * rates.decay)
    _moments(weight, gradient, buffers, rates)


def _moments(weight: Tensor, gradient: Tensor, buffers: Buffers, rates: Rates) -> None:
    mean = buffers["exp_avg"].lerp_(gradient, 1 - rates.momentum)
    square = buffers["exp_avg_sq"].mul_(0.999).addcmul_(gradient, gradient, value=1 - 0.999)
    first, second = 1 - rates.momentum.double() ** rates.step, 1 - 0.999**rates.step
    size = (rates.lr.double() / first).to(weight.dtype)
    weight.sub_(size * mean / (square / second).sqrt_().add_(1e-8))


UPDATE_RULES: Mapping[str, UpdateRule] = {
    "sgd": UpdateRule((), False, _sgd),
    "momentum": UpdateRule(("momentum_buffer",), False, _momentum),
    "nesterov": UpdateRule(("momentum_buffer",), False, _nesterov),
    "adagrad": UpdateRule(("sum",), True, _adagrad),
    "rmsprop": UpdateRule(("square_avg",), True, _rmsprop),
    "adam": UpdateRule(("exp_avg", "exp_avg_sq"), True, _adam),
    "adamw": UpdateRule(("exp_avg", "exp_avg_sq"), True, _adamw),
}
"""By the names of :data:`babysit.fit.optimizers.OPTIMIZERS`."""
