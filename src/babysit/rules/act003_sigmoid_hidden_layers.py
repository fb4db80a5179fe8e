"""ACT003: a deep stack of sigmoid layers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import ClassVar

from babysit.measure.record import LayerStats, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._layers import deepest_stack
from babysit.rules._passes import Passes
from babysit.rules._progress import is_stuck
from babysit.rules._signal import has_learnt_nothing
from babysit.rules._words import LECTURE, number


@dataclass(frozen=True)
class SigmoidHiddenLayers(Rule):
    """Three or more hidden layers in a row have a sigmoid, and the gradient shrinks from each to the one before.

    ## What it measures
    The longest sequence of hidden layers that each end in a sigmoid (a module, or a call of `torch.sigmoid`), with no
    normalisation between; and by how much the gradient of the weights shrinks from each of these layers to the one
    before it, in the first 20 sampled steps. The first of more than three is left out where its own gradient is larger:
    it reads no sigmoids, and the gradient of its weights grows with the number and the size of its inputs.

    ## Why it hurts
    The slope of a sigmoid is 0.25 at best, so each layer takes at least three quarters of the gradient on its way back
    and the first layers hardly learn. Its outputs are all positive, so the gradients of a neuron's weights have one
    sign and the steps zig-zag. Where the loss stays near its beginning it is an error.

    ## What to try
    ReLU, which the lecture recommends, leaky ReLU or ELU, with He's initialisation; tanh where the outputs have to be
    bounded. Batch normalisation before each sigmoid helps too.

    ## When it is a false alarm
    Where such a network is what is studied. One or two hidden sigmoid layers, a sigmoid at the output, gates between
    other activations, stacks with normalisation, and layers that stand side by side, as the gates of a recurrent cell,
    whose gradients do not shrink, are not reported.

    ## Options
    `shrinking` keeps side-by-side layers out, whose gradients are alike: in stacks with the usual initialisations the
    gradient shrinks by 2.6 to 13 a layer.

    ## References
    CS231n 2017, lecture 6: "don't use sigmoid". Glorot and Bengio, Understanding the difficulty of training deep
    feedforward neural networks, AISTATS 2010: deep networks of sigmoids do not train from random weights.
    """

    code: ClassVar[str] = "ACT003"
    name: ClassVar[str] = "sigmoid-hidden-layers"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("steps",)
    source: ClassVar[str] = LECTURE

    depth: int = threshold(3, unit="hidden layers in a row")
    shrinking: float = threshold(2.0, unit="× smaller gradient a layer", source="half of what a sigmoid takes at best")
    first_samples: int = threshold(20, unit="sampled steps")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        start = next((step.layers for step in run.steps if step.layers), ())
        stacks = [deepest_stack(first, "Sigmoid") for first, *_ in Passes.of(run).split(start).values()]
        stack = max(stacks, key=len, default=())
        if len(stack) < self.depth:
            return
        norms, compared = self._gradients(run, stack), stack
        if len(norms) > self.depth and not _grow(norms):
            norms, compared = norms[1:], compared[1:]
        if not _grow(norms):
            return
        shrinking = math.exp((math.log(norms[-1]) - math.log(norms[0])) / (len(norms) - 1))
        if shrinking < self.shrinking:
            return
        yield self.finding(
            f"{len(stack)} hidden layers in a row have a sigmoid ({stack[0].module} to {stack[-1].module}): their "
            f"gradient is {number(shrinking)} times smaller from layer to layer, {number(norms[-1])} in "
            f"{compared[-1].module} and {number(norms[0])} in {compared[0].module}",
            evidence=(
                Evidence("hidden sigmoid layers in a row", float(len(stack)), float(self.depth), "layers"),
                Evidence("gradient of a layer / of the one before", shrinking, self.shrinking),
            ),
            remedies=(
                "replace nn.Sigmoid by nn.ReLU in the hidden layers, with He's initialisation",
                "or put batch normalisation before each sigmoid",
            ),
            module=stack[0].module,
            steps=(run.steps[0].step, run.steps[-1].step),
            severity=Severity.ERROR if has_learnt_nothing(run) or is_stuck(run) else None,
        )

    def _gradients(self, run: RunRecord, stack: Sequence[LayerStats]) -> list[float]:
        """Typical gradient norm of each layer at the beginning; NaN where it has none."""
        found: dict[str, list[float]] = {layer.module: [] for layer in stack}
        for step in run.steps[: self.first_samples]:
            for layer in step.layers:
                if layer.module in found and layer.gradient_norm is not None and math.isfinite(layer.gradient_norm):
                    found[layer.module].append(layer.gradient_norm)
        return [median(norms) if norms else math.nan for norms in found.values()]


def _grow(norms: Sequence[float]) -> bool:
    """Whether each is larger than the one before, and none is zero or unknown."""
    return all(before < after for before, after in pairwise(norms)) and norms[0] > 0
