from __future__ import annotations

import math
from types import ModuleType

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from babysit.measure.record import Probe, RunRecord
from babysit.preflight.determinism import probe_determinism
from babysit.rules import Severity
from babysit.rules.pre007_nondeterministic_evaluation import NondeterministicEvaluation
from babysit.testing import record

RULE = NondeterministicEvaluation()


def check(numbers: dict[str, float]):
    return list(RULE.check(record(probes={"determinism": numbers})))


def judged(subject: object):
    return list(RULE.check(RunRecord(probes=(probe_determinism(subject),))))  # type: ignore[arg-type]


def test_real_dropout_that_is_left_on(subjects: ModuleType) -> None:
    (finding,) = judged(subjects.table(subjects.MLP(lambda h: F.dropout(h, 0.2))))
    assert finding.severity is Severity.ERROR
    assert finding.module == "two"
    assert finding.remedies[0] == "F.dropout(x, p) → F.dropout(x, p, training=self.training)"
    (finding,) = judged(subjects.images(subjects.CNN(F.dropout2d)))
    assert finding.severity is Severity.ERROR
    assert finding.module == "head"


def test_a_model_that_samples_is_information_and_one_kept_in_training_a_warning(subjects: ModuleType) -> None:
    (finding,) = judged(subjects.table(subjects.MLP(lambda h: h + torch.randn_like(h))))
    assert finding.severity is Severity.INFO
    assert "random numbers are drawn" in finding.message

    class MonteCarlo(nn.Sequential):
        def train(self, mode: bool = True) -> MonteCarlo:
            super().train(mode)
            self[1].train()
            return self

    (finding,) = judged(subjects.table(MonteCarlo(nn.Linear(10, 64), nn.Dropout(0.3), nn.Linear(64, 3))))
    assert finding.severity is Severity.WARNING
    assert "stay in training mode" in finding.message


def test_real_networks_that_are_evaluated_alike(subjects: ModuleType) -> None:
    for subject in (
        subjects.table(nn.Sequential(nn.Linear(10, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))),
        subjects.images(subjects.CNN()),
        subjects.text(subjects.GPT()),
    ):
        assert judged(subject) == []


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({"difference": 0.1}, 1),
        ({"difference": 1e-6}, 0),
        ({"difference": 1e-3, "repeat": 5e-4}, 0),  # order of summation
        ({"difference": 0.2, "repeat": 0.2}, 1),  # random whatever the seed
        ({"difference": 0.05, "precision": 2**-7}, 0),
        ({"difference": 0.1, "per_example": 0.0}, 0),  # a loss that draws noise
        ({"difference": 0.1, "per_example": 0.0, "dropout": 1.0}, 1),
        ({"difference": math.nan}, 0),
        ({"repeat": 1.0}, 0),
        ({}, 0),
    ],
)
def test_limits(numbers: dict[str, float], expected: int) -> None:
    assert len(check(numbers)) == expected


def test_only_what_was_measured_is_judged() -> None:
    assert list(RULE.check(RunRecord(probes=(Probe("determinism", texts={"reason": "the model failed"}),)))) == []
