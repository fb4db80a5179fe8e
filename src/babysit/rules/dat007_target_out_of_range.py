"""DAT007: targets that the model cannot say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import LossCall, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._calls import by_name
from babysit.rules._words import number

_REACH = {
    "sigmoid": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "relu": (0.0, math.inf),
    "softplus": (0.0, math.inf),
}
_DISTANCES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")


@dataclass(frozen=True)
class TargetOutOfRange(Rule):
    """Class labels that are no class of the model, or values that its last activation never gives.

    ## What it measures
    For class indices, the smallest and the largest target against the number of outputs. For values, the range of the
    targets against that of the activation which made the outputs: 0 to 1 for a sigmoid, −1 to 1 for tanh, above 0 for
    ReLU; and for a binary cross-entropy, whether the targets lie between 0 and 1.

    ## Why it hurts
    A label that is no class ends the script with an error, or on a GPU with one that names no reason. Values that
    cannot be reached leave an error that no training removes, and saturate the last activation on the way.

    ## What to try
    Number the classes from 0 to C − 1 and give the model C outputs; mark what is to be ignored by `ignore_index`. For
    values, leave the last layer linear, or scale the targets into the activation's range.

    ## When it is a false alarm
    A few targets outside, such as pixels normalised with other data's statistics, are allowed for, and so are the noisy
    labels of two models trained against each other.

    ## Options
    `outside` is how far the range must be left, `many` makes sure that not only outliers leave it (1.5 standard
    deviations: about 7 % of normal targets), and `certain` says in how many of the recorded calls.

    ## References
    TheDeepChecker (TOSEM 2023); torch's documentation of CrossEntropyLoss: targets in [0, C).
    """

    code: ClassVar[str] = "DAT007"
    name: ClassVar[str] = "target-out-of-range"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("calls",)
    source: ClassVar[str] = "TheDeepChecker; torch.nn.CrossEntropyLoss"

    outside: float = threshold(0.25, unit="standard deviations of the targets beyond the range")
    many: float = threshold(1.5, unit="standard deviations from the targets' mean that must reach beyond the range")
    certain: float = threshold(0.9, unit="of the recorded calls")
    fewest: int = threshold(3, unit="recorded calls")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        for name, calls in by_name(run.calls).items():
            labels = [call for call in calls if _is_no_class(call)]
            if labels:
                yield self._labels(labels[0])
            trained = [call for call in calls if call.phase == "train" and run.header.progress]
            beyond = [call for call in trained if self._is_unreachable(call)]
            if len(trained) >= self.fewest and len(beyond) >= self.certain * len(trained):
                yield self._values(name, beyond, len(trained))

    def _labels(self, call: LossCall) -> Finding:
        wrong = call.targets.low if call.targets.low < 0 else call.targets.high
        return self.finding(
            f"a target of {call.name} at step {call.step} is class {number(wrong)}, where the model's {call.classes} "
            f"outputs stand for the classes 0 to {call.classes - 1}",
            evidence=(
                Evidence("smallest target", call.targets.low, 0.0),
                Evidence("largest target", call.targets.high, float(call.classes - 1)),
            ),
            remedies=(
                f"number the classes from 0 to {call.classes - 1}, or give the model one output a class",
                "mark targets that do not count by ignore_index",
            ),
            steps=(call.step, call.step),
        )

    def _is_unreachable(self, call: LossCall) -> bool:
        low, high = _reach(call)
        targets = call.targets
        margin = self.outside * targets.std if math.isfinite(targets.std) else math.inf
        below = targets.low < low - margin and targets.mean - self.many * targets.std < low
        above = targets.high > high + margin and targets.mean + self.many * targets.std > high
        return below or above

    def _values(self, name: str, beyond: Sequence[LossCall], calls: int) -> Finding:
        last = beyond[-1]
        low, high = _reach(last)
        least, most = min(call.targets.low for call in beyond), max(call.targets.high for call in beyond)
        ends_in = f" ends in a {last.output_op}, which" if last.output_op in _REACH else f"'s loss, {name},"
        return self.finding(
            f"the targets lie between {number(least)} and {number(most)}, and the model{ends_in} gives nothing below "
            f"{number(low)}" + (f" or above {number(high)}" if high < math.inf else ""),
            evidence=(
                Evidence("smallest target", least, low),
                Evidence("largest target", most, high if high < math.inf else None),
                Evidence("share of the calls", len(beyond) / calls, self.certain),
            ),
            remedies=(
                "leave the last layer linear",
                f"or scale the targets into {number(low)} … {number(high)}"
                if high < math.inf
                else "or shift the targets",
            ),
            steps=(beyond[0].step, last.step),
        )


def _is_no_class(call: LossCall) -> bool:
    """Whether torch refused the call, and a target is why."""
    if call.name not in ("cross_entropy", "nll_loss") or call.classes < 1 or not math.isnan(call.value):
        return False
    return call.targets.low < 0 or call.targets.high > call.classes - 1


def _reach(call: LossCall) -> tuple[float, float]:
    if call.name in _DISTANCES:
        return _REACH.get(call.output_op, (-math.inf, math.inf))
    if call.name.startswith("binary_cross_entropy"):
        return 0.0, 1.0
    return -math.inf, math.inf
