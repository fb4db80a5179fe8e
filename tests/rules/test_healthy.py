from __future__ import annotations

from babysit.diagnose import diagnose
from babysit.measure.record import LossBlock, RunRecord
from babysit.rules import Severity
from babysit.rules._catalogue import all_rules


def test_no_rule_warns_of_a_healthy_training(healthy: RunRecord) -> None:
    found = [finding for rule in all_rules() if rule.applies(healthy) for finding in rule.check(healthy)]
    assert [finding.message for finding in found if finding.severity is not Severity.INFO] == []


def test_healthy_with_the_numbers_that_say_so(healthy: RunRecord) -> None:
    diagnosis = diagnose(healthy)
    assert diagnosis.verdict == "healthy"
    assert not diagnosis.broken
    health = {item.name: item for item in diagnosis.health}
    assert health["final training loss"].value < (health["final training loss"].limit or 0)
    assert health["gap between training and validation score"].value < 0.25
    assert not diagnosis.curve.startswith(("explodes", "breaks", "falls slowly", "goes up", "overshoots", "rises"))


def test_no_rule_warns_of_any_beginning_of_a_healthy_training(healthy: RunRecord) -> None:
    for steps in (1, 2, 5, 20, 50, 100, 150):
        running = RunRecord(
            healthy.header,
            (LossBlock(0, healthy.losses[:steps]),),
            tuple(item for item in healthy.steps if item.step < steps),
            tuple(item for item in healthy.evaluations if item.step <= steps),
        )
        assert diagnose(running).verdict == "healthy", (steps, diagnose(running).findings)
