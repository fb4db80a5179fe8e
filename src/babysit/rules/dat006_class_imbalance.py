"""DAT006: some classes are far more frequent than others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import number, numbers_of


@dataclass(frozen=True)
class ClassImbalance(Rule):
    """The most frequent class has many times the examples of the rarest.

    ## What it measures
    The number of training examples of the most frequent class over that of the rarest.

    ## Why it hurts
    Always answering with the frequent class is nearly right on average, so accuracy looks good while the rare class is
    never found.

    ## What to try
    Weight the loss by the inverse frequency, or draw the classes equally often. Judge by balanced accuracy or by the
    recall of each class.

    ## When it is a false alarm
    When the classes are as rare in use as in training and accuracy is what counts.

    ## Options
    The limit is a ratio of counts.

    ## References
    SageMaker Debugger's class-imbalance rule takes 10 as well.
    """

    code: ClassVar[str] = "DAT006"
    name: ClassVar[str] = "class-imbalance"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("probe:data",)
    source: ClassVar[str] = "SageMaker Debugger, ClassImbalance"

    ratio: float = threshold(10.0, unit="examples of the most frequent / the rarest class", source="SageMaker Debugger")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        ratio = numbers_of(run, "data").get("imbalance_ratio", 1.0)
        if not ratio > self.ratio:
            return
        yield self.finding(
            f"the most frequent class has {number(ratio)} times the examples of the rarest",
            evidence=[Evidence("most frequent / rarest class", ratio, self.ratio)],
            remedies=(
                "weight the loss by the inverse frequency of the classes, or draw them equally often",
                "judge by balanced accuracy",
            ),
        )
