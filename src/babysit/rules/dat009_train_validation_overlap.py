"""DAT009: examples of evaluation were also seen in training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import number, numbers_of, percent

_OVERLAPS = (
    ("overlap_train_validation", "examples_validation", "validation examples are also in the training split"),
    ("overlap_train_test", "examples_test", "test examples are also in the training split"),
    ("overlap_validation_test", "examples_test", "test examples are also in the validation split"),
)


@dataclass(frozen=True)
class TrainValidationOverlap(Rule):
    """Examples that are used for judging are also used for training.

    ## What it measures
    How many examples of the validation and test split also occur, value for value, in a split that training or the
    choice of hyperparameters uses, as a share of the split that judges.

    ## Why it hurts
    Examples that were trained on are recognised, not predicted. The score is too good by about that share, and
    overfitting goes unseen.

    ## What to try
    Split before augmenting or oversampling. Remove duplicates before splitting, and keep what belongs together (one
    patient, one video) in one split.

    ## When it is a false alarm
    Published data sets hold a few accidental duplicates: up to 1 %, or up to three examples of a small set, is
    information only. Data with few different values (a handful of categories) repeats itself by nature.

    ## Options
    Shares of the split that judges.

    ## References
    Heuristic limits; exact duplicates across the splits of well-known sets stay under 1 %.
    """

    code: ClassVar[str] = "DAT009"
    name: ClassVar[str] = "train-validation-overlap"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("probe:data",)
    source: ClassVar[str] = "heuristic"

    accidental: float = threshold(0.01, unit="of the split")
    accidental_examples: int = threshold(3, unit="examples")
    severe: float = threshold(0.1, unit="of the split")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        numbers = numbers_of(run, "data")
        for overlap, examples, words in _OVERLAPS:
            shared, total = numbers.get(overlap, 0.0), numbers.get(examples, 0.0)
            if not (shared > 0 and total > 0):
                continue
            yield self.finding(
                f"{number(shared)} of {number(total)} {words} ({percent(shared / total)})",
                evidence=(
                    Evidence("share of the split", shared / total, self.accidental),
                    Evidence("examples", shared, self.accidental_examples),
                ),
                remedies=("remove duplicates before splitting, and split before augmenting or oversampling",),
                severity=self._how_bad(shared, total),
            )

    def _how_bad(self, shared: float, total: float) -> Severity:
        if shared <= self.accidental_examples or shared <= self.accidental * total:
            return Severity.INFO
        return Severity.ERROR if shared > self.severe * total else Severity.WARNING
