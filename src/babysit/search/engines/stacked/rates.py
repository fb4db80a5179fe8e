"""The learning rates of many trials."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from babysit.fit.schedules import schedule_factor
from babysit.fit.trainer import Trainer


class Rates:
    """The learning rates of some trainings, step by step, as each has them alone.

    Args:
        trainers: The trainings, in their order.
        plateaus: What a plateau has lowered each rate to, as a factor.
    """

    def __init__(self, trainers: Sequence[Trainer], plateaus: Sequence[float]) -> None:
        first = [own.settings.lr * factor for own, factor in zip(trainers, plateaus, strict=True)]
        self._first = torch.tensor(first, dtype=torch.float64)
        plans = [(own.settings.schedule, own.total_steps) for own in trainers]
        self._plans = list(dict.fromkeys(plans))
        self._which = torch.tensor([self._plans.index(plan) for plan in plans])

    def at(self, step: int) -> Tensor:
        """``(K,)`` float64: the rates of one step, counted from 0."""
        factors = [schedule_factor(name, step / total) for name, total in self._plans]
        if len(factors) == 1:
            return self._first * factors[0]
        return self._first * torch.tensor(factors, dtype=torch.float64)[self._which]
