"""`[tool.babysit]` of the working directory, in the commands that judge beside `babysit judge`."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXPLODES = [2.3, 90.0, math.nan]
SMALL = ("--budget", "2trials", "--epochs", "1", "--hidden", "10")
MISTAKEN = "[tool.babysit.rules.LOS002]\nfacter = 4.0"
MILDER = """
[tool.babysit]
ignore = ["LOS001"]
severity = {LOS002 = "warning"}
rules.LOS002.factor = 5.0
"""


def configure(folder: Path, configuration: str) -> None:
    (folder / "pyproject.toml").write_text(configuration)


def test_a_report_of_an_unfinished_run_is_judged_as_configured(babysit: Any, recorded: Callable[..., Path]) -> None:
    run = recorded(EXPLODES)
    (run / "losses.tail").touch()  # as long as a watched training goes on
    plain = babysit.run("report", run, cwd=run.parent)
    assert "error LOS001" in plain.out
    configure(run.parent, MILDER)
    ended = babysit.run("report", run, "--json", "report.json", cwd=run.parent)
    assert (ended.code, ended.err) == (0, "")
    assert "warning LOS002" in ended.out
    document = json.loads((run.parent / "report.json").read_text())
    assert (document["verdict"], document["finished"]) == ("warnings", False)
    assert [item["code"] for item in document["findings"]] == ["LOS002"]
    assert document["findings"][0]["evidence"][0]["limit"] == pytest.approx(5 * math.log(10))
    page = (run / "report.html").read_text()
    for text in (ended.out, page):
        assert "1 warning" in text
        assert "LOS001" not in text


def test_the_report_of_a_finished_run_keeps_what_it_said(
    babysit: Any, recorded: Callable[..., Path], digits_run: Any
) -> None:
    folder = recorded([]).parent / "finished"
    shutil.copytree(digits_run[0], folder)
    said = json.loads((folder / "report.json").read_text())
    said |= {"verdict": "errors", "findings": [{"code": "LOS001", "name": "n", "severity": "error", "message": "m"}]}
    (folder / "report.json").write_text(json.dumps(said))
    configure(folder.parent, MILDER)
    ended = babysit.run("report", folder, "--json", "told.json", cwd=folder.parent)
    assert "error LOS001" in ended.out
    told = json.loads((folder.parent / "told.json").read_text())
    assert (told["verdict"], told["findings"], told["finished"]) == ("errors", said["findings"], True)


def test_what_is_configured_to_be_no_error_does_not_stop_a_training(babysit: Any, tmp_path: Path) -> None:
    configure(tmp_path, '[tool.babysit]\nignore = ["PRE002"]\nseverity = {PRE003 = "warning"}\n')
    ended = babysit.run("train", "iris", *SMALL, "--init", "zeros", "--out", "run", cwd=tmp_path)
    assert ended.err == ""
    assert " 5 ✓ Regularisation" in ended.out
    assert " 6 ✓ Overfit" in ended.out
    found = {
        item["code"]: item["severity"]
        for item in json.loads((tmp_path / "run" / "report.json").read_text())["findings"]
    }
    assert "PRE002" not in found
    assert found["PRE003"] == "warning"


def test_a_run_that_was_stopped_goes_on_under_another_configuration(babysit: Any, tmp_path: Path) -> None:
    stopped = babysit.run("train", "iris", *SMALL, "--init", "zeros", "--out", "run", cwd=tmp_path)
    assert " 5 ✗ Regularisation" in stopped.out
    configure(tmp_path, '[tool.babysit]\nselect = ["LOS"]\n')
    assert " 5 ✓ Regularisation" in babysit.run("train", "--resume", "run", cwd=tmp_path).out


def test_a_search_is_judged_as_configured(babysit: Any, tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(
        "def loop(trial):\n    trial.report(1, trial['x'] if trial['x'] < 0.3 else float('nan'))\n"
    )
    options = ("loop.py:loop", "--space", "x=0..1", "--trials", "24", "--epochs", "1", "--moves", "0", "--workers", "1")
    plain = babysit.run("search", *options, "--out", "plain", cwd=tmp_path)
    assert "SRC002" in plain.out
    configure(tmp_path, '[tool.babysit]\nignore = ["SRC002"]\n')
    ended = babysit.run("search", *options, "--out", "run", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert "SRC002" not in ended.out
    assert json.loads((tmp_path / "run" / "report.json").read_text())["findings"] == []


@pytest.mark.parametrize(
    "command",
    [
        ("report", "run"),
        ("train", "iris", *SMALL, "--out", "new"),
        ("search", "none.py:loop", "--space", "x=0..1", "--out", "new"),
    ],
)
def test_a_configuration_that_is_wrong_is_named_before_anything_is_done(
    refused: Callable[..., str], recorded: Callable[..., Path], command: tuple[str, ...]
) -> None:
    run = recorded(EXPLODES, MISTAKEN)
    (run.parent / "none.py").write_text("def loop(trial):\n    raise SystemExit\n")
    line = refused(*command, cwd=run.parent)
    assert f"{run.parent / 'pyproject.toml'}, tool.babysit.rules.LOS002.facter: expected an option of LOS002" in line
    assert not (run.parent / "new").exists()
    assert not (run / "report.html").exists()
