"""DAT003: NaN or infinity in the data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import TRAIN, Forward, LossCall, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import number, numbers_of, percent


@dataclass(frozen=True)
class NonfiniteInput(Rule):
    """Some inputs or targets are NaN or infinite.

    ## What it measures
    How many values of the inputs are NaN or infinite, where all of them were looked at; which of the model's inputs and
    of the loss function's targets held such values, in training and in evaluation passes; and where the first number of
    the training that is not finite came from.

    ## Why it hurts
    One such value makes the loss of its batch NaN, and the update after it makes every weight NaN.

    ## What to try
    Drop those rows, or fill them with the training set's mean and add a column that says where. Look at where they come
    from: an empty cell, a division by a spread of zero, the logarithm of zero.

    ## When it is a false alarm
    For models that are made to take missing values. Where every training loss stayed finite although inputs were not,
    it is information only.

    ## Options
    `allowed` is for data in which missing values are handled inside the model.

    ## References
    SageMaker Debugger and TheDeepChecker check the same.
    """

    code: ClassVar[str] = "DAT003"
    name: ClassVar[str] = "nonfinite-input"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "TheDeepChecker; SageMaker Debugger"

    allowed: float = threshold(0.0, unit="values")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        count = numbers_of(run, "data").get("nonfinite", 0.0)
        seen = _seen(run)
        if count > self.allowed:
            yield self.finding(
                f"the data hold {number(count)} value{'s' if count > 1 else ''} that {'are' if count > 1 else 'is'} "
                f"NaN or infinite{_first(seen)}",
                evidence=(Evidence("values that are NaN or infinite", count, self.allowed), *_shares(seen)),
                remedies=(_REMEDY,),
                steps=(seen[0].step if seen else None, None),
                severity=self._how_bad(run, seen, known=bool(run.forwards)),
            )
        elif seen and self.allowed <= 0:
            where, what = seen[0].phase, seen[0].what
            share = f": {percent(seen[0].share)} of a batch" if seen[0].share > 0 else ""
            yield self.finding(
                f"{what} of {_PHASES.get(where, where)} at step {seen[0].step} hold NaN or infinite values{share}",
                evidence=_shares(seen) or (Evidence("places of such values", 1.0, 0.0),),
                remedies=(_REMEDY,),
                steps=(seen[0].step, None),
                severity=self._how_bad(run, seen, known=True),
            )

    def _how_bad(self, run: RunRecord, seen: list[_Seen], *, known: bool) -> Severity:
        broken = any(not math.isfinite(loss) for loss in run.losses)
        if broken or not known or not run.losses:
            return self.severity
        evaluated = any(item.phase != TRAIN for item in seen)
        return Severity.WARNING if evaluated else Severity.INFO


@dataclass(frozen=True)
class _Seen:
    """Values that are not finite: where, and what share of the values there (0 when unknown)."""

    step: int
    phase: str
    what: str
    share: float = 0.0


_PHASES = {"train": "the training", "evaluation": "an evaluation pass"}
_REMEDY = "drop those examples, or fill the gaps with the training set's mean"


def _seen(run: RunRecord) -> list[_Seen]:
    """In the order of the steps; batches before the origins, which carry no share."""
    found = [_of(item, "the inputs", item.inputs.nonfinite) for item in run.forwards if item.inputs is not None]
    found += [_of(call, "the targets", call.targets.nonfinite) for call in run.calls]
    stages = {"input": "the inputs", "target": "the targets"}
    found = [item for item in found if item.share > 0]
    found += [_Seen(item.step, TRAIN, stages[item.stage]) for item in run.origins if item.stage in stages]
    return sorted(found, key=lambda item: item.step)


def _of(item: Forward | LossCall, what: str, share: float) -> _Seen:
    return _Seen(item.step, item.phase, what, share)


def _first(seen: list[_Seen]) -> str:
    if not seen:
        return ""
    return f", first in {seen[0].what} of {_PHASES.get(seen[0].phase, seen[0].phase)} at step {seen[0].step}"


def _shares(seen: list[_Seen]) -> tuple[Evidence, ...]:
    shares = [item.share for item in seen if item.share > 0]
    if not shares:
        return ()
    return (
        Evidence("largest share of a batch's values", max(shares), 0.0),
        Evidence("recorded batches with such values", float(len(shares)), 0.0),
    )
