"""How much of the loss's gradient arrives at each layer, as a number that no scale of loss or weights changes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from babysit.measure.record import StepRecord


@dataclass(frozen=True, slots=True)
class Arrival:
    """What arrives at one layer's weights at one step.

    Attributes:
        sensitivity: Gradient norm × weight norm / loss: the relative change of the loss, to first order, per relative
            change of the weights. About 0.01 to 10 in trainings that learn.
        relative: Gradient norm / weight norm: the relative update at a learning rate of 1.
    """

    sensitivity: float
    relative: float


def arrivals(step: StepRecord, level: float | None = None) -> Mapping[str, Arrival]:
    """Each layer's arrival at a step, in the model's order; those with a finite gradient and weights not zero.

    Args:
        step: A sampled step.
        level: What the loss is measured in; its own value by default.

    Example:
        >>> from babysit.measure.record import LayerStats
        >>> arrivals(StepRecord(0, 2.0, layers=(LayerStats("a", gradient_norm=0.5, weight_norm=4.0),)))
        {'a': Arrival(sensitivity=1.0, relative=0.125)}
    """
    scale = step.loss if level is None else level
    if not (math.isfinite(scale) and scale > 0):
        return {}
    found: dict[str, Arrival] = {}
    for layer in step.layers:
        gradient, weight = layer.gradient_norm, layer.weight_norm or 0.0
        if gradient is not None and 0 <= gradient < math.inf and 0 < weight < math.inf:
            found[layer.module] = Arrival(gradient * weight / scale, gradient / weight)
    return found
