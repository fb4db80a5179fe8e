from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babysit.errors import RunFolderError
from babysit.report.summary import Summary, parse_summary, read_summary
from babysit.rules import Severity


def test_findings_are_read_as_the_rules_wrote_them(summary: Summary) -> None:
    first, second = summary.findings
    assert (first.code, first.severity, first.first_step) == ("GEN001", Severity.WARNING, 810)
    assert math.isinf(first.evidence[1].value)
    assert second.first_step is None
    assert parse_summary({"findings": [first.to_json()]}).findings == (first,)


def test_steps_are_read_in_order(summary: Summary) -> None:
    assert [step.number for step in summary.procedure] == list(range(1, 11))
    assert [step.passed for step in summary.procedure].count(False) == 1


def test_scores_are_percent_for_a_classification_only(summary: Summary) -> None:
    regression = Summary(data={"task": "regression"})
    assert (summary.score(0.9814), summary.difference(0.012)) == ("98.1 %", "1.2 points")
    assert (regression.score(0.9814), regression.difference(0.012)) == ("0.981", "0.012")
    assert (summary.score_name, regression.score_name, Summary().score_name) == ("accuracy", "R²", "score")


@pytest.mark.parametrize("junk", [None, 3, "x", [1], {"code": 1}, {"code": "A", "severity": "fatal"}])
def test_what_is_of_a_wrong_type_is_left_out(junk: Any) -> None:
    parsed = parse_summary({"findings": [junk], "procedure": junk, "data": junk, "ensemble": [junk], "test": junk})
    assert len(parsed.findings) == (junk == {"code": 1})
    assert parsed.procedure == ()


@pytest.mark.parametrize("junk", [None, 3, {}, {"name": "x"}, {"value": "many"}])
def test_a_finding_outlives_damaged_evidence(junk: Any) -> None:
    parsed = parse_summary({"findings": [{"code": "A", "evidence": [junk, {"name": "gap", "value": 1}]}]})
    assert [evidence.name for evidence in parsed.findings[0].evidence] == ["gap"]


def test_a_missing_report_is_judged_from_the_records(build: Callable[..., Path], tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "report.json").unlink()
    read = read_summary(folder)
    assert not read.finished
    assert read.verdict in ("healthy", "warnings", "errors")
    assert read.classifies


@pytest.mark.parametrize("content", ["{", "[]", "\udcff"])
def test_a_damaged_report_is_refused_in_one_line(build: Callable[..., Path], tmp_path: Path, content: str) -> None:
    build(tmp_path)
    (tmp_path / "report.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunFolderError, match=r"expected a readable report\.json") as caught:
        read_summary(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"run\.json"):
        read_summary(tmp_path)
