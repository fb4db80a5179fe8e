"""Reports of watched trainings: the records of real ones, written by the watcher itself."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import nn
from torch.nn import functional as F

from babysit.cli.report import report
from babysit.diagnose import diagnose, join
from babysit.measure.record import read_runs
from babysit.report.document import report_document
from babysit.report.html import write_report
from babysit.report.terminal import print_summary
from babysit.watch import Monitor


def train(rate: float, steps: int = 100) -> None:
    torch.manual_seed(0)
    x = torch.randn(256, 8)
    y = (x[:, 0] > 0).long()
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    for step in range(steps):
        rows = torch.arange(32 * step, 32 * (step + 1)) % 256
        optimizer.zero_grad()
        F.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy training, and after it one whose rate is far too high; read only but for reports."""
    folder = tmp_path_factory.mktemp("watched") / "run"
    with Monitor(out=folder, command="babysit run train.py"):
        train(0.1)
        train(1e6)
    return folder


def printed(folder: Path) -> str:
    stream = io.StringIO()
    print_summary(folder, Console(file=stream, width=200))
    return stream.getvalue()


def test_a_watched_training_that_came_to_its_end_is_called_finished(tmp_path: Path) -> None:
    with Monitor(out=tmp_path / "run", command="babysit run train.py"):
        train(0.1)
    text, page = printed(tmp_path / "run"), write_report(tmp_path / "run").read_text()
    assert "Judged from 100 recorded steps." in text
    assert "Judged from 100 recorded steps." in page
    assert "Not finished" not in text
    assert "still going on" not in page
    assert "babysit: a watched training" in page
    assert "what layers put out" in page
    assert report_document(tmp_path / "run")["finished"] is True


def test_one_that_goes_on_is_not(tmp_path: Path) -> None:
    with Monitor(out=tmp_path / "run"):
        train(0.1)
        assert "Not finished: still going on, or stopped. Judged from 100 recorded steps." in printed(tmp_path / "run")
        assert "still going on or was stopped" in write_report(tmp_path / "run").read_text()
        assert report_document(tmp_path / "run")["finished"] is False


def test_all_trainings_of_a_run_are_judged_and_shown(two: Path) -> None:
    diagnosis = join([diagnose(run) for run in read_runs(two)])
    assert diagnosis.verdict == "errors"
    document = report_document(two)
    assert document["verdict"] == "errors"
    assert [item["code"] for item in document["findings"]] == [item.code for item in diagnosis.findings]
    text, page = printed(two), write_report(two).read_text()
    assert "Judged from 200 recorded steps of 2 trainings." in text
    for number in (1, 2):
        assert f"Training {number} of 2: Training" in page
        assert f"Training {number} of 2: Inside the network" in page


def test_the_command_judges_each_training_once(two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, judged = write_report(two).read_bytes(), []
    monkeypatch.setattr("babysit.diagnose.diagnose", lambda run, **given: judged.append(run) or diagnose(run, **given))
    report(two, json_file=str(tmp_path / "r.json"), quiet=True)
    assert len(judged) == len(read_runs(two)) == 2
    assert (two / "report.html").read_bytes() == page
    assert json.loads((tmp_path / "r.json").read_text())["verdict"] == "errors"


def test_a_finding_is_marked_in_the_curve_of_its_own_training(two: Path) -> None:
    page = write_report(two).read_text()
    first, second = page.split("Training 2 of 2: Training")
    _, first = first.split("Training 1 of 2: Training")
    assert 'href="#finding-1"' not in first
    assert 'href="#finding-1"' in second
