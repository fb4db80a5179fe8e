"""The lab on the terminal: a row a claim as it is finished, and what came of all of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from babysit.lab import Claim, Row, Verdict
from babysit.lab.drawing import can_draw
from babysit.lab.measures import Measure
from babysit.report.formatting import number, percent, plural
from babysit.report.terminal import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

STYLES = {Verdict.HOLDS: "green", Verdict.SUBTLE: "yellow", Verdict.FAILS: "bold red", Verdict.BROKEN: "bold red"}
MARKS = {Verdict.HOLDS: "✓", Verdict.SUBTLE: "≈", Verdict.FAILS: "✗", Verdict.BROKEN: "✗"}
_MOST_MEASURES = 4
_NARROWEST = 24  # letters a line beside its head, however narrow the terminal


class LabTable:
    """Prints rows in the lecture's order, each as soon as those before it are done.

    Args:
        console: Where to.
        claims: All that will come.
    """

    def __init__(self, console: Console, claims: Sequence[Claim]) -> None:
        self._console = console
        self._claims = list(claims)
        self._waiting = list(claims)
        self._done: dict[str, Row] = {}
        self._began = time.monotonic()
        self._progress: Progress | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.quiet:
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
            self._progress = Progress(*columns, console=self._console, transient=True)
            # in seconds of work, as one claim takes a hundred times as long as another
            self._progress.add_task(self._so_far(), total=sum(claim.cost for claim in self._claims))
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    @property
    def rows(self) -> list[Row]:
        """What has been measured so far, in the lecture's order."""
        return [self._done[claim.id] for claim in self._claims if claim.id in self._done]

    def add(self, row: Row) -> None:
        """A claim was measured."""
        self._done[row.id] = row
        while self._waiting and self._waiting[0].id in self._done:
            self._print(self._done[self._waiting.pop(0).id])
        if self._progress is not None:
            cost = next(claim.cost for claim in self._claims if claim.id == row.id)
            self._progress.update(self._progress.task_ids[0], advance=cost, description=self._so_far())

    def close(self, page: Path | None) -> None:
        """Say what came of it all, and where the page is.

        Args:
            page: ``None`` where there is none, as nothing was measured.
        """
        for claim in self._waiting:  # measured before an interrupt, and not yet shown
            if claim.id in self._done:
                self._print(self._done[claim.id])
        rows = self.rows
        count = plural(len(self._claims), "claim")
        begin = count if len(rows) == len(self._claims) else f"stopped after {len(rows)} of {count}"
        said = ", ".join(filter(None, (_counted(verdict, rows) for verdict in Verdict)))
        seconds = time.monotonic() - self._began
        self._console.print()
        self._hang("", f"{begin}: {said}; {number(seconds)} s" if said else f"{begin}; {number(seconds)} s")
        if not can_draw():
            self._hang("", "no pictures, as matplotlib is not installed: pip install 'babysit[plots]'")
        if page is not None:
            self._console.print(plain(f"report: {page}", ascii_only=self._ascii), markup=False, soft_wrap=True)

    def list_claims(self) -> None:
        """The claims and what is expected of each."""
        for claim in self._claims:
            self._hang(f"{claim.id:5}", claim.says, head_style="bold")
            self._hang(f"{'':5}", f"expected: {claim.expected}", style="dim")

    @property
    def _ascii(self) -> bool:
        return self._console.options.ascii_only

    def _so_far(self) -> str:
        return f"{len(self._done)} of {plural(len(self._claims), 'claim')}"

    def _print(self, row: Row) -> None:
        style = STYLES[row.verdict]
        # in ASCII the mark is a word that says what the verdict says below
        mark = (
            MARKS[row.verdict] if not self._ascii else {Verdict.HOLDS: "+", Verdict.SUBTLE: "~"}.get(row.verdict, "!")
        )
        self._hang(f"{mark} {row.id:4}", row.says, style="bold", head_style=style)
        if row.expected:
            self._hang("      expected  ", row.expected)
        shown = sorted(row.measures, key=lambda measure: measure.holds is not False)[:_MOST_MEASURES]
        lines = [measured(measure) for measure in row.measures if measure in shown]
        for place, text in enumerate(lines):
            self._hang("      measured  " if place == 0 else " " * 16, text)
        if left := len(row.measures) - len(lines):
            self._hang(" " * 16, f"and {plural(left, 'number')} more in the report", style="dim")
        if codes := sorted({finding.code for finding in row.findings}):
            self._hang("      findings  ", ", ".join(codes))
        if row.remark:
            self._hang("      remark    ", row.remark)
        if row.verdict is not Verdict.HOLDS:
            self._hang("      ", str(row.verdict), style=style)

    def _hang(self, head: str, text: str, *, style: str = "", head_style: str = "dim") -> None:
        """A paragraph beside its head, its further lines below its first."""
        from rich.text import Text

        width = max(_NARROWEST, self._console.width - len(head))
        body = Text(plain(text, ascii_only=self._ascii), style=style)
        for place, line in enumerate(body.wrap(self._console, width)):
            line.rstrip()
            beside = head if place == 0 else " " * len(head)
            self._console.print(Text.assemble((beside, head_style), line), soft_wrap=True)


def _counted(verdict: Verdict, rows: Sequence[Row]) -> str:
    """How many claims came out so; which, where a reader will want to look."""
    ids = [row.id for row in rows if row.verdict is verdict]
    if not ids:
        return ""
    which = "" if verdict is Verdict.HOLDS else f" ({', '.join(ids)})"
    return f"{len(ids)} {count_word(verdict, len(ids))}{which}"


def count_word(verdict: Verdict, count: int) -> str:
    """What follows the number of claims of a verdict.

    Example:
        >>> [count_word(Verdict.HOLDS, count) for count in (1, 12)]
        ['holds', 'hold']
    """
    one, many = {
        Verdict.HOLDS: ("holds", "hold"),
        Verdict.SUBTLE: ("is more subtle than the claim", "are more subtle than the claim"),
        Verdict.FAILS: ("does not hold", "do not hold"),
        Verdict.BROKEN: ("could not be measured", "could not be measured"),
    }[verdict]
    return one if count == 1 else many


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
    if measure.unit != "%":
        return f"{number(value_, measure.digits)} {measure.unit}".strip()
    return f"{number(100 * value_, 2)} %" if 0 < abs(value_) < 1e-3 else percent(value_)
