from __future__ import annotations

from babysit.measure.record import Coverage, LayerStats, RunRecord, StepRecord
from babysit.rules._coverage import after_first, mostly, trains_nothing, with_gradient


def test_looks_after_the_first() -> None:
    looks = tuple(Coverage(step) for step in (0, 1, 4))
    assert [look.step for look in after_first(RunRecord(coverage=looks))] == [1, 4]


def test_what_nearly_all_looks_show() -> None:
    looks = [("a", "b"), ("a", "a"), ("a", "c"), ("c",)]
    assert mostly(looks, 0.75) == ["a"]
    assert mostly(looks, 0.5) == ["a", "c"]
    assert mostly([], 0.9) == []


def test_a_gradient_at_any_step_counts() -> None:
    layers = (LayerStats("a", gradient_norm=0.0), LayerStats("b#2", gradient_norm=1.0), LayerStats("c"))
    assert with_gradient(RunRecord(steps=(StepRecord(3, 1.0, layers=layers),))) == {"a", "b"}


def test_nothing_trained() -> None:
    assert trains_nothing([Coverage(0, without_gradient=("a",))])
    assert not trains_nothing([Coverage(0), Coverage(1, trained=("a",))])
    assert not trains_nothing([])
