"""ACT002: the outputs of a tanh or sigmoid layer sit at their limits while there is still much to learn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import LayerStats, RunRecord
from babysit.rules._activations import Share, among, cause, lasting_shares, remedy
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._curve import Curve
from babysit.rules._passes import Passes, carries, first_passes, hidden_layers, is_gate
from babysit.rules._words import LECTURE, percent, precisely


@dataclass(frozen=True)
class SaturatedActivation(Rule):
    """Most outputs of a hidden tanh or sigmoid layer are at their limits, and the loss is still high.

    ## What it measures
    For each hidden tanh and sigmoid, a module or a called function, the share of its outputs within 1 % of their range
    from either limit; the median of the last 20 sampled steps. Beside it stands the share at the first step, before any
    update. Only while the loss is above 5 % of the chance level, or of its initial level where that is unknown.

    ## Why it hurts
    At its limits a tanh or sigmoid has next to no gradient: the layers before it get nothing to learn from, and the
    layer says yes or no where it should say how much.

    ## What to try
    Where it saturated in training: lower the learning rate by 10. Where it was so from the start: Xavier's
    initialisation, and inputs that are centred and scaled. In both cases batch normalisation before the activation,
    or a ReLU instead of it.

    ## When it is a false alarm
    A network that has learnt its task saturates: near the floor of the loss the rule is silent. So it is about an
    activation that no layer of its model follows, which is an output and has to reach its limits, and about sigmoids
    beside other activations or behind two layers in a row, which are gates and attention masks. Where the loss is not
    one of torch's, the last tanh may be a policy's action: it is reported only if no other one keeps off its limits.
    A network that is meant to be binary is a true exception.

    ## Options
    Healthy trainings mostly stay below 0.3; tanh on raw pixels, which learns all the same, began at 0.6 and ended at
    0.71. Weights of N(0, 1) begin at 0.77 (64 inputs) to 0.92 (500). Batches of 8 at twice the best rate reached 0.84
    and lost 3 % of accuracy; where training failed of too high a rate it was 0.95 to 1.

    ## References
    CS231n 2017, lecture 6: saturated neurons kill the gradients; weights of 1.0·N(0, 1) saturate almost all of them.
    TheDeepChecker takes 0.85 (of another measure), SageMaker Debugger 50 % of units at far wider limits.
    """

    code: ClassVar[str] = "ACT002"
    name: ClassVar[str] = "saturated-activation"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("losses", "steps")
    source: ClassVar[str] = LECTURE

    most: float = threshold(0.9, unit="share of outputs", source="above what trainings that learn reached")
    most_from_the_start: float = threshold(0.75, unit="share of outputs", source="C3 of the lecture begins at 0.77")
    floor: float = threshold(0.05, unit="× chance level")
    min_samples: int = threshold(20, unit="sampled steps")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        curve = Curve.of(run)
        level = self.floor * (curve.chance or curve.initial)
        if not (curve.initial > 0 and curve.final > level):
            return
        saturated = self._saturated(run)
        if not saturated:
            return
        worst = max(saturated, key=lambda share: share.lately)
        yield self.finding(
            f"{percent(worst.lately)} of the outputs of {worst.module} ({worst.type}) are at their limits"
            f"{among(saturated)} at a loss of {precisely(curve.final)}"
            + cause(
                run,
                worst,
                start="the initial weights, or the inputs, are too large",
                training="the updates drove it there",
            ),
            evidence=(
                Evidence("saturated outputs lately", worst.lately, self._limit(worst)),
                Evidence("saturated outputs at the first step", worst.start),
                Evidence("final training loss", curve.final, level),
            ),
            remedies=(
                remedy(run, worst, start="initialise with Xavier's scheme, 1/√n_in, and centre and scale the inputs"),
                "or put batch normalisation before the activation, or use ReLU instead",
            ),
            module=worst.module,
            steps=(worst.since, worst.until),
        )

    def _saturated(self, run: RunRecord) -> list[Share]:
        judged, doubtful = _hidden(run)

        def saturated(layer: LayerStats) -> float | None:
            return layer.saturated_fraction if layer.module in judged else None

        lasting = lasting_shares(first_passes(run), saturated, limit=self.most_from_the_start, samples=self.min_samples)
        found = [share for share in lasting if share.lately > self._limit(share)]
        # where others could saturate too and do not, a last one is taken for an output
        return found if {share.module for share in found} - doubtful or judged == doubtful else []

    def _limit(self, share: Share) -> float:
        return self.most_from_the_start if share.from_the_start else self.most


def _hidden(run: RunRecord) -> tuple[set[str], set[str]]:
    """The tanh and sigmoid layers that are hidden and no gates, and those of them that may be outputs all the same.

    A policy's action, and the value that another head gives after it, follow each other like two layers. Where the loss
    is the user's own, an activation with one layer after it may be such an output.
    """
    longest = max(run.steps, key=lambda step: len(step.layers))
    judged: set[str] = set()
    doubtful: set[str] = set()
    for first, *_ in Passes.of(run).split(longest.layers).values():
        hidden = [layer for layer in hidden_layers(first) if _is_judged(layer, first)]
        judged |= {layer.module for layer in hidden}
        if not run.header.loss_name:
            doubtful |= {layer.module for layer in hidden[-1:] if _layers_after(layer, first) == 1}
    return judged, doubtful


def _is_judged(layer: LayerStats, layers: Sequence[LayerStats]) -> bool:
    return layer.type in ("Tanh", "Sigmoid") and not is_gate(layers, layers.index(layer))


def _layers_after(layer: LayerStats, layers: Sequence[LayerStats]) -> int:
    return sum(map(carries, layers[layers.index(layer) + 1 :]))
