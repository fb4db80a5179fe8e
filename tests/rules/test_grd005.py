from __future__ import annotations

from collections.abc import Callable

import pytest

from babysit.measure.record import RunHeader, RunRecord, StepRecord
from babysit.rules.grd005_accumulated_gradient import AccumulatedGradient

RULE = AccumulatedGradient()


def run(
    cleared: Callable[[int], bool | None] = lambda _: False, steps: int = 40, *, progress: bool = True
) -> RunRecord:
    records = tuple(
        StepRecord(step, 2.3, gradient_norm=1.0 + step, cleared=cleared(step) if step else None)
        for step in range(steps)
    )
    return RunRecord(RunHeader(progress=progress), steps=records)


def test_never_cleared() -> None:
    (finding,) = RULE.check(run())
    assert finding.severity == "error"
    assert "at 100 % of the sampled steps" in finding.message
    assert "zero_grad() is missing" in finding.message
    assert finding.evidence[0].value == 1.0
    assert (finding.first_step, finding.last_step) == (1, 39)


def test_cleared_once_an_epoch() -> None:
    assert len(list(RULE.check(run(lambda step: step % 25 == 0, 101)))) == 1


@pytest.mark.parametrize(
    "silent",
    [
        run(lambda _: True),
        run(lambda _: None),  # unknown
        run(lambda step: step % 4 == 0),  # an optimizer of two that waits for its turn
        run(lambda step: step % 25 == 0, 101, progress=False),  # a generator that takes a step now and then
        run(steps=9),
        RunRecord(steps=(StepRecord(0, 2.3),)),
    ],
)
def test_what_keeps_it_silent(silent: RunRecord) -> None:
    assert list(RULE.check(silent)) == []


def test_two_models_that_never_clear() -> None:
    assert len(list(RULE.check(run(progress=False)))) == 1


def test_without_gradient_norms() -> None:
    records = tuple(StepRecord(step, 2.3, cleared=False) for step in range(30))
    (finding,) = RULE.check(RunRecord(steps=records))
    assert len(finding.evidence) == 2


def test_real_healthy_trainings_are_silent(healthy: RunRecord) -> None:
    assert list(RULE.check(healthy)) == []
