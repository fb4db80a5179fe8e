"""DAT004: all targets are the same."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import EVALUATION, TRAIN, LossCall, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._calls import by_name, targets_of
from babysit.rules._words import number

_CLASSES = ("cross_entropy", "nll_loss", "multi_margin_loss")
_BINARY = ("binary_cross_entropy", "binary_cross_entropy_with_logits")
_VALUES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
_PRODUCTS = ("addmm", "addbmm", "baddbmm", "mm", "bmm", "linear", "convolution", "mkldnnconvolution")
_OUTPUTS = (*_PRODUCTS, "sigmoid", "tanh", "softmax", "logsoftmax", "logsigmoid", "relu", "softplus")


@dataclass(frozen=True)
class ConstantTarget(Rule):
    """Every target that training gave the loss function has the same value.

    ## What it measures
    The lowest and the highest of all targets in the recorded training calls of the loss function, over an epoch where
    its length is known, else over several tens of steps, or those of training and of a larger evaluation.

    ## Why it hurts
    The network learns to answer with that value whatever it is given. The loss goes to zero and the accuracy to 100 %,
    so that the training looks perfect.

    ## What to try
    Look at the labels after every step that makes them: an integer division, a comparison that is never true, a cast
    of numbers between 0 and 1 to integers, a wrong column.

    ## When it is a false alarm
    When the target is meant to be constant: a residual that is to be zero, the first of several candidates as the right
    one (contrastive losses such as MoCo's), the better of a pair (rewards, rankings). Such outputs are quotients or
    differences and no layer's, and silent. So are trainings of two models against each other and several losses in one
    step. A class rarer than one example in some thousands may be missing in what was recorded, and so may all classes
    but one where a run ends after a few steps and both its training and its evaluation data are in order.

    ## Options
    `spread` is how far apart targets may be and still count as equal.

    ## References
    TheDeepChecker checks that the labels vary.
    """

    code: ClassVar[str] = "DAT004"
    name: ClassVar[str] = "constant-target"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("calls",)
    source: ClassVar[str] = "TheDeepChecker"

    spread: float = threshold(1e-6, unit="of the value")
    min_targets: int = threshold(64, unit="targets")
    min_calls: int = threshold(5, unit="calls of the loss function")
    min_calls_unknown: int = threshold(32, unit="calls, where an epoch's length is unknown")
    min_rows_unknown: int = threshold(
        256, unit="examples, for an epoch of unknown length", source="1 % is seen in 92 %"
    )

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        calls = run.called(TRAIN)
        if not run.header.progress or len(by_name(calls)) != 1:
            return
        beside = () if self._enough(run, calls) else self._beside(run, calls)
        if beside is None:
            return
        low = min(call.targets.low for call in (*calls, *beside))
        high = max(call.targets.high for call in (*calls, *beside))
        if not (math.isfinite(low) and high - low <= self.spread * max(1.0, abs(low))):
            return
        if not all(map(_is_answer, calls)) or any(call.targets.nonfinite > 0 for call in calls):
            return
        also = f", and {sum(map(targets_of, beside))} of evaluation," if beside else ""
        targets = sum(math.prod(call.target_shape) for call in calls)
        classes = calls[0].classes
        what = f"class {number(low)} of {classes}" if classes > 1 else number(low)
        yield self.finding(
            f"all {targets} targets of {len(calls)} recorded training batches{also} are {what}: the network learns "
            "to answer that, whatever its inputs",
            evidence=(
                Evidence("highest − lowest target", high - low, self.spread * max(1.0, abs(low))),
                Evidence("targets", float(targets), float(self.min_targets)),
            ),
            remedies=(
                "print the labels where they are made: an integer division, a comparison that is never true, a cast to "
                "integers or a wrong column makes them all equal",
            ),
            steps=(calls[0].step, calls[-1].step),
        )

    def _beside(self, run: RunRecord, calls: tuple[LossCall, ...]) -> tuple[LossCall, ...] | None:
        """The calls of an evaluation that is large enough to stand for what training did not show yet."""
        found = tuple(call for call in run.called(EVALUATION) if calls and call.name == calls[0].name)
        rows = sum(call.target_shape[0] for call in found if call.target_shape)
        return found if rows >= self.min_rows_unknown else None

    def _enough(self, run: RunRecord, calls: tuple[LossCall, ...]) -> bool:
        """Whether it is unlikely that another target only did not come yet, as in data that are ordered by class."""
        epoch = run.header.steps_per_epoch
        whole = 0 < epoch <= calls[-1].step + 1 if calls else False
        fewest = self.min_calls if whole else self.min_calls_unknown
        if len(calls) < fewest or sum(math.prod(call.target_shape) for call in calls) < self.min_targets:
            return False
        # positions of one sequence or image may well be all alike
        return whole or sum(call.target_shape[0] for call in calls if call.target_shape) >= self.min_rows_unknown


def _is_answer(call: LossCall) -> bool:
    """Whether the loss compares what a layer says with a target; a layer of bare tensors may add its bias itself."""
    if call.name in _CLASSES or call.name in _BINARY:
        return call.classes > 1 and call.output_op in (*_OUTPUTS, "add")
    return call.name in _VALUES and call.output_op in _OUTPUTS
