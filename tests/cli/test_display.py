from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from babysit.cli._display import RichDisplay
from babysit.cli._output import console, fail, prepared_json, print_json
from babysit.diagnose import Diagnosis
from babysit.errors import InputError, StorageError
from babysit.measure.record import RunRecord
from babysit.preflight import Report
from babysit.recipe.steps import StepResult
from babysit.report.checks import render_report
from babysit.report.summary import parse_summary
from babysit.rules import Evidence, Finding, Severity

STEP = StepResult(8, "search", "Search", "28 trials; best lr 0.08: R² 0.97 → 0.98", "inside [the] ranges")
FINDING = Finding(
    code="SRC001",
    name="best-at-edge",
    severity=Severity.WARNING,
    message="the best sit at an edge",
    evidence=(Evidence("lr", 0.3, 0.1),),
    remedies=("widen it",),
    source="the lecture",
)


def shown(*, terminal: bool, encoding: str = "utf-8", quiet: bool = False) -> tuple[RichDisplay, io.TextIOWrapper]:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    return RichDisplay(Console(file=file, force_terminal=terminal, width=80, quiet=quiet, highlight=False)), file


def text_of(file: io.TextIOWrapper) -> str:
    file.flush()
    assert isinstance(file.buffer, io.BytesIO)
    return file.buffer.getvalue().decode(file.encoding)


def go_through(display: RichDisplay) -> None:
    display.begin(8, "Search")
    display.progress("trials", 20, 1000)
    display.progress("trials", 1000, 1000)
    display.note("plan: 28 trials")
    display.end(STEP, [FINDING])
    display.close()


def test_a_pipe_gets_lines_without_colour_or_progress() -> None:
    display, file = shown(terminal=False)
    go_through(display)
    found = text_of(file)
    assert "\x1b" not in found
    assert "%" not in found
    assert found.splitlines()[:4] == [
        "     plan: 28 trials",
        " 8 ✓ Search",
        "     28 trials; best lr 0.08: R² 0.97 → 0.98",
        "     expected: inside [the] ranges",
    ]
    assert "try: widen it" in found
    assert all(line == line.rstrip() for line in found.splitlines())


def test_a_terminal_sees_a_bar_with_a_rate() -> None:
    display, file = shown(terminal=True)
    go_through(display)
    found = text_of(file)
    assert "trials" in found
    assert "\x1b[?25l" in found, "the cursor is hidden while the bar moves"
    assert found.rindex("\x1b[?25h") > found.rindex("\x1b[?25l"), "and shown again"


def test_a_display_that_is_cut_short_leaves_the_terminal_as_it_was() -> None:
    display, file = shown(terminal=True)
    display.begin(8, "Search")
    display.progress("trials", 20, 1000)
    display.close()
    found = text_of(file)
    assert found.rindex("\x1b[?25h") > found.rindex("\x1b[?25l")


def test_a_terminal_that_knows_ascii_alone_gets_ascii() -> None:
    display, file = shown(terminal=False, encoding="ascii")
    go_through(display)
    found = text_of(file)
    assert " 8 ok Search" in found
    assert "R2 0.97 -> 0.98" in found


def test_a_failed_step_is_marked() -> None:
    display, file = shown(terminal=False)
    display.end(StepResult(6, "overfit", "Overfit", "loss 1.2", "", passed=False), [])
    assert text_of(file) == " 6 ✗ Overfit\n     loss 1.2\n"


@pytest.mark.parametrize(
    ("severities", "said"),
    [
        (["error", "warning", "warning", "info"], "1 error, 2 warnings; loss curve: stays flat"),
        (["warning"], "1 warning; loss curve: stays flat"),
        (["info"], "healthy: loss curve: stays flat"),
    ],
)
def test_the_end_says_how_many_findings_of_which_kind(severities: list[str], said: str) -> None:
    found = tuple(replace(FINDING, severity=Severity(severity)) for severity in severities)
    report = Diagnosis(found).to_json("train") | {"curve": "stays flat"}
    display, file = shown(terminal=False)
    display.close_with(parse_summary(report), Path("runs/digits-1/report.html"))
    assert text_of(file) == f"{said}\nreport: runs/digits-1/report.html\n"


@pytest.mark.parametrize(("encoding", "note"), [("utf-8", "lr 0.1 → 1"), ("ascii", "lr 0.1 -> 1")])
def test_a_check_ends_with_how_many_there_are_and_its_notes(encoding: str, note: str) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    diagnosis = Diagnosis((FINDING, FINDING), broken={"LOS001": "1 → 2"})
    report = Report((), diagnosis, RunRecord(), seconds=1.0, notes=("lr 0.1 → 1",))
    render_report(report, Console(file=file, width=80, highlight=False))
    assert "\n\n2 warnings\n0 rules asked; 1.0 s\nnote: LOS001 failed" in text_of(file)
    assert text_of(file).endswith(f"note: {note}\n")


def test_the_lines_of_a_long_finding_are_not_filled_up() -> None:
    display, file = shown(terminal=False)
    display.end(STEP, [replace(FINDING, message="the best sit at an edge of the range; " * 5)])
    lines = text_of(file).splitlines()
    assert len([line for line in lines if line.startswith("  ") and "edge" in line]) > 2
    assert all(line == line.rstrip() and len(line) <= 80 for line in lines)


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet_shows_nothing(terminal: bool) -> None:
    display, file = shown(terminal=terminal, quiet=True)
    go_through(display)
    assert text_of(file) == ""


def test_json_is_strict_and_plain(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    value = {"loss": math.nan, "name": "Müller", "limits": (0.0, math.inf)}
    print_json(value, "-")
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {"loss": "NaN", "name": "Müller", "limits": [0.0, "Infinity"]}
    print_json(value, str(tmp_path / "r.json"))
    assert json.loads((tmp_path / "r.json").read_text()) == json.loads(out)
    print_json(value, None)
    assert capsys.readouterr().out == ""
    with pytest.raises(StorageError):
        print_json(value, str(tmp_path / "nowhere" / "r.json"))


def test_json_may_go_into_a_folder_that_is_made_before_it(tmp_path: Path) -> None:
    run = tmp_path / "new" / "run"
    for place in (run / "r.json", tmp_path / "new" / "r.json", run / ".." / "run" / "r.json", tmp_path / "r.json"):
        assert prepared_json(str(place), run) == str(place)
    for place in (run / "deeper" / "r.json", tmp_path / "other" / "r.json"):
        with pytest.raises(StorageError, match="found no folder"):
            prepared_json(str(place), run)
    with pytest.raises(StorageError, match="found no folder"):
        prepared_json(str(run / "r.json"))
    with pytest.raises(StorageError, match="found a folder"):
        prepared_json(str(tmp_path), run)
    assert not run.parent.exists()


def test_people_read_nothing_where_json_goes(capsys: pytest.CaptureFixture[str]) -> None:
    for screen in (console(quiet=True), console(json_file="-")):
        screen.print("hello")
    assert capsys.readouterr().out == ""
    console(json_file="r.json").print("hello")
    assert capsys.readouterr().out == "hello\n"


def test_a_refusal_is_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    fail(str(InputError("a.csv", expected="a table", found="two\nlines", todo="mend it")))
    assert capsys.readouterr() == ("", "babysit: a.csv: expected a table, found two lines; mend it\n")
