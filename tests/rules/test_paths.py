from __future__ import annotations

from babysit.measure.record import Forward, LayerStats, RunRecord, StepRecord
from babysit.rules._paths import across_examples, initial_models


def test_each_model_by_itself_and_once() -> None:
    names = ("a", "Other.a", "Other.b", "Other.a#2", "Other.b#2")
    layers = tuple(LayerStats(name, "Linear", weight_norm=1.0) for name in names)
    forwards = tuple(Forward(0, "train", model, training=True) for model in ("Net", "Other", "Other"))
    run = RunRecord(steps=(StepRecord(0, 1.0, layers=layers),), forwards=forwards)
    assert [[layer.module for layer in model] for model in initial_models(run)] == [["a"], ["Other.a", "Other.b"]]
    assert list(initial_models(RunRecord(steps=(StepRecord(3, 1.0, layers=layers),)))) == []


def test_the_spread_across_examples() -> None:
    found = across_examples([LayerStats("a", std=1.0, example_std=0.1), LayerStats("b", std=1.0)])
    assert [layer.std for layer in found] == [0.1, None]
