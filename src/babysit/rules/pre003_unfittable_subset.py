"""PRE003: a handful of examples cannot be fitted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from babysit.measure.record import Probe, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import LECTURE, change_rate, number


@dataclass(frozen=True)
class UnfittableSubset(Rule):
    """Some twenty examples cannot be driven to a loss near zero.

    ## What it measures
    The loss and score after training on a few examples without regularisation, against the loss aimed at, and the
    way the loss went: diverged, stalled, still falling, or right about the classes but not sure of them.

    ## Why it hurts
    A network that cannot memorise twenty examples will not learn from twenty thousand. The fault is in the model, the
    loss, the gradient or the learning rate, and is far easier to find here than in a long training.

    ## What to try
    Diverged: lower the learning rate. Still falling: more epochs or a higher rate. Stalled: check that every layer gets
    a gradient, that the outputs fit the loss (logits for cross-entropy, no activation after the last layer), and that
    equal inputs do not carry different labels.

    ## When it is a false alarm
    Dropout and strong augmentation keep a small set from being memorised; the check should run without them.
    A model far too small for the task, such as a linear one on data that no line separates, stalls rightly.

    ## Options
    The loss to reach is the probe's own.

    ## References
    CS231n 2017, lecture 6: "if you have just a very small training set, you should be able to over fit this very
    well".
    """

    code: ClassVar[str] = "PRE003"
    name: ClassVar[str] = "unfittable-subset"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("probe:overfit",)
    source: ClassVar[str] = LECTURE

    right: float = threshold(0.999, unit="score")
    falling: float = threshold(0.05, unit="share the last quarter still fell")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        probe = run.probe("overfit")
        if probe is None or "loss" not in probe.numbers or "target_loss" not in probe.numbers:
            return
        loss, target = probe.numbers["loss"], probe.numbers["target_loss"]
        if loss <= target:
            return
        found, remedies, severity = self._reason(probe)
        score = probe.numbers.get("score")
        yield self.finding(
            f"{number(probe.numbers.get('examples', 0))} examples were not fitted in "
            f"{number(probe.numbers.get('epochs', 0))} epochs: loss {number(loss)}, not {number(target)}; {found}",
            evidence=(
                Evidence("loss", loss, target),
                *(() if score is None else (Evidence("score", score, self.right),)),
            ),
            remedies=remedies,
            severity=severity,
        )

    def _reason(self, probe: Probe) -> tuple[str, tuple[str, ...], Severity]:
        rate, loss = probe.numbers.get("lr"), probe.numbers["loss"]
        if not math.isfinite(loss) or loss > probe.numbers.get("initial_loss", math.inf):
            return "the loss diverged", (change_rate(rate, 0.1), "scale the inputs"), Severity.ERROR
        falls = self._still_falling(probe.series.get("losses", ()))
        if probe.numbers.get("score", 0.0) >= self.right:
            return (
                "all examples are right, but not yet for sure",
                (
                    "train for more epochs",
                    change_rate(rate, 3),
                    "check that the outputs are not squashed before the loss",
                ),
                Severity.WARNING,
            )
        if falls:
            return "it was still falling", ("train for more epochs", change_rate(rate, 3)), Severity.WARNING
        return (
            "it stalled",
            (
                "check that every layer gets a gradient, and that the outputs fit the loss",
                change_rate(rate, 10),
                "look for equal inputs with different labels; use a larger network",
            ),
            Severity.ERROR,
        )

    def _still_falling(self, losses: tuple[float, ...]) -> bool:
        quarter = len(losses) // 4
        if not quarter:
            return False
        before, after = median(losses[-2 * quarter : -quarter]), median(losses[-quarter:])
        return after < (1 - self.falling) * before
