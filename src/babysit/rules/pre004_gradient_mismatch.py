"""PRE004: autograd's gradient is not that of the loss."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import Probe, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import names, number, precisely


@dataclass(frozen=True)
class GradientMismatch(Rule):
    """The gradient by autograd is not the slope of the loss.

    ## What it measures
    The derivative of the loss with respect to entries of every parameter, by autograd and by centred differences in
    double precision, as a relative error: |a − n| over the larger of the two. Entries next to a kink (of a rectifier,
    of max-pooling) are left out, dropout is held still, and what is detached counts as constant, as it does for
    autograd.

    ## Why it hurts
    Training follows the gradient, not the loss. A wrong backward pass often still trains, to a worse result, and
    nothing in the loss curve tells.

    ## What to try
    Look at the backward of the `autograd.Function` that the named parameter's gradient comes through: nearly always it
    is one of the project's own. Where several parameters are wrong, it lies between the loss and the last of them in
    the model. `torch.autograd.gradcheck` on that function alone shows which input is wrong.

    ## When it is a false alarm
    Backward passes that are meant to differ: gradient reversal, straight-through estimators written as an
    `autograd.Function`, gradients clipped within the model by hooks. What is detached on purpose is no mismatch.

    ## Options
    Relative errors for a warning and for an error. With kinks left out, healthy networks stay below 2e-5 (measured on
    thirty kinds, from multilayer perceptrons to transformers), so that the limits lie far above; an error of one per
    cent in one entry has to be found, so that they lie below that.

    ## References
    CS231n notes, neural networks 3: "relative error > 1e-2 usually means the gradient is probably wrong; 1e-2 >
    relative error > 1e-4 should make you feel uncomfortable", and that kinks, few examples and a burn-in matter.
    """

    code: ClassVar[str] = "PRE004"
    name: ClassVar[str] = "gradient-mismatch"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("probe:gradient",)
    source: ClassVar[str] = "CS231n notes, neural networks 3: gradient checks"

    wrong: float = threshold(5e-3, unit="relative error", source="CS231n notes: 1e-2, halved to see one per cent")
    uneasy: float = threshold(1e-3, unit="relative error", source="CS231n notes: 1e-4 to 1e-2")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        probe = run.probe("gradient")
        if probe is None or not {"error", "autograd", "difference"} <= set(probe.numbers):
            return
        error, analytic, numeric = (probe.numbers[name] for name in ("error", "autograd", "difference"))
        if not error > self.uneasy:
            return
        limit = self.wrong if error > self.wrong else self.uneasy
        parameter = probe.texts.get("parameter", "")
        when = f" {probe.texts['when']}" if "when" in probe.texts else ""
        yield self.finding(
            f"the gradient of {parameter}{probe.texts.get('index', '')}{when} is {precisely(analytic)} by autograd, "
            f"but the loss changes by {precisely(numeric)}: {self._way(analytic, numeric)}{self._others(probe)}",
            evidence=(
                Evidence("relative error", error, limit),
                Evidence("gradient by autograd", analytic),
                Evidence("gradient by differences", numeric),
            ),
            remedies=(
                "check the backward of the autograd.Function between this parameter and the loss, for example with "
                "torch.autograd.gradcheck",
                "if the backward is meant to differ (gradient reversal, a straight-through estimator), ignore PRE004",
            ),
            module=parameter.rpartition(".")[0],
            severity=Severity.ERROR if error > self.wrong else Severity.WARNING,
        )

    def _way(self, analytic: float, numeric: float) -> str:
        if analytic == 0:
            return "no gradient arrives"
        if numeric == 0:
            return "it has no effect on the loss"
        factor = analytic / numeric
        if not math.isfinite(factor):
            return "they have nothing in common"
        if abs(factor + 1) < self.wrong:
            return "the sign is wrong"
        return f"it is {precisely(factor)} times what it should be"

    def _others(self, probe: Probe) -> str:
        """The parameters that are wrong, where there are several."""
        errors, paths = probe.series.get("errors", ()), probe.texts.get("names", "").split()
        if len(errors) != len(paths):
            return ""
        found = [path for path, error in zip(paths, errors, strict=True) if error > self.uneasy]
        of = f"{len(found)} of {number(probe.numbers.get('trainable', len(paths)))} parameters"
        return f" ({of} are wrong: {names(found)})" if len(found) > 1 else ""
