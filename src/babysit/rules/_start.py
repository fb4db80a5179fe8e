"""How a loss curve begins: whether it lies flat and then drops."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from babysit.measure.record import RunRecord
from babysit.rules._curve import Curve, running_median
from babysit.rules._updates import working_range

_FEWEST_BLOCKS = 20
_WINDOW_SHARE = 20
_LEAVES = 0.1
_HALF = 0.5
_FLAT = 0.05
_SUBSTANTIAL = 0.25
_CLEAR = 2.5
_MEDIAN_ERROR = 1.25  # standard error of a median over that of a mean
_DEVIATION = 1.48  # standard deviation over median absolute deviation


@dataclass(frozen=True)
class FlatStart:
    """A curve that lies flat and then falls, from the step on at which the learning rate was at work.

    Attributes:
        first: That step.
        departure: The step from which on a tenth of the fall was done.
        halfway: The step at which half of it was done.
        level: The loss while it was flat.
        lowest: The lowest level since.
    """

    first: int
    departure: int
    halfway: int
    level: float
    lowest: float

    @property
    def flat_steps(self) -> int:
        """How long it lay flat."""
        return self.departure - self.first

    @property
    def suddenness(self) -> float:
        """Steps from a tenth to half of the fall over the steps before: 4 for a straight line, 6 for a decay."""
        return (self.halfway - self.departure) / max(self.flat_steps, 1)


def flat_start(run: RunRecord) -> FlatStart | None:
    """How the curve leaves its first level; ``None`` where it is not flat, hardly falls, or is too short or noisy.

    Likewise where it lies clearly below the chance level, as the network has learnt to come there, and where it falls
    below zero: without a floor the last of a fall is all of it, and what came before looks flat.

    Levels are running medians over a twentieth of the curve, so that no single mini-batch decides. A warm-up of the
    learning rate does not count: the curve is read from the first step at 90 % of the largest rate.
    """
    first, last = working_range(run)
    curve = Curve.of(run).part(first, last)
    blocks = curve.blocks() if len(curve.losses) else np.empty(0)
    if len(blocks) < _FEWEST_BLOCKS or not curve.initial > 0:
        return None
    window = max(5, len(blocks) // _WINDOW_SHARE)
    levels = running_median(blocks, window)
    level, lowest = float(levels[0]), float(levels.min())
    fall = level - lowest
    if fall <= _SUBSTANTIAL * abs(level) or _LEAVES * fall < _CLEAR * _level_error(blocks, window):
        return None
    if curve.chance is not None and curve.chance - level > _LEAVES * (curve.chance - lowest):
        return None
    halfway = int(np.argmax(levels < level - _HALF * fall))
    # the last time it was up there, not the first dip of a noisy curve below the line
    departure = int(np.flatnonzero(levels[:halfway] >= level - _LEAVES * fall)[-1]) + 1
    quarters = np.array_split(blocks[:departure], 4)
    # the second quarter, as the fall itself begins to show in the last one
    if departure < 4 or abs(float(quarters[0].mean() - quarters[1].mean())) > _FLAT * fall:
        return None
    width = curve.steps_for(64)
    middle = window // 2  # a window is named by its first block
    return FlatStart(first, first + (departure + middle) * width, first + (halfway + middle) * width, level, lowest)


def _level_error(blocks: NDArray[np.float64], window: int) -> float:
    """Standard error of a running median, from the differences of neighbours, which hardly hold any of the fall."""
    scatter = _DEVIATION * float(np.median(np.abs(np.diff(blocks)))) / math.sqrt(2)
    return _MEDIAN_ERROR * scatter / math.sqrt(window)
