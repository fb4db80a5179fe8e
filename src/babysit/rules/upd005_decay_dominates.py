"""UPD005: weight decay pulls harder than the gradient, and the weights shrink towards zero."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from babysit.measure.record import LayerStats, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._curve import Curve
from babysit.rules._optimizer import is_decoupled
from babysit.rules._words import names, number, percent


@dataclass(frozen=True)
class DecayDominates(Rule):
    """Weight decay's part of the step exceeds the gradient's, and the weights are on their way to zero.

    ## What it measures
    For each layer with weight decay: the decay's part beside the gradient (λ‖w‖ against ‖g‖ where it is L2 in the
    gradient, its part of the update against the rest where it is decoupled), in the later half of the run; and the last
    weight norm beside the largest one and the first. It speaks where most layers have shrunk so, while the loss is
    still high. It speaks as well where a decoupled decay, far above what is usual, takes so much off most layers at
    each step (the learning rate times λ) that a step's gain is gone after a few dozen, whether they have shrunk or live
    on what they get anew.

    ## Why it hurts
    The smallest weights, not the smallest loss, are what is looked for. The outputs end near a constant, and the
    network has no means left to say otherwise.

    ## What to try
    Lower the weight decay by 10, and again: 1e-4 to 5e-4 is usual with SGD, 0.01 to 0.1 with AdamW. With Adam, use
    AdamW's decoupled decay. See that a decay given by hand, `loss + l2 * sum(w ** 2)`, is not added a second time.

    ## When it is a false alarm
    Near the floor of the loss the gradient is small by right and the decay exceeds it: the rule is silent once the loss
    has come down. So it is while the weights keep their size, and for weights before a normalisation, which shrink to a
    balance and learn all the same. Weights that stand above their start have been driven up there by the steps: it is
    those that are too large, and UPD002 tells it. A network that is meant to be pruned away is a true exception.

    ## Options
    Healthy decays, 1e-4 with SGD to 0.1 with AdamW at a rate of 1e-3, leave 0.9 of the weights and more in a thousand
    steps; at `forgotten` a step a third of them is left after fifty.

    ## References
    Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019. Krogh and Hertz, A simple weight decay can
    improve generalization, 1991.
    """

    code: ClassVar[str] = "UPD005"
    name: ClassVar[str] = "decay-dominates"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("steps", "losses")
    source: ClassVar[str] = "Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019"

    decay: float = threshold(0.5, unit="decay's part / gradient's part")
    shrunk: float = threshold(0.4, unit="last weight norm / largest")
    layers: float = threshold(0.5, unit="share of the layers with decay")
    learnt: float = threshold(0.5, unit="× initial loss or chance level")
    grown: float = threshold(1.5, unit="last weight norm / first", source="adds half to what the training began with")
    failed: float = threshold(0.9, unit="× initial loss or chance level")
    forgotten: float = threshold(0.02, unit="share of the weights a step", source="20 × 0.1 at a rate of 1e-2")
    usual: float = threshold(0.3, unit="weight decay", source="three times the largest usual one of AdamW")
    min_samples: int = threshold(20, unit="sampled steps")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        curve = Curve.of(run)
        level = curve.chance or curve.initial
        high = not run.header.progress or curve.final > self.learnt * level > 0
        layers = [seen for seen in _decayed(run).values() if len(seen) >= self.min_samples]
        fading = [
            seen for seen in layers if _share(seen) > self.decay and _left(seen) < self.shrunk and _growth(seen) < 1
        ]
        if not high:
            return
        failed = run.header.progress and curve.final > self.failed * level
        if not fading or len(fading) <= self.layers * len(layers):
            yield from self._forgets(run, curve, failed=failed)
            return
        left, share = median(map(_left, fading)), median(map(_share, fading))
        modules = [seen[-1].module for seen in fading]
        yield self.finding(
            f"weight decay takes {_times(share)} in {len(fading)} of {len(layers)} layers ({names(modules)}), whose "
            f"weights have come down to {number(left)} of what they were; the loss is still {number(curve.final)}",
            evidence=(
                *((Evidence("decay / gradient in the step", share, self.decay),) if math.isfinite(share) else ()),
                Evidence("weight norm at the end / at its largest", left, self.shrunk),
                Evidence("layers that fade", float(len(fading)), self.layers * len(layers)),
                Evidence("final training loss", curve.final, self.learnt * level),
            ),
            remedies=_REMEDIES,
            module=modules[0],
            steps=(run.steps[0].step, run.steps[-1].step),
            severity=Severity.ERROR if failed else None,
        )

    def _forgets(self, run: RunRecord, curve: Curve, *, failed: bool) -> Iterator[Finding]:
        """Weights that keep their size, and yet nothing of what they have learnt."""
        taken = {
            module: median(shares)
            for module, shares in _taken(run, self.usual, self.grown).items()
            if len(shares) >= self.min_samples
        }
        modules = [module for module, share in taken.items() if share > self.forgotten]
        if len(modules) <= self.layers * len(taken):
            return
        share = median(taken[module] for module in modules)
        yield self.finding(
            f"weight decay takes {percent(share)} off the weights at every step in {len(modules)} of {len(taken)} "
            f"layers ({names(modules)}): what a step has learnt is gone after "
            f"{number(max(1.0, 1 / share))} more; the loss is still {number(curve.final)}",
            evidence=(
                Evidence("share of the weights that decay takes at a step", share, self.forgotten),
                Evidence("layers that forget", float(len(modules)), self.layers * len(taken)),
                Evidence("final training loss", curve.final),
            ),
            remedies=_REMEDIES[:1],
            module=modules[0],
            steps=(run.steps[0].step, run.steps[-1].step),
            severity=Severity.ERROR if failed else None,
        )


def _decayed(run: RunRecord) -> Mapping[str, Sequence[LayerStats]]:
    """Each module at the sampled steps where it was decayed."""
    found: dict[str, list[LayerStats]] = {}
    for step in run.steps:
        for layer in step.layers:
            if layer.weight_norm and (layer.decay_norm or 0.0) > 0:
                found.setdefault(layer.module, []).append(layer)
    return found


def _taken(run: RunRecord, usual: float, grown: float) -> Mapping[str, Sequence[float]]:
    """Share of each module's weights that a decoupled decay takes at the sampled steps; 0 where it is a usual one.

    With a usual decay it is the learning rate that is too high, and so it is where the weights have grown in spite of
    an unusual one.
    """
    found: dict[str, list[float]] = {}
    first: dict[str, float] = {}
    for step in run.steps if is_decoupled(run) else ():
        for layer in step.layers:
            if step.lr and layer.weight_norm and layer.decay_norm is not None:
                share = layer.decay_norm / layer.weight_norm
                small = layer.weight_norm < grown * first.setdefault(layer.module, layer.weight_norm)
                found.setdefault(layer.module, []).append(share if share / step.lr > usual and small else 0.0)
    return found


def _share(seen: Sequence[LayerStats]) -> float:
    """Decay's part over the gradient's, lately; infinite where no gradient was left."""
    late = seen[len(seen) // 2 :]
    return median(math.inf if layer.decay_share is None else layer.decay_share for layer in late)


def _times(share: float) -> str:
    return f"{number(share)} times as much as the gradient gives" if math.isfinite(share) else "all of the step"


def _left(seen: Sequence[LayerStats]) -> float:
    largest = max(layer.weight_norm or 0.0 for layer in seen)
    return (seen[-1].weight_norm or 0.0) / largest if largest > 0 else math.nan


def _growth(seen: Sequence[LayerStats]) -> float:
    return (seen[-1].weight_norm or 0.0) / (seen[0].weight_norm or math.nan)


_REMEDIES = (
    "lower the weight decay by 10, and again: 1e-4 is usual with SGD, 0.01 with AdamW",
    "with Adam, use AdamW, whose decay does not depend on the gradient's size",
)
