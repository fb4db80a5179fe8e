from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from babysit.measure.record import Forward, LossCall, Numbers, RunHeader, RunRecord
from babysit.rules.dat005_unshuffled_batches import UnshuffledBatches
from babysit.testing import Watched

RULE = UnshuffledBatches()
OUTPUTS = Numbers(0, 1, -3, 3)
RANDOM = np.random.default_rng(0)


def call(step: int, labels: np.ndarray, classes: int = 10, **fields: Any) -> LossCall:
    counts = tuple(int(count) for count in np.bincount(labels, minlength=classes))
    targets = Numbers(float(labels.mean()), float(labels.std()), float(labels.min()), float(labels.max()))
    shapes = (len(labels), classes), (len(labels),)
    made = LossCall(step, "train", "cross_entropy", 1.0, *shapes, OUTPUTS, targets, classes=classes, counts=counts)
    return dataclasses.replace(made, **fields)


def run(labels: np.ndarray, batch: int, classes: int = 10, **header: Any) -> RunRecord:
    batches = labels[: len(labels) // batch * batch].reshape(-1, batch)
    return RunRecord(RunHeader(**header), calls=tuple(call(step, part, classes) for step, part in enumerate(batches)))


ORDERED = np.repeat(np.arange(10), 150)


@pytest.mark.parametrize("batch", [8, 32, 100])
def test_classes_in_order(batch: int) -> None:
    (finding,) = RULE.check(run(ORDERED, batch))
    assert finding.severity == "warning"
    assert finding.evidence[0].value > 0.6
    assert list(RULE.check(run(RANDOM.permutation(ORDERED), batch))) == []


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_two_classes_of_any_balance(share: float) -> None:
    labels = (np.arange(2000) < 2000 * share).astype(int)
    assert len(list(RULE.check(run(labels, 16, 2)))) == 1
    assert list(RULE.check(run(RANDOM.permutation(labels), 16, 2))) == []


def test_samplers_that_draw_a_few_classes_a_batch_are_silent() -> None:
    labels = np.concatenate([np.repeat(RANDOM.permutation(50)[:4], 8) for _ in range(60)])
    assert list(RULE.check(run(labels, 32, 50))) == []


def test_too_little_to_tell() -> None:
    assert list(RULE.check(run(ORDERED[140:160], 4))) == []  # small batches
    assert list(RULE.check(run(ORDERED[: 7 * 100], 100))) == []  # few batches
    assert list(RULE.check(run(ORDERED * 0, 32))) == []  # one class
    assert list(RULE.check(run(ORDERED, 32, progress=False))) == []


def test_batches_of_one_step_belong_together() -> None:
    parts = run(ORDERED, 15).calls
    mixed = tuple(dataclasses.replace(item, step=place % 10) for place, item in enumerate(parts))
    assert list(RULE.check(RunRecord(calls=mixed))) == []


def test_positions_of_a_sequence_are_not_judged() -> None:
    ordered = run(ORDERED, 32)
    for shape, expected in (((32, 8), 1), ((4, 8), 0), ((8, 32), 1), ((1, 32), 0), ((32,), 1)):  # or time first
        forwards = tuple(Forward(item.step, "train", "Net", True, shape) for item in ordered.calls)
        assert len(list(RULE.check(dataclasses.replace(ordered, forwards=forwards)))) == expected
    pixels = tuple(dataclasses.replace(item, output_shape=(2, 10, 16), target_shape=(2, 16)) for item in ordered.calls)
    assert list(RULE.check(RunRecord(calls=pixels))) == []


def regression(values: np.ndarray, available: int = 2000) -> RunRecord:
    batches = values.reshape(-1, 20)
    calls = tuple(
        call(step, ORDERED[:20], name="mse_loss", classes=0, counts=(), output_shape=(20, 1), target_shape=(20, 1))
        for step in range(len(batches))
    )
    calls = tuple(
        dataclasses.replace(item, targets=Numbers(float(part.mean()), float(part.std()), -9, 9))
        for item, part in zip(calls, batches, strict=True)
    )
    forwards = tuple(Forward(step, "train", "Net", True, (20, 8), available=available) for step in range(len(batches)))
    return RunRecord(calls=calls, forwards=forwards)


def test_values_in_order() -> None:
    values = RANDOM.normal(size=2000)
    (finding,) = RULE.check(regression(np.sort(values)))
    assert finding.evidence[0].value > 0.9
    assert list(RULE.check(regression(values))) == []
    assert list(RULE.check(regression(np.zeros(2000)))) == []
    # targets that drift with the model, as in reinforcement learning, come from no data set
    assert list(RULE.check(regression(np.sort(values), available=0))) == []


@pytest.mark.parametrize("name", ["cnn", "gru", "mlp", "regression"])
def test_sick_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    findings = [item for run in zoo(f"sick/dat005_{name}").records for item in RULE.check(run)]
    assert [item.code for item in findings] == ["DAT005"]


@pytest.mark.parametrize(
    "name", ["contrastive_infonce", "actor_critic", "segmentation", "gradient_accumulation", "iris_tiny"]
)
def test_healthy_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    for run in zoo(f"healthy/{name}").records:
        assert list(RULE.check(run)) == []
