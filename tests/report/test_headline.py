from __future__ import annotations

import dataclasses

import pytest

from babysit.report.headline import curve, headline, subject, verdict
from babysit.report.summary import Summary, parse_summary
from babysit.report.verdict import Verdict
from babysit.rules import Evidence


def test_the_main_numbers_of_a_finished_run(summary: Summary) -> None:
    facts = {fact.name: (fact.value, fact.remark) for fact in headline(summary)}
    assert facts["Validation accuracy"] == ("93.8 %", "best epoch 24 of 30")
    assert facts["Train − validation"] == ("4.0 points", "training 97.8 %")
    assert facts["Parameters"][0] == "156,710"
    assert facts["Trials"] == ("36", "1 killed, 14 halved, 61 % of the steps saved")
    assert facts["Test accuracy"][0] == f"{100 * summary.test['score']:.1f} %"
    assert "95 % interval" in facts["Test accuracy"][1]


def test_a_regression_tells_its_error() -> None:
    parsed = parse_summary({"data": {"task": "regression"}, "test": {"score": 0.5, "rmse": 53.2, "examples": 89}})
    assert [(fact.name, fact.value) for fact in headline(parsed)] == [("Test R²", "0.5"), ("Test error", "53.2")]


def test_a_run_without_results_has_no_headline() -> None:
    assert headline(Summary()) == ()
    assert subject(Summary()) == "Run"


def test_the_verdict_counts_findings(summary: Summary) -> None:
    assert verdict(summary).words == "1 warning"
    twice = dataclasses.replace(summary, findings=summary.findings[:1] * 2)
    assert verdict(twice).words == "2 warnings"
    assert verdict(Summary()).words == "Not judged"
    assert verdict(Summary(verdict="errors")).words == "Errors"


def test_a_run_is_called_healthy_only_with_numbers_that_say_so() -> None:
    judged = Summary(verdict="healthy", judged="0 recorded steps")
    assert "too little was recorded" in verdict(judged).words
    assert verdict(judged).kind == "unknown"
    numbers = dataclasses.replace(judged, health=(Evidence("final training loss", 0.1),))
    assert verdict(numbers) == Verdict("healthy", "Healthy")
    # that of a finished run's report.json was said with numbers
    assert verdict(Summary(verdict="healthy")) == Verdict("healthy", "Healthy")


def test_a_good_curve_does_not_contradict_a_sick_verdict(summary: Summary) -> None:
    fall = "steep fall that keeps decreasing, from 1.38 to 0.787 (56.8 % of its initial level): good"
    sick = dataclasses.replace(summary, curve=fall)
    assert curve(sick) == f"The loss curve by itself looks good: {fall.removesuffix(': good')}"
    assert curve(dataclasses.replace(sick, verdict="healthy")) == f"Loss curve: {fall}"
    assert curve(dataclasses.replace(sick, curve="overshoots")) == "Loss curve: overshoots"
    assert curve(Summary(verdict="errors")) == ""


@pytest.mark.parametrize("examples", [0, -5, 10**9, "many", None])
def test_odd_counts_of_examples_do_no_harm(examples: object) -> None:
    parsed = parse_summary({"data": {"task": "classification"}, "test": {"score": 0.5, "examples": examples}})
    assert headline(parsed)[0].value == "50.0 %"
