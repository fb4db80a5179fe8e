"""LOS001: the loss became NaN or infinite."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import Origin, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._origin import first_broken_module, first_origin, operation_remedy, place
from babysit.rules._updates import peak_ratio
from babysit.rules._words import LECTURE, change_rate, number, rate_at

_DATA = {
    "input": "an input of that batch is NaN or infinite, so neither the model nor the learning rate is at fault",
    "target": "a target of that batch is NaN or infinite, so neither the model nor the learning rate is at fault",
}
_ON_GRADIENT = (
    "look for the square root, norm, standard deviation, power or logarithm of zero, and add an epsilon inside it",
    "torch.autograd.set_detect_anomaly(True) for that step names the line",
)
_ON_STABILITY = "give the loss logits (cross_entropy), not the logarithm of a softmax; keep an epsilon in divisions"


@dataclass(frozen=True)
class NonfiniteLoss(Rule):
    """The loss is NaN or infinite.

    ## What it measures
    The first training step whose loss is NaN or infinite, the losses just before it, the sizes of the updates, and
    where the first number that is not finite arose: stage, layer and operation as far as the loss's graph told; else
    the first layer in which a sampled statistic was not finite.

    ## Why it hurts
    One NaN reaches every weight at the next update, and nothing brings the weights back. All later steps are lost.

    ## What to try
    If the loss was growing, or became NaN within a few steps, or the updates were as large as the weights: the
    learning rate is too high; divide it by 10 until the loss falls. If the loss is NaN at the very first step: the
    data, the initial weights or the loss function are at fault. If the loss was falling well: look for a logarithm or
    a division of zero, an overflow in half precision, or one bad example, and clip the gradient's norm.

    ## When it is a false alarm
    Never while the last losses are NaN. A training that skips such steps on purpose, as a gradient scaler does, goes
    on with finite losses: that is a warning only.

    ## Options
    The limits only decide whether the learning rate is named as the cause, not whether the rule speaks.

    ## References
    CS231n 2017, lecture 6: "when you have NaNs, what this usually means is that basically your cost exploded. And so,
    the reason for that is typically that your learning rate was too high".
    """

    code: ClassVar[str] = "LOS001"
    name: ClassVar[str] = "nonfinite-loss"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("losses",)
    source: ClassVar[str] = LECTURE

    growth: float = threshold(1.5, unit="× first loss")
    early: int = threshold(10, unit="steps")
    update: float = threshold(0.3, unit="update norm / weight norm", source="300 × the lecture's 1e-3")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        losses = run.losses
        broken = [step for step, loss in enumerate(losses) if not math.isfinite(loss)]
        if not broken:
            return
        first, lost = broken[0], broken[-1] == len(losses) - 1
        origin = first_origin(run)
        message, remedies = self._cause(run, first, origin)
        module = (origin.module if origin else "") or first_broken_module(run)
        yield self.finding(
            f"the loss is {losses[first]} at step {first}{_where(origin, module)}; {message}",
            evidence=self._evidence(run, broken),
            remedies=remedies,
            module=module,
            steps=(first, broken[-1]),
            severity=Severity.ERROR if lost else Severity.WARNING,
        )

    def _cause(self, run: RunRecord, first: int, origin: Origin | None) -> tuple[str, Sequence[str]]:
        if origin is not None and origin.stage in _DATA:
            return _DATA[origin.stage], (
                f"look at the batch of step {first}, and drop or replace what is not a number",
            )
        by_operation = operation_remedy(origin)
        grown, large = self._grew(run, first), (peak_ratio(run) or 0.0) > self.update
        if by_operation and not grown and not (large and first > 0):
            return "what it was given has no finite result there", (by_operation, *_further(first))
        if first == 0:
            return (
                "no update had been made, so the data, the initial weights or the loss function are at fault",
                ("check inputs and targets for NaN and infinity", "start from smaller weights", _ON_STABILITY),
            )
        before = run.losses[:first]
        stage = origin.stage if origin else ""
        if stage == "gradient" and not grown and not large:
            return "the loss was still a number there, so the backward pass broke, not the forward one", _ON_GRADIENT
        if not (grown or large or stage == "weights" or first <= self.early):
            return (
                f"the loss had been falling (from {number(before[0])} to {number(before[-1])}), so one batch or a "
                "numerical limit is the likelier cause, not the learning rate",
                (
                    f"look at the batch of step {first} for NaN, infinity and extreme values",
                    _ON_STABILITY,
                    "clip the gradient's norm, for instance to 1",
                ),
            )
        rate = rate_at(run, first)
        grew = f"it went from {number(before[0])} to {number(before[-1])} before: " if grown else ""
        named = f" (lr {number(rate)})" if rate else ""
        return (
            f"{grew}the learning rate is too high{named}",
            (
                change_rate(rate, 0.1) + ", and by 10 again until the loss falls",
                "clip the gradient's norm",
                *((by_operation,) if by_operation else ()),
            ),
        )

    def _grew(self, run: RunRecord, first: int) -> bool:
        before = run.losses[:first]
        return bool(before) and max(before[-5:]) > self.growth * abs(before[0])

    def _evidence(self, run: RunRecord, broken: list[int]) -> list[Evidence]:
        evidence = [Evidence("losses that are NaN or infinite", len(broken), 0, "steps")]
        if broken[0] > 0:
            evidence += [
                Evidence("first loss", run.losses[0]),
                Evidence("last finite loss before", run.losses[broken[0] - 1], self.growth * abs(run.losses[0])),
            ]
        rate = rate_at(run, broken[0])
        return [*evidence, Evidence("learning rate", rate)] if rate else evidence


def _where(origin: Origin | None, module: str) -> str:
    if origin is None:
        return f"; first seen in layer {module}" if module else ""
    detail = f" ({origin.detail})" if origin.detail else ""
    return f"; the first number that is not finite arose {place(origin)}{detail}".replace("\n", " ")


def _further(first: int) -> tuple[str, ...]:
    return () if first == 0 else (f"look at the batch of step {first} for extreme values",)
