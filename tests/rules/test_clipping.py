from __future__ import annotations

import math

import pytest

from babysit.measure.record import LayerStats, StepRecord
from babysit.rules._clipping import unclipped

LAYERS = (LayerStats("a", gradient_norm=0.5), LayerStats("b"))


@pytest.mark.parametrize(
    ("after", "before"), [(None, 5.0), (1.0, None), (1.0, 0.5), (0.0, 5.0), (math.nan, 5.0), (1.0, math.inf)]
)
def test_nothing_was_clipped_or_nobody_knows(after: float | None, before: float | None) -> None:
    step = StepRecord(0, 1.0, layers=LAYERS, gradient_norm=after, clipped_from=before)
    assert unclipped(step) is step


def test_every_layer_gets_its_size_back() -> None:
    step = StepRecord(0, 1.0, layers=LAYERS, gradient_norm=1.0, clipped_from=30.0, clip_limit=1.0)
    assert [layer.gradient_norm for layer in unclipped(step).layers] == [15.0, None]
