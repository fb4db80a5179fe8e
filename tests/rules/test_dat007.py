from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from babysit.measure.record import LossCall, Numbers, RunHeader, RunRecord
from babysit.rules.dat007_target_out_of_range import TargetOutOfRange
from babysit.testing import Watched

RULE = TargetOutOfRange()
OUTPUTS = Numbers(0, 1, -3, 3)
NAN = float("nan")


def values(low: float, high: float, mean: float, std: float, **fields: Any) -> LossCall:
    targets = Numbers(mean, std, low, high)
    made = LossCall(0, "train", "mse_loss", 1.0, (16, 4), (16, 4), OUTPUTS, targets, "sigmoid")
    return dataclasses.replace(made, **fields)


def labels(low: float, high: float, value: float = NAN, **fields: Any) -> LossCall:
    fields = {"name": "cross_entropy", "value": value, "classes": 10, "output_shape": (16, 10), **fields}
    return values(low, high, 4.0, 2.0, **{"target_shape": (16,), **fields})


def check(*calls: LossCall, **header: Any):
    numbered = tuple(dataclasses.replace(item, step=step) for step, item in enumerate(calls))
    return list(RULE.check(RunRecord(RunHeader(**header), calls=numbered)))


@pytest.mark.parametrize(("low", "high", "wrong"), [(1, 10, "class 10"), (-1, 9, "class -1"), (0, 255, "class 255")])
@pytest.mark.parametrize("phase", ["train", "evaluation"])
def test_labels_that_are_no_class(low: float, high: float, wrong: str, phase: str) -> None:
    (finding,) = check(labels(0, 9, 2.0), labels(low, high, phase=phase))
    assert finding.severity == "error"
    assert wrong in finding.message
    assert finding.first_step == 1


def test_labels_that_are_classes() -> None:
    assert check(labels(0, 9, 2.0), labels(0, 9)) == []
    assert check(labels(0, 300, 2.0, classes=0, name="mse_loss")) == []


@pytest.mark.parametrize(
    ("operation", "numbers"),
    [
        ("sigmoid", (-0.8, 1.9, 0.0, 1.0)),
        ("tanh", (5.0, 35.0, 18.0, 7.0)),
        ("tanh", (-2.5, 2.5, 0.0, 1.0)),
        ("relu", (-2.7, 2.9, 0.0, 1.0)),
        ("softmax", (0.0, 4.0, 1.0, 1.0)),
    ],
)
def test_values_that_the_activation_never_gives(operation: str, numbers: tuple[float, ...]) -> None:
    (finding,) = check(*[values(*numbers, output_op=operation)] * 10)
    assert operation in finding.message
    assert "linear" in finding.remedies[0]


@pytest.mark.parametrize(
    ("operation", "numbers"),
    [
        ("addmm", (-9.0, 9.0, 0.0, 3.0)),  # linear
        ("sigmoid", (0.0, 1.0, 0.2, 0.3)),
        ("sigmoid", (-0.2, 1.2, 0.5, 0.3)),  # a few pixels outside
        ("tanh", (-1.3, 1.3, 0.0, 0.4)),
        ("relu", (0.0, 900.0, 3.0, 9.0)),
        ("hardtanh", (0.0, 6.0, 3.0, 2.0)),  # ReLU6 has the same name
    ],
)
def test_values_within_reach(operation: str, numbers: tuple[float, ...]) -> None:
    assert check(*[values(*numbers, output_op=operation)] * 10) == []


def test_nearly_all_calls_must_agree() -> None:
    outside, inside = values(-3, 3, 0, 1), values(0, 1, 0.5, 0.2)
    assert check(outside, outside) == []
    assert check(*[outside] * 8, *[inside] * 2) == []
    assert check(*[dataclasses.replace(outside, phase="evaluation")] * 9) == []
    assert check(*[values(NAN, NAN, NAN, NAN)] * 9) == []


def test_binary_targets_beyond_0_and_1() -> None:
    minus_one = values(-1, 1, 0.0, 1.0, name="binary_cross_entropy_with_logits", output_op="addmm")
    (finding,) = check(*[minus_one] * 5)
    assert "-1" in finding.message
    assert check(*[minus_one] * 5, progress=False) == []  # noisy labels of a discriminator
    assert check(*[dataclasses.replace(minus_one, targets=Numbers(0.5, 0.5, 0, 1))] * 5) == []


@pytest.mark.parametrize("name", ["autoencoder", "cnn", "gru", "lstm", "mlp"])
def test_sick_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    findings = [item for run in zoo(f"sick/dat007_{name}").records for item in RULE.check(run)]
    assert [item.code for item in findings] == ["DAT007"]


@pytest.mark.parametrize("name", ["vae", "gan_points", "bce_sigmoid_output", "label_smoothing_weighted"])
def test_healthy_trainings(zoo: Callable[[str], Watched], name: str) -> None:
    for run in zoo(f"healthy/{name}").records:
        assert list(RULE.check(run)) == []
