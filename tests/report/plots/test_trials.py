from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from babysit.measure.record import Range, RoundRecord, RunRecord, TrialRecord, read_run
from babysit.report.plots.trials import trial_map
from babysit.report.summary import Summary


def trial(number: int, score: float = 0.5, status: str = "complete", **params: Any) -> TrialRecord:
    return TrialRecord(number, 1, params, status, 1.0, 10, 2.3, 1 - score, score)


def labels(svg: ElementTree.Element) -> list[str]:
    return [item.text or "" for item in svg.iter("text") if item.attrib.get("class") == "axis-label"]


def test_learning_rate_and_l2_span_the_map(finished: Path, summary: Summary) -> None:
    run = read_run(finished)
    svg = ElementTree.fromstring(trial_map(run, summary))
    assert labels(svg) == ["lr", "l2"]
    marks = [mark.attrib["class"] for mark in svg.iter() if mark.attrib.get("class", "").startswith(("dot", "cross"))]
    statuses = [trial.status for trial in run.trials]
    assert len(marks) == len(statuses)
    assert sum("hollow" in mark for mark in marks) == statuses.count("halved")
    assert sum("cross" in mark for mark in marks) == statuses.count("killed")
    assert len([mark for mark in svg.iter("circle") if mark.attrib["class"] == "ring"]) == 1
    assert len([mark for mark in svg.iter("rect") if mark.attrib["class"] == "range"]) == 2


def test_the_title_names_the_best_and_the_cost(finished: Path, summary: Summary) -> None:
    run = read_run(finished)
    best = max(run.trials, key=lambda item: item.score)
    title = ElementTree.fromstring(trial_map(run, summary)).attrib["aria-label"]
    assert f"Best of 36 trials: {100 * best.score:.1f} % at lr 0.0175" in title
    assert title.endswith("1 killed, 61 % of the steps saved")


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ([{"lr": 0.1, "width": 10}, {"lr": 0.01, "width": 20}], ["lr", "validation accuracy (%)"]),
        ([{"width": 10, "depth": 1}, {"width": 20, "depth": 2}], ["width", "depth"]),
        ([{"lr": 0.1, "l2": 1e-4}, {"lr": 0.01, "l2": 1e-4}], ["lr", "validation accuracy (%)"]),
        ([{"weight_decay": 0.0, "lr": 0.1}, {"weight_decay": 1e-3, "lr": 0.01}], ["lr", "weight_decay"]),
    ],
)
def test_other_searches_fall_back(params: list[dict[str, Any]], expected: list[str], summary: Summary) -> None:
    run = RunRecord(trials=tuple(trial(i, 0.5 + i / 10, **given) for i, given in enumerate(params)))
    assert labels(ElementTree.fromstring(trial_map(run, summary))) == expected


def test_a_best_trial_without_a_conditional_hyperparameter_has_no_ring(summary: Summary) -> None:
    trials = (trial(0, lr=0.1, l2=1e-3), trial(1, lr=0.01, l2=1e-4), trial(2, 0.9, lr=0.03))
    svg = trial_map(RunRecord(trials=trials), summary)
    assert "nan" not in svg.lower()
    assert "ring" not in {mark.attrib.get("class") for mark in ElementTree.fromstring(svg).iter("circle")}


def test_dots_lie_at_their_values_on_logarithmic_axes(summary: Summary) -> None:
    drawn = Range(1e-4, 1e0, log=True)
    rounds = (RoundRecord(1, "coarse", 1.0, 3, {"lr": drawn, "l2": drawn}),)
    trials = tuple(trial(i, 0.5 + i / 10, lr=rate, l2=rate) for i, rate in enumerate((1e-4, 1e-2, 1e0)))
    svg = ElementTree.fromstring(trial_map(RunRecord(rounds=rounds, trials=trials), summary))
    dots = [
        (float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in svg.iter("circle") if "dot" in dot.attrib["class"]
    ]
    assert dots[1] == pytest.approx(((dots[0][0] + dots[2][0]) / 2, (dots[0][1] + dots[2][1]) / 2), abs=0.11)
    box = next(rect for rect in svg.iter("rect") if rect.attrib["class"] == "range")
    assert float(box.attrib["x"]) == pytest.approx(dots[0][0], abs=0.11)
    assert float(box.attrib["y"]) == pytest.approx(dots[2][1], abs=0.11)


def test_rounds_with_the_same_range_share_its_outline(summary: Summary) -> None:
    wide, narrow = Range(1e-4, 1e0, log=True), Range(1e-3, 1e-1, log=True)
    drawn = (("coarse", wide), ("fine", narrow), ("final", narrow))
    rounds = tuple(RoundRecord(i, name, 1.0, 3, {"lr": lr}) for i, (name, lr) in enumerate(drawn))
    run = RunRecord(rounds=rounds, trials=(trial(0, lr=0.1), trial(1, 0.6, lr=0.2)))
    svg = ElementTree.fromstring(trial_map(run, summary))
    outlined = [group.findtext("text") for group in svg.iter("g") if group.find("rect[@class='range']") is not None]
    assert outlined[-2:] == ["coarse", "fine, final"]


def test_a_search_in_which_all_were_killed_is_drawn(summary: Summary) -> None:
    killed = [TrialRecord(i, 1, {"lr": 10.0**i}, "killed", 0, 1, 2.3, float("inf"), float("-inf")) for i in (1, 2)]
    svg = ElementTree.fromstring(trial_map(RunRecord(trials=tuple(killed)), summary))
    assert "None of 2 trials was evaluated; 2 killed" in svg.attrib["aria-label"]


def test_a_trial_without_the_parameter_is_not_placed(summary: Summary) -> None:
    run = RunRecord(trials=(trial(0, lr=0.1, momentum=0.9), trial(1, lr=0.2), trial(2, momentum=0.5)))
    svg = ElementTree.fromstring(trial_map(run, summary))
    assert len([dot for dot in svg.iter("circle") if "dot" in dot.attrib["class"]]) == 2


def test_nothing_is_drawn_of_nothing(summary: Summary) -> None:
    assert trial_map(RunRecord(), summary) == ""
    assert trial_map(RunRecord(trials=(trial(0, rule="sgd"), trial(1, rule="adam"))), summary) == ""
