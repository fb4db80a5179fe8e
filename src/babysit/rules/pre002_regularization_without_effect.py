"""PRE002: regularisation changes neither the loss nor the weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import LECTURE, number, numbers_of

_ROUNDING = 1e-6


@dataclass(frozen=True)
class RegularizationWithoutEffect(Rule):
    """Turning the regularisation up does not raise the loss, or does not shrink the weights.

    ## What it measures
    The loss without and with a regularisation of known strength, against the penalty that the weights should add; and
    the norm of the weights before and after one step of weight decay alone, which may also take them beyond zero.

    ## Why it hurts
    A regularisation that does not reach the weights is a setting without effect: raising it against overfitting does
    nothing, and a search over it is wasted.

    ## What to try
    Pass the model's own parameters to the optimizer after all its layers exist; add the penalty to the loss that is
    differentiated; check that the parameter groups with weight decay hold the weights.

    ## When it is a false alarm
    When the regularisation is off on purpose. A penalty too small for the loss's precision is not judged.

    ## Options
    `arrived` is the share of the penalty that must show in the loss.

    ## References
    CS231n 2017, lecture 6: "crank up the regularization, and when we do that, we want to see that our loss goes up".
    """

    code: ClassVar[str] = "PRE002"
    name: ClassVar[str] = "regularization-without-effect"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("probe:regularization",)
    source: ClassVar[str] = LECTURE

    arrived: float = threshold(0.5, unit="of the penalty")
    precision: float = threshold(1e-5, unit="× loss", source="a hundred roundings of float32")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        numbers = numbers_of(run, "regularization")
        if numbers.get("strength", 0.0) > 0 and numbers.get("weight_norm_before") == 0:
            yield self._nothing_there()
        elif numbers.get("strength", 0.0) > 0:
            yield from self._loss(run)
            yield from self._weights(run)

    def _nothing_there(self) -> Finding:
        return self.finding(
            "all weights are zero: there is nothing to regularise, and all units of a layer would stay alike",
            evidence=[Evidence("weight norm before the step", 0.0, 0.0)],
            remedies=(
                "initialise the weights at random: He's scheme for rectifiers, Xavier's for tanh",
                "if the model is not meant to have weights of two dimensions or more, leave the regularisation out",
            ),
        )

    def _loss(self, run: RunRecord) -> Iterator[Finding]:
        numbers = numbers_of(run, "regularization")
        if not {"loss_without", "loss_with", "penalty"} <= set(numbers):
            return
        without, with_, penalty = (numbers[name] for name in ("loss_without", "loss_with", "penalty"))
        measurable = not 0 < penalty <= self.precision * abs(without)
        risen = with_ - without
        if not measurable or (risen > 0 and risen >= self.arrived * penalty):
            return
        yield self.finding(
            f"with strength {number(numbers['strength'])} the loss goes from {number(without)} to {number(with_)}, "
            f"where the weights' penalty is {number(penalty)}: "
            + ("no weights are regularised" if penalty == 0 else "the penalty does not reach the loss"),
            evidence=[Evidence("rise of the loss", risen, self.arrived * penalty)],
            remedies=(
                "add the penalty to the loss that is differentiated",
                "check that the regularised parameters are the model's weights",
            ),
        )

    def _weights(self, run: RunRecord) -> Iterator[Finding]:
        numbers = numbers_of(run, "regularization")
        before, after = numbers.get("weight_norm_before"), numbers.get("weight_norm_after")
        if before is None or after is None or after < before:
            return
        if after > before * (1 + _ROUNDING):
            yield self._too_far(before, after)
            return
        yield self.finding(
            f"a step of weight decay alone leaves the weights' norm at {number(after)} (before: {number(before)}): "
            "it does not reach the weights",
            evidence=[Evidence("weight norm after the step", after, before)],
            remedies=("check that the optimizer's parameter groups with weight decay hold the model's weights",),
        )

    def _too_far(self, before: float, after: float) -> Finding:
        return self.finding(
            f"a step of weight decay alone takes the weights beyond zero, from a norm of {number(before)} to "
            f"{number(after)}: the learning rate is too high for it",
            evidence=[Evidence("weight norm after the step", after, before)],
            remedies=(
                "lower the learning rate, or the weight decay",
                "with Adam take AdamW, whose decay is not divided by the size of the gradients",
            ),
            severity=Severity.WARNING,
        )
