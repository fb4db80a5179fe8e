"""The loss curve as a person reads it: levels instead of single mini-batches, and something to hold them against."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from babysit.measure.record import RunRecord

_CEILING = 1e30  # so that a diverging loss does not overflow in sums and squares
_UNKNOWN_BATCH = 32
_STEADY_EXAMPLES = 64
_TINY_BATCH = 8
_LAGS = range(1, 5)
_MEDIAN_DIFFERENCE = 0.954  # of two normal values that deviate by 1: √2 times their median deviation, 0.6745


@dataclass(frozen=True)
class Curve:
    """The losses of consecutive steps, up to the first one that is no number.

    Attributes:
        losses: One loss a step, float64.
        initial: What levels are held against: the largest of the first loss, the initial loss measured before
            training and the chance level, so that one lucky first mini-batch cannot make a healthy run look as if it
            grew. 0 when the loss falls below zero, or does not measure progress: such a loss has no floor, and its
            ratios mean nothing.
        chance: Loss of the best constant prediction; ``None`` when unknown or where the loss measures no progress.
        batch_size: Examples a step.
    """

    losses: NDArray[np.float64]
    initial: float
    chance: float | None
    batch_size: int

    @classmethod
    def of(cls, run: RunRecord) -> Curve:
        """The curve of a run.

        Example:
            >>> from babysit.testing import record
            >>> Curve.of(record([2.3, 2.2, float("nan"), 2.1])).losses.tolist()
            [2.3, 2.2]
        """
        everything = np.asarray(run.losses, dtype=np.float64)
        broken = np.flatnonzero(~np.isfinite(everything))
        losses = np.clip(everything[: broken[0]] if len(broken) else everything, -_CEILING, _CEILING)
        chance = run.header.chance_loss if run.header.progress else None
        batch = run.header.batch_size if run.header.batch_size > 0 else _UNKNOWN_BATCH
        return cls(
            losses=losses,
            initial=_initial(run, losses, batch),
            chance=chance if _positive(chance) else None,
            batch_size=batch,
        )

    def part(self, first: int, last: int) -> Curve:
        """The steps ``first`` to ``last``, both included, held against the same level."""
        return dataclasses.replace(self, losses=self.losses[first : last + 1])

    def steps_for(self, examples: int) -> int:
        """How many steps see that many examples, at least one."""
        return math.ceil(examples / self.batch_size)

    def blocks(self, examples: int = _STEADY_EXAMPLES) -> NDArray[np.float64]:
        """Mean losses of as many consecutive steps as see ``examples`` examples; an incomplete last block is left out.

        A batch of one example says nothing by itself; blocks make small batches as steady as large ones.
        """
        width = min(self.steps_for(examples), max(len(self.losses), 1))
        whole = len(self.losses) // width * width
        means: NDArray[np.float64] = self.losses[:whole].reshape(-1, width).mean(axis=1)
        return means

    def block_error(self, examples: int) -> float:
        """Standard error of such a block's mean: from the scatter within blocks, or of single steps from each other.

        Steps are compared with the four that follow, and where they are most like them: noise is as far from one as
        from another, and what goes up and down within so many steps comes back.

        Example:
            >>> Curve(np.array([2.0, 1.0] * 9), initial=2.0, chance=None, batch_size=512).block_error(512)
            0.0
        """
        width = self.steps_for(examples)
        whole = len(self.losses) // width * width
        if width > 1:
            within = self.losses[:whole].reshape(-1, width).std(axis=1, ddof=1)
            return float(np.median(within)) / _median_of_std(width) / math.sqrt(width) if whole else 0.0
        apart = [np.abs(self.losses[lag:] - self.losses[:-lag]) for lag in _LAGS if lag < len(self.losses)]
        return min((float(np.median(item)) / _MEDIAN_DIFFERENCE for item in apart), default=0.0)

    def levels(self, count: int = 10) -> NDArray[np.float64]:
        """Median level of each of ``count`` equal parts of the curve, fewer where there are fewer blocks."""
        blocks = self.blocks()
        return np.array([np.median(part) for part in np.array_split(blocks, min(count, len(blocks)))])

    def level_error(self, count: int = 10) -> float:
        """Standard error of one of ``count`` levels, from the scatter within them: 1.25 σ/√n, as of a median.

        The lowest of ten levels of noise alone lies one and a half such errors below their mean.
        """
        blocks = self.blocks()
        parts = [part for part in np.array_split(blocks, min(count, len(blocks))) if len(part) > 1]
        return float(np.median([1.25 * part.std(ddof=1) / math.sqrt(len(part)) for part in parts])) if parts else 0.0

    @property
    def final(self) -> float:
        """Median level of the last tenth; NaN for an empty curve."""
        levels = self.levels() if len(self.losses) else np.array([math.nan])
        return float(levels[-1])


def _median_of_std(count: int) -> float:
    """The median standard deviation of that many normal values, for one of 1 (Wilson and Hilferty, PNAS 1931)."""
    return float((1 - 2 / (9 * (count - 1))) ** 1.5)


def repeated_losses(run: RunRecord, split: str = "train") -> NDArray[np.float64]:
    """The finite losses of a split's evaluations: the same examples each time, so no mini-batch noise."""
    losses = [item.loss for item in run.evaluated(split) if math.isfinite(item.loss)]
    return np.array([limited(loss) for loss in losses])


