from __future__ import annotations

import math
from types import ModuleType

import pytest
import torch

from babysit.measure.record import Probe, RunRecord
from babysit.preflight.future import probe_future
from babysit.rules import Severity
from babysit.rules.pre008_future_leakage import FutureLeakage
from babysit.testing import record

RULE = FutureLeakage()


def check(numbers: dict[str, float]):
    return list(RULE.check(record(probes={"future-leakage": numbers})))


def judged(subject: object):
    return list(RULE.check(RunRecord(probes=(probe_future(subject),))))  # type: ignore[arg-type]


def test_real_language_models_that_see_the_future(subjects: ModuleType) -> None:
    (finding,) = judged(subjects.text(subjects.GPT(causal=False)))
    assert finding.severity is Severity.ERROR
    assert finding.module == "blocks.layers.0.self_attn"
    assert "the targets are the next inputs (100 % of them), yet outputs change by" in finding.message
    assert "causal mask" in finding.remedies[0]
    (finding,) = judged(subjects.text(subjects.Recurrent(bidirectional=True)))
    assert finding.module == "layer"


def test_real_causal_models(subjects: ModuleType) -> None:
    for subject in (
        subjects.text(subjects.GPT()),
        subjects.text(subjects.GPT(flat=True), form="flat"),
        subjects.text(subjects.Recurrent()),
    ):
        assert judged(subject) == []


def test_real_models_that_may_see_everything(subjects: ModuleType) -> None:
    tokens = torch.randint(20, (16, 9))
    classifier = subjects.Recurrent(bidirectional=True, classes=3)
    assert judged(subjects.subject(classifier, tokens, torch.arange(16) % 3)) == []
    assert judged(subjects.subject(subjects.GPT(causal=False), tokens, tokens.flip(1), subjects.token_loss)) == []


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({"difference": 0.3, "gradient": 0.2}, 1),
        ({"gradient": 0.2}, 1),
        ({"difference": 1e-6, "gradient": 0.0}, 0),
        ({"difference": 0.05, "precision": 2**-7}, 0),
        ({"difference": 0.01, "control": 0.01}, 0),
        ({"difference": math.nan}, 0),
        ({"later": 1.0, "shifted": 1.0}, 0),
    ],
)
def test_limits(numbers: dict[str, float], expected: int) -> None:
    assert len(check(numbers)) == expected


def test_only_what_was_measured_is_judged() -> None:
    reason = Probe("future-leakage", texts={"reason": "the targets are not the next inputs of a sequence"})
    assert list(RULE.check(RunRecord(probes=(reason,)))) == []
