"""LOS004: the loss overshot, fell, and stays flat far from zero."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from babysit.measure.record import RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._curve import Curve, running_median
from babysit.rules._progress import STUCK, beginning, is_stuck
from babysit.rules._updates import late_ratio, peak_ratio
from babysit.rules._words import LECTURE, change_rate, highest_rate, number, percent

_LEVELS = 10


@dataclass(frozen=True)
class EarlyPlateau(Rule):
    """A steep fall, then a flat stretch at a high loss, after steps that were too large.

    ## What it measures
    Three things, all of which must hold. The level of the last fifth against that of the steps before the last half:
    flat. The final level against the initial one: high. And a sign that the steps were too large, since a flat curve
    alone may be a model at its limit: the loss first rose over its initial level, and, where layers were measured,
    the middle layer once took an update of a third of its weights or more. Or the first steps did so, the loss rose
    for a few of them, and it ends near guessing, as if the training had never begun. Or, without that: the loss fell
    and has been flat since as far as its bouncing lets one tell, it bounces widely, and the middle layer's updates are
    still ten times the usual size.

    ## Why it hurts
    Steps that large jump over the valley instead of settling into it, or throw units so far off the data that they
    never fire again. The loss stays where it is however long the training runs.

    ## What to try
    Divide the learning rate by 3 to 10 and start again: units that have died do not come back. Or keep the rate for
    the steep part only, warmed up, and decay it when the curve flattens.

    ## When it is a false alarm
    Data that cannot be fitted any better (noisy labels, a model that is too small) gives a flat curve too, but
    without the overshoot. A schedule that lowers the rate later makes the loss fall again, which ends the alarm.

    ## Options
    The limits were chosen on some 370 trainings of known learning rate: digits, MNIST, CIFAR-10 and tables, from
    linear models to convolutional ones, SGD to Adam.

    ## References
    CS231n 2017, lecture 6: "a steep change, but then a plateau … you're taking too large jumps, and you're not able
    to settle well into your local optimum".
    """

    code: ClassVar[str] = "LOS004"
    name: ClassVar[str] = "early-plateau"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("losses",)
    source: ClassVar[str] = LECTURE

    min_steps: int = threshold(50, unit="steps")
    flat: float = threshold(0.12, unit="share the last half still fell; it may rise by twice that")
    errors: float = threshold(2.0, unit="standard errors of a level, where it bounces")
    high: float = threshold(0.25, unit="× initial loss")
    overshoot: float = threshold(1.2, unit="× initial loss")
    overshoot_alone: float = threshold(1.5, unit="× initial loss, where no layer was measured")
    back: float = threshold(0.9, unit="× highest loss")
    first_steps: int = threshold(10, unit="steps whose updates are the first; in twice as many the loss has risen")
    update: float = threshold(0.3, unit="update norm / weight norm", source="300 × the lecture's 1e-3")

    bouncing: float = threshold(0.2, unit="late standard deviation / final loss", source="healthy plateaus: up to 0.11")
    late_update: float = threshold(0.01, unit="update norm / weight norm", source="healthy plateaus: up to 0.007")
    settled: float = threshold(0.1, unit="× initial loss")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        yield from list(self._overshot(run)) or list(self._thrown_off(run)) or self._cannot_settle(run)

    def _thrown_off(self, run: RunRecord) -> Iterator[Finding]:
        """First steps that replace the weights, from which the training never comes back: it ends near guessing.

        The loss may rise for a few steps only, which the levels of many examples hide.
        """
        curve, first = Curve.of(run), peak_ratio(run, before=self.first_steps)
        if len(curve.losses) < self.min_steps or first is None or first < self.update or not is_stuck(run):
            return
        end, fell = self._end(curve)
        highest = float(running_median(curve.losses[: 2 * self.first_steps], 3).max())
        if not self._is_flat(fell) or highest < self.overshoot * curve.initial:
            return
        rate, level = highest_rate(run, last=self.first_steps), beginning(curve)
        yield self.finding(
            f"the first steps changed up to {number(first)} of the weights and the loss rose to {number(highest)}; it "
            f"has been flat at {number(end)} for the last half, {percent(end / level)} of "
            + ("guessing" if curve.chance is not None else "its initial level")
            + ": the learning rate is too high"
            + (f" (lr {number(rate)})" if rate else ""),
            evidence=(
                Evidence("final loss", end, STUCK * level),
                Evidence("share the last half still fell", fell, self.flat),
                Evidence("highest loss", highest, self.overshoot * curve.initial),
                Evidence("largest of the first updates / weights", first, self.update),
            ),
            remedies=_start_again(rate),
            steps=(0, len(curve.losses) - 1),
        )

    def _cannot_settle(self, run: RunRecord) -> Iterator[Finding]:
        """A fall, and then a level that is kept up by steps too large to go further down."""
        curve, late = Curve.of(run), late_ratio(run)
        levels = curve.levels() if len(curve.losses) >= 2 * self.min_steps else np.array([])
        if curve.initial <= 0 or len(levels) < 10 or late is None or late < self.late_update:
            return
        middle, end = float(np.median(levels[3:6])), float(np.median(levels[8:]))
        blocks = curve.blocks()
        spread = float(blocks[-len(blocks) // 3 :].std()) / end if end > 0 else 0.0
        flat = max(self.flat * end, self.errors * curve.level_error())
        fell = middle < self.back * curve.initial and middle - end <= flat
        if not fell or end < self.settled * curve.initial or spread < self.bouncing:
            return
        rate = highest_rate(run, len(curve.losses) // 2)
        yield self.finding(
            f"the loss fell steeply to {number(middle)} and has not fallen since: it is {number(end)} and bounces by "
            f"{percent(spread)} of that, at updates of {number(late)} of the weights: the learning rate is too high to "
            "settle" + (f" (lr {number(rate)})" if rate else ""),
            evidence=(
                Evidence("final loss", end, self.settled * curve.initial),
                Evidence("late update / weights", late, self.late_update),
                Evidence("late standard deviation / final loss", spread, self.bouncing),
            ),
            remedies=(
                change_rate(rate, 0.1),
                "or decay the learning rate once the curve flattens: cosine, or a step of 10",
            ),
            steps=(len(curve.losses) // 2, len(curve.losses) - 1),
        )

    def _overshot(self, run: RunRecord) -> Iterator[Finding]:
        curve = Curve.of(run)
        if curve.initial <= 0 or len(curve.losses) < max(self.min_steps, 1):
            return
        end, fell = self._end(curve)
        if end < self.high * curve.initial or not self._is_flat(fell):
            return
        highest = float(running_median(curve.blocks(), 3).max())
        peak = peak_ratio(run)
        limit = curve.initial * (self.overshoot_alone if peak is None else self.overshoot)
        if highest < limit or end > self.back * highest or (peak is not None and peak < self.update):
            return
        rate = highest_rate(run, last=len(curve.losses) // 2)
        yield self.finding(
            f"the loss rose to {number(highest)}, fell, and has been flat at {number(end)} "
            f"({percent(end / curve.initial)} of its initial level) for the last half: the learning rate is too high"
            + (f" (lr {number(rate)})" if rate else ""),
            evidence=(
                Evidence("final loss", end, self.high * curve.initial),
                Evidence("share the last half still fell", fell, self.flat),
                Evidence("highest loss", highest, limit),
                *(() if peak is None else (Evidence("largest update / weights", peak, self.update),)),
            ),
            remedies=_start_again(rate),
            steps=(len(curve.losses) // 2, len(curve.losses) - 1),
        )

    def _end(self, curve: Curve) -> tuple[float, float]:
        """The level of the last fifth, and the share of it that the last half still fell; infinite where unknown."""
        levels = curve.levels()
        end = float(np.median(levels[8:])) if len(levels) == _LEVELS else 0.0
        return end, (float(np.median(levels[4:6])) - end) / end if end > 0 else math.inf

    def _is_flat(self, fell: float) -> bool:
        return -2 * self.flat <= fell <= self.flat


def _start_again(rate: float | None) -> tuple[str, ...]:
    return (
        change_rate(rate, 0.1) + " and start again from fresh weights",
        "or warm the learning rate up, and decay it once the curve flattens",
    )
