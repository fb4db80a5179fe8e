"""DAT008: the same batch at every step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from babysit.measure.record import EVALUATION, TRAIN, Forward, LossCall, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import percent


@dataclass(frozen=True)
class RepeatedBatch(Rule):
    """Every step trains on the same examples, although there are more.

    ## What it measures
    At the recorded steps, how many of a batch's examples were in the batch before; and whether there are more. A loader
    with several batches an epoch says so for certain. Where only a larger tensor that the batch is a slice of, or an
    evaluation pass over other examples, hints at more, the batch must have been learnt by heart as well: the loss fell
    to a small part, and that of the evaluation, where it is known, did not follow. Where no model was seen called, the
    targets of the loss function stand for the batch.

    ## Why it hurts
    The network learns one batch by heart. The training loss goes to zero, and nothing else is learnt.

    ## What to try
    Draw the batch inside the loop: `next(iter(loader))` outside of it, or a new iterator at every step, gives the first
    batch for ever; `x[:64]` is to move on with the step.

    ## When it is a false alarm
    Overfitting one batch on purpose, as a check before the training proper, and training on all of very few examples
    with a large test set. L-BFGS, which evaluates a batch several times, and toy problems of up to four features, whose
    training set is often a handful of points, are silent.

    ## Options
    `share` is how many of the recorded batches must repeat, `more` how many examples there must be, `learnt` and `gap`
    how far the training loss must have fallen, and the evaluation's be above it.

    ## References
    Heuristic.
    """

    code: ClassVar[str] = "DAT008"
    name: ClassVar[str] = "repeated-batch"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "heuristic"

    share: float = threshold(0.9, unit="of the recorded batches")
    fewest: int = threshold(8, unit="recorded batches")
    more: float = threshold(2.0, unit="× the batch")
    small: int = threshold(512, unit="examples of a batch, where no loader tells of more")
    learnt: float = threshold(0.1, unit="of the first loss")
    gap: float = threshold(5.0, unit="evaluation loss / training loss")
    toy: int = threshold(4, unit="features of an example")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        if "LBFGS" in run.header.optimizer or not run.header.progress:
            return
        found = _by_forwards(run, self.toy) if run.forwarded(TRAIN) else _by_targets(run)
        if found is None or found.batches < self.fewest or not found.again > self.share * found.batches:
            return
        if not found.there >= self.more * found.size > 0:
            return
        if not found.certain and not (found.size <= self.small and self._by_heart(run, found)):
            return
        yield self.finding(
            f"the same {found.size} examples are trained on at every step ({percent(found.again / found.batches)} of "
            f"{found.batches} recorded batches equal the one before), while {found.there} {found.where}",
            evidence=(
                Evidence("share of batches that equal the one before", found.again / found.batches, self.share),
                Evidence("examples of a batch", float(found.size)),
                Evidence("examples there are", float(found.there), self.more * found.size),
            ),
            remedies=(
                "draw the batch inside the loop: for x, y in loader, not next(iter(loader)) once or anew every step",
                f"let the slice move on: x[i:i + {found.size}]",
            ),
            steps=found.steps,
            severity=None if found.certain else Severity.WARNING,
        )

    def _by_heart(self, run: RunRecord, found: _Repeated) -> bool:
        """Whether the batch was learnt, and what is evaluated was not as far as that is known."""
        losses = run.losses
        if not losses or found.toy or not min(losses[-5:]) < self.learnt * losses[0]:
            return False
        trained, evaluated = _level(run.called(TRAIN)), _level(run.called(EVALUATION))
        if evaluated is not None and trained is not None:
            return evaluated > self.gap * trained
        # a few examples of each class, equally many, are chosen so: all there is to train on
        balanced = all(len({count for count in call.counts if count}) < 2 for call in run.called(TRAIN))
        return found.models and not balanced


@dataclass(frozen=True)
class _Repeated:
    """Recorded batches after the first, those that equal the one before, and how many examples there are."""

    batches: int
    again: int
    size: int
    there: int
    where: str
    steps: tuple[int, int]
    certain: bool = False
    toy: bool = False
    models: bool = True


def _by_forwards(run: RunRecord, toy: int) -> _Repeated | None:
    first: dict[int, Forward] = {}
    for item in run.forwarded(TRAIN):
        if item.examples > 1 and item.shape:
            first.setdefault(item.step, item)
    batches = [first[step] for step in sorted(first)][1:]
    again = [item for item in batches if item.repeated == item.examples and 2 * item.distinct >= item.examples]
    if not again:
        return None
    size = max(item.shape[0] for item in again)
    epoch = run.header.steps_per_epoch
    loader = max(max(item.available for item in again), epoch * size if epoch > 1 else 0)
    evaluated = _largest_pass(run)
    return _Repeated(
        len(batches),
        len(again),
        size,
        max(loader, evaluated),
        "are at hand" if loader >= evaluated else "others are evaluated between two steps",
        (again[0].step, again[-1].step),
        certain=epoch > 1,
        toy=math.prod(again[0].shape[1:]) <= toy,
    )


def _largest_pass(run: RunRecord) -> int:
    """Most examples that were evaluated between two steps and never trained on."""
    passes: dict[int, int] = {}
    for item in run.forwarded(EVALUATION):
        passes[item.step] = passes.get(item.step, 0) + item.examples - item.seen
    return max(passes.values(), default=0)


def _by_targets(run: RunRecord) -> _Repeated | None:
    """The targets' numbers stand for the batch: values that vary, since equal labels are no sign of equal examples."""
    calls = [call for call in run.called(TRAIN) if not call.counts and call.target_shape and call.targets.std > 0]
    evaluated = [call.target_shape[0] for call in run.called(EVALUATION) if call.target_shape]
    again = [call for one, call in pairwise(calls) if one.targets == call.targets and one.step != call.step]
    if not again or not evaluated:
        return None
    return _Repeated(
        len(calls) - 1,
        len(again),
        again[0].target_shape[0],
        max(evaluated),
        "are evaluated at once",
        (again[0].step, again[-1].step),
        models=False,
    )


def _level(calls: Sequence[LossCall]) -> float | None:
    """The last value of the loss; ``None`` where there is none, or several losses are added up."""
    finite = [call.value for call in calls if math.isfinite(call.value)]
    return finite[-1] if finite and len({call.name for call in calls}) == 1 else None
