"""UPD002: the updates are nearly as large as the weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._progress import is_stuck
from babysit.rules._range_test import RangeTest, first_updates, is_before_training
from babysit.rules._updates import median_ratios, working_steps
from babysit.rules._words import LECTURE, change_rate, highest_rate, names, number


@dataclass(frozen=True)
class HugeUpdate(Rule):
    """Each step replaces a good part of the weights.

    ## What it measures
    For each layer, the norm of the update (weights after minus before) over the norm of the weights, as the median of
    the sampled steps after the first 20, or the first tenth, while there is something left to learn.

    Before training, where the learning-rate range is tried: whether the first updates are that large, and the rate of
    the first step is above all at which the loss comes down.

    ## Why it hurts
    Weights that are replaced within a few steps remember the last few mini-batches and nothing else. Where the loss
    ends near its beginning, or near guessing, it is an error.

    ## What to try
    Lower the learning rate by 10. If it is one layer only: give it larger initial weights or a rate of its own; a
    layer whose weights are tiny takes large relative steps at any rate.

    ## When it is a false alarm
    Layers that start at zero or close to it take large steps until they have grown, for longer than the first tenth
    in a very short run. The lecture's own network (weights of 1e-4, raw pixels) runs at 0.09 for its first six epochs
    and learns, which is why the limit is not lower. The range of rates is tried without clipping gradients: where a
    script clips them, what is found before training is information.

    ## Options
    The lecture finds about 1e-3 with "a lot of variance in this range"; the limit leaves more than two orders.

    ## References
    CS231n 2017, lecture 6; torchmortem and TheDeepChecker take 1e-1, SageMaker Debugger 10.
    """

    code: ClassVar[str] = "UPD002"
    name: ClassVar[str] = "huge-update"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("steps",)
    source: ClassVar[str] = LECTURE

    largest: float = threshold(0.2, unit="update norm / weight norm", source="twice what a healthy training reached")
    min_samples: int = threshold(5, unit="sampled steps")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        if is_before_training(run):
            yield from self._before_training(run)
            return
        working = working_steps(run)
        typical = median_ratios(working, self.min_samples)
        huge = [module for module, value in typical.items() if value > self.largest]
        if not huge:
            return
        worst = max(huge, key=lambda module: typical[module])
        everywhere = len(huge) == len(typical)
        rate = highest_rate(run, working[0].step, working[-1].step)
        yield self.finding(
            f"each step changes {number(typical[worst])} of the weights in {len(huge)} of {len(typical)} layers "
            f"({names(huge)}), against about 0.001: the learning rate is too high"
            + (f" (lr {number(rate)})" if rate else ""),
            evidence=[Evidence("update / weights", typical[worst], self.largest)],
            remedies=(
                change_rate(rate, 0.1),
                *(() if everywhere else ("or start these layers from larger weights",)),
            ),
            module="" if everywhere else worst,
            steps=(working[0].step, working[-1].step),
            severity=Severity.ERROR if is_stuck(run) else None,
        )

    def _before_training(self, run: RunRecord) -> Iterator[Finding]:
        test, change = RangeTest.of(run), first_updates(run)
        if test is None or not (test.first > test.falls[1] and change > self.largest):
            return
        yield self.finding(
            f"the first steps change {number(change)} of the weights, against about 0.001, and no rate above "
            f"{number(test.falls[1])} brings the loss down: the learning rate is too high (lr {number(test.first)})"
            + (", unless clipping the gradients makes up for it" if test.clipped else ""),
            evidence=(
                Evidence("update / weights", change, self.largest),
                Evidence("given learning rate", test.first, test.falls[1]),
            ),
            remedies=(change_rate(test.first, test.suggested / test.first),),
            severity=Severity.INFO if test.clipped else None,
        )
