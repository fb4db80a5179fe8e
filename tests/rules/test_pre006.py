from __future__ import annotations

import math
from types import ModuleType

import pytest
import torch
from torch.nn import functional as F

from babysit.measure.record import Probe, RunRecord
from babysit.preflight.ignored_input import probe_ignored_input
from babysit.rules import Severity
from babysit.rules.pre006_input_ignored import InputIgnored
from babysit.testing import record

RULE = InputIgnored()
SICK = {"initial_loss": 1.1, "real_loss": 1.05, "blank_loss": 1.05, "variation": 0.0, "steps": 60.0, "examples": 20.0}


def check(numbers: dict[str, float]):
    return list(RULE.check(record(probes={"input-ignored": numbers})))


def judged(subject: object):
    return list(RULE.check(RunRecord(probes=(probe_ignored_input(subject),))))  # type: ignore[arg-type]


def test_real_networks_that_do_not_see_their_input(subjects: ModuleType) -> None:
    for subject in (
        subjects.table(subjects.MLP(before=torch.zeros_like)),
        subjects.images(subjects.CNN(lambda h: h.detach() * 0)),
    ):
        (finding,) = judged(subject)
        assert finding.severity is Severity.ERROR
        assert "the outputs are the same for every example" in finding.message
        assert finding.evidence[0].value == pytest.approx(1.0, abs=0.01)


def test_an_input_that_is_nearly_gone_is_a_warning(subjects: ModuleType) -> None:
    (finding,) = judged(subjects.table(subjects.MLP(before=lambda x: x * 1e-4)))
    assert finding.severity is Severity.WARNING
    assert "differ between examples by only" in finding.message


def test_real_networks_that_use_their_input(subjects: ModuleType) -> None:
    for subject in (
        subjects.table(subjects.MLP()),
        subjects.table(subjects.MLP(F.dropout)),
        subjects.images(subjects.CNN()),
        subjects.text(subjects.Recurrent()),
    ):
        assert judged(subject) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 1),
        ({"real_loss": 0.5}, 0),
        ({"variation": 0.5}, 0),  # it sees them, and learns slowly
        ({"variation": 0.01}, 1),
        ({"initial_loss": 1.05}, 0),  # the loss did not move
        ({"blank_loss": 0.1}, 0),  # the targets are made of the inputs
        ({"blank_loss": 0.0}, 0),
        ({"real_loss": math.nan}, 0),
        ({"initial_loss": math.inf}, 0),
    ],
)
def test_limits(changes: dict[str, float], expected: int) -> None:
    assert len(check({**SICK, **changes})) == expected


def test_only_what_was_measured_is_judged() -> None:
    assert check({"real_loss": 1.0, "blank_loss": 1.0}) == []
    assert list(RULE.check(RunRecord(probes=(Probe("input-ignored", texts={"reason": "no targets"}),)))) == []
