"""The tutorial, followed to the letter: its mends, one after the other, and what comes out of each."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from babysit.testing import check_script, watch_script

Blocks = Callable[[Path, str], list[str]]


@pytest.fixture(scope="module")
def stages(docs: Path, blocks: Blocks) -> list[str]:
    """The script as it was, and after each of the tutorial's diffs."""
    found = [(docs / "examples/broken.py").read_text()]
    for diff in blocks(docs / "tutorial.md", "diff"):
        before = "".join(line[1:] for line in diff.splitlines(keepends=True) if line[0] in "- ")
        after = "".join(line[1:] for line in diff.splitlines(keepends=True) if line[0] in "+ ")
        assert found[-1].count(before) == 1, diff
        found.append(found[-1].replace(before, after))
    return found


@pytest.fixture(scope="module")
def outputs(docs: Path, blocks: Blocks) -> dict[str, list[str]]:
    """What the tutorial shows of each command, in order."""
    shown: dict[str, list[str]] = {}
    for block in blocks(docs / "tutorial.md", "console"):
        command, _, output = block.removeprefix("$ ").partition("\n")
        shown.setdefault(command, []).append(output)
    return shown


def codes(output: str) -> list[str]:
    return re.findall(r"^(?:error|warning|info) ([A-Z]{3}\d{3})", output, flags=re.MULTILINE)


def last_accuracy(output: str) -> float:
    return float(re.findall(r"validation accuracy ([\d.]+)", output)[-1])


def test_the_mends_lead_from_file_to_file(docs: Path, stages: list[str]) -> None:
    assert len(stages) == 10
    assert stages[6] == (docs / "examples/fixed.py").read_text()
    assert stages[9] == (docs / "examples/search.py").read_text()


def test_the_page_shows_the_files(docs: Path, blocks: Blocks) -> None:
    first, last = blocks(docs / "tutorial.md", "python")
    assert first == (docs / "examples/broken.py").read_text()
    assert last == (docs / "examples/fit.py").read_text()


@pytest.mark.parametrize(("stage", "place"), [(0, 0), (2, 1)])
def test_checks_find_what_the_page_shows(
    stages: list[str], outputs: dict[str, list[str]], stage: int, place: int, tmp_path: Path
) -> None:
    (script := tmp_path / "train.py").write_text(stages[stage])
    report = check_script(script, seconds=10)
    shown = outputs["babysit check train.py"][place]
    assert [finding.code for finding in report.findings] == codes(shown)
    assert report.verdict == ("errors" if place == 0 else "warnings")


@pytest.mark.parametrize(("stage", "place"), [(2, 0), (5, 1), (6, 2)])
def test_trainings_show_what_the_page_shows(
    stages: list[str], outputs: dict[str, list[str]], stage: int, place: int, tmp_path: Path
) -> None:
    (script := tmp_path / "train.py").write_text(stages[stage])
    watched = watch_script(script)
    shown = outputs["babysit run train.py"][place]
    assert watched.error is None
    assert [finding.code for finding in watched.diagnosis.findings] == codes(shown)
    assert len(watched.records[0].losses) == int(re.search(r"watched (\d+) steps", shown)[1])
    # of 179 examples
    assert last_accuracy(watched.output) == pytest.approx(last_accuracy(shown), abs=0.03)


def test_the_last_step_ends_as_the_page_shows(
    docs: Path, outputs: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.syspath_prepend(str(docs / "examples"))
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(docs / "examples/fit.py"))
    printed, (shown,) = capsys.readouterr().out, outputs["python fit.py"]
    assert last_accuracy(printed) == pytest.approx(last_accuracy(shown), abs=0.03)
    assert "\nhealthy steep fall" in printed
    accuracy, examples = re.search(r"test accuracy ([\d.]+) of (\d+)", printed).groups()
    # two deviations of a share of 0.955 of as many examples are 0.031
    assert float(accuracy) == pytest.approx(float(re.search(r"test accuracy ([\d.]+)", shown)[1]), abs=0.031)
    assert f"of {examples} examples" in shown


@pytest.mark.slow
def test_the_search_finds_a_rate_like_the_page_s(docs: Path, outputs: dict[str, list[str]], tmp_path: Path) -> None:
    (tmp_path / "search.py").write_text((docs / "examples/search.py").read_text())
    ((command, (shown,)),) = [item for item in outputs.items() if item[0].startswith("babysit search")]
    arguments = command.split()[1:]
    ended = subprocess.run(
        [sys.executable, "-m", "babysit", *arguments], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    value, rate = re.search(r"^best value ([\d.]+): lr ([\d.]+)", ended.stdout, flags=re.MULTILINE).groups()
    assert float(value) == pytest.approx(float(re.search(r"^best value ([\d.]+)", shown, re.MULTILINE)[1]), abs=0.02)
    assert 0.01 < float(rate) < 0.1
