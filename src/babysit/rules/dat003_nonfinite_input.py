"""DAT003: NaN or infinity in the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import number, numbers_of


@dataclass(frozen=True)
class NonfiniteInput(Rule):
    """Some inputs or targets are NaN or infinite.

    ## What it measures
    How many values of the inputs and targets are NaN or infinite.

    ## Why it hurts
    One such value makes the loss of its batch NaN, and the update after it makes every weight NaN.

    ## What to try
    Drop those rows, or fill them with the training set's mean and add a column that says where. Look at where they come
    from: an empty cell, a division by a spread of zero, the logarithm of zero.

    ## When it is a false alarm
    For models that are made to take missing values.

    ## Options
    `allowed` is for data in which missing values are handled inside the model.

    ## References
    SageMaker Debugger and TheDeepChecker check the same.
    """

    code: ClassVar[str] = "DAT003"
    name: ClassVar[str] = "nonfinite-input"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("probe:data",)
    source: ClassVar[str] = "TheDeepChecker; SageMaker Debugger"

    allowed: float = threshold(0.0, unit="values")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        count = numbers_of(run, "data").get("nonfinite", 0.0)
        if not count > self.allowed:
            return
        yield self.finding(
            f"the data hold {number(count)} value{'s' if count > 1 else ''} that {'are' if count > 1 else 'is'} NaN or "
            "infinite",
            evidence=[Evidence("values that are NaN or infinite", count, self.allowed)],
            remedies=("drop those examples, or fill the gaps with the training set's mean",),
        )
