"""PRE007: two evaluations of the same batch differ."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import Probe, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._dependence import CONTROLS, ROUNDINGS, first_seen
from babysit.rules._words import percent


@dataclass(frozen=True)
class NondeterministicEvaluation(Rule):
    """In evaluation mode, the outputs for the same batch differ with the random numbers.

    ## What it measures
    The outputs of fresh copies in evaluation mode, with different random numbers: their largest difference, relative to
    the outputs. With the same random numbers they must be alike too. Calls of dropout functions that are on are noted.

    ## Why it hurts
    Scores carry noise that averages over nothing, the best checkpoint is partly the luckiest, and predictions in use
    change from call to call. Dropout left on also makes every score worse than the model is.

    ## What to try
    `F.dropout(x, p)` is on by default: pass `training=self.training`, or use `nn.Dropout`. In
    `scaled_dot_product_attention`, pass `dropout_p=self.p if self.training else 0.0`. Add noise only
    `if self.training`.

    ## When it is a false alarm
    Models that sample on purpose: a variational autoencoder that draws its code in evaluation too, Monte Carlo dropout,
    a generator that draws its own noise. Noise that is no dropout is information only; modules kept in training mode
    get a warning. A model whose only output is its loss may draw noise for it, as diffusion models do, and is not
    judged unless a dropout function is on. Order of summation on a GPU changes less than the limit.

    ## Options
    `limit` is relative.

    ## References
    PyTorch documentation of `torch.nn.functional.dropout`: `training` is `True` by default.
    """

    code: ClassVar[str] = "PRE007"
    name: ClassVar[str] = "nondeterministic-evaluation"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("probe:determinism",)
    source: ClassVar[str] = "PyTorch documentation: torch.nn.functional.dropout"

    limit: float = threshold(1e-4, unit="relative", source="a thousand roundings of float32")
    repeated: float = threshold(0.01, unit="relative, with the same random numbers")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        probe = run.probe("determinism")
        if probe is None or not math.isfinite(probe.numbers.get("difference", math.nan)):
            return
        difference, repeat = probe.numbers["difference"], probe.numbers.get("repeat", 0.0)
        limit = max(self.limit, ROUNDINGS * probe.numbers.get("precision", 0.0))
        is_random = difference > limit and (difference > CONTROLS * repeat or repeat > self.repeated)
        drops = probe.numbers.get("dropout", 0.0) > 0
        if is_random and (drops or probe.numbers.get("per_example", 1.0) > 0):
            yield self._found(probe, limit, drops)

    def _found(self, probe: Probe, limit: float, drops: bool) -> Finding:
        difference = probe.numbers["difference"]
        is_forced = probe.numbers.get("forced", 0.0) > 0
        module = probe.texts.get("module", "")
        cause, remedies = _cause(drops, is_forced)
        return self.finding(
            f"two evaluations of the same batch differ by {percent(difference)}: {cause}" + first_seen(module),
            evidence=[Evidence("difference of outputs", difference, limit)],
            remedies=remedies,
            module=module,
            severity=_severity(drops, is_forced),
        )


def _severity(drops: bool, is_forced: bool) -> Severity:
    """Dropout functions are left on by mistake; modules may stay in training mode, and draw noise, on purpose."""
    if not drops:
        return Severity.INFO
    return Severity.WARNING if is_forced else Severity.ERROR


def _cause(drops: bool, is_forced: bool) -> tuple[str, tuple[str, ...]]:
    if drops and is_forced:
        return (
            "modules stay in training mode, and dropout with them",
            ("call super().train(mode) in an overridden train(), unless samples are wanted",),
        )
    if drops:
        return (
            "a dropout function is on",
            (
                "F.dropout(x, p) → F.dropout(x, p, training=self.training)",
                "scaled_dot_product_attention(…, dropout_p=p) → dropout_p=p if self.training else 0.0",
            ),
        )
    return (
        "random numbers are drawn",
        (
            "add noise only if self.training",
            "if the model samples on purpose, let it give the mean in evaluation",
        ),
    )
