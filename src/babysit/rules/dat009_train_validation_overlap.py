"""DAT009: examples of evaluation were also seen in training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._overlap import full_overlap, partial_overlap
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
    choice of hyperparameters uses, as a share of the split that judges. In a watched training: how many examples of the
    latest evaluation passes had been in a training batch, by fingerprints of their values, as far as the passes were
    recorded (their first batches).

    ## Why it hurts
    Examples that were trained on are recognised, not predicted. The score is too good by about that share, and
    overfitting goes unseen.

    ## What to try
    Split before augmenting or oversampling. Remove duplicates before splitting, and keep what belongs together (one
    patient, one video) in one split.

    ## When it is a false alarm
    Published data sets hold a few accidental duplicates: up to 1 %, or up to three examples of a small set, is
    information only. Data with few different values (a handful of categories) repeats itself by nature: where training
    batches do so within the first epoch, for texts, and where an input is a single row of numbers, a watched training
    says nothing. A pass over the training set beside one over other data is as it should be; where nothing else is
    evaluated on purpose, that is a warning to be ignored. Passes at nearly every step are part of the training.

    ## Options
    Shares of the split that judges; those that begin with `watched` are of the recorded part of a pass.

    ## References
    Heuristic limits; exact duplicates across the splits of well-known sets stay under 1 %.
    """

    code: ClassVar[str] = "DAT009"
    name: ClassVar[str] = "train-validation-overlap"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "heuristic"

    accidental: float = threshold(0.01, unit="of the split")
    accidental_examples: int = threshold(3, unit="examples")
    severe: float = threshold(0.1, unit="of the split")
    watched: float = threshold(0.03, unit="of the pass")
    watched_severe: float = threshold(0.5, unit="of the pass")

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

        if not any(overlap in numbers for overlap, _, _ in _OVERLAPS):  # the watcher did not see the splits
            yield from self._watched(run)

    def _watched(self, run: RunRecord) -> Iterator[Finding]:
        part = partial_overlap(run, self.watched, self.accidental_examples)
        found = part or full_overlap(run)
        if found is None:
            return
        share = found.seen / found.examples
        seen = f"{found.seen} of {found.examples} examples of an evaluation pass at step {found.step}"
        yield self.finding(
            f"{seen} had been in training batches before ({percent(share)})"
            if part
            else f"everything that is evaluated was trained on: {seen}, and likewise in all {found.passes} passes",
            evidence=(
                Evidence("share of the pass", share, self.watched),
                Evidence("examples", float(found.seen), self.accidental_examples),
            ),
            remedies=(
                "remove duplicates before splitting, and split before augmenting or oversampling",
                "check that the validation data is made of the rows, indices or files that training does not use",
            ),
            steps=(found.step, found.step),
            severity=Severity.ERROR if part and share > self.watched_severe else Severity.WARNING,
        )

    def _how_bad(self, shared: float, total: float) -> Severity:
        if shared <= self.accidental_examples or shared <= self.accidental * total:
            return Severity.INFO
        return Severity.ERROR if shared > self.severe * total else Severity.WARNING
