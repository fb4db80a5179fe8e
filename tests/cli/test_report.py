from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def run(digits_run: Any, tmp_path: Path) -> Path:
    shutil.copytree(digits_run[0], tmp_path / "run")
    return tmp_path / "run"


def test_a_finished_run_is_summarised_and_its_page_written_anew(babysit: Any, run: Path) -> None:
    page = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    ended = babysit.run("report", run)
    assert (ended.code, ended.err) == (0, "")
    assert "Overfit 20 examples" in ended.out
    assert str(run / "report.html") in ended.out.replace("\n", "")
    assert (run / "report.html").read_bytes() == page


def test_the_report_as_json_stands_alone(babysit: Any, run: Path) -> None:
    ended = babysit.run("report", run, "--json", "-")
    assert ended.code == 0
    assert json.loads(ended.out)["procedure"] == json.loads((run / "report.json").read_text())["procedure"]


def test_quiet_prints_nothing(babysit: Any, run: Path) -> None:
    ended = babysit.run("report", run, "--quiet")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_a_killed_run_is_judged_from_its_records(babysit: Any, run: Path) -> None:
    for name in ("report.json", "model.json", "model.safetensors", "report.html"):
        (run / name).unlink()
    steps = run / "steps.jsonl"
    steps.write_bytes(steps.read_bytes()[:-150])
    ended = babysit.run("report", run)
    assert (ended.code, ended.err) == (0, "")
    assert "Not finished" in ended.out
    assert (run / "report.html").exists()


@pytest.mark.parametrize("name", ["nowhere", "empty", "file"])
def test_what_is_no_run_is_refused(refused: Callable[..., str], tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    assert "expected a run folder with a readable run.json, found none" in refused("report", name)


def test_a_damaged_report_is_named(refused: Callable[..., str], run: Path) -> None:
    (run / "report.json").write_text("{")
    assert "expected a readable report.json, found a damaged one; delete it" in refused("report", run)
