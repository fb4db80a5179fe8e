"""The update rules of :mod:`babysit.fit.optimizers` for many trials at once, each with its own rate and momentum.

The formulas, their order and their constants are torch's; what one rule keeps from step to step has torch's names.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from babysit.fit.settings import TrainSettings
from babysit.search.engines.stacked.weights import Chunk

_BETA2 = 0.999


class UpdateRule(ABC):
    """Updates the weights of all trials.

    Args:
        settings: Of each trial.
        like: A tensor of the weights' type and device.

    Attributes:
        slots: Names of the tensors kept for every parameter, all zero before the first step.
        counts_steps: Whether torch's rule keeps the number of its steps too.
    """

    slots: ClassVar[tuple[str, ...]] = ()
    counts_steps: ClassVar[bool] = False

    def __init__(self, settings: Sequence[TrainSettings], like: Tensor) -> None:
        self._like = like
        self._momentums = torch.tensor([own.momentum for own in settings], dtype=torch.float64)
        self._l2s = torch.tensor([own.l2 for own in settings], dtype=torch.float64)
        self._momentum = self._momentums.to(like)
        self._l2 = self._l2s.to(like)
        self._decays = bool(self._l2s.any())

    def begin(self, lr: Tensor, step: int) -> None:  # noqa: ARG002
        """Prepare a step.

        Args:
            lr: ``(K,)`` float64.
            step: Steps taken before this one.
        """
        self._downhill = (-lr).to(self._like)

    def update(self, chunk: Chunk) -> None:
        """Update some parameters by their gradients, which may be overwritten."""
        if self._decays and chunk.decayed:
            self._decay(chunk)
        self._update(chunk)

    def _decay(self, chunk: Chunk) -> None:
        chunk.grad.addcmul_(chunk.value, chunk.each(self._l2))

    @abstractmethod
    def _update(self, chunk: Chunk) -> None:
        """Update after the decay."""


class SGD(UpdateRule):
    """Plain gradient descent."""

    def _update(self, chunk: Chunk) -> None:
        chunk.value.addcmul_(chunk.grad, chunk.each(self._downhill))


class Momentum(UpdateRule):
    """With momentum."""

    slots = ("momentum_buffer",)

    def _update(self, chunk: Chunk) -> None:
        velocity = chunk.slots["momentum_buffer"].mul_(chunk.each(self._momentum)).add_(chunk.grad)
        chunk.value.addcmul_(velocity, chunk.each(self._downhill))


class Nesterov(UpdateRule):
    """With Nesterov's momentum."""

    slots = ("momentum_buffer",)

    def _update(self, chunk: Chunk) -> None:
        momentum = chunk.each(self._momentum)
        velocity = chunk.slots["momentum_buffer"].mul_(momentum).add_(chunk.grad)
        chunk.value.addcmul_(chunk.grad.addcmul_(velocity, momentum), chunk.each(self._downhill))


class Adagrad(UpdateRule):
    """Adagrad."""

    slots = ("sum",)
    counts_steps = True

    def _update(self, chunk: Chunk) -> None:
        root = chunk.slots["sum"].addcmul_(chunk.grad, chunk.grad).sqrt().add_(1e-10)
        chunk.value.addcdiv_(chunk.grad.mul_(chunk.each(self._downhill)), root)


class RMSprop(UpdateRule):
    """RMSprop."""

    slots = ("square_avg",)
    counts_steps = True

    def _update(self, chunk: Chunk) -> None:
        squares = chunk.slots["square_avg"].mul_(0.99).addcmul_(chunk.grad, chunk.grad, value=0.01)
        chunk.value.addcdiv_(chunk.grad.mul_(chunk.each(self._downhill)), squares.sqrt().add_(1e-8))


class Adam(UpdateRule):
    """Adam, with the momentum as its first β."""

    slots = ("exp_avg", "exp_avg_sq")
    counts_steps = True

    def __init__(self, settings: Sequence[TrainSettings], like: Tensor) -> None:
        super().__init__(settings, like)
        self._new = (1 - self._momentums).to(like)

    def begin(self, lr: Tensor, step: int) -> None:
        """Prepare a step: the rate and the root are corrected for the zeros the averages began with."""
        super().begin(lr / (1 - self._momentums ** (step + 1)), step)
        self._correction = (1 - _BETA2 ** (step + 1)) ** 0.5

    def _update(self, chunk: Chunk) -> None:
        mean = chunk.slots["exp_avg"].lerp_(chunk.grad, chunk.each(self._new))
        squares = chunk.slots["exp_avg_sq"].mul_(_BETA2).addcmul_(chunk.grad, chunk.grad, value=1 - _BETA2)
        root = torch.sqrt(squares, out=chunk.grad).div_(self._correction).add_(1e-8)
        chunk.value.addcdiv_(mean * chunk.each(self._downhill), root)


class AdamW(Adam):
    """Adam with decoupled weight decay."""

    def begin(self, lr: Tensor, step: int) -> None:
        """Prepare a step, its decay too."""
        super().begin(lr, step)
        self._kept = (1 - lr * self._l2s).to(self._like)

    def _decay(self, chunk: Chunk) -> None:
        chunk.value.mul_(chunk.each(self._kept))


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
