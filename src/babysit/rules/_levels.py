"""What a loss is to be measured in."""

from __future__ import annotations

import numpy as np

from babysit.measure.record import RunRecord
from babysit.rules._curve import Curve

_NO_CHOICE = 0.01  # nats: of one class alone, guessing costs nothing, and measures nothing


def level_of(run: RunRecord, curve: Curve) -> float:
    """The level of guessing; else the first sampled loss, or the usual one where that began near zero by its nature."""
    chance = curve.chance
    if run.header.task == "classification" and chance is not None and chance > _NO_CHOICE:
        return chance
    usual = float(np.median(np.abs(curve.losses))) if len(curve.losses) else 0.0
    return max(run.steps[0].loss, usual)


def has_floor(run: RunRecord, curve: Curve) -> bool:
    """Whether the loss says how much has been learnt: not below zero, nor of models trained against each other."""
    return run.header.progress and curve.initial > 0
