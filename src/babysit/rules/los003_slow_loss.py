"""LOS003: the loss falls in a straight line and hardly moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from babysit.measure.record import RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._curve import Curve, late_share, repeated_losses
from babysit.rules._range_test import RangeTest
from babysit.rules._updates import median_ratios, peak_ratio, ratios, working_range
from babysit.rules._words import LECTURE, change_rate, number, percent, precisely, rate_at

_USUAL_UPDATE = 1e-3
_LARGEST_CHANGE = 1000.0
_BARELY = 0.05


@dataclass(frozen=True)
class SlowLoss(Rule):
    """The loss hardly moves, or falls along a straight line: the learning rate is too low.

    ## What it measures
    How far the loss fell over the steps at which the learning rate was at work (warm-up and the end of a schedule
    excluded), whether that fall was real and even — on repeated evaluations of the same training examples where there
    are any, on the step losses with their noise otherwise — and how large the largest update of each layer was.

    Before training, where the learning-rate range is tried: from which rate on the loss comes down at all within the
    steps made at each, beside the rate that is given, which is the one that a schedule warms up to.

    ## Why it hurts
    The same number of steps at a higher rate would have gone ten or a hundred times as far. Accuracy may jump all the
    same: a hair's breadth decides which class has the largest probability while the probabilities, and with them the
    loss, are still those of guessing.

    ## What to try
    Raise the learning rate by 10 until the loss falls steeply at first. Where updates were measured, the remedy aims
    at the usual update of about a thousandth of the weights.

    ## When it is a false alarm
    A loss near its floor, or a fine-tuned model that starts low, is not judged; nor is a curve that falls and then
    stays flat (a plateau), that is flat and then falls (a late start), or that rose first. A task whose best loss is
    close to chance and is approached in a straight line would be one. Before training it may be one where the gradients
    of very many batches are to be added up for each step.

    ## Options
    Raise `largest_fall` to hear about slow trainings that do get somewhere. `below` is how far below the lowest rate
    that brings the loss down the given one has to lie: of 46 healthy scripts, three seeds each, all lay above it, and
    of six whose rate is too low the nearest lay 320 times below it.

    ## References
    CS231n 2017, lecture 6: "if it's too kind of linear and too flat, you'll see that it's too low", and lr 1e-6, at
    which the loss is "barely changing" while the accuracy "jumped up to 20% very quickly".
    """

    code: ClassVar[str] = "LOS003"
    name: ClassVar[str] = "slow-loss"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("losses",)
    source: ClassVar[str] = LECTURE

    min_steps: int = threshold(100, unit="steps, half of them with the learning rate at work")
    largest_fall: float = threshold(0.25, unit="share of the first level")
    largest_fall_alone: float = threshold(0.1, unit="share of the first level, where no layer was measured")
    lowest_level: float = threshold(0.5, unit="× chance level")
    straight_low: float = threshold(0.3, unit="share of the fall in the second half; 0.5 is a line")
    straight_high: float = threshold(0.8, unit="share of the fall in the second half; 0.5 is a line")
    highest_rise: float = threshold(1.15, unit="× first level", source="too high a rate overshoots it")
    surely_small: float = threshold(_USUAL_UPDATE, unit="largest update norm / weight norm", source=LECTURE)
    surely_enough: float = threshold(1e-2, unit="largest update norm / weight norm", source="10 × the lecture's")
    below: float = threshold(30.0, unit="lowest rate that brings the loss down / given rate")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        test = RangeTest.of(run)
        if test is not None and 0 < test.given < test.falls[0] / self.below:
            yield self._before_training(test)
        first, last = working_range(run)
        curve = Curve.of(run).part(first, last)
        long = len(run.losses) >= self.min_steps and len(curve.losses) >= max(self.min_steps // 2, 2)
        if not long or curve.initial <= 0 or len(curve.blocks()) < 4:
            return
        levels = curve.levels()
        start, end = float(levels[0]), float(levels[-1])
        fell = (start - end) / start if start > 0 else 1.0
        largest_fall = self.largest_fall if peak_ratio(run) is not None else self.largest_fall_alone
        if fell >= largest_fall or levels.max() > self.highest_rise * start or self._low(curve, end):
            return
        if not self._too_slow(run, curve, levels):
            return
        rate = rate_at(run, last)
        yield self.finding(
            f"the loss {'hardly moved' if fell < _BARELY else 'fell slowly, almost linearly,'} in {len(curve.losses)} "
            f"steps, from {precisely(start)} to {precisely(end)} ({percent(max(fell, 0.0))}): the learning rate is too "
            + (f"low (lr {number(rate)})" if rate else "low")
            + _accuracy(run),
            evidence=(
                Evidence("share the loss fell", fell, largest_fall),
                Evidence("final loss", end, curve.chance),
                *_largest_update(run, self.surely_small),
            ),
            remedies=(change_rate(rate, _raise_by(run)), "compare both for a few hundred steps before training on"),
            steps=(first, first + len(curve.losses) - 1),
        )

    def _before_training(self, test: RangeTest) -> Finding:
        return self.finding(
            f"{test.steps} steps bring the loss down at {number(test.falls[0])} and higher rates, and leave it as it "
            f"was at lower ones: the learning rate is too low (lr {number(test.given)})",
            evidence=(
                Evidence("lowest rate that brings the loss down / given rate", test.falls[0] / test.given, self.below),
            ),
            remedies=(change_rate(test.given, test.suggested / test.given),),
        )

    def _low(self, curve: Curve, end: float) -> bool:
        return curve.chance is not None and end < self.lowest_level * curve.chance

    def _too_slow(self, run: RunRecord, curve: Curve, levels: NDArray[np.float64]) -> bool:
        largest = max((max(values) for values in ratios(run.steps).values()), default=None)
        if largest is not None and 0 < largest <= self.surely_small:
            return True
        if (peak_ratio(run) or 0.0) > self.surely_enough:
            return False
        repeated = repeated_losses(run)
        if len(repeated) >= 4:
            return all(after < before for before, after in pairwise(repeated)) and self._straight(repeated)
        return _falls_for_sure(curve) and self._straight(levels)

    def _straight(self, levels: NDArray[np.float64]) -> bool:
        return self.straight_low <= late_share(levels) <= self.straight_high


def _falls_for_sure(curve: Curve) -> bool:
    """Whether a straight line through the step losses falls by more than six standard errors."""
    steps = np.arange(len(curve.losses), dtype=np.float64)
    steps -= steps.mean()
    slope = float(steps @ curve.losses / (steps @ steps))
    rest = curve.losses - curve.losses.mean() - slope * steps
    error = float(np.sqrt(rest @ rest / max(len(steps) - 2, 1) / (steps @ steps)))
    return slope < -6 * error


def _accuracy(run: RunRecord) -> str:
    """The lecture's riddle, where the evaluations show it: the accuracy moved although the loss did not."""
    scores = [item.score for item in run.evaluated("train") or run.evaluated("validation")]
    if run.header.task != "classification" or len(scores) < 2 or not scores[-1] - scores[0] > 0.05:
        return ""
    return (
        f"; the accuracy rose from {percent(scores[0])} to {percent(scores[-1])} all the same, because the right class "
        "now leads by a little while the probabilities are still diffuse"
    )


def _largest_update(run: RunRecord, limit: float) -> tuple[Evidence, ...]:
    peak = peak_ratio(run)
    return () if peak is None else (Evidence("largest update / weights", peak, limit),)


def _raise_by(run: RunRecord) -> float:
    """The power of ten that brings the middle update to about a thousandth of the weights, at least ten."""
    typical = sorted(value for value in median_ratios(run.steps).values() if value > 0)
    if not typical:
        return 10.0
    wanted = np.log10(_USUAL_UPDATE / typical[len(typical) // 2])
    return float(10.0 ** np.clip(np.round(wanted), 1, np.log10(_LARGEST_CHANGE)))
