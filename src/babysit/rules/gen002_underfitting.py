"""GEN002: training and validation agree, at a loss that is still high."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

import numpy as np

from babysit.measure.record import RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._curve import Curve
from babysit.rules._pairs import gap_error, pairs
from babysit.rules._words import LECTURE, number, percent


@dataclass(frozen=True)
class Underfitting(Rule):
    """No gap between training and validation, and the training loss has settled at a high level.

    ## What it measures
    The gap between training and validation score, the training loss against that of guessing (the chance level, or
    the initial loss where that is unknown), the training score, and whether the loss still falls.

    ## Why it hurts
    It need not: it says that there is room. Nothing has been overfitted yet, so a larger network may still gain on
    both.

    ## What to try
    More units or layers; less regularisation; training for longer at a higher learning rate.

    ## When it is a false alarm
    Data with noisy labels cannot be fitted any better. That is why this is information, not a warning.

    ## Options
    A run is not judged while its loss falls, nor when it never got below guessing: other rules speak then.

    ## References
    CS231n 2017, lecture 6: "if you have no gap, you might want to increase your model capacity, because you haven't
    overfit yet".
    """

    code: ClassVar[str] = "GEN002"
    name: ClassVar[str] = "underfitting"
    severity: ClassVar[Severity] = Severity.INFO
    needs: ClassVar[tuple[str, ...]] = ("evaluations", "losses")
    source: ClassVar[str] = LECTURE

    gap: float = threshold(0.03, unit="of score")
    high: float = threshold(0.3, unit="× chance level")
    guessing: float = threshold(0.95, unit="× chance level")
    good_score: float = threshold(0.9, unit="training score")
    flat: float = threshold(0.05, unit="share the last half still fell")
    min_steps: int = threshold(100, unit="steps")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        found, curve = pairs(run), Curve.of(run)
        chance = curve.chance or curve.initial
        if not found or chance <= 0 or len(curve.losses) < max(self.min_steps, 1):
            return
        last = found[-1]
        gap = median(pair.gap for pair in found[-3:])
        level = last.train.loss / chance
        room = self.high < level < self.guessing and last.train.score < self.good_score
        if not room or gap > max(self.gap, gap_error(run, last)) or not self._settled(curve):
            return
        yield self.finding(
            f"training and validation score agree ({number(last.train.score)} and {number(last.validation.score)}) and "
            f"the training loss has settled at {number(last.train.loss)}, {percent(level)} of guessing: a larger "
            "network may do better",
            evidence=(
                Evidence("training loss / loss of guessing", level, self.high),
                Evidence("gap between training and validation score", gap, self.gap),
                Evidence("training score", last.train.score, self.good_score),
            ),
            remedies=("double the hidden units, or add a layer", "lower the weight decay or dropout, if there is any"),
            steps=(last.train.step, last.train.step),
        )

    def _settled(self, curve: Curve) -> bool:
        levels = curve.levels()
        middle, end = float(np.median(levels[len(levels) // 2 :][:2])), float(np.median(levels[-2:]))
        return middle - end < self.flat * max(end, 0.0)
