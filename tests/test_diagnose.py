from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from babysit.diagnose import EXPLAINS, diagnose
from babysit.measure.record import RunHeader, RunRecord, TrialRecord
from babysit.rules import Evidence, Rule, Severity
from babysit.rules._catalogue import catalogue
from babysit.storage import read_json, write_json
from babysit.testing import record


@dataclass(frozen=True)
class Says(Rule):
    """A rule that says what the test wants."""

    code: ClassVar[str] = "XYZ001"
    name: ClassVar[str] = "says"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "test"

    what: tuple[tuple[str, str, int | None], ...] = ()

    def check(self, run: RunRecord):
        for code, severity, step in self.what:
            finding = self.finding("it", evidence=[Evidence("x", 1.0)], remedies=["y"], steps=(step, step))
            yield dataclasses.replace(finding, code=code, severity=Severity(severity))


class Fails(Says):
    code = "XYZ002"

    def check(self, run: RunRecord):
        yield from Says((("XYZ002", "error", 1),)).check(run)
        raise ZeroDivisionError("oh")


def said(*what: tuple[str, str, int | None]):
    return diagnose(record([1.0]), [Says(what)])


def codes(diagnosis) -> list[str]:
    return [finding.code for finding in diagnosis.findings]


def test_errors_first_then_by_step_then_by_code() -> None:
    diagnosis = said(
        ("I1", "info", 0),
        ("W2", "warning", None),
        ("W1", "warning", 9),
        ("W0", "warning", 3),
        ("E2", "error", 7),
        ("E1", "error", 7),
    )
    assert codes(diagnosis) == ["E1", "E2", "W0", "W1", "W2", "I1"]


@pytest.mark.parametrize(
    ("severities", "verdict"),
    [
        ((), "healthy"),
        (("info",), "healthy"),
        (("info", "warning"), "warnings"),
        (("warning", "error", "info"), "errors"),
    ],
)
def test_verdict(severities: tuple[str, ...], verdict: str) -> None:
    assert said(*((f"X{number}", severity, 0) for number, severity in enumerate(severities))).verdict == verdict


def test_the_same_said_twice_is_said_once_at_its_first_step() -> None:
    diagnosis = said(("X1", "warning", 9), ("X2", "warning", 5), ("X1", "warning", 2))
    assert [(item.code, item.first_step) for item in diagnosis.findings] == [("X1", 2), ("X2", 5)]


def test_a_symptom_is_folded_under_its_cause() -> None:
    diagnosis = said(
        ("LOS001", "error", 20), ("LOS002", "error", 10), ("UPD002", "warning", 0), ("DAT006", "warning", None)
    )
    assert codes(diagnosis) == ["LOS001", "DAT006"]
    assert {code: cause.code for code, cause in diagnosis.folded.items()} == {"LOS002": "LOS001", "UPD002": "LOS001"}


def test_a_chain_of_explanations_ends_at_its_first_cause() -> None:
    diagnosis = said(("DAT003", "error", None), ("LOS001", "error", 3), ("LOS004", "warning", 9))
    assert codes(diagnosis) == ["DAT003"]
    assert {cause.code for cause in diagnosis.folded.values()} == {"DAT003"}


def test_an_error_is_never_folded_under_a_warning() -> None:
    diagnosis = said(("LOS001", "warning", 3), ("LOS002", "error", 9), ("UPD002", "warning", 9))
    assert codes(diagnosis) == ["LOS002", "LOS001"]
    assert diagnosis.verdict == "errors"


def test_steps_that_are_too_large_explain_the_curve_they_make() -> None:
    curve = (("LOS004", "warning", 90), ("LOS005", "warning", 0))
    assert codes(said(("UPD002", "warning", 20), *curve)) == ["UPD002"]
    assert codes(said(("UPD002", "error", 20), ("LOS008", "error", 0), *curve)) == ["UPD002"]
    # a loss that runs away makes the steps large, too
    assert codes(said(("UPD002", "error", 20), ("LOS002", "error", 5))) == ["LOS002"]


