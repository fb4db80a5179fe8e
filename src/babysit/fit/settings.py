"""What a training is given, as one value that can be saved, searched and repeated."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from babysit.errors import InputError
from babysit.fit.optimizers import require_known
from babysit.fit.schedules import schedule_factor


@dataclass(frozen=True)
class TrainSettings:
    """How to train.

    Attributes:
        optimizer: Update rule, see :data:`babysit.fit.optimizers.OPTIMIZERS`.
        lr: First learning rate.
        l2: Strength λ of the regularisation ½·λ·‖W‖².
        momentum: Of the update rules that have one; 0.9 is the lecture's.
        schedule: Decay of the learning rate, see :data:`babysit.fit.schedules.SCHEDULES`.
        epochs: Passes over the training data.
        batch_size: Examples a step.
        seed: Of the order of the examples and of dropout.

    Raises:
        InputError: A value out of its range.

    Example:
        >>> TrainSettings(lr=0.1).changed({"lr": 0.2, "hidden": (50,)}).lr
        0.2
    """

    optimizer: str = "momentum"
    lr: float = 0.01
    l2: float = 0.0
    momentum: float = 0.9
    schedule: str = "cosine"
    epochs: int = 10
    batch_size: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        require_known(self.optimizer)
        schedule_factor(self.schedule, 0.0)
        _require(0 < self.lr < math.inf, "lr", "a positive number", self.lr)
        _require(0 <= self.l2 < math.inf, "l2", "zero or more", self.l2)
        _require(0 <= self.momentum < 1, "momentum", "at least 0 and below 1", self.momentum)
        _require(self.epochs >= 1, "epochs", "at least 1", self.epochs)
        _require(self.batch_size >= 1, "batch_size", "at least 1", self.batch_size)
        _require(0 <= self.seed < 2**63, "seed", "from 0 to 2**63 - 1", self.seed)

    def changed(self, values: Mapping[str, Any]) -> TrainSettings:
        """The same settings with some replaced; names that are not settings are passed over."""
        own = {field.name for field in dataclasses.fields(self)}
        return dataclasses.replace(self, **{name: value for name, value in values.items() if name in own})

    def to_json(self) -> dict[str, Any]:
        """The settings as a JSON object."""
        return dataclasses.asdict(self)


def _require(holds: bool, name: str, expected: str, found: object) -> None:
    if not holds:
        raise InputError(name, expected=expected, found=repr(found), todo="choose another value")
