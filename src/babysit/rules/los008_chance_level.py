"""LOS008: the training is no better than guessing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.rate_range import rates_that, tried_rates
from babysit.measure.record import RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._curve import Curve
from babysit.rules._updates import peak_ratio
from babysit.rules._words import LECTURE, change_rate, highest_rate, number, precisely


@dataclass(frozen=True)
class ChanceLevel(Rule):
    """After enough steps, or at every learning rate, the loss is that of the best constant prediction.

    ## What it measures
    The lowest level of the loss against the chance level, −ln(1/C) for C balanced classes, the variance of the targets
    for a squared error, as far as the mini-batches' noise lets it tell; and the mean of the later half against it. And,
    where many learning rates were tried for a few steps each, whether any brought the loss down at all.

    ## Why it hurts
    Nothing of the inputs arrives at the outputs, or nothing of the error arrives at the weights. More steps will not
    change that.

    ## What to try
    Initialise the weights at random, not all alike (He's scheme for rectifiers); lower the learning rate if the
    network died in its first steps; check that inputs and labels still belong together, that every layer gets a
    gradient, and that the loss is given what it expects.

    ## When it is a false alarm
    When the inputs really say nothing about the targets. A rate that is merely too low is not reported here: its steps
    are small, or the accuracy moves although the loss does not.

    ## Options
    `guessing` is the share of the chance level that still counts as guessing, `errors` what noise may take off the
    lowest of the levels, down to `floor` at most.

    ## References
    CS231n 2017, lecture 6: all weights zero, and the deep networks whose activations or gradients vanish, do not train.
    """

    code: ClassVar[str] = "LOS008"
    name: ClassVar[str] = "chance-level"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = LECTURE

    guessing: float = threshold(0.98, unit="× chance level")
    errors: float = threshold(2.0, unit="standard errors of a level")
    floor: float = threshold(0.9, unit="× chance level")
    min_steps: int = threshold(200, unit="steps")
    moved: float = threshold(1.5, unit="× accuracy of guessing")
    small_steps: float = threshold(1e-3, unit="largest update norm / weight norm", source=LECTURE)

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        yield from self._at_every_rate(run)
        yield from self._after_training(run)

    def _at_every_rate(self, run: RunRecord) -> Iterator[Finding]:
        probe = run.probe("learning-rate")
        tried = tried_rates(probe)
        measured = [(item.ratio, item.rate) for item in tried if item.ratio == item.ratio]
        if rates_that("falls", probe) or not rates_that("slow", probe) or not measured:
            return
        ratio, rate = min(measured)
        yield self.finding(
            f"no learning rate from {number(tried[0].rate)} to {number(tried[-1].rate)} brings the loss down: at best "
            f"it ends at {precisely(ratio)} of what it was",
            evidence=(
                Evidence("loss after / loss before", ratio, self.guessing),
                Evidence("learning rate of the best", rate),
                Evidence("learning rates tried", float(len(tried))),
            ),
            remedies=_REMEDIES,
        )

    def _after_training(self, run: RunRecord) -> Iterator[Finding]:
        curve = Curve.of(run)
        if curve.chance is None or len(curve.losses) < self.min_steps:
            return
        lowest, late = float(curve.levels().min()), float(curve.losses[len(curve.losses) // 2 :].mean())
        guessed = self.guessing * curve.chance
        limit = max(guessed - self.errors * curve.level_error(), self.floor * curve.chance)
        peak = peak_ratio(run)
        too_slow = peak is not None and 0 < peak < self.small_steps
        if lowest < limit or late < guessed or too_slow or self._accuracy_moved(run):
            return
        rate = highest_rate(run)
        yield self.finding(
            f"after {len(curve.losses)} steps the loss has not been below {precisely(lowest)}, where guessing gives "
            f"{precisely(curve.chance)}: the network has learnt nothing",
            evidence=(
                Evidence("lowest level of the loss", lowest, limit),
                Evidence("mean loss of the later half", late, guessed),
                *(() if peak is None else (Evidence("largest update / weights", peak),)),
            ),
            remedies=(*_REMEDIES, change_rate(rate, 0.1)),
            steps=(0, len(curve.losses) - 1),
        )

    def _accuracy_moved(self, run: RunRecord) -> bool:
        if run.header.classes < 2:
            return False
        scores = [item.score for item in run.evaluated("train") or run.evaluated("validation")]
        return max(scores, default=0.0) > self.moved / run.header.classes


_REMEDIES = (
    "initialise the weights at random: He's scheme for rectifiers, Xavier's for tanh",
    "check that every layer gets a gradient, and that inputs and labels belong together",
)
