"""The lab on the terminal: a row a claim as it is finished, and what came of all of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from babysit.lab import Claim, Row, Verdict
from babysit.lab.measures import Measure
from babysit.report.formatting import number, percent, plural

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

STYLES = {Verdict.HOLDS: "green", Verdict.SUBTLE: "yellow", Verdict.FAILS: "bold red", Verdict.BROKEN: "bold red"}
MARKS = {Verdict.HOLDS: "✓", Verdict.SUBTLE: "≈", Verdict.FAILS: "✗", Verdict.BROKEN: "✗"}
_MOST_MEASURES = 4


class LabTable:
    """Prints rows in the lecture's order, each as soon as those before it are done.

    Args:
        console: Where to.
        claims: All that will come.
    """

    def __init__(self, console: Console, claims: Sequence[Claim]) -> None:
        self._console = console
        self._waiting = list(claims)
        self._done: dict[str, Row] = {}
        self._began = time.monotonic()
        self._progress: Progress | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.quiet:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._progress = Progress(*columns, console=self._console, transient=True)
            self._progress.add_task("claims", total=len(self._waiting))
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def add(self, row: Row) -> None:
        """A claim was measured."""
        self._done[row.id] = row
        while self._waiting and self._waiting[0].id in self._done:
            self._print(self._done[self._waiting.pop(0).id])
        if self._progress is not None:
            self._progress.advance(self._progress.task_ids[0])

    def close(self, rows: Sequence[Row], page: Path) -> None:
        """All were measured; say what came of them, and where the page is."""
        counts = Counter(row.verdict for row in rows)
        said = ", ".join(f"{counts[verdict]} {count_word(verdict)}" for verdict in Verdict if counts[verdict])
        seconds = time.monotonic() - self._began
        self._console.print(f"\n{plural(len(rows), 'claim')}: {said}; {number(seconds)} s", markup=False)
        self._console.print(f"report: {page}", markup=False)

    def list_claims(self) -> None:
        """The claims and what is expected of each."""
        for claim in self._waiting:
            self._console.print(f"[bold]{claim.id:4}[/]", end="")
            self._console.print(f"{claim.says}\n    expected: {claim.expected}", markup=False)

    def _print(self, row: Row) -> None:
        from rich.text import Text

        style = STYLES[row.verdict]
        line = Text.assemble((f"{MARKS[row.verdict]} {row.id:4}", style), (row.says, "bold"))
        self._console.print(line)
        if row.expected:
            self._console.print(Text.assemble(("      expected  ", "dim"), row.expected))
        shown = sorted(row.measures, key=lambda measure: measure.holds is not False)[:_MOST_MEASURES]
        lines = [measured(measure) for measure in row.measures if measure in shown]
        for place, text in enumerate(lines):
            self._console.print(Text.assemble(("      measured  " if place == 0 else " " * 16, "dim"), text))
        if left := len(row.measures) - len(lines):
            self._console.print(Text(f"{' ' * 16}and {plural(left, 'number')} more in the report", "dim"))
        codes = sorted({finding.code for finding in row.findings})
        if codes:
            self._console.print(Text.assemble(("      findings  ", "dim"), ", ".join(codes)))
        if row.remark:
            self._console.print(Text.assemble(("      remark    ", "dim"), row.remark))
        if row.verdict is not Verdict.HOLDS:
            self._console.print(Text(f"      {row.verdict}", style))


def measured(measure: Measure) -> str:
    """A measure in one line: name, median, spread over seeds, and what it is held against.

    Example:
        >>> measured(Measure("dead", (0.1, 0.12, 0.11), "< 20 %", True, "%"))
        'dead 11.0 % (10.0 % … 12.0 %), expected < 20 %'
    """
    text = f"{measure.name} {value(measure)}"
    return f"{text}, expected {measure.expected}" if measure.expected else text


def value(measure: Measure) -> str:
    """The median, and the range where there are several values."""
    if measure.unit == "yes/no":
        count, of_all = sum(measure.values), len(measure.values)
        return "yes" if count == of_all else "no" if not count else f"{count:.0f} of {of_all} times"
    text = _one(measure.median, measure)
    known = measure.to_json()
    if len(measure.values) < 2 or known["low"] == known["high"]:
        return text
    low, high = _one(known["low"], measure), _one(known["high"], measure)
    return text if low == high == text else f"{text} ({low} … {high})"


def _one(value_: float, measure: Measure) -> str:
    return percent(value_) if measure.unit == "%" else f"{number(value_, measure.digits)} {measure.unit}".strip()


def count_word(verdict: Verdict) -> str:
    """What follows the number of claims of a verdict, such as ``"hold"`` after 12."""
    return {
        Verdict.HOLDS: "hold",
        Verdict.SUBTLE: "more subtle than the claim",
        Verdict.FAILS: "do not hold",
        Verdict.BROKEN: "could not be measured",
    }[verdict]
