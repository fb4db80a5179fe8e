"""Gradients as they were before they were clipped."""

from __future__ import annotations

import dataclasses
import math

from babysit.measure.record import StepRecord


def unclipped(step: StepRecord) -> StepRecord:
    """The step with its layers' gradient norms as they were before clipping; itself where nothing was clipped.

    Example:
        >>> from babysit.measure.record import LayerStats
        >>> layers = (LayerStats("a", gradient_norm=0.5),)
        >>> step = StepRecord(0, 2.3, layers=layers, gradient_norm=1.0, clipped_from=20.0, clip_limit=1.0)
        >>> unclipped(step).layers[0].gradient_norm
        10.0
    """
    after, before = step.gradient_norm, step.clipped_from
    if not after or before is None or not (0 < after < before < math.inf):
        return step
    factor = before / after
    layers = tuple(
        layer if layer.gradient_norm is None else dataclasses.replace(layer, gradient_norm=layer.gradient_norm * factor)
        for layer in step.layers
    )
    return dataclasses.replace(step, layers=layers)