def test_explanations_name_rules_there_are_and_have_no_circle() -> None:
    mentioned = {*EXPLAINS, *(code for symptoms in EXPLAINS.values() for code in symptoms)}
    assert mentioned <= set(catalogue())
    order = list(EXPLAINS)
    for cause, symptoms in EXPLAINS.items():
        assert all(order.index(symptom) > order.index(cause) for symptom in symptoms if symptom in EXPLAINS)


def test_a_rule_that_fails_is_named_and_the_others_are_heard() -> None:
    diagnosis = diagnose(record([1.0]), [Fails(), Says((("X1", "warning", 0),))])
    assert diagnosis.broken == {"XYZ002": "ZeroDivisionError: oh"}
    assert "X1" in codes(diagnosis)


def test_rules_are_asked_only_what_the_run_holds() -> None:
    class Needy(Says):
        needs = ("probe:inputs", "losses")

    needy = Needy((("X1", "warning", 0),))
    assert codes(diagnose(record([1.0]), [needy])) == []
    assert codes(diagnose(record(probes={"inputs": {}}), [needy])) == []
    assert codes(diagnose(record([1.0], probes={"inputs": {}}), [needy])) == ["X1"]


def test_thresholds_of_the_rules_given_are_used() -> None:
    run = record([1.0] * 5 + [4.0] * 20)
    rule = catalogue()["LOS002"]()
    assert codes(diagnose(run, [rule])) == ["LOS002"]
    assert codes(diagnose(run, [dataclasses.replace(rule, factor=5.0)])) == []  # type: ignore[call-arg]


def test_health_is_told_in_numbers() -> None:
    run = record(
        [2.3 * 0.98**step for step in range(300)],
        train=[(0.1, 0.99)],
        validation=[(0.2, 0.95)],
        updates={"a": [1e-3] * 300, "b": [3e-3] * 300},
        chance_loss=2.303,
    )
    diagnosis = diagnose(run)
    health = {item.name: item.value for item in diagnosis.health}
    assert diagnosis.verdict == "healthy"
    assert health["final training loss"] == pytest.approx(2.3 * 0.98**285, rel=0.1)
    assert health["gap between training and validation score"] == pytest.approx(0.04)
    assert health["median update / weights"] == pytest.approx(2e-3)
    assert "good" in diagnosis.curve


def test_a_search_speaks_for_itself_by_its_best_trial() -> None:
    lost, halved, best = (
        TrialRecord(number, 0, {}, status, 1, 9, 2.3, 0.1, score)
        for number, (status, score) in enumerate([("killed", 0.99), ("halved", 0.5), ("complete", 0.9)])
    )
    run = RunRecord(RunHeader(settings={"score": "accuracy"}), trials=(lost, halved, best))
    assert [(item.name, item.value) for item in diagnose(run).health] == [("best accuracy", 0.9)]
    assert diagnose(dataclasses.replace(run, trials=(lost,))).health == ()


def test_an_empty_run_is_healthy_without_numbers() -> None:
    diagnosis = diagnose(record())
    assert (diagnosis.verdict, diagnosis.health, diagnosis.curve) == ("healthy", (), "")


def test_the_findings_file(tmp_path) -> None:
    write_json(tmp_path / "findings.json", diagnose(record([2.3, math.inf], lr=1e6)).to_json("babysit train digits"))
    content: Any = read_json(tmp_path / "findings.json")
    assert set(content) == {"schema", "command", "verdict", "findings"}
    assert (content["schema"], content["verdict"]) == (1, "errors")
    (finding,) = content["findings"]
    assert set(finding) == {
        "code", "name", "severity", "module", "first_step", "last_step", "message", "evidence", "remedies", "source",
    }  # fmt: skip
    assert finding["severity"] == "error"
    assert set(finding["evidence"][0]) == {"name", "value", "limit", "unit"}
    assert json.dumps(content, allow_nan=False)
