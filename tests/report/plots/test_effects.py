from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_selection import f_classif

from babysit.measure.record import RunRecord, TrialRecord, read_run
from babysit.report.importance import explained
from babysit.report.plots.effects import parameter_effects
from babysit.report.summary import Summary


@given(st.integers(0, 10_000), st.integers(12, 60))
def test_explained_follows_from_the_f_statistic(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    groups = np.arange(count) % 3
    scores = rng.normal(size=count) + 0.7 * groups
    (statistic,), _ = f_classif(scores[:, None], groups)
    expected = 2 * (statistic - 1) / (2 * statistic + count - 3)
    words = ("a", "b", "c")
    assert explained(groups.tolist(), words, scores.tolist()) == pytest.approx(max(0.0, expected))


def test_what_decides_explains_nearly_all_and_noise_nearly_nothing() -> None:
    rng = np.random.default_rng(0)
    values = rng.permutation(400).astype(float)
    assert explained(values.tolist(), (), np.floor(values / 100).tolist()) > 0.95
    assert explained(values.tolist(), (), rng.normal(size=400).tolist()) < 0.05


def test_trials_without_the_parameter_do_not_count() -> None:
    values, scores = [1.0, 2, 3, 4, 5, 6, 7, 8], [1.0, 1, 2, 2, 3, 3, 4, 4]
    with_gaps = explained([*values, float("nan")], (), [*scores, 99.0])
    assert with_gaps == explained(values, (), scores)
    assert explained([float("nan")] * 3, (), [1.0, 2, 3]) == 0


def test_parameters_are_drawn_the_most_important_first(finished: Path, summary: Summary) -> None:
    svg = ElementTree.fromstring(parameter_effects(read_run(finished), summary))
    headings = [item.text or "" for item in svg.iter("text") if item.attrib.get("class") == "panel-title"]
    shares = [int(heading.split(": ")[1].split(" %")[0]) for heading in headings]
    assert headings[0].startswith("lr:")
    assert shares == sorted(shares, reverse=True)
    assert len(headings) == 4
    assert svg.attrib["aria-label"].startswith(f"Scatter plots: lr explains {shares[0]} %")


def test_dots_of_words_stand_above_their_word(summary: Summary) -> None:
    rules = ("sgd", "adam", "sgd", "rmsprop")
    params = [{"rule": rule, "lr": 0.1 * (i + 1), "l2": 0.1 / (i + 1)} for i, rule in enumerate(rules)]
    statuses = ("killed", "complete", "complete", "complete")
    trials = [
        TrialRecord(i, 1, given, status, 1, 1, 2, 1, 0.5 + i / 10)
        for i, (given, status) in enumerate(zip(params, statuses, strict=True))
    ]
    svg = ElementTree.fromstring(parameter_effects(RunRecord(trials=tuple(trials)), summary))
    group = next(g for g in svg.iter("g") if any((t.text or "").startswith("rule:") for t in g.findall("text")))
    ticks = {t.text: t.attrib["x"] for t in group.findall("text") if t.text in rules}
    dots = [(circle.attrib["cx"], circle[0].text or "") for circle in group.findall("circle")]
    assert len(dots) == 3
    assert all(x == ticks[next(rule for rule in rules if f"rule {rule}" in hint)] for x, hint in dots)


def test_two_parameters_need_no_such_picture(summary: Summary) -> None:
    trials = [TrialRecord(i, 1, {"lr": i, "l2": i}, "complete", 1, 1, 2, 1, 0.5) for i in range(9)]
    assert parameter_effects(RunRecord(trials=tuple(trials)), summary) == ""


def test_scores_that_do_not_differ_are_explained_by_nothing(summary: Summary) -> None:
    trials = [TrialRecord(i, 1, {"a": i, "b": -i, "c": i * i}, "complete", 1, 1, 2, 1, 0.5) for i in range(9)]
    assert "No single hyperparameter explains" in parameter_effects(RunRecord(trials=tuple(trials)), summary)
