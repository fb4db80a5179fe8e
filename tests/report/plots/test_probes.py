from __future__ import annotations

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from babysit.measure.record import Probe, RunRecord, read_run
from babysit.report.plots.probes import overfit_curve, rate_range
from babysit.report.summary import Summary


def test_each_learning_rate_is_marked_by_its_verdict(finished: Path) -> None:
    run = read_run(finished)
    svg = ElementTree.fromstring(rate_range(run))
    probe = run.probe("learning-rate")
    assert probe is not None
    verdicts = Counter(probe.texts["verdicts"].split(","))
    classes = Counter(mark.attrib["class"] for mark in svg.iter() if mark.tag in ("circle", "path"))
    assert classes["dot c2"] == verdicts["falls"]
    assert classes["dot c5 hollow"] == verdicts["slow"]
    assert classes["cross bad"] == verdicts["explodes"]
    title = "The loss falls at learning rates from 1e-4 to 0.1; from 0.316 on it explodes"
    assert svg.attrib["aria-label"].endswith(title)


def test_no_learning_rate_that_helps_is_said() -> None:
    probe = Probe(
        "learning-rate", {}, {"lr": (1e-3, 1e-2), "ratio": (1.0, float("inf"))}, {"verdicts": "slow,explodes"}
    )
    assert "The loss falls at no learning rate from 0.001 to 0.01; from 0.01 on it explodes" in rate_range(
        RunRecord(probes=(probe,))
    )


def test_a_range_test_without_verdicts_is_drawn() -> None:
    probe = Probe("learning-rate", {"low": 1e-3, "high": 1e-2}, {"lr": (1e-3, 1e-2, 1e-1), "ratio": (0.9, 0.5)})
    svg = ElementTree.fromstring(rate_range(RunRecord(probes=(probe,))))
    assert len([area for area in svg.iter("rect") if area.attrib["class"] == "band"]) == 1
    assert len(list(svg.iter("circle"))) == 2


def test_overfitting_shows_loss_and_score(finished: Path, summary: Summary) -> None:
    svg = ElementTree.fromstring(overfit_curve(read_run(finished), summary))
    assert svg.attrib["aria-label"] == "Line chart: 20 examples fitted on their own: loss 4.68e-4, accuracy 100 %"
    assert len([path for path in svg.iter("path") if path.attrib["class"].startswith("line")]) == 2


def test_an_overfit_probe_that_failed_at_once_is_drawn(summary: Summary) -> None:
    probe = Probe("overfit", {}, {"losses": (float("nan"), float("inf"))})
    assert "loss ∞" in overfit_curve(RunRecord(probes=(probe,)), summary)


def test_nothing_is_drawn_of_nothing(summary: Summary) -> None:
    assert rate_range(RunRecord()) == overfit_curve(RunRecord(), summary) == ""
