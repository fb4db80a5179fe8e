from __future__ import annotations

import io
import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from babysit.lab import Row, Verdict
from babysit.lab.measures import below, told
from babysit.lab.section import Claim, Outcome
from babysit.report.lab_table import LabTable, value

A1 = ("lab", "A1", "--quick")
ESCAPE = "\x1b"


# ---- what a person gets -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(babysit: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A folder in which one claim was measured, and what was printed."""
    folder = tmp_path_factory.mktemp("lab")
    return folder, babysit.run(*A1, cwd=folder)


def test_a_claim_is_measured_and_its_report_written(measured: Any) -> None:
    folder, ended = measured
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("✓ A1  Sigmoid squashes")
    assert "measured" in ended.out
    assert re.search(r"1 claim: 1 holds; [\d.]+ s\nreport: lab-A1/report\.html\n$", ended.out)
    assert ESCAPE not in ended.out
    found = json.loads((folder / "lab-A1/lab.json").read_text())
    assert (found["complete"], found["holds"], found["quick"], found["seeds"]) == (True, True, True, [0, 1])
    (row,) = found["rows"]
    assert (row["id"], row["verdict"]) == ("A1", "holds")
    page = (folder / "lab-A1/report.html").read_text()
    assert 'id="A1"' in page
    assert "://" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    for picture in row["pictures"]:
        assert (folder / "lab-A1" / picture["file"]).read_bytes().startswith(b"\x89PNG")


def test_json_alone_on_standard_output(babysit: Any, tmp_path: Path) -> None:
    ended = babysit.run(*A1, "--json", "-", "--out", tmp_path / "x")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) == json.loads((tmp_path / "x/lab.json").read_text())


def test_quiet(babysit: Any, tmp_path: Path) -> None:
    ended = babysit.run(*A1, "--quiet", "--out", tmp_path / "x")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert (tmp_path / "x/report.html").exists()


def test_claims_are_listed_and_nothing_runs(babysit: Any, tmp_path: Path) -> None:
    ended = babysit.run("lab", "--list", "A", cwd=tmp_path)
    assert ended.code == 0
    assert ended.out.startswith("A1   Sigmoid")
    assert "     expected: " in ended.out
    listed = babysit.run("lab", "--list", "a1", "--json", "-", cwd=tmp_path)
    assert [claim["id"] for claim in json.loads(listed.out)["claims"]] == ["A1"]
    assert list(tmp_path.iterdir()) == []


# ---- what is wrong is said before anything runs -------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [("Z9",), ("A999",), ("--data", "mnist=x"), ("--data", "cifar10=/nowhere")])
def test_wrong_words_are_refused(refused: Callable[..., str], arguments: tuple[str, ...]) -> None:
    assert "expected" in refused("lab", *arguments)


def test_a_folder_that_cannot_be_written_to_is_named_at_once(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "expected to be able to write there, found not a directory" in refused(*A1, "--out", tmp_path / "file/x")
    assert "found file exists" in refused(*A1, "--out", tmp_path / "file")
    assert "found no such file" in refused(*A1, "--out", tmp_path / "x", "--json", tmp_path / "nowhere/x.json")
    assert not (tmp_path / "x/report.html").exists()


# ---- stopped in the middle ----------------------------------------------------------------------------------------


def children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes()}


def wait_for(ready: Callable[[], Any]) -> None:
    end = time.monotonic() + 300
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def busy(babysit: Any, tmp_path: Path) -> tuple[Any, Path]:
    """A run in the middle: one claim is measured, others are at work."""
    folder = tmp_path / "lab"
    process = babysit.start("lab", "A1", "H", "--processes", 2, "--out", folder)
    wait_for(process.stdout.exists)
    wait_for(lambda: "A1" in process.stdout.read_text() and len(children(process.pid)) == 2)
    return process, folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_was_measured_and_leaves_no_process(busy: Any, number: signal.Signals) -> None:
    process, folder = busy
    workers = children(process.pid)
    if number == signal.SIGINT:  # a terminal sends it to all of them
        for worker in workers:
            os.kill(worker, number)
    process.signal(number)
    ended = process.end()
    assert (ended.code, ended.err) == (128 + number, "")
    assert re.search(r"stopped after \d+ of 10 claims: ", ended.out)
    found = json.loads((folder / "lab.json").read_text())
    assert not found["complete"]
    assert found["rows"][0]["id"] == "A1"
    assert "Stopped after" in (folder / "report.html").read_text()
    assert alive(workers) == set()


