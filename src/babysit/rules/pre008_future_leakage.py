"""PRE008: a model that predicts the next token sees it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import RunRecord
from babysit.rules._base import Finding, Rule, Severity, threshold
from babysit.rules._dependence import dependence, first_seen
from babysit.rules._words import number, percent

_NAMES = {
    "difference": "change of earlier outputs when later inputs are replaced",
    "gradient": "gradient by later inputs / largest gradient",
}


@dataclass(frozen=True)
class FutureLeakage(Rule):
    """The target at a position is the next input, and the output there depends on inputs that come after.

    ## What it measures
    Where the targets are the inputs shifted by one: how far the outputs before a position go, relative to the outputs,
    when only the inputs after it are replaced; and the gradient of those outputs by later inputs, over the largest by
    any. Both are zero in a causal model.

    ## Why it hurts
    The answer is among the inputs. The loss falls to almost nothing, the validation loss too, and the model generates
    nonsense, as in use there is no future to copy from.

    ## What to try
    Give attention a causal mask (`is_causal=True`, or `nn.Transformer.generate_square_subsequent_mask`) and check which
    of 0, 1, True and −∞ means "hidden" there; make recurrent layers unidirectional; pad convolutions over time on the
    left only; take no mean or normalisation over time.

    ## When it is a false alarm
    Models with a prefix that is seen whole, and models that are to fill in what lies between. Targets that are not the
    next inputs, as in classification and masked language models, are not judged.

    ## Options
    `limit` is for both, relative.

    ## References
    Vaswani et al., "Attention Is All You Need" (2017), 3.2.3: masking "to prevent leftward information flow in the
    decoder". A. Karpathy, "A Recipe for Training Neural Networks" (2019): "use backprop to chart dependencies".
    """

    code: ClassVar[str] = "PRE008"
    name: ClassVar[str] = "future-leakage"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("probe:future-leakage",)
    source: ClassVar[str] = 'Vaswani et al., "Attention Is All You Need", 2017, section 3.2.3'

    limit: float = threshold(1e-4, unit="relative", source="a thousand roundings of float32")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        probe = run.probe("future-leakage")
        found = dependence(probe.numbers, self.limit) if probe else []
        if probe is None or not found:
            return
        module = probe.texts.get("module", "")
        worst = {item.name: item.value for item in found}
        said = (
            f"change by {percent(worst['difference'])} when inputs after them are replaced"
            if "difference" in worst
            else f"have a gradient by later inputs of {number(worst['gradient'])} of the largest"
        )
        shifted = probe.numbers.get("shifted")
        share = f" ({percent(shifted)} of them)" if shifted is not None else ""
        yield self.finding(
            f"the targets are the next inputs{share}, yet outputs {said}" + first_seen(module),
            evidence=[dataclasses.replace(item, name=_NAMES[item.name]) for item in found],
            remedies=(
                "give attention a causal mask: is_causal=True, or "
                "nn.Transformer.generate_square_subsequent_mask(length)",
                "make recurrent layers unidirectional, and pad convolutions over time on the left only",
            ),
            module=module,
        )
