from __future__ import annotations

import math
from types import ModuleType

import pytest
from torch import nn

from babysit.measure.record import Probe, RunRecord
from babysit.preflight.leakage import probe_leakage
from babysit.rules import Severity
from babysit.rules.pre005_batch_leakage import BatchLeakage
from babysit.testing import record

RULE = BatchLeakage()


def check(numbers: dict[str, float]):
    return list(RULE.check(record(probes={"batch-leakage": numbers})))


def test_real_networks_whose_examples_mix(subjects: ModuleType) -> None:
    (finding,) = RULE.check(RunRecord(probes=(probe_leakage(subjects.table(subjects.MLP(lambda h: h - h.mean(0)))),)))
    assert finding.severity is Severity.ERROR
    assert finding.module == "two"
    assert "when the others in the batch are replaced; this is first seen in what two gives" in finding.message
    assert [item.name.split()[0] for item in finding.evidence] == ["change", "gradient"]
    assert all(item.value > (item.limit or 0) for item in finding.evidence)
    (finding,) = RULE.check(RunRecord(probes=(probe_leakage(subjects.images(subjects.CNN(lambda h: h.cumsum(0)))),)))
    assert finding.module == "head"


def test_real_networks_whose_examples_are_apart(subjects: ModuleType) -> None:
    normalised = nn.Sequential(nn.Linear(10, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3))
    for subject in (
        subjects.table(normalised),
        subjects.images(subjects.CNN()),
        subjects.text(subjects.GPT()),
        subjects.text(subjects.Recurrent(batch_first=False), form="time-major"),
    ):
        assert list(RULE.check(RunRecord(probes=(probe_leakage(subject),)))) == []


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({"difference": 0.5}, 1),
        ({"gradient": 0.5}, 1),
        ({"difference": 1e-6, "gradient": 0.0}, 0),
        ({"difference": 1e-3, "control": 1e-3}, 0),  # it changes as much by itself
        ({"difference": 0.5, "control": 1e-3}, 1),
        ({"difference": 0.05, "precision": 2**-7}, 0),  # bfloat16
        ({"difference": 1e-3, "precision": 2**-23}, 1),
        ({"difference": math.nan, "gradient": math.inf}, 0),
        ({}, 0),
    ],
)
def test_limits(numbers: dict[str, float], expected: int) -> None:
    assert len(check(numbers)) == expected


def test_without_a_place_the_remedy_is_general() -> None:
    (finding,) = check({"gradient": 0.25})
    assert finding.module == ""
    assert finding.remedies[0] == "look for operations along the first dimension"
    assert "a gradient by another's input of 0.25 of the largest" in finding.message
    assert list(RULE.check(RunRecord(probes=(Probe("batch-leakage", texts={"reason": "one example"}),)))) == []