def test_a_killed_run_leaves_no_process(busy: Any) -> None:
    process, _ = busy
    workers = children(process.pid)
    process.signal(signal.SIGKILL)
    assert process.end().code == -signal.SIGKILL
    wait_for(lambda: not alive(workers))


# ---- the table, at any width --------------------------------------------------------------------------------------

LONG = (
    "A sentence that is too long for one line of a terminal and has to go on below its own beginning, not at the edge."
)


def printed(rows: list[Row], width: int, encoding: str = "utf-8", **options: Any) -> str:
    written = io.BytesIO()
    console = Console(file=io.TextIOWrapper(written, encoding=encoding, write_through=True), width=width, **options)
    claims = [Claim(row.id, row.says, row.expected, lambda _: Outcome([])) for row in rows]
    table = LabTable(console, claims)
    with table:
        for row in reversed(rows):
            table.add(row)
    table.close(Path("/a/folder/with/a/long/name/that/nobody/wants/to/see/broken/in/two/report.html"))
    return written.getvalue().decode(encoding)


ROWS = [
    Row("A1", LONG, LONG, Verdict.HOLDS, (below(LONG, 0.5, 1.0), told("x", [1, 2, 3])), remark=LONG),
    Row("A2", "B", "", Verdict.SUBTLE, (below("y", 2.0, 1.0, unit="%"),), remark="σ′ → 0"),
    Row("A3", "C", "", Verdict.FAILS, (*(told(f"m{place}", 1) for place in range(9)), below("y", 2.0, 1.0))),
    Row("A4", "D", "", Verdict.BROKEN, remark="ValueError"),
]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_lines_fit_and_hang_below_their_beginning(width: int) -> None:
    *lines, page = printed(ROWS, width).splitlines()
    assert max(map(len, lines)) <= width
    assert page.startswith("report: /a/folder")
    body = lines[: lines.index("")]
    assert all(re.match(r"[✓≈✗] A\d|      ", line) for line in body)
    first = [line for line in body if line.startswith(("✓ A1", "      ")) or not line]
    assert all(line[6:7] not in ("", " ") or line.startswith(" " * 16) for line in first)


def test_rows_come_in_the_lectures_order_and_the_bad_ones_are_named_at_the_end() -> None:
    text = printed(ROWS, 100)
    assert re.findall(r"^[✓≈✗] (A\d)", text, flags=re.MULTILINE) == ["A1", "A2", "A3", "A4"]
    said = "1 holds, 1 is more subtle than the claim (A2), 1 does not hold (A3), 1 could not be measured (A4)"
    assert said in " ".join(text.split())
    # of many numbers those that are not as expected are shown
    assert "y 2, expected < 1" in text
    assert "and 6 numbers more in the report" in text


def test_colour_on_a_terminal_alone_and_not_where_it_is_unwanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"{ESCAPE}[" not in printed(ROWS, 100)
    colour = re.compile(rf"{ESCAPE}\[[0-9;]*3[0-7]m")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colour.search(printed(ROWS, 100, force_terminal=True, color_system="standard"))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour.search(printed(ROWS, 100, force_terminal=True, color_system="standard"))


def test_a_terminal_that_knows_ascii_alone_gets_that() -> None:
    text = printed(ROWS, 100, encoding="ascii")
    assert text.startswith("+ A1  A sentence")
    assert "! A3" in text


def test_shares_that_are_all_but_nothing_have_their_digits_and_no_sign_without_a_number() -> None:
    assert value(told("x", -0.0, unit="%")) == "0 %"
    assert value(told("x", -4e-5, unit="%")) == "−0.004 %"
    assert value(told("x", [0.01, 0.02, 0.03], unit="%")) == "2.0 % (1.0 % … 3.0 %)"
