"""ACT005: the model's output does not depend on the example."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from babysit.measure.record import LossCall, RunRecord
from babysit.rules._alike import alike, is_like_targets, kind, scale, size, spread, targets_vary
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._lost import Lost, lost_at
from babysit.rules._words import number

_NOISE = 0.01  # of the limit: what rounding makes of equal numbers


@dataclass(frozen=True)
class ConstantOutput(Rule):
    """Every example of a batch gets the same output, whatever its input.

    ## What it measures
    How much the first argument of the loss function spreads over the examples, unit by unit: beside the spread of the
    targets, where these are values of the same kind, or beside 1, the unit of logits; in the later half of the recorded
    training calls. Of the layers, which one is the first whose outputs spread no longer.

    ## Why it hurts
    A model that says the same of everything can learn the shares of the classes, or the mean of the targets, and no
    more.

    ## What to try
    Follow the input through `forward` up to the named layer: a mean or maximum over the batch instead of positions
    (`dim=0`), a mask turned round, a line left from debugging, a softmax over a dimension of size one, a dead or
    saturated layer. Change one input and see whether the output changes.

    ## When it is a false alarm
    Targets that say nothing of the inputs leave a small spread, not none, and so does a small learning rate: outputs
    that have begun to differ and do so ever more are no alarm, nor is a last layer that starts at zero. Targets that
    are all alike ask for such an output. Batches of one example, and models that are trained against each other, are
    not judged. A dead or saturated layer makes all outputs alike, too, and so do inputs that hardly differ: ACT001,
    ACT002, DAT001 and DAT002 say so. If the examples of a batch are copies of one,
    evaluation batches that differ tell so.

    ## Options
    `least` is the spread that counts as none: networks fitted to pure noise spread 0.03 of their targets and more.
    `own` is the spread over the examples beside the outputs' own size, so that outputs that are all small are not
    taken for equal ones.

    ## References
    CS231n 2017, lecture 6: with all weights zero, or dead units, only the last bias learns. PRE006 puts the same
    question before training.
    """

    code: ClassVar[str] = "ACT005"
    name: ClassVar[str] = "constant-output"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("calls",)
    source: ClassVar[str] = "CS231n 2017, lecture 6: Training Neural Networks, part I"

    least: float = threshold(1e-3, unit="spread over the examples / of the targets, or in logits")
    own: float = threshold(0.05, unit="spread over the examples / size of the outputs")
    growth: float = threshold(1.5, unit="× spread in the second quarter")
    dead: float = threshold(0.99, unit="share of units", source="ACT001's limit for a whole layer")
    faint: float = threshold(0.01, unit="inputs' spread / the larger of 1 and their mean")
    min_calls: int = threshold(20, unit="recorded training calls")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        if not run.header.progress:
            return
        for calls in alike(run.called("train")):
            if len(calls) < self.min_calls or not self._is_constant(calls) or self._differs(run, calls[-1]):
                continue
            lost = lost_at(run, calls[len(calls) // 2].step, least=self.least, dead=self.dead)
            if lost is None or not (lost.dead or (not lost.before and self._is_faint(run))):
                yield self._report(calls, lost)

    def _is_constant(self, calls: Sequence[LossCall]) -> bool:
        late = calls[len(calls) // 2 :]
        if median(map(targets_vary, late)) < 1:
            return False
        spreads = [spread(call) for call in calls]
        limit = self.least * median(map(scale, late))
        small = median(spreads[len(calls) // 2 :]) <= limit
        dominated = median(spread(call) <= self.own * size(call) for call in late) >= 1
        before, now = (median(spreads[len(calls) * part // 4 : len(calls) * (part + 1) // 4]) for part in (1, 3))
        grows = now > self.growth * max(before, _NOISE * limit)
        return small and dominated and not grows

    def _differs(self, run: RunRecord, last: LossCall) -> bool:
        """Whether evaluation shows outputs that differ."""
        same = [call for call in run.called("evaluation") if kind(call) == kind(last) and call.example_std is not None]
        return bool(same) and median(map(spread, same)) > 10 * self.least * scale(last)

    def _is_faint(self, run: RunRecord) -> bool:
        """Whether the inputs themselves hardly differ, so that nothing could come of them: a matter of the data."""
        inputs = [call.inputs for call in run.forwarded("train") if call.inputs is not None]
        spreads = [item.std / max(1.0, abs(item.mean)) for item in inputs]
        return bool(spreads) and median(spreads) < self.faint

    def _report(self, calls: Sequence[LossCall], lost: Lost | None) -> Finding:
        late, last = calls[len(calls) // 2 :], calls[-1]
        apart, unit = median(map(spread, late)), median(map(scale, late))
        place = "every layer still tells them apart"
        if lost is not None:
            behind = f", behind {lost.before}" if lost.before else ""
            place = f"what tells them apart is lost at {lost.module}{behind}"
        return self.finding(
            f"the outputs given to {last.name} are the same for every example: they spread by {number(apart)} over "
            f"the examples, against {number(unit)} of {'the targets' if is_like_targets(last) else 'usual logits'}; "
            + place,
            evidence=(
                Evidence("spread of the outputs over the examples", apart, self.least * unit),
                Evidence("that spread / size of the outputs", apart / max(size(last), 1e-30), self.own),
                Evidence("recorded training calls", float(len(calls)), float(self.min_calls)),
            ),
            remedies=(
                _remedy(last, lost),
                "change one input and see whether the output changes; look for dim=0, masks, lines left from debugging",
            ),
            module=lost.module if lost else "",
            steps=(calls[0].step, last.step),
        )


def _remedy(last: LossCall, lost: Lost | None) -> str:
    if "softmax" in last.output_op and last.output_shape[1:2] == (1,):
        return "a softmax over one unit is always 1: give that unit to binary_cross_entropy_with_logits"
    if lost is None:
        return "look at what is done to the outputs after the last layer, before the loss function gets them"
    where = f"between {lost.before} and {lost.module}" if lost.before else f"before {lost.module}, at the inputs"
    return f"look {where} for what makes all examples alike"
