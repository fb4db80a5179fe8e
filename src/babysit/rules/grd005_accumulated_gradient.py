"""GRD005: gradients are never cleared, so that each step follows the sum of all before it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from babysit.measure.record import RunRecord, StepRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import number, percent


@dataclass(frozen=True)
class AccumulatedGradient(Rule):
    """`zero_grad` is missing: every backward pass adds to the gradients of all the steps before.

    ## What it measures
    Whether the gradients were zero or absent when the first backward pass of a step began, at every sampled step but
    the first.

    ## Why it hurts
    The step goes along the sum of all gradients so far, of weights that are long gone: it grows with every step, goes
    on in the same direction after it has become wrong, and overshoots, as with a momentum of 1.

    ## What to try
    `optimizer.zero_grad()` once a step, before `loss.backward()` or after `optimizer.step()`, for every optimizer. To
    gather the gradients of several batches, clear them after the step that uses them, not once an epoch.

    ## When it is a false alarm
    Gradient accumulation that clears after its step is no alarm, nor is an optimizer of several that waits for its
    turn: nearly all steps have to begin with gradients left, and all of them where models are trained against each
    other. Where it cannot be told, nothing is said. Leaving the gradients on purpose, to average over all steps, is a
    true exception.

    ## Options
    `share` still reports a script that clears once in `1 / (1 − share)` steps, such as once an epoch.

    ## References
    PyTorch, `torch.optim.Optimizer.zero_grad`: `backward()` adds to what is in `.grad`.
    """

    code: ClassVar[str] = "GRD005"
    name: ClassVar[str] = "accumulated-gradient"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("steps",)
    source: ClassVar[str] = "PyTorch documentation, torch.optim.Optimizer.zero_grad: gradients accumulate"

    share: float = threshold(0.95, unit="share of the sampled steps")
    min_samples: int = threshold(10, unit="sampled steps")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        known = [step for step in run.steps[1:] if step.cleared is not None]
        left = [step for step in known if not step.cleared]
        needed = self.share if run.header.progress else 1.0
        if len(known) < self.min_samples or len(left) < needed * len(known):
            return
        growth = _growth(left)
        yield self.finding(
            f"gradients of the steps before are still there at {percent(len(left) / len(known))} of the sampled steps "
            f"when the backward pass begins: zero_grad() is missing, so that every step follows the sum of all"
            + (f" (the gradient's norm is {number(growth)} × that of the first steps)" if growth else ""),
            evidence=(
                Evidence("steps that begin with gradients left", len(left) / len(known), needed, "share of steps"),
                Evidence("sampled steps", float(len(known)), float(self.min_samples), "steps"),
                *((Evidence("gradient norm lately / at first", growth),) if growth else ()),
            ),
            remedies=(
                "call optimizer.zero_grad() once a step, before loss.backward()",
                "to gather several batches, clear the gradients after the optimizer.step() that uses them",
            ),
            steps=(left[0].step, left[-1].step),
        )


def _growth(steps: Sequence[StepRecord]) -> float | None:
    norms = [step.gradient_norm for step in steps if step.gradient_norm is not None]
    tenth = max(1, len(norms) // 10)
    first, lately = (median(part) if part else 0.0 for part in (norms[:tenth], norms[-tenth:]))
    return lately / first if 0 < first < math.inf and 0 < lately < math.inf else None
