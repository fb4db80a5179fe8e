from __future__ import annotations

import dataclasses

import pytest

from babysit.rules.upd001_tiny_update import TinyUpdate
from babysit.testing import record

RULE = TinyUpdate()
STEPS = 200


@pytest.mark.parametrize("options", [{"lr": 1e-5}, {"optimizer": "adam", "lr": 1e-7}], ids=str)
def test_real_trainings_at_a_rate_far_too_low(train, options) -> None:
    run = train(**options)
    (finding,) = RULE.check(run)
    assert finding.module == ""
    assert finding.evidence[0].value < 1e-5
    assert "in 2 of 2 layers (0, 2)" in finding.message
    assert "too low" in finding.message


def test_real_healthy_trainings_are_silent(healthy) -> None:
    assert list(RULE.check(healthy)) == []


def run_with(updates: dict[str, list[float]], loss: float = 2.0, lr: float | list[float] = 0.1):
    return record([2.3] * 10 + [loss] * (STEPS - 10), updates=updates, lr=lr)


def test_one_layer_of_two_is_named_with_another_remedy() -> None:
    (finding,) = RULE.check(run_with({"low": [1e-7] * STEPS, "high": [1e-3] * STEPS}))
    assert finding.module == "low"
    assert "little of the gradient" in finding.message
    assert not any("learning rate" in remedy for remedy in finding.remedies)


@pytest.mark.parametrize(("gradient", "count"), [(1e-6, 1), (1e3, 0)])
def test_one_layer_that_the_loss_feels_has_large_constants(gradient: float, count: int) -> None:
    run = run_with({"low": [1e-7] * STEPS, "high": [1e-3] * STEPS})
    steps = tuple(
        dataclasses.replace(
            step, layers=tuple(dataclasses.replace(layer, gradient_norm=gradient) for layer in step.layers)
        )
        for step in run.steps
    )
    assert len(list(RULE.check(dataclasses.replace(run, steps=steps)))) == count


def test_frozen_layers_are_another_matter() -> None:
    assert list(RULE.check(run_with({"frozen": [0.0] * STEPS, "high": [1e-3] * STEPS}))) == []


def test_silent_near_the_floor_at_the_end_of_a_schedule_and_in_the_first_steps() -> None:
    assert list(RULE.check(run_with({"a": [1e-7] * STEPS}, loss=0.01))) == []
    decayed = [0.1] * 100 + [1e-5] * 100
    assert list(RULE.check(run_with({"a": [1e-3] * 100 + [1e-7] * 100}, lr=decayed))) == []
    assert list(RULE.check(record([2.3] * 20, updates={"a": [1e-7] * 20}))) == []


def test_layers_that_once_moved_are_not_counted() -> None:
    # after an explosion the gradient of dead units is gone; the rate was too high, not too low
    assert list(RULE.check(run_with({"a": [3.0] * 5 + [1e-9] * (STEPS - 5)}))) == []


def test_weights_of_norm_zero_or_unmeasured_are_skipped() -> None:
    assert list(RULE.check(record([2.3] * STEPS, lr=0.1))) == []
    assert list(RULE.check(record([2.3] * STEPS, updates={"a": [float("nan")] * STEPS}))) == []


def test_small_steps_that_halve_the_loss_do_their_work() -> None:
    assert len(list(RULE.check(run_with({"a": [1e-6] * STEPS}, loss=2.0)))) == 1
    assert list(RULE.check(run_with({"a": [1e-6] * STEPS}, loss=1.0))) == []
    (finding,) = RULE.check(run_with({"low": [1e-7] * STEPS, "high": [1e-3] * STEPS}, loss=1.0))
    assert finding.module == "low"


def test_tables_of_which_a_step_sees_few_rows() -> None:
    run = run_with({"table": [1e-7] * STEPS, "high": [1e-3] * STEPS})
    steps = tuple(
        dataclasses.replace(
            step,
            layers=tuple(
                dataclasses.replace(layer, type="Embedding" if layer.module == "table" else "Linear")
                for layer in step.layers
            ),
        )
        for step in run.steps
    )
    assert len(list(RULE.check(run))) == 1
    assert list(RULE.check(dataclasses.replace(run, steps=steps))) == []
