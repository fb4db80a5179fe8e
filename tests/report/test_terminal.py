from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from babysit.report.summary import Summary
from babysit.report.terminal import plain, print_summary, render_findings
from babysit.rules import Evidence, Finding, Severity
from babysit.storage import read_json


def printed(show: Callable[[Console], None], encoding: str = "utf-8", *, terminal: bool = False) -> str:
    stream = io.BytesIO()
    file = io.TextIOWrapper(stream, encoding=encoding)
    show(Console(file=file, width=100, force_terminal=terminal, color_system="truecolor" if terminal else None))
    file.flush()
    return stream.getvalue().decode(encoding)


def test_a_finished_run_in_about_a_screen(finished: Path) -> None:
    output = printed(lambda console: print_summary(finished, console))
    assert output.startswith("cifar-10-batches-py, mlp 3072-50-50-10 relu\n1 warning\nLoss curve: steep fall")
    assert len(output.splitlines()) < 60
    for words in (
        "Overfit 20 examples",
        "✗ GEN001",
        "try: l2 1.2e-4 → 1e-3",
        "(limit 0.03)",
        "Polyak average",
        "93.8 %",
    ):
        assert words in output
    assert "\x1b" not in output


def test_the_dict_of_a_report_is_printed_too(finished: Path) -> None:
    report = read_json(finished / "report.json")
    assert "1 warning" in printed(lambda console: print_summary(report, console))
    assert printed(lambda console: print_summary({}, console)).splitlines() == ["Run", "Not judged"]


def test_a_terminal_gets_colours(finished: Path) -> None:
    assert "\x1b[1;33m1 warning" in printed(lambda console: print_summary(finished, console), terminal=True)


def test_an_ascii_console_gets_ascii(finished: Path) -> None:
    output = printed(lambda console: print_summary(finished, console), "ascii")
    assert output.isascii()
    assert "FAILED GEN001" in output
    assert "l2 1.2e-4 -> 1e-3" in output


def test_a_killed_run_says_so(build: Callable[..., Path], tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "report.json").unlink()
    assert "Not finished" in printed(lambda console: print_summary(folder, console))


def test_findings_alone(summary: Summary) -> None:
    output = printed(lambda console: render_findings(summary.findings, console))
    assert output.splitlines() == [
        "warning GEN001 overfitting at step 810",
        "  the training accuracy is 4.0 points above the validation accuracy",
        "  gap at the best epoch 0.04 (limit 0.03); validation loss above its best ∞ (limit 0.05)",
        "  try: l2 1.2e-4 → 1e-3",
        "  try: dropout 0 → 0.2",
        "",
        "info DAT009 train-validation-overlap",
        "  3 of 1,000 validation examples are also in the training split",
        "  shared examples 3 examples (limit 0 examples)",
        "  try: remove the duplicates before splitting",
    ]
    assert printed(lambda console: render_findings((), console)) == ""


def test_what_a_finding_explains_is_said_once(summary: Summary) -> None:
    findings = (*summary.findings[:1], *summary.findings)
    symptoms = {"GEN001": ["LOS005 oscillating-loss", "UPD002 huge-update"], "LOS001": ["LOS002 exploding-loss"]}
    lines = printed(lambda console: render_findings(findings, console, symptoms)).splitlines()
    assert [number for number, line in enumerate(lines) if "explains" in line] == [5]
    assert lines[5] == "  explains LOS005 oscillating-loss, UPD002 huge-update"


@pytest.mark.parametrize(
    "hostile", ["[red]x[/red]", "\x1b[2J", "\x9b2J", "\x07", "a\u202eb", "\ud800", "[link=file:///]"]
)
def test_text_from_data_cannot_steer_the_terminal(hostile: str) -> None:
    evidence = (Evidence(hostile, 1.0, 2.0, hostile),)
    finding = Finding("X001", hostile, Severity.ERROR, hostile, evidence, (hostile,), hostile, module=hostile)
    output = printed(lambda console: render_findings((finding,), console), terminal=True)
    assert not {"\x07", "\x9b", "\u202e"} & set(output)
    assert "\x1b[2J" not in output
    assert "\x1b]8" not in output
    if hostile.startswith("["):
        assert output.count(hostile) >= 5


@given(st.text())
def test_plain_text_can_always_be_encoded(content: str) -> None:
    plain(content, ascii_only=False).encode("utf-8")
    assert plain(content, ascii_only=True).isascii()
    assert plain(content, ascii_only=False).isprintable() or not content.isprintable()
