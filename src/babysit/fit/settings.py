"""What a training is given, as one value that can be saved, searched and repeated."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
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
        _require("lr", self.lr, Real, "a positive number", lambda lr: 0 < lr < math.inf)
        _require("l2", self.l2, Real, "zero or more", lambda l2: 0 <= l2 < math.inf)
        _require("momentum", self.momentum, Real, "at least 0 and below 1", lambda momentum: 0 <= momentum < 1)
        _require("epochs", self.epochs, Integral, "a whole number of at least 1", lambda epochs: epochs >= 1)
        _require("batch_size", self.batch_size, Integral, "a whole number of at least 1", lambda size: size >= 1)
        _require("seed", self.seed, Integral, "a whole number from 0 to 2**63 - 1", lambda seed: 0 <= seed < 2**63)

    def changed(self, values: Mapping[str, Any]) -> TrainSettings:
        """The same settings with some replaced; names that are not settings are passed over."""
        own = {field.name for field in dataclasses.fields(self)}
        return dataclasses.replace(self, **{name: value for name, value in values.items() if name in own})

    def to_json(self) -> dict[str, Any]:
        """The settings as a JSON object."""
        return dataclasses.asdict(self)


def _require(name: str, value: Any, kind: type, expected: str, holds: Callable[[Any], bool]) -> None:
    if isinstance(value, bool) or not isinstance(value, kind) or not holds(value):
        raise InputError(name, expected=expected, found=repr(value), todo="choose another value")
