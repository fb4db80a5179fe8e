"""LOS009: a loss function is given what it is not defined for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import LossCall, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._calls import by_name
from babysit.rules._words import number

_PROBABILITIES = "probabilities"
_LOGARITHM = "logsoftmax"
_WANTS = {
    "nll_loss": "log-probabilities",
    "kl_div": "log-probabilities",
    "ctc_loss": "log-probabilities",
    "binary_cross_entropy": "probabilities between 0 and 1",
    "poisson_nll_loss": "a rate above 0 (with log_input=False)",
}


@dataclass(frozen=True)
class LossDomain(Rule):
    """What a loss function is given lies outside what it expects, so its value means nothing.

    ## What it measures
    `nll_loss`, `kl_div` and `ctc_loss` expect log-probabilities: their exponentials must add up to 1 over the classes
    and none may be above 0; a `log_softmax` along the wrong dimension adds up over the examples. `binary_cross_entropy`
    expects probabilities between 0 and 1. A Poisson or Gaussian likelihood that is NaN in a call that was given finite
    numbers was given a rate or variance it is not defined for.

    ## Why it hurts
    torch does not check it. The value is no likelihood, it falls without end or sits at a wrong level, and the gradient
    pulls the outputs somewhere else: with logits in `nll_loss`, towards infinity.

    ## What to try
    Apply `log_softmax` before `nll_loss`, `kl_div` and `ctc_loss`, or use `cross_entropy` on the logits. Apply a
    sigmoid before `binary_cross_entropy`, or use `binary_cross_entropy_with_logits`. A softplus before a rate or a
    variance.

    ## When it is a false alarm
    A score that only looks like a log-probability, as in a structured loss built on `nll_loss`, need not be normalised.

    ## Options
    `error` is how far the exponentials' sum may be from 1: rounding in bfloat16 stays within 0.05.

    ## References
    torch's documentation of NLLLoss, KLDivLoss, CTCLoss, BCELoss and PoissonNLLLoss.
    """

    code: ClassVar[str] = "LOS009"
    name: ClassVar[str] = "loss-domain"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("calls",)
    source: ClassVar[str] = "torch.nn.NLLLoss, KLDivLoss, CTCLoss, BCELoss, PoissonNLLLoss"

    error: float = threshold(0.05, unit="|sum of the exponentials − 1|", source="rounding in bfloat16")
    certain: float = threshold(0.9, unit="of the recorded calls")
    fewest: int = threshold(3, unit="recorded calls")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        for name, calls in by_name(run.called("train")).items():
            if _WANTS.get(name) == "log-probabilities":
                bad = [call for call in calls if self._is_no_logarithm(call)]
                if len(calls) >= self.fewest and len(bad) >= self.certain * len(calls):
                    yield self._no_logarithm(name, bad, len(calls))
            elif name in _WANTS or name == "gaussian_nll_loss":
                broken = [call for call in calls if _is_undefined(call)]
                if broken:
                    yield self._undefined(name, broken, len(calls))

    def _is_no_logarithm(self, call: LossCall) -> bool:
        if call.log_row_error is None:
            return False
        if call.output_op == _LOGARITHM:  # of which dimension
            return _knows_its_classes(call) and call.log_row_error > self.error
        return call.log_row_error > self.error or call.outputs.high > self.error

    def _no_logarithm(self, name: str, bad: Sequence[LossCall], calls: int) -> Finding:
        last = bad[-1]
        are_probabilities = last.row_error is not None and last.row_error < self.error and last.outputs.low >= 0
        given, remedy = "logits", "apply log_softmax to the outputs"
        if last.output_op == _LOGARITHM:
            given = "those of a log_softmax along the examples, not along the classes"
            remedy = f"take log_softmax along the classes, dim={len(last.output_shape) - 1},"
        elif are_probabilities:
            given, remedy = f"{_PROBABILITIES}, without a logarithm", "take log_softmax in place of softmax"
        error = float(last.log_row_error or 0.0)
        return self.finding(
            f"{name} expects log-probabilities and is given {given}: between {number(last.outputs.low)} and "
            f"{number(last.outputs.high)}, their exponentials miss a sum of 1 by {number(error)}; the loss is "
            f"{number(last.value)}, which is no likelihood",
            evidence=(
                Evidence("|sum of the exponentials − 1|", error, self.error),
                Evidence("largest output", last.outputs.high, 0.0),
                Evidence("share of the calls", len(bad) / calls, self.certain),
            ),
            remedies=(
                f"{remedy} before {name}",
                *(("or use cross_entropy on the logits, which does both",) if name == "nll_loss" else ()),
            ),
            steps=(bad[0].step, last.step),
        )

    def _undefined(self, name: str, broken: Sequence[LossCall], calls: int) -> Finding:
        first = broken[0]
        wants = _WANTS.get(name, "a variance above 0")
        return self.finding(
            f"{name} expects {wants} and is given numbers between {number(first.outputs.low)} and "
            f"{number(first.outputs.high)}: its value at step {first.step} is {number(first.value)}",
            evidence=(
                Evidence("smallest output", first.outputs.low, 0.0),
                Evidence("largest output", first.outputs.high, 1.0 if name == "binary_cross_entropy" else None),
                Evidence("share of the calls without a value", len(broken) / calls, 0.0),
            ),
            remedies=(_REMEDIES[name],),
            steps=(first.step, broken[-1].step),
        )


_REMEDIES = {
    "binary_cross_entropy": "apply a sigmoid before binary_cross_entropy, or use binary_cross_entropy_with_logits",
    "poisson_nll_loss": "let the model give the rate's logarithm (log_input=True), or apply a softplus first",
    "gaussian_nll_loss": "apply a softplus to the variance before the loss",
}


def _knows_its_classes(call: LossCall) -> bool:
    """Whether the classes can only be the last dimension."""
    return call.name == "ctc_loss" or (call.name == "nll_loss" and len(call.output_shape) == 2)


def _is_undefined(call: LossCall) -> bool:
    """Whether finite outputs and targets have no finite loss."""
    given = call.outputs.nonfinite == 0 and call.targets.nonfinite == 0
    outside = call.outputs.low < 0 or (call.name == "binary_cross_entropy" and call.outputs.high > 1)
    return given and outside and not math.isfinite(call.value)
