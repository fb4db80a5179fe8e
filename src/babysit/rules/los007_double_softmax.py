"""LOS007: probabilities are given to a loss that expects logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import LossCall, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._calls import by_name
from babysit.rules._words import number

_SQUASHES = ("softmax", "sigmoid", "hardsigmoid")


@dataclass(frozen=True)
class DoubleSoftmax(Rule):
    """The model ends in a softmax or sigmoid, and the loss applies another one.

    ## What it measures
    What `cross_entropy` and `binary_cross_entropy_with_logits` are given in training: for the first, rows of numbers
    between 0 and 1 that add up to 1; for both, whether autograd's graph says that a softmax or a sigmoid made them.

    ## Why it hurts
    The loss takes its inputs for logits. Probabilities as logits can never say more than e : 1, so with C classes the
    loss cannot fall below ln(1 + (C − 1)/e), 1.46 for ten, and the gradient is damped twice. Such a network may still
    reach a good accuracy, which is why the fault stays unseen.

    ## What to try
    Return the last linear layer's outputs from the model as they are, and apply softmax or sigmoid only where
    probabilities are shown. Or keep it, and use `nll_loss` of its logarithm, or `binary_cross_entropy`.

    ## When it is a false alarm
    Log-probabilities (`log_softmax`) into `cross_entropy` do no harm and are not reported. Gates that end in a sigmoid
    by design, with a temperature behind it, do not add up to 1 and are made by a product.

    ## Options
    `certain` is the share of the recorded calls that must look so; rows of probabilities in float32 add up to 1 within
    1e-6, in bfloat16 within 1e-2.

    ## References
    torch's documentation of CrossEntropyLoss: "The input is expected to contain the unnormalized logits".
    """

    code: ClassVar[str] = "LOS007"
    name: ClassVar[str] = "double-softmax"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("calls",)
    source: ClassVar[str] = "torch.nn.CrossEntropyLoss: inputs are unnormalised logits"

    row_error: float = threshold(1e-2, unit="|sum over the classes − 1|", source="rounding in bfloat16")
    certain: float = threshold(0.9, unit="of the recorded calls")
    fewest: int = threshold(3, unit="recorded calls")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        for name, calls in by_name(run.called("train")).items():
            if name == "cross_entropy":
                bad = [call for call in calls if self._is_probability(call)]
            elif name == "binary_cross_entropy_with_logits":
                bad = [call for call in calls if call.output_op in _SQUASHES]
            else:
                continue
            if len(calls) >= self.fewest and len(bad) >= self.certain * len(calls):
                yield self._finding(name, bad, len(calls))

    def _is_probability(self, call: LossCall) -> bool:
        made_so = call.output_op in ("", *_SQUASHES)
        within = 0 <= call.outputs.low <= call.outputs.high <= 1 + self.row_error
        adds_up = call.row_error is not None and call.row_error <= self.row_error
        return made_so and within and (adds_up or call.output_op == "sigmoid")

    def _finding(self, name: str, bad: Sequence[LossCall], calls: int) -> Finding:
        last = bad[-1]
        made = last.output_op or "a softmax"
        low, high = min(call.outputs.low for call in bad), max(call.outputs.high for call in bad)
        sums = "" if last.row_error is None else f" and add up to 1 within {number(last.row_error)}"
        summed = (
            () if last.row_error is None else (Evidence("|sum over the classes − 1|", last.row_error, self.row_error),)
        )
        binary = name.startswith("binary")
        plain = "binary_cross_entropy" if binary else "nll_loss of their logarithm"
        return self.finding(
            f"{name} is given probabilities where it expects logits: they come out of {made}, lie between "
            f"{number(low)} and {number(high)}{sums}; it applies another {'sigmoid' if binary else 'softmax'}",
            evidence=(
                Evidence("share of the calls given probabilities", len(bad) / calls, self.certain),
                Evidence("largest output", high, 1.0),
                *summed,
            ),
            remedies=(
                f"remove the {made} at the end of the model, and apply it only where probabilities are shown",
                f"or keep it, and use {plain}",
            ),
            steps=(bad[0].step, last.step),
        )
