"""GRD006: clipping cuts nearly every gradient by orders of magnitude."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from babysit.measure.record import RunRecord, StepRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._curve import Curve
from babysit.rules._optimizer import is_adaptive
from babysit.rules._progress import is_stuck
from babysit.rules._updates import median_ratios, working_steps
from babysit.rules._words import number, percent, rate_at


@dataclass(frozen=True)
class _Cut:
    """A gradient's norm, or its largest element, before clipping, and what it is clipped to."""

    before: float
    limit: float

    @property
    def factor(self) -> float:
        return self.before / self.limit

    def of(self, limit: float) -> _Cut:
        """The same cut of a gradient of another measure."""
        return _Cut(self.factor * limit, limit)


@dataclass(frozen=True)
class OverClipped(Rule):
    """The gradient is clipped to a small fraction of itself at nearly every step, and the weights hardly move.

    ## What it measures
    The norm of the gradient before clipping over what it is clipped to (for `clip_grad_value_`, the largest element),
    at the sampled steps that work: after the first 20, or the first tenth. And the size of the steps that are left:
    the update over the weights. Clipping that is written out by hand shows in gradients that are smaller when the step
    is taken than after the backward pass, and then always of one size: of one norm, or with one largest element.

    ## Why it hurts
    A limit far below every gradient is no protection against a rare large one: it replaces the gradient by its
    direction, and with plain gradient descent divides the learning rate by the same factor.

    ## What to try
    Clip at what the norm usually is, or a few times that: the message gives it. The learning rate is not to be raised
    by the factor that clipping divides by, which would be a step beyond any sense once a gradient is below the limit:
    look for a rate when the limit is right. With a gradient scaler call `scaler.unscale_(optimizer)` before clipping.

    ## When it is a false alarm
    Language models and recurrent nets that clip to 1 with norms of 1 to 10 are far below the limit. Adam and its
    relatives divide by the gradient's size, so that only the direction is left in any case: that is information at
    most. So is a plain descent on directions whose learning rate was chosen for it and which learns: steps of the usual
    size with a loss that comes down, and that has halved where the cut is a hundredfold. Gradients that are divided by
    a number, such as that of the examples, keep their differences and are not taken for clipped ones.

    ## Options
    `factor` is by how much nearly every gradient has to be cut, `share` what nearly every means; `usual` is a tenth of
    the lecture's update over weights, below which it hurts in any case. `far` and `learnt` ask more of a larger cut.

    ## References
    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, ICML 2013: thresholds of half
    to ten times the average norm. The update's size: CS231n 2017, lecture 6.
    """

    code: ClassVar[str] = "GRD006"
    name: ClassVar[str] = "over-clipped"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("steps",)
    source: ClassVar[str] = "Pascanu, Mikolov and Bengio, ICML 2013: thresholds of half to ten times the average norm"

    factor: float = threshold(30.0, unit="norm before / limit", source="three times the largest usual one")
    far: float = threshold(100.0, unit="norm before / limit", source="the learning rate is a hundredth of what it says")
    share: float = threshold(0.9, unit="share of the sampled steps")
    usual: float = threshold(1e-4, unit="update norm / weight norm", source="CS231n 2017, lecture 6: 1e-3 / 10")
    alike: float = threshold(1e-3, unit="× their median, sizes of gradients that are clipped by hand")
    learnt: float = threshold(0.5, unit="× initial loss")
    min_samples: int = threshold(10, unit="sampled steps")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        steps = working_steps(run)
        cuts = [(found, step) for step in steps if (found := _cut(step)) is not None] or self._by_hand(steps)
        clipped = [item.factor for item, _ in cuts if item.factor > self.factor]
        if len(cuts) < self.min_samples or len(clipped) < self.share * len(cuts):
            return
        cut = median(clipped)
        before, limit = median(item.before for item, _ in cuts), cuts[-1][0].limit
        moved = _moved(steps, self.min_samples)
        hurts = self._hurts(run, cut, moved)
        rate = None if is_adaptive(run) else rate_at(run, steps[-1].step)
        yield self.finding(
            f"clipping to {number(limit)} cuts {percent(len(clipped) / len(cuts))} of the gradients by more than "
            f"{number(self.factor)}: their norm is {number(before)} before it, {number(cut)} × the limit"
            + (f"; a step changes {number(moved)} of the weights" if moved is not None else ""),
            evidence=(
                Evidence("norm before clipping / limit", cut, self.factor),
                Evidence("share of the sampled steps cut so much", len(clipped) / len(cuts), self.share),
                *(() if moved is None else (Evidence("update / weights", moved, self.usual),)),
            ),
            remedies=(
                f"raise the limit: {number(limit)} → {number(before)}, the usual norm, or leave clipping away",
                *(_in_effect(rate, cut) if rate else ()),
                "with a gradient scaler, call scaler.unscale_(optimizer) before clipping",
            ),
            steps=(cuts[0][1].step, cuts[-1][1].step),
            severity=None if hurts else Severity.INFO,
        )

    def _by_hand(self, steps: Sequence[StepRecord]) -> list[tuple[_Cut, StepRecord]]:
        """What gradients were and are, where they are of one size when the step is taken."""
        seen = [(peaks, step) for step in steps if len(peaks := step.gradient_peaks or ()) == 2 and min(peaks) > 0]
        largest = [(cut, step) for peaks, step in seen if math.isfinite((cut := _Cut(*peaks)).factor)]
        norms = [(cut.of(step.gradient_norm), step) for cut, step in largest if step.gradient_norm]
        return next((cuts for cuts in (largest, norms) if self._is_one_size([cut.limit for cut, _ in cuts])), [])

    def _is_one_size(self, sizes: Sequence[float]) -> bool:
        middle = median(sizes) if sizes else 0.0
        same = [size for size in sizes if abs(size - middle) <= self.alike * middle < math.inf]
        return len(same) >= self.share * max(len(sizes), 1)

    def _hurts(self, run: RunRecord, cut: float, moved: float | None) -> bool:
        if is_adaptive(run):
            return False
        curve = Curve.of(run)
        learns = run.header.progress and curve.final < self.learnt * curve.initial
        tiny = moved is not None and moved < self.usual
        return tiny or is_stuck(run) or (cut > self.far and not learns)


def _cut(step: StepRecord) -> _Cut | None:
    if step.clipped_from is None or step.clip_limit is None or not step.clip_limit > 0:
        return None
    cut = _Cut(step.clipped_from, step.clip_limit)
    return cut if math.isfinite(cut.factor) else None


def _in_effect(rate: float, cut: float) -> tuple[str]:
    """What clipping makes of a learning rate of plain descent; one that made up for it would be beyond any sense."""
    return (
        f"look for the learning rate after that: with this limit lr {number(rate)} takes the steps of lr "
        f"{number(rate / cut)} without one",
    )


def _moved(steps: Sequence[StepRecord], samples: int) -> float | None:
    """Typical update over weights of the middle layer."""
    ratios = median_ratios(steps, samples)
    return median(ratios.values()) if ratios else None
