from __future__ import annotations

import math

import pytest

from babysit.measure.record import LayerStats, Origin, RunRecord, StepRecord
from babysit.rules._origin import first_broken_module, first_origin, operation_remedy, place


def test_the_earliest_one() -> None:
    run = RunRecord(origins=(Origin(7, "loss"), Origin(3, "forward")))
    assert first_origin(run) == Origin(3, "forward")
    assert first_origin(RunRecord()) is None


@pytest.mark.parametrize(
    ("operation", "word"),
    [("log", "logarithm"), ("linalgvectornorm", "root"), ("reciprocal", "division"), ("expm1", "exponential")],
)
def test_operations(operation: str, word: str) -> None:
    assert word in operation_remedy(Origin(0, "forward", operation=operation))


def test_operations_that_only_pass_it_on() -> None:
    assert operation_remedy(Origin(0, "forward", operation="addmm")) == ""
    assert operation_remedy(Origin(0, "forward")) == ""
    assert operation_remedy(None) == ""


def test_places_in_words() -> None:
    assert place(Origin(2, "gradient", "fc", "sqrt")) == "in the gradient of step 2, in sqrt, at layer fc"
    assert place(Origin(2, "input")) == "in the inputs"


def test_the_first_layer_of_the_forward_pass_and_the_last_of_the_backward_one() -> None:
    forward = (LayerStats("a", std=1.0), LayerStats("b", mean=math.nan), LayerStats("c", std=math.inf))
    backward = (LayerStats("a", gradient_norm=math.nan), LayerStats("b", weight_norm=math.inf), LayerStats("c"))
    for layers in (forward, backward):
        assert first_broken_module(RunRecord(steps=(StepRecord(0, 1.0, layers=layers),))) == "b"
    assert first_broken_module(RunRecord()) == ""
