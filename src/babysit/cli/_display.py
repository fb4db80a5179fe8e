"""Shows the procedure on a terminal: a line a step, findings under it, a progress bar while something is long."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from babysit.recipe.steps import StepResult
from babysit.report.summary import Summary
from babysit.report.terminal import plain, render_findings
from babysit.report.verdict import verdict_of, with_curve
from babysit.rules import Finding

_INDENT = "     "


class Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        """Nothing until it is known."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="progress.data.speed")


class RichDisplay:
    """Shows the procedure while it goes on.

    Args:
        console: Where to; progress is shown only where it is a terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None

    def begin(self, number: int, title: str) -> None:
        """A step begins."""
        if self._console.is_terminal and not self._console.quiet:
            self._progress = Progress(
                TextColumn(f"{number:2} {{task.description}}"),
                BarColumn(),
                TaskProgressColumn(),
                Rate(),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._progress.start()
            self._progress.add_task(title, total=None)

    def progress(self, what: str, done: float, total: float) -> None:
        """Something long has come this far."""
        if self._progress is not None:
            (bar,) = self._progress.task_ids
            self._progress.update(bar, description=what, completed=done, total=total)

    def end(self, result: StepResult, findings: Sequence[Finding]) -> None:
        """A step has ended."""
        self._stop()
        mark, style = ("✓", "green") if result.passed else ("✗", "bold red")
        self._console.print(
            Text.assemble(f"{result.number:2} ", (self._plain(mark), style), " ", (self._plain(result.title), "bold"))
        )
        self._indented(result.measured)
        if result.expected:
            self._indented(f"expected: {result.expected}", "dim")
        render_findings(findings, self._console)

    def note(self, text: str) -> None:
        """Something worth knowing, in one line."""
        self._indented(text, "italic")

    def close_with(self, summary: Summary, page: Path) -> None:
        """The run is over: what the rules say of it, and where its report is."""
        said = verdict_of(summary.verdict, summary.findings, has_numbers=True, curve=summary.curve)
        sentence = with_curve(said, summary.curve).removeprefix(said.words)
        self._console.print(Text.assemble((said.words, said.style), self._plain(sentence)))
        self._console.print(Text(self._plain(f"report: {page}")), soft_wrap=True)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._stop()

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _indented(self, text: str, style: str = "") -> None:
        for line in Text(self._plain(text), style=style).wrap(self._console, self._console.width - len(_INDENT)):
            line.rstrip()
            self._console.print(Text(_INDENT) + line)

    def _plain(self, text: str) -> str:
        return plain(text, ascii_only=self._console.options.ascii_only)
