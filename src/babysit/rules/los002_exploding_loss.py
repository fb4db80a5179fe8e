"""LOS002: the loss grew far over its initial level."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from babysit.measure.record import TRAIN, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._curve import Curve, running_median
from babysit.rules._parts import Part, part_against_data, part_of_itself
from babysit.rules._range_test import RangeTest, is_before_training
from babysit.rules._words import LECTURE, change_rate, number, rate_at

_OF_CANDIDATES = ("div", "mul", "cat", "sub", "index")
"""What makes similarities of them, where no layer does."""


@dataclass(frozen=True)
class ExplodingLoss(Rule):
    """The loss rose to several times its initial level.

    ## What it measures
    The largest median of five neighbouring losses (of blocks of 64 examples, where batches are smaller) against the
    initial level: the largest of the first loss, the initial loss measured before training, and the chance level.
    A run that ends while its loss climbs over the limit counts as well, as a trainer may have stopped it there.

    Where the loss is a sum, the calls of loss functions tell its parts apart. A part that compares the model with
    itself, as the codes and the features of a quantizer, has no level to be held against: both of its sides grow.

    Before training, where the learning-rate range is tried: whether the loss explodes at the rate of the first step, or
    a lower one. It is a warning then.

    ## Why it hurts
    Each update overshoots, the next gradient is larger, and the loss runs away: NaN is the usual end. Even when the
    loss comes back, units have often been thrown so far off the data that they never fire again.

    ## What to try
    Divide the learning rate by 10. If it is only the start that explodes, warm the rate up over the first few hundred
    steps. Scale the inputs to unit spread; clip the gradient's norm.

    ## When it is a false alarm
    A single wild mini-batch does not move a median, so spikes are no alarm. Losses that may be negative have no scale
    and are not judged. A loss that changes its own definition during training (a growing penalty) may be one. Nothing
    is said where only the parts that compare the model with itself grew, while those that are measured against data
    never rose over the limit and ended under `recovered`; where a part grew that no function of torch computes, that
    is told as information, or as a warning if the run ends with it. A contrastive loss whose right candidate is always
    the first, as MoCo's, begins low while the others are still noise; up to what guessing among them loses it may rise.
    The range of rates is tried without clipping gradients: where a script clips them, what is found before training is
    information.

    ## Options
    The factor is the lecture's for giving up on a trial of a search. An explosion that the run recovered from
    (final loss under `recovered`) is a warning, and only information when the final loss is under `harmless`.

    ## References
    CS231n 2017, lecture 6: stop when the cost is "something like three times original cost".
    """

    code: ClassVar[str] = "LOS002"
    name: ClassVar[str] = "exploding-loss"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("losses",)
    source: ClassVar[str] = LECTURE

    factor: float = threshold(3.0, unit="× initial loss", source=LECTURE)
    recovered: float = threshold(0.9, unit="× initial loss")
    harmless: float = threshold(0.25, unit="× initial loss")
    looked_at: int = threshold(3, unit="recorded steps over the limit")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        if is_before_training(run):
            yield from self._before_training(run)
            return
        curve = Curve.of(run)
        limit = self.factor * curve.initial
        if limit <= 0:
            return
        climbing = _ends_climbing(curve, limit)
        peak = float(max(running_median(curve.blocks()).max(), curve.losses[-1] if climbing else 0.0))
        if peak <= max(limit, _of_candidates(run)):
            return
        over = np.flatnonzero(curve.losses > limit)
        learnt = self._learnt(run, over)
        if learnt is None:
            yield self._of_the_rate(run, curve, over, peak, Severity.ERROR if climbing else self._how_bad(curve))
        elif not self._grew(part_of_itself(run)):
            still = climbing or curve.final > limit
            yield self._of_a_part(curve, over, peak, learnt, Severity.WARNING if still else Severity.INFO)

    def _before_training(self, run: RunRecord) -> Iterator[Finding]:
        test = RangeTest.of(run)
        if test is None or test.explodes is None or test.first < test.explodes:
            return
        yield self.finding(
            f"{test.steps} steps bring the loss down at {number(test.falls[0])} … {number(test.falls[1])}, and it "
            f"explodes at {number(test.explodes)}: the learning rate is too high (lr {number(test.first)})"
            + (", unless clipping the gradients makes up for it" if test.clipped else ""),
            evidence=(Evidence("given learning rate", test.first, test.explodes),),
            remedies=(change_rate(test.first, test.suggested / test.first),),
            severity=Severity.INFO if test.clipped else Severity.WARNING,
        )

    def _of_the_rate(
        self, run: RunRecord, curve: Curve, over: NDArray[np.intp], peak: float, severity: Severity
    ) -> Finding:
        rate = rate_at(run, int(over[0]))
        came_back = f" and came back to {number(curve.final)}" if severity is not Severity.ERROR else ""
        return self.finding(
            f"the loss exploded from {number(curve.initial)} to {number(peak)}{came_back}: the learning rate is "
            + ("too high at the start" if came_back else "too high")
            + (f" (lr {number(rate)})" if rate else ""),
            evidence=self._evidence(curve, peak),
            remedies=(
                change_rate(rate, 0.1),
                "warm the learning rate up over the first few hundred steps",
                "clip the gradient's norm",
            ),
            steps=(int(over[0]), int(over[-1])),
            severity=severity,
        )

    def _of_a_part(
        self, curve: Curve, over: NDArray[np.intp], peak: float, learnt: Part, severity: Severity
    ) -> Finding:
        return self.finding(
            f"the loss rose from {number(curve.initial)} to {number(peak)}, but not the part of it that is measured "
            f"against data, which fell from {number(learnt.began)} to {number(learnt.ended)}: another part grew",
            evidence=(
                *self._evidence(curve, peak),
                Evidence("largest loss against data", learnt.peak, self.factor * learnt.began),
            ),
            remedies=(
                "print the parts of the loss one by one, and see which of them grew",
                "where it is to stay small, give it a larger weight or lower the learning rate",
            ),
            steps=(int(over[0]), int(over[-1])),
            severity=severity,
        )

    def _evidence(self, curve: Curve, peak: float) -> tuple[Evidence, Evidence]:
        return (
            Evidence("largest loss", peak, self.factor * curve.initial),
            Evidence("final loss", curve.final, curve.initial),
        )

    def _learnt(self, run: RunRecord, over: NDArray[np.intp]) -> Part | None:
        """The part against data, where it was looked at while the whole exploded, and fell all the same."""
        part = part_against_data(run)
        if part is None or not part.began > 0:
            return None
        meanwhile = part.values[np.isin(part.steps, over)]
        is_calm = len(meanwhile) >= self.looked_at and meanwhile.max() <= self.factor * part.began
        return part if is_calm and part.ended < self.recovered * part.began else None

    def _grew(self, part: Part | None) -> bool:
        return part is not None and part.peak > self.factor * part.began

    def _how_bad(self, curve: Curve) -> Severity:
        if curve.final >= self.recovered * curve.initial:
            return Severity.ERROR
        return Severity.WARNING if curve.final > self.harmless * curve.initial else Severity.INFO


def _of_candidates(run: RunRecord) -> float:
    """What guessing loses where the first of several candidates is always the right one; 0 where it is not so.

    Such a contrastive loss may begin near zero, while the candidates are still noise, and rises as they become alike.
    """
    calls = run.called(TRAIN)
    if not calls or any(call.classes < 2 or call.targets.low != call.targets.high for call in calls):
        return 0.0
    of_quotients = all(call.name == calls[0].name and call.output_op in _OF_CANDIDATES for call in calls)
    if not of_quotients or len(run.losses) <= calls[0].step:
        return 0.0
    first = [call.value for call in calls if call.step == calls[0].step]
    mean = sum(first) / len(first)
    return run.losses[calls[0].step] / mean * math.log(calls[0].classes) if mean > 0 else 0.0


def _ends_climbing(curve: Curve, limit: float) -> bool:
    """Whether the last three levels rise and end over the limit, too late for a median to show it."""
    last = curve.blocks()[-3:]
    return len(last) > 1 and bool(np.all(np.diff(last) > 0)) and float(last[-1]) > limit
