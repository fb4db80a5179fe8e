"""PRE001: the loss before training is not that of guessing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import Probe, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import LECTURE, number


@dataclass(frozen=True)
class UnexpectedInitialLoss(Rule):
    """An untrained network does not lose as much as guessing does.

    ## What it measures
    The loss before the first update over that of guessing: ln C for C balanced classes, the variance of the targets
    for squared error. The difference must also exceed twice the spread of the loss over batches, or the loss of every
    batch be so much too high that it would be an error. A loss that is as
    expected once the inputs are scaled is a warning, which unscaled inputs explain. Squared error of targets that lie
    off zero is as much higher as their mean squared, which is learnt soon unless it is many times their spread; so it
    is where the outputs begin elsewhere, as those of a sigmoid in the middle between black and white.

    The outputs of a usual last layer shrink with its weights, and what the loss lies above guessing shrinks at least
    as much: by half when all parameters are halved. Where most of it stays, outputs and features are normalised and a
    fixed scale makes them so large, which is a choice and no fault of the start: information.

    ## Why it hurts
    Too high: the first part of the training is spent on bringing the outputs back down. Too low: the loss is not what
    it is taken for, or the answer is among the inputs. Either way the loss curve misleads from its first point.

    ## What to try
    Too high: smaller weights in the last layer, biases of zero, scaled inputs; for regression, centred and scaled
    targets. A factor of just the batch size: the loss sums over the batch where it should average. Too low: look for
    the labels among the inputs, a loss that is divided twice, and classes that are not there.

    ## When it is a false alarm
    A pretrained model starts below guessing. He-initialised outputs add up to half a unit of loss, which is allowed
    for. A loss with a margin and a scale of its own, as ArcFace, starts above guessing on purpose; it is information,
    but where the scale is a parameter that is trained.

    ## Options
    Factors above and below the expected loss, for a warning and for an error, which a loss of classes that is too high
    is from twice `allowed` on; `offset` is how far from zero targets may
    lie; `fixed` is how much of what the loss is too high stays with half the parameters.

    ## References
    CS231n 2017, lecture 6: "if we have 10 classes, it'll be something like negative log of one over 10". torchtest2
    warns at 2 ln C; TheDeepChecker also finds a sum in place of a mean.
    """

    code: ClassVar[str] = "PRE001"
    name: ClassVar[str] = "unexpected-initial-loss"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("probe:initial-loss",)
    source: ClassVar[str] = LECTURE

    high: float = threshold(1.5, unit="× expected loss")
    far_high: float = threshold(2.0, unit="× expected loss", source="torchtest2")
    low: float = threshold(0.8, unit="× expected loss")
    far_low: float = threshold(0.5, unit="× expected loss")
    allowed: float = threshold(0.5, unit="of cross-entropy", source="He-initialised outputs of spread 1 add so much")
    spreads: float = threshold(2.0, unit="× spread over batches")
    offset: float = threshold(3.0, unit="standard deviations of the targets", source="DAT001's, of a feature")
    summed: float = threshold(0.25, unit="relative difference from the batch size")
    fixed: float = threshold(
        0.7, unit="share of the excess that stays", source="convexity of cross-entropy: at most 0.5 of a linear layer"
    )

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        probe = run.probe("initial-loss")
        loss = probe.numbers.get("loss") if probe else None
        expected = probe.numbers.get("expected") if probe else None
        if probe is None or loss is None or expected is None or not 0 < expected < math.inf:
            return
        factor = loss / expected
        spread = probe.numbers.get("spread", 0.0)
        name = probe.texts.get("loss_name") or run.header.loss_name or "loss"
        scaled = probe.numbers.get("loss_of_scaled")
        is_entropy = run.header.task == "classification" or "cross_entropy" in name or name == "nll_loss"
        offset = probe.numbers.get("target_offset", 0.0)
        # outputs anywhere between zero and the targets' mean lose at most as much as those at zero
        away = max(offset, min(probe.numbers.get("output_offset", 0.0), self.offset))
        certain = not abs(loss - expected) <= self.spreads * spread
        # squares of outputs that are far too large spread as widely as they are large
        beyond = probe.numbers.get("nearest", 0.0) > self.far_high * (1 + away * away) * expected
        if self._is_near(loss, expected, is_entropy) or not (certain or beyond):
            return
        if 1 < factor <= self.high * (1 + away * away):
            if offset > self.offset:
                yield self._off_centre(name, loss, expected, offset)
            return
        far = not self.far_low <= factor <= self.far_high
        far = far and not (is_entropy and 0 < loss - expected <= 2 * self.allowed)
        severity = Severity.ERROR if far else Severity.WARNING
        cause, remedies = self._cause(run, probe, factor)
        halved = probe.numbers.get("loss_of_halved")
        if scaled is not None and self._is_near(scaled, expected, is_entropy):
            severity = Severity.WARNING  # of what follows from the inputs, these are told
            cause = f"the inputs' scale makes it, as with zero mean and unit spread it is {number(scaled)}"
            remedies = ("scale the inputs to zero mean, unit spread",)
        elif halved is not None and halved - expected > self.fixed * (loss - expected) > 0:
            severity = Severity.INFO
            cause = (
                f"a scale that is fixed in the model makes it, as with half of every parameter it is {number(halved)}"
            )
            remedies = ("where no margin and no temperature is meant to, as ArcFace's, take a smaller scale",)
        yield self.finding(
            f"the initial {name} is {number(loss)}, expected {number(expected)} "
            f"(loss of guessing{f', ln {run.header.classes}' if run.header.classes else ''}): {cause}",
            evidence=(
                Evidence("initial loss", loss, expected),
                Evidence("initial loss / expected", factor, self.high if factor > 1 else self.low),
            ),
            remedies=remedies,
            steps=(0, 0),
            severity=severity,
        )

    def _off_centre(self, name: str, loss: float, expected: float, offset: float) -> Finding:
        return self.finding(
            f"the initial {name} is {number(loss)}, expected {number(expected)} (loss of guessing), as the targets lie "
            f"{number(offset)} of their standard deviations from zero: the training begins by learning their mean",
            evidence=(
                Evidence("mean / standard deviation of the targets", offset, self.offset),
                Evidence("initial loss", loss, expected),
            ),
            remedies=(
                "centre the targets and scale them to unit spread",
                "or start the last layer's bias from the targets' mean",
            ),
            steps=(0, 0),
        )

    def _is_near(self, loss: float, expected: float, is_entropy: bool) -> bool:
        near = is_entropy and abs(loss - expected) <= self.allowed
        return near or self.low <= loss / expected <= self.high

    def _cause(self, run: RunRecord, probe: Probe, factor: float) -> tuple[str, tuple[str, ...]]:
        batch = run.header.batch_size
        # what a loss is too high because of its outputs may happen to be as many times as there are examples
        times_mean = probe.numbers.get("times_mean", factor)
        if not math.isfinite(factor):
            return "it is not finite before any update", (
                "check inputs and targets for NaN",
                "start from smaller weights",
            )
        if batch > 1 and all(abs(item / batch - 1) < self.summed for item in (factor, times_mean)):
            return (
                f"about {number(factor)} times too high at {batch} examples a batch, so it sums over the batch",
                ("use reduction='mean', or divide the loss by the batch size",),
            )
        if batch > 1 and all(abs(item * batch - 1) < self.summed for item in (factor, times_mean)):
            return f"about {batch} times too low, so it is divided by the batch size twice", ("divide it once",)
        if factor > 1:
            regression = (
                ("centre the targets and scale them to unit spread",) if run.header.task == "regression" else ()
            )
            are_tokens = probe.texts.get("inputs") == "integers"
            scaling = () if are_tokens else ("scale the inputs to zero mean, unit spread",)
            return (
                "the outputs are too large or off centre",
                (*regression, "start the last layer from smaller weights", *scaling),
            )
        return (
            "lower than guessing allows before any training",
            ("look for the labels among the inputs", "check how the loss is reduced, and the number of classes"),
        )
