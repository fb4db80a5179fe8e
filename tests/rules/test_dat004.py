from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from babysit.measure.record import LossCall, Numbers, RunHeader, RunRecord
from babysit.rules.dat004_constant_target import ConstantTarget
from babysit.testing import Watched

RULE = ConstantTarget()
OUTPUTS = Numbers(0, 1, -3, 3)


def call(step: int, low: float = 3.0, high: float | None = None, **fields: Any) -> LossCall:
    targets = Numbers(low, 0.0, low, low if high is None else high)
    made = LossCall(step, "train", "cross_entropy", 1.0, (16, 10), (16,), OUTPUTS, targets, "addmm", classes=10)
    return dataclasses.replace(made, **fields)


def values(step: int, low: float = 0.0, high: float | None = None, **fields: Any) -> LossCall:
    return call(step, low, high, **{"name": "mse_loss", "classes": 0, "output_shape": (16,), **fields})


def run(calls: list[LossCall], **header: Any) -> RunRecord:
    return RunRecord(RunHeader(**header), calls=tuple(calls))


@pytest.mark.parametrize("kind", [call, values])
def test_one_value_for_all(kind: Callable[..., LossCall]) -> None:
    (finding,) = RULE.check(run([kind(step) for step in range(40)]))
    assert finding.severity == "error"
    assert "640 targets of 40" in finding.message
    assert (finding.first_step, finding.last_step) == (0, 39)


@pytest.mark.parametrize("kind", [call, values])
def test_one_other_target_is_enough(kind: Callable[..., LossCall]) -> None:
    assert list(RULE.check(run([kind(step) for step in range(39)] + [kind(39, high=9.0)]))) == []


def test_an_epoch_of_known_length_suffices() -> None:
    calls = [call(step) for step in range(6)]
    assert len(list(RULE.check(run(calls, steps_per_epoch=6)))) == 1
    assert list(RULE.check(run(calls, steps_per_epoch=7))) == []  # ordered by class, another one may come
    assert list(RULE.check(run(calls))) == []
    assert list(RULE.check(run(calls[:4], steps_per_epoch=4))) == []


def test_an_evaluation_stands_for_what_training_did_not_show_yet() -> None:
    calls = [call(step) for step in range(6)]
    assert list(RULE.check(run(calls))) == []
    large = call(6, phase="evaluation", output_shape=(256, 10), target_shape=(256,))
    (finding,) = RULE.check(run([*calls, large]))
    assert "96 targets of 6 recorded training batches, and 256 of evaluation, are class 3 of 10" in finding.message
    other = dataclasses.replace(large, targets=Numbers(3, 1, 2, 3))
    assert list(RULE.check(run([*calls, other]))) == []
    assert list(RULE.check(run([*calls, dataclasses.replace(large, target_shape=(255,))]))) == []


def test_a_residual_that_is_to_be_zero_is_no_answer() -> None:
    assert list(RULE.check(run([values(step, output_op="sub") for step in range(40)]))) == []


def test_several_losses_or_two_models_are_silent() -> None:
    calls = [call(step) for step in range(40)]
    assert list(RULE.check(run(calls, progress=False))) == []
    assert list(RULE.check(run([*calls, *(values(step, 0, 1) for step in range(40))]))) == []
    assert list(RULE.check(run([call(step, targets=Numbers(3, 0, 3, 3, 0.5)) for step in range(40)]))) == []
    assert list(RULE.check(run([dataclasses.replace(item, phase="evaluation") for item in calls]))) == []
    assert not RULE.applies(RunRecord())


@pytest.mark.parametrize("name", ["cnn", "gru", "mlp", "transformer"])
def test_sick_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    findings = [item for run in zoo(f"sick/dat004_{name}").records for item in RULE.check(run)]
    assert [item.code for item in findings] == ["DAT004"]


@pytest.mark.parametrize("name", ["contrastive_infonce", "gan_points", "actor_critic", "noisy_labels"])
def test_healthy_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    for run in zoo(f"healthy/{name}").records:
        assert list(RULE.check(run)) == []
