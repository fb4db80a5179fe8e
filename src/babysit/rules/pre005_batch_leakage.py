"""PRE005: the output for one example depends on another example."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._dependence import dependence, first_seen
from babysit.rules._words import number, percent

_NAMES = {
    "difference": "change of an output when other examples are replaced",
    "gradient": "gradient by another example / largest gradient",
}


@dataclass(frozen=True)
class BatchLeakage(Rule):
    """In evaluation mode, the output for one example depends on the inputs of others in its batch.

    ## What it measures
    Two things, in evaluation mode. How far the output for an example goes, relative to itself, when only the other
    examples of its batch are replaced. And the gradient of that output by another example's input, over the largest by
    any. Both are zero in a network that treats its examples apart; rounding, and what changes when nothing is changed,
    are allowed for.

    ## Why it hurts
    What the model says about an example then depends on its company: scores change with the batch size and the order
    of the data, and nothing learnt so is there for a single example in use. Mostly two dimensions were confused, by a
    view or a transpose that mixes examples, and the model trains on nonsense without an error.

    ## What to try
    Look at the named layer, and at what is between it and the layer before. Use `permute` or `transpose` where `view`
    and `reshape` were to swap dimensions; give `batch_first=True` to attention and recurrent layers whose inputs have
    the examples first; take means and softmaxes along `dim=-1`, never along the first; keep `track_running_stats` of
    batch normalisation.

    ## When it is a false alarm
    Models that compare the examples of a batch on purpose: graph networks on one large graph, processes and attention
    over a whole data set, a discriminator that looks at the spread of a batch, experts of limited capacity. A batch
    that is one sequence has no examples. Outputs that compare all pairs, edge lists, adjacency matrices (of a batch or
    among the model's buffers), targets for some of the rows beside the index or mask of these, and time-major sequences
    are recognised and not judged. Dynamic quantization scales by the whole batch.

    ## Options
    `limit` is for both, relative.

    ## References
    A. Karpathy, "A Recipe for Training Neural Networks" (2019): "use backprop to chart dependencies".
    """

    code: ClassVar[str] = "PRE005"
    name: ClassVar[str] = "batch-leakage"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("probe:batch-leakage",)
    source: ClassVar[str] = 'A. Karpathy, "A Recipe for Training Neural Networks", 2019'

    limit: float = threshold(1e-4, unit="relative", source="a thousand roundings of float32")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        probe = run.probe("batch-leakage")
        found = dependence(probe.numbers, self.limit) if probe else []
        if probe is None or not found:
            return
        module = probe.texts.get("module", "")
        worst = {item.name: item.value for item in found}
        said = (
            f"changes by {percent(worst['difference'])} when the others in the batch are replaced"
            if "difference" in worst
            else f"has a gradient by another's input of {number(worst['gradient'])} of the largest"
        )
        yield self.finding(
            f"in evaluation mode the output for an example {said}" + first_seen(module),
            evidence=[_named(item) for item in found],
            remedies=(
                (f"look at {module} and at what is done between it and the layer before" if module else "")
                or "look for operations along the first dimension",
                "swap dimensions with permute or transpose, not with view or reshape; give batch_first=True where the "
                "examples come first",
                "take means, norms and softmaxes along dim=-1; keep running statistics in batch normalisation",
            ),
            module=module,
        )


def _named(item: Evidence) -> Evidence:
    return dataclasses.replace(item, name=_NAMES[item.name])
