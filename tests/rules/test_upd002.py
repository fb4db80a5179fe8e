from __future__ import annotations

import pytest

from babysit.rules import Severity
from babysit.rules.upd002_huge_update import HugeUpdate
from babysit.testing import record

RULE = HugeUpdate()
STEPS = 200


def test_real_training_at_a_rate_far_too_high(train) -> None:
    (finding,) = RULE.check(train(data="noisy", net="linear", lr=3.0))
    assert finding.evidence[0].value > 0.2
    assert finding.remedies == ("lower the learning rate: lr 3 → 0.3",)


def test_real_healthy_trainings_are_silent(healthy) -> None:
    assert list(RULE.check(healthy)) == []


def test_layers_that_start_at_zero_grow_in_peace() -> None:
    growing = [1 / (step + 1) for step in range(STEPS)]
    assert list(RULE.check(record([2.3] * STEPS, updates={"a": growing}))) == []


def test_one_layer_of_two_is_named() -> None:
    (finding,) = RULE.check(record([2.3] * STEPS, updates={"a": [1e-3] * STEPS, "b": [0.5] * STEPS}, lr=0.1))
    assert finding.module == "b"
    assert "larger weights" in finding.remedies[1]


def test_an_error_where_nothing_was_learnt() -> None:
    for final, severity in ((2.2, Severity.ERROR), (1.5, Severity.WARNING)):
        losses = [2.3] * 5 + [final] * (STEPS - 5)
        (finding,) = RULE.check(record(losses, updates={"a": [0.5] * STEPS}))
        assert finding.severity is severity


def test_silent_near_the_floor() -> None:
    assert list(RULE.check(record([2.3] * 5 + [0.001] * 195, updates={"a": [0.5] * STEPS}))) == []


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_silent_where_the_ratio_is_no_number(value: float) -> None:
    assert list(RULE.check(record([2.3] * STEPS, updates={"a": [value] * STEPS}))) == []


def test_too_few_samples_are_not_judged() -> None:
    assert list(RULE.check(record([2.3] * 24, updates={"a": [0.5] * 24}))) == []
