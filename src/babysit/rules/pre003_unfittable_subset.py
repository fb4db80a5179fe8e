"""PRE003: a handful of examples cannot be fitted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from babysit.measure.record import Probe, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import LECTURE, change_rate, number, percent


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
    Noise in the targets of a regression on few features is not learnt by heart either, as near inputs would need far
    different outputs; what stays below `noise` is information alone.

    ## Options
    The loss to reach is the probe's own. `noise` lies below what a ReLU before centred targets leaves, half of
    guessing. A tanh may leave less; outputs that cannot reach their targets have a rule of their own, DAT007.

    ## References
    CS231n 2017, lecture 6: "if you have just a very small training set, you should be able to over fit this very
    well".
    """

    code: ClassVar[str] = "PRE003"
    name: ClassVar[str] = "unfittable-subset"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("probe:overfit",)
    source: ClassVar[str] = LECTURE

    noise: float = threshold(0.1, unit="× loss of guessing, of a regression")
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
        found, remedies, severity = self._reason(probe, self._noise_share(run, loss))
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

    def _noise_share(self, run: RunRecord, loss: float) -> float | None:
        """What is left of the loss of guessing where noise of the targets alone may leave it; ``None`` elsewhere."""
        chance = run.header.chance_loss
        if run.header.task != "regression" or chance is None or not 0 < chance < math.inf:
            return None
        return loss / chance if 0 <= loss < self.noise * chance else None

    def _reason(self, probe: Probe, noise: float | None) -> tuple[str, tuple[str, ...], Severity]:
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
        if noise is not None:
            left = f"{percent(noise)} of guessing is left, which may be noise of the targets"
            return f"it {'was still falling' if falls else 'stalled'}: {left}", _NOISE, Severity.INFO
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


_NOISE = (
    "leave it, if near inputs have targets that differ so: a smooth network does not learn noise by heart",
    "if they do not: use a larger network, and check that its outputs can be as large and as small as the targets",
)
