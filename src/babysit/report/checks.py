"""One page of terminal output for a check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from babysit.report.terminal import plain, render_findings
from babysit.report.verdict import verdict_of

if TYPE_CHECKING:
    from babysit.preflight import Check, Report

_MARKS = {"passed": ("✓", "green"), "failed": ("✗", "bold red"), "not applicable": ("–", "dim")}


def render_report(report: Report, screen: Console) -> None:
    """Each check with its number beside the expected one, then the findings and the verdict.

    Args:
        report: Of :func:`babysit.check`.
        screen: Where to.
    """
    ascii_only = screen.options.ascii_only

    def say(text: str, style: str) -> None:
        screen.print(Text(plain(text, ascii_only=ascii_only), style=style))

    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    table.add_column(no_wrap=True, justify="right")
    for item in report.checks:
        mark, style = _MARKS[item.mark]
        table.add_row(
            Text(plain(mark, ascii_only=ascii_only), style=style),
            Text(item.title),
            Text(plain(_said(item), ascii_only=ascii_only), style="dim" if item.mark == "not applicable" else ""),
            Text(f"{item.seconds:.1f} s", style="dim"),
        )
    screen.print(table)
    render_findings(report.findings, screen)
    if report.findings:
        screen.print()
    asked = f"{len(report.diagnosis.asked)} rules asked"
    if report.suggestion:
        asked += "; suggested: " + ", ".join(f"{name} {value:.2g}" for name, value in report.suggestion.items())
    said = verdict_of(report.verdict, report.findings, has_numbers=True)
    say(said.words, said.style)
    say(f"{asked}; {report.seconds:.1f} s", "dim")
    for code, error in report.diagnosis.broken.items():
        say(f"note: {code} failed and was left out: {error}", "italic")
    for note in (*report.notes, *report.diagnosis.unused):
        say(f"note: {note}", "italic")


def _said(item: Check) -> str:
    return f"{item.measured} (expected: {item.expected})" if item.expected else item.measured
