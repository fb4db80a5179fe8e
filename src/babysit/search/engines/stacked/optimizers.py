"""The update rules of :mod:`babysit.fit.optimizers` for many trials at once, each with its own rate, decay and momentum.

The formulas, their order and their constants are torch's; what one rule keeps from step to step has torch's names.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from babysit.fit.settings import TrainSettings
from babysit.search.engines.stacked.weights import Block


class UpdateRule(ABC):
    """Updates the weights of all trials.

    Args:
        settings: Of each trial.
        like: A tensor of the weights' type and device.

    Attributes:
        slots: Names of the tensors kept for every parameter, all zero before the first step.
        counts_steps: Whether torch's rule keeps the number of its steps too.
        amplifies_noise: Whether a gradient that is all rounding errors moves a weight as far as any other does.
    """

    slots: ClassVar[tuple[str, ...]] = ()
    counts_steps: ClassVar[bool] = False
    amplifies_noise: ClassVar[bool] = False

    def __init__(self, settings: Sequence[TrainSettings], like: Tensor) -> None:
        self._like = like
        self._momentum = torch.tensor([own.momentum for own in settings], dtype=torch.float64)
        self._l2 = torch.tensor([own.l2 for own in settings], dtype=torch.float64)
        self._decays = bool(self._l2.any())

    def step(self, blocks: Sequence[Block], lr: Tensor, step: int) -> None:
        """Update all parameters.

        Args:
            blocks: With their gradients; these may be overwritten.
            lr: ``(K,)`` float64.
            step: Steps taken before this one.
        """
        self._prepare(lr, step)
        for block in blocks:
            if self._decays and block.decayed:
                self._decay(block, lr)
            self._update(block)

    def _decay(self, block: Block, lr: Tensor) -> None:  # noqa: ARG002
        block.grad.addcmul_(block.value, self._vector(self._l2, block))

    def _prepare(self, lr: Tensor, step: int) -> None:  # noqa: ARG002
        self._lr = lr

    @abstractmethod
    def _update(self, block: Block) -> None:
        """Update one parameter."""

    def _vector(self, values: Tensor, block: Block) -> Tensor:
        """A number of each trial, to multiply a parameter with."""
        return values.to(self._like).view(-1, *[1] * (block.value.dim() - 1))


class SGD(UpdateRule):
    """Plain gradient descent."""

    def _update(self, block: Block) -> None:
        block.value.addcmul_(block.grad, self._vector(-self._lr, block))


class Momentum(UpdateRule):
    """With momentum."""

    slots = ("momentum_buffer",)

    def _update(self, block: Block) -> None:
        velocity = block.slots["momentum_buffer"]
        velocity.mul_(self._vector(self._momentum, block)).add_(block.grad)
        block.value.addcmul_(velocity, self._vector(-self._lr, block))


class Nesterov(UpdateRule):
    """With Nesterov's momentum."""

    slots = ("momentum_buffer",)

    def _update(self, block: Block) -> None:
        velocity = block.slots["momentum_buffer"]
        momentum = self._vector(self._momentum, block)
        velocity.mul_(momentum).add_(block.grad)
        block.value.addcmul_(block.grad.addcmul_(velocity, momentum), self._vector(-self._lr, block))


class Adagrad(UpdateRule):
    """Adagrad."""

    slots = ("sum",)
    counts_steps = amplifies_noise = True

    def _update(self, block: Block) -> None:
        squares = block.slots["sum"].addcmul_(block.grad, block.grad)
        block.value.addcdiv_(block.grad.mul_(self._vector(-self._lr, block)), squares.sqrt().add_(1e-10))


class RMSprop(UpdateRule):
    """RMSprop."""

    slots = ("square_avg",)
    counts_steps = amplifies_noise = True

    def _update(self, block: Block) -> None:
        squares = block.slots["square_avg"].mul_(0.99).addcmul_(block.grad, block.grad, value=0.01)
        block.value.addcdiv_(block.grad.mul_(self._vector(-self._lr, block)), squares.sqrt().add_(1e-8))


class Adam(UpdateRule):
    """Adam, with the momentum as its first β."""

    slots = ("exp_avg", "exp_avg_sq")
    counts_steps = amplifies_noise = True

    def _prepare(self, lr: Tensor, step: int) -> None:
        self._step_size = -lr / (1 - self._momentum ** (step + 1))
        self._correction = (1 - 0.999 ** (step + 1)) ** 0.5

    def _update(self, block: Block) -> None:
        mean, squares = block.slots["exp_avg"], block.slots["exp_avg_sq"]
        mean.lerp_(block.grad, self._vector(1 - self._momentum, block))
        squares.mul_(0.999).addcmul_(block.grad, block.grad, value=1 - 0.999)
        root = torch.sqrt(squares, out=block.grad).div_(self._correction).add_(1e-8)
        block.value.addcdiv_(mean * self._vector(self._step_size, block), root)


class AdamW(Adam):
    """Adam with decoupled weight decay."""

    def _decay(self, block: Block, lr: Tensor) -> None:
        block.value.mul_(self._vector(1 - lr * self._l2, block))


RULES: Mapping[str, type[UpdateRule]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
}


def rule_of(settings: TrainSettings) -> str:
    """Which of ``RULES`` a trial's settings ask for.

    Example:
        >>> rule_of(TrainSettings(optimizer="momentum", momentum=0.0))
        'sgd'
    """
    # torch keeps no momentum where there is none
    return "sgd" if settings.optimizer == "momentum" and settings.momentum == 0 else settings.optimizer
