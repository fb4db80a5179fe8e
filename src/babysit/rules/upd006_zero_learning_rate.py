"""UPD006: the learning rate is zero, or has come down to next to nothing long before the end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from babysit.measure.record import RunRecord, StepRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._curve import Curve
from babysit.rules._words import number, percent


@dataclass(frozen=True)
class ZeroLearningRate(Rule):
    """The schedule has brought the learning rate to about zero while the training goes on.

    ## What it measures
    From which step on the learning rate stays below a ten-thousandth of the run's largest, and what share of the steps
    comes after it. Updates that are as large as before show that other weights have a rate of their own: then it is
    silent. A rate of zero at every step is reported as such.

    ## Why it hurts
    The steps after it change nothing: the training stops learning there, whatever is left to learn, and only goes on to
    use time.

    ## What to try
    Call `scheduler.step()` as often as the schedule's length is counted: a schedule counted in epochs that is stepped
    at every batch ends in the first of them. Give it the number of steps that are trained (`T_max`, `total_iters`,
    `step_size`), or a lowest rate (`eta_min`). End the training where the schedule ends.

    ## When it is a false alarm
    The last steps of a cosine or a linear decay are near zero too, but are few (0.6 % of them for a cosine). A loss
    that has come near zero leaves nothing to learn: such a run is not judged, unless it goes below zero, as the
    negative logarithm of a density does, which has no end there. Restarts bring the rate back, and are no
    alarm.

    ## Options
    `smallest` is below two drops by 100 and above what a cosine has at its last 0.6 %; `share` is over the length of
    the last stage of the usual step schedules.

    ## References
    PyTorch, `torch.optim.lr_scheduler`: a scheduler counts its own calls, whether epochs or batches.
    """

    code: ClassVar[str] = "UPD006"
    name: ClassVar[str] = "zero-learning-rate"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("steps",)
    source: ClassVar[str] = "PyTorch documentation, torch.optim.lr_scheduler: how to adjust the learning rate"

    smallest: float = threshold(1e-4, unit="× largest learning rate", source="four of the usual drops by 10")
    share: float = threshold(0.2, unit="share of the steps")
    min_steps: int = threshold(50, unit="steps")
    min_samples: int = threshold(5, unit="sampled steps")
    still_moving: float = threshold(0.01, unit="× update / weights before")
    floor: float = threshold(0.05, unit="× initial loss")
    learnt: float = threshold(0.5, unit="× initial loss")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        steps = [step for step in run.steps if step.lr is not None and math.isfinite(step.lr)]
        curve = Curve.of(run)
        idle = self._idle(steps)
        if len(idle) < self.min_samples or self._has_come_to_its_end(curve):
            return
        first, last = idle[0].step, max(steps[-1].step, len(run.losses) - 1)
        length, largest = last - first + 1, max(_rate(step) for step in steps)
        if length < self.min_steps or length < self.share * (last + 1):
            return
        if _largest_ratio(idle) > self.still_moving * _largest_ratio(steps[: len(steps) - len(idle)]):
            return
        rate, share = _rate(idle[-1]), length / (last + 1)
        never = largest == 0
        yield self.finding(
            f"the learning rate is 0 at all of {last + 1} steps: nothing is learnt"
            if never
            else f"from step {first} of {last + 1} on the learning rate is {number(rate)} or about it, after "
            f"{number(largest)} before: the last {percent(share)} of the steps change nothing",
            evidence=(
                Evidence("median learning rate from there on", median(map(_rate, idle)), self.smallest * largest),
                Evidence("largest learning rate", largest),
                Evidence("share of the steps", share, self.share),
                *((Evidence("steps planned", float(run.header.total_steps)),) if run.header.total_steps > last else ()),
            ),
            remedies=("set a learning rate above 0; a usual one is 0.1 for SGD, 1e-3 for Adam",)
            if never
            else (
                f"make the schedule as long as the training: {max(run.header.total_steps, last + 1)} steps, "
                "or step it once an epoch if its length counts epochs",
                f"give the schedule a lowest rate, such as {number(0.01 * largest)}",
            ),
            steps=(first, last),
            severity=Severity.ERROR if never or curve.final > self.learnt * curve.initial else Severity.WARNING,
        )

    def _has_come_to_its_end(self, curve: Curve) -> bool:
        """Whether hardly anything is left of the loss; one that falls below zero has no end there."""
        return bool(0 <= curve.final < self.floor * curve.initial)

    def _idle(self, steps: Sequence[StepRecord]) -> Sequence[StepRecord]:
        """The last samples, all of them at next to no rate."""
        limit = self.smallest * max(map(_rate, steps), default=0.0)
        working = [index for index, step in enumerate(steps) if _rate(step) > limit]
        return steps[working[-1] + 1 :] if working else steps


def _rate(step: StepRecord) -> float:
    return abs(step.lr or 0.0)


def _largest_ratio(steps: Sequence[StepRecord]) -> float:
    ratios = (layer.update_ratio for step in steps for layer in step.layers)
    return max((ratio for ratio in ratios if ratio is not None and math.isfinite(ratio)), default=0.0)
