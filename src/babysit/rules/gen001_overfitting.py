"""GEN001: the model does much better on what it was trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from babysit.measure.record import Evaluation, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._pairs import Pair, gap_error, pairs
from babysit.rules._words import LECTURE, number, percent


@dataclass(frozen=True)
class Overfitting(Rule):
    """A large gap between training and validation.

    ## What it measures
    The score (accuracy or R²) on training examples minus that on validation examples, as the median of the last three
    evaluations, against three standard errors of that difference; and how far the validation loss has risen from its
    best while the training loss went on falling. A large gap suffices; a moderate one needs the rising loss.

    ## Why it hurts
    The network memorises its training examples. Every further epoch makes it worse on what it is for.

    ## What to try
    Stop at the best validation loss. More regularisation: weight decay, dropout. More data, or augmented data. A
    smaller network.

    ## When it is a false alarm
    When validation examples come from elsewhere than training examples, the gap is a shift, not overfitting. With few
    validation examples the gap is uncertain; the standard errors allow for that in classification.

    ## Options
    `gap` applies with a risen validation loss, `large_gap` by itself.

    ## References
    CS231n 2017, lecture 6: "a big gap between your training accuracy and your validation accuracy … increase your
    regularization strength". SageMaker Debugger: (validation − training) / training over 0.1; mldoct: validation loss
    over 115 % of its best.
    """

    code: ClassVar[str] = "GEN001"
    name: ClassVar[str] = "overfitting"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("evaluations",)
    source: ClassVar[str] = LECTURE

    gap: float = threshold(0.1, unit="of score", source="SageMaker Debugger")
    large_gap: float = threshold(0.25, unit="of score")
    rise: float = threshold(0.15, unit="× best validation loss", source="mldoct")
    errors: float = threshold(3.0, unit="standard errors")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        found = pairs(run)
        if not found:
            return
        last = found[-1]
        gap = median(pair.gap for pair in found[-3:])
        best = min((pair.validation for pair in found), key=lambda item: item.loss)
        rise = _rise(found, best)
        limit = self.gap if rise > self.rise else self.large_gap
        if gap <= max(limit, self.errors * gap_error(run, last)):
            return
        rising = (
            f", and the validation loss has risen from {number(best.loss)} (step {best.step}) to "
            f"{number(last.validation.loss)} while the training loss fell to {number(last.train.loss)}"
        )
        yield self.finding(
            f"the score is {number(last.train.score)} on training and {number(last.validation.score)} on validation "
            f"examples, a gap of {number(gap)}" + (rising if rise > self.rise else ""),
            evidence=(
                Evidence("gap between training and validation score", gap, limit),
                Evidence("training score", last.train.score),
                Evidence("validation score", last.validation.score),
                Evidence("rise of the validation loss", rise, self.rise),
            ),
            remedies=(
                *_stop_at(run, best, rise, self.rise),
                "increase the regularisation: 10 × the weight decay, or dropout 0.5 before the last layer",
                "more data, or augmented data",
            ),
            steps=(best.step, last.validation.step),
        )


def _rise(found: Sequence[Pair], best: Evaluation) -> float:
    """How far the validation loss (median of the last three) is over its best, if the training loss fell meanwhile."""
    late = [pair for pair in found if pair.validation.step >= best.step]
    recent = median(pair.validation.loss for pair in found[-3:])
    if best.loss <= 0 or late[-1].train.loss >= late[0].train.loss:
        return 0.0
    rise = recent / best.loss - 1
    return rise if math.isfinite(rise) else 0.0


def _stop_at(run: RunRecord, best: Evaluation, rise: float, limit: float) -> tuple[str, ...]:
    if rise <= limit:
        return ()
    saved = max(0.0, 1 - best.step / max(len(run.losses), 1))
    return (f"stop early: the best was epoch {number(best.epoch)}; the last {percent(saved)} of the run did harm",)
