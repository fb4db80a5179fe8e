"""UPD004: the optimizer's steps leave every weight as it was."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from babysit.measure.record import LayerStats, RunRecord, StepRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._words import change_rate, number


@dataclass(frozen=True)
class NoUpdate(Rule):
    """Gradients arrive, and yet no weight changes at any step.

    ## What it measures
    The norm of the update, weights after minus before, of every layer at every sampled step, and the norm of the
    gradient beside it. It speaks where all updates are exactly zero although gradients are not, at a learning rate
    above zero.

    ## Why it hurts
    Nothing is learnt, while the time, the progress bar and the gradients look like a training.

    ## What to try
    See that the optimizer was given the parameters of this very model, and not those of a copy or of layers that were
    replaced after it was made; that `optimizer.step()` is called, and not skipped by a condition or a gradient scaler.
    If the learning rate times the gradient is below the rounding of the weights (6e-8 of a weight in float32, 4e-3 in
    bfloat16), raise the rate or keep the weights in float32.

    ## When it is a false alarm
    When the steps are gathered over more than `min_samples` calls. Layers whose gradient is zero do not count, nor do
    runs of which a single sampled step changed a weight.

    ## Options
    `min_samples` steps must have been sampled, so that a gradient summed over a few batches is not taken for it.

    ## References
    TrainCheck (OSDI 2025) has an optimizer without the model's parameters among its silent errors.
    """

    code: ClassVar[str] = "UPD004"
    name: ClassVar[str] = "no-update"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("steps",)
    source: ClassVar[str] = "Jiang et al., Training with Confidence (TrainCheck), OSDI 2025"

    min_samples: int = threshold(20, unit="sampled steps")
    rounding: float = threshold(6e-8, unit="lr × gradient norm / weight norm", source="half of float32's epsilon")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        measured = [step for step in run.steps if any(layer.update_norm is not None for layer in step.layers)]
        tried = [step for step in measured if (step.lr is None or step.lr > 0) and any(map(_has_gradient, step.layers))]
        unmoved = all(layer.update_norm in (None, 0.0) for step in measured for layer in step.layers)
        if len(tried) < self.min_samples or not unmoved:
            return
        wanted = [size for step in tried if (size := _wanted(step)) is not None]
        typical = median(wanted) if wanted else None
        lost = typical is not None and typical < self.rounding
        rate = tried[-1].lr
        cause = (
            f"the learning rate times the gradient is {number(typical or 0.0)} of the weights, less than they can hold"
            if lost
            else "the optimizer does not have these weights, or its step is never taken"
        )
        yield self.finding(
            f"no weight changed at any of {len(measured)} sampled steps, although gradients arrive: {cause}",
            evidence=(
                Evidence("largest update norm", 0.0),
                Evidence("sampled steps with a gradient", float(len(tried)), float(self.min_samples), "steps"),
                *(() if typical is None else (Evidence("lr × gradient / weights", typical, self.rounding),)),
            ),
            remedies=(change_rate(rate, 1e3), "keep the weights in float32") if lost else _REMEDIES,
            steps=(measured[0].step, measured[-1].step),
        )


def _has_gradient(layer: LayerStats) -> bool:
    return layer.update_norm is not None and layer.gradient_norm is not None and 0 < layer.gradient_norm < math.inf


def _wanted(step: StepRecord) -> float | None:
    """Largest share of a layer's weights that plain gradient descent would change at this step."""
    shares = [
        step.lr * layer.gradient_norm / layer.weight_norm
        for layer in step.layers
        if step.lr is not None and _has_gradient(layer) and layer.gradient_norm is not None and layer.weight_norm
    ]
    return max((share for share in shares if math.isfinite(share)), default=None)


_REMEDIES = (
    "give the optimizer the parameters of this very model: make it after the model is complete, on its device",
    "see that optimizer.step() is called at every step, and that no condition or gradient scaler skips it",
)
