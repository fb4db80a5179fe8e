"""GRD004: trainable parameters that never get a gradient."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import Coverage, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._coverage import after_first, mostly, trains_nothing, with_gradient
from babysit.rules._words import names


@dataclass(frozen=True)
class NoGradient(Rule):
    """An optimizer holds parameters that no backward pass ever reaches, while others are trained.

    ## What it measures
    The modules whose parameters are in an optimizer, require a gradient, and had none at any look (steps 0, 1, 4, 16,
    64 …) nor at any other sampled step. Whether a forward pass with gradients has used them tells which of two faults
    it is.

    ## Why it hurts
    They keep their first, random values: what passes through them is a fixed random projection, and what they were
    meant to learn is not learnt. The loss still comes down, as the layers after them do what they can.

    ## What to try
    Used in the forward pass: look between them and the loss for `.detach()`, `.data`, `.item()`, `torch.no_grad()`,
    `torch.tensor(x)` or a trip through NumPy, for `argmax` and rounding, which have no gradient, and for a part of the
    model that is called in place of another one. Not used: call them in `forward`, or delete them.

    ## When it is a false alarm
    A backbone that is meant to stay as it is: say so with `requires_grad_(False)` and leave it out of the optimizer,
    which saves its memory too. Modules that get a gradient now and then (experts, layers dropped at random, the other
    network of a GAN) are no alarm, nor are those that were frozen, and nothing is said before two looks after step 0. A
    part that the script switches on later is reported until then. What the last of several blocks gives beside what is
    used, as the rest that is left to explain, is information.

    ## Options
    `min_looks` looks after step 0 are needed.

    ## References
    PyTorch, Autograd mechanics: locally disabling gradient computation. DistributedDataParallel stops at such modules
    (`find_unused_parameters`). A digits classifier with a detached part ends above 95 % validation accuracy.
    """

    code: ClassVar[str] = "GRD004"
    name: ClassVar[str] = "no-gradient"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("coverage",)
    source: ClassVar[str] = "PyTorch documentation, Autograd mechanics: locally disabling gradient computation"

    min_looks: int = threshold(2, unit="looks after step 0")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        looks = after_first(run)
        if len(looks) < self.min_looks or trains_nothing(looks):
            return
        missing = self._missing(run, looks)
        unused = [module for module in missing if module in looks[-1].uncalled]
        cut = [module for module in missing if module not in unused]
        if cut:
            why = "they are used, but what they give does not reach the loss: it is cut off by detach(), or left unused"
            trained = frozenset(looks[-1].trained)
            severity = Severity.INFO if all(_is_left_over(module, trained) for module in cut) else None
            yield self._report(looks, cut, why, _CUT, severity)
        if unused:
            why = "no forward pass with gradients has used them: they are unused, or called under no_grad()"
            yield self._report(looks, unused, why, _UNUSED, Severity.WARNING)

    def _missing(self, run: RunRecord, looks: Sequence[Coverage]) -> list[str]:
        reached = with_gradient(run).union(*(look.trained for look in run.coverage))
        weighted = {layer.module for step in run.steps for layer in step.layers if layer.weight_norm is not None}
        missing = [module for module in mostly([look.without_gradient for look in looks], 1.0) if module not in reached]
        # of scales and biases alone only the looks tell, and these are taken at one optimizer's step
        return [module for module in missing if module in weighted or run.header.progress]

    def _report(
        self,
        looks: Sequence[Coverage],
        modules: list[str],
        why: str,
        remedies: tuple[str, ...],
        severity: Severity | None = None,
    ) -> Finding:
        trained = len(looks[-1].trained)
        return self.finding(
            f"{len(modules)} of {len(modules) + trained} modules with trainable parameters never get a gradient "
            f"({names(modules)}): {why}",
            evidence=(
                Evidence("modules without a gradient", float(len(modules)), 0.0),
                Evidence("modules with one", float(trained)),
                Evidence("looks after step 0", float(len(looks)), float(self.min_looks)),
            ),
            remedies=tuple(remedy.format(names(modules)) for remedy in remedies),
            module=modules[0],
            steps=(looks[0].step, looks[-1].step),
            severity=severity,
        )


def _is_left_over(module: str, trained: frozenset[str]) -> bool:
    """Whether it is a part of the last of several blocks that is trained in the others, beside other parts that are.

    Example:
        >>> _is_left_over("blocks.1.skip", frozenset({"blocks.0.skip", "blocks.0.out", "blocks.1.out"}))
        True
        >>> _is_left_over("blocks.0.skip", frozenset({"blocks.1.skip", "blocks.0.out", "blocks.1.out"}))
        False
    """
    found = _BLOCK.fullmatch(module)
    if found is None:
        return False
    before, number, rest = found.groups()
    others = [f"{before}{place}.{rest}" for place in range(int(number))]
    is_last = not any(item.startswith(f"{before}{int(number) + 1}.") for item in trained)
    beside = any(item.startswith(f"{before}{number}.") for item in trained)
    return is_last and beside and bool(others) and trained.issuperset(others)


_BLOCK = re.compile(r"(.*?)(\d+)\.(.+)")
_CUT = (
    "look between {} and the loss for .detach(), .data, .item(), torch.no_grad(), torch.tensor(x), numpy or argmax",
    "where the output is not needed, as the last of several blocks may give more than is used, leave {} out",
    "if they are meant to stay as they are: requires_grad_(False), and leave them out of the optimizer",
)
_UNUSED = (
    "call {} in forward(), or delete them; look for torch.no_grad() around their call",
    "if they are meant to stay as they are: requires_grad_(False), and leave them out of the optimizer",
)
