"""The paths that the signal takes before training has changed anything: one for each model, in its first pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from babysit.measure.record import LayerStats, RunRecord
from babysit.rules._passes import Passes
from babysit.rules._signal import initial_layers


def initial_models(run: RunRecord) -> Iterator[list[LayerStats]]:
    """The layers of each model at step 0, in its first pass; none where that step was not sampled."""
    for first, *_ in Passes.of(run).split(initial_layers(run)).values():
        yield first


def across_examples(layers: list[LayerStats]) -> list[LayerStats]:
    """The layers with the spread across the examples in place of the plain one; without it where it was not measured.

    Biases keep up the plain spread of a signal in which nothing is left of the inputs.
    """
    return [dataclasses.replace(layer, std=layer.example_std) for layer in layers]
