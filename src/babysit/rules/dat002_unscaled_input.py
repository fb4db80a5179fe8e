"""DAT002: the inputs' scale is far from 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import LECTURE, number, numbers_of


@dataclass(frozen=True)
class UnscaledInput(Rule):
    """The inputs are spread far more, or far less, than 1.

    ## What it measures
    The largest standard deviation of a feature of what the network sees; the smallest one beside it, to tell whether
    one feature dominates or all are large.

    ## Why it hurts
    Initial weights and usual learning rates are made for inputs of unit spread. Large inputs make large gradients,
    so only tiny rates train; a feature a thousand times as large as the others is the only one the network sees.

    ## What to try
    Divide each feature (for images: all pixels) by its standard deviation over the training set.

    ## When it is a false alarm
    Pixels of 0 to 255 train at learning rates a thousand times smaller than usual, as the lecture's own network does.
    Features with a small spread beside ordinary ones are mostly rare pixels or words, and not judged.

    ## Options
    The lower limit leaves sparse text (rows of unit length) in peace.

    ## References
    CS231n 2017, lecture 6: "you probably want to also normalize that, so normalized by the standard
    deviation".
    """

    code: ClassVar[str] = "DAT002"
    name: ClassVar[str] = "unscaled-input"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("probe:inputs",)
    source: ClassVar[str] = LECTURE

    largest: float = threshold(10.0, unit="standard deviation")
    smallest: float = threshold(0.01, unit="standard deviation")
    uneven: float = threshold(1000.0, unit="largest / smallest standard deviation")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        numbers = numbers_of(run, "inputs")
        spread = numbers.get("largest_std", numbers.get("std", 1.0))
        if self.smallest <= spread <= self.largest or not spread > 0:
            return
        least = numbers.get("smallest_std", spread)
        uneven = spread > self.largest and 0 < least * self.uneven < spread
        what = (
            f"the standard deviations of the features go from {number(least)} to {number(spread)}, so the largest "
            "dominate"
            if uneven
            else f"the inputs have a standard deviation of up to {number(spread)}"
        )
        limit = self.largest if spread > self.largest else self.smallest
        yield self.finding(
            f"{what}: expected about 1",
            evidence=(
                Evidence("largest standard deviation of a feature", spread, limit),
                Evidence("smallest standard deviation of a feature", least),
            ),
            remedies=("divide each feature by its standard deviation over the training set, in every split",),
        )
