from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from babysit.measure.record import LayerStats, RunRecord, StepRecord
from babysit.rules import Severity
from babysit.rules.ini001_symmetric_units import SymmetricUnits

RULE = SymmetricUnits()


def layer(**changes: Any) -> LayerStats:
    usual = {"weight_norm": 1.0, "gradient_norm": 0.1, "update_norm": 0.01, "identical_units": 1.0}
    return LayerStats(changes.pop("module", "fc1"), changes.pop("type", "Linear"), **{**usual, **changes})


def run(*looks: LayerStats | None, steps: tuple[int, ...] = (0, 1, 4, 16)) -> RunRecord:
    """The layer at each look; random layers beside it, and steps between at which nobody looked."""
    other = LayerStats("out", "Linear", weight_norm=1.0, gradient_norm=1.0, update_norm=0.1, identical_units=0.0)
    records = [
        StepRecord(step, 2.3, layers=(*((look,) if look else ()), other))
        for step, look in zip(steps, looks, strict=False)
    ]
    between = StepRecord(2, 2.3, layers=(dataclasses.replace(other, identical_units=None),))
    return RunRecord(steps=tuple(sorted((*records, between), key=lambda record: record.step)))


def test_equal_units_that_stay_equal() -> None:
    (finding,) = RULE.check(run(*[layer()] * 4))
    assert finding.severity is Severity.ERROR
    assert finding.module == "fc1"
    assert (finding.first_step, finding.last_step) == (0, 16)
    assert "100 % of the units of fc1 equal another one exactly, from step 0 to step 16" in finding.message
    assert "one value" in finding.remedies[0]


def test_all_zero_where_not_even_a_gradient_arrives() -> None:
    zero = layer(weight_norm=0.0, gradient_norm=0.0, update_norm=0.0)
    (finding,) = RULE.check(run(*[zero] * 4))
    assert "all their weights are zero" in finding.message
    assert "to 0:" in finding.remedies[0]


def test_part_of_the_units_is_a_warning() -> None:
    (finding,) = RULE.check(run(*[layer(identical_units=0.6)] * 4))
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize("kind", ["Conv2d", "GRU", "LSTM", "RNN", "NonDynamicallyQuantizableLinear"])
def test_kinds_of_layers(kind: str) -> None:
    assert len(list(RULE.check(run(*[layer(type=kind)] * 4)))) == (kind[0] != "N")


@pytest.mark.parametrize(
    "looks",
    [
        (layer(), *[layer(identical_units=0.0)] * 3),  # an output layer, LoRA's B, the end of a residual branch
        (layer(update_norm=0.0), layer(), *[layer(identical_units=0.0)] * 2),  # the same after a warm-up from 0
        [layer(gradient_norm=None, update_norm=0.0)] * 4,  # cut off: GRD004
        [layer(update_norm=0.0)] * 4,  # frozen by a learning rate of 0
        [layer(update_norm=None)] * 4,
        [layer(identical_units=0.3)] * 4,
        [layer(identical_units=float("nan"))] * 4,
        [layer(identical_units=None)] * 4,  # one unit
        [layer(type="Embedding")] * 4,  # rows that no example used
        [layer(type="")] * 4,  # a table of parameters
        [layer()] * 2,  # too early
        [None, *[layer()] * 3],  # what it was at the start is not known
    ],
)
def test_what_keeps_it_silent(looks: list[LayerStats | None]) -> None:
    assert list(RULE.check(run(*looks))) == []


def test_real_healthy_trainings_are_silent(healthy: RunRecord) -> None:
    assert list(RULE.check(healthy)) == []