def limited(loss: float) -> float:
    """A loss that is finite, no larger than sums and squares of losses can be taken of.

    Example:
        >>> limited(1e300), limited(2.3)
        (1e+30, 2.3)
    """
    return min(max(loss, -_CEILING), _CEILING)


def running_median(values: NDArray[np.float64], width: int = 5) -> NDArray[np.float64]:
    """Medians of ``width`` neighbours: a level that one wild mini-batch cannot move.

    Example:
        >>> running_median(np.array([2.0, 9.0, 2.0, 1.0, 1.0, 1.0])).tolist()
        [2.0, 1.0]
    """
    windows = np.lib.stride_tricks.sliding_window_view(values, min(width, len(values)))
    medians: NDArray[np.float64] = np.median(windows, axis=1)
    return medians


def count_rises(values: NDArray[np.float64], size: float) -> int:
    """How often the values climbed by more than ``size`` from a low before they fell by as much again.

    Example:
        >>> count_rises(np.array([3.0, 1.0, 2.5, 2.4, 1.2, 1.4, 3.0]), size=1.0)
        2
    """
    rises, climbing, extreme = 0, False, values[0]
    for value in values:
        extreme = max(extreme, value) if climbing else min(extreme, value)
        if abs(value - extreme) > size:
            climbing, extreme = not climbing, value
            rises += climbing
    return rises


def late_share(levels: NDArray[np.float64]) -> float:
    """Share of the whole fall that happened in the second half: 0.5 for a straight line, 0 for a plateau.

    Infinite when the levels did not fall at all.

    Example:
        >>> late_share(np.linspace(2.3, 2.2, 11)), late_share(np.array([2.3, 0.4, 0.3, 0.3, 0.3]))
        (0.5..., 0.0)
    """
    fall = float(levels[0] - levels[-1])
    middle = float(np.interp(0.5, np.linspace(0, 1, len(levels)), levels))
    return (middle - float(levels[-1])) / fall if fall > 0 else math.inf


def _initial(run: RunRecord, losses: NDArray[np.float64], batch: int) -> float:
    if not len(losses) or losses.min() < 0 or not run.header.progress:
        return 0.0
    probe = run.probe("initial-loss")
    known = (run.header.chance_loss, probe.numbers.get("loss") if probe else None)
    levels = [value for value in known if value is not None and _positive(value)]
    if not levels and batch < _TINY_BATCH:  # a handful of examples is no level to hold anything against
        levels = [float(losses[: math.ceil(_STEADY_EXAMPLES / batch)].mean())]
    return max([float(losses[0]), *levels])


def _positive(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value > 0
