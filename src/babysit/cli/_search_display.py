"""Shows a search on a terminal: a line a round, and while it goes on the best trials and a progress bar under it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from babysit.cli._display import Rate
from babysit.measure.record import RoundRecord, TrialRecord
from babysit.measure.saying import say
from babysit.report.formatting import number
from babysit.report.terminal import plain, render_findings
from babysit.search import SearchResult
from babysit.search.given import SHORT, hyperparameters
from babysit.search.trials import Outcome, TrialSpec

SHOWN = 5
"""Trials in the table of the best."""


class SearchDisplay:
    """Shows a search while it goes on.

    Args:
        console: Where to; the table and the progress are shown only where it is a terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._score_name = "score"
        self._live: Live | None = None
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), Rate(), TimeRemainingColumn(),
            console=console,
        )  # fmt: skip
        self._bar = self._progress.add_task("trial-steps", total=None)
        self._round: RoundRecord | None = None
        self._ended: list[TrialRecord] = []
        self._standing: dict[int, tuple[TrialSpec, Outcome]] = {}

    def note(self, text: str) -> None:
        """Something worth knowing, in one line."""
        self._say(text, "italic")

    def judged_by(self, score_name: str) -> None:
        """What the score is called."""
        self._score_name = score_name

    def begin(self, round_: RoundRecord) -> None:
        """A round begins."""
        self._end_round()
        self._round = round_
        self._standing.clear()
        if self._live is None and self._console.is_terminal and not self._console.quiet:
            self._live = Live(self._view(), console=self._console, transient=True, refresh_per_second=4)
            self._live.start()

    def stands(self, trials: Sequence[TrialSpec], outcomes: Sequence[Outcome]) -> None:
        """How trials stand at a rung."""
        for trial, outcome in zip(trials, outcomes, strict=True):
            self._standing[trial.number] = (trial, outcome)
        self._refresh()

    def end(self, trial: TrialRecord) -> None:
        """A trial goes no further."""
        self._ended.append(trial)

    def progress(self, done: float, total: float) -> None:
        """How many trial-steps of about how many have been taken."""
        self._progress.update(self._bar, completed=done, total=total)
        self._refresh()

    def close(self) -> None:
        """Leave the terminal as it was, with what is known of the last round."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._end_round()

    def close_with(self, found: SearchResult, page: Path) -> None:
        """The search is over: its best settings, what the rules say, and where its report is."""
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for head in ("place", *found.best):
            table.add_column(self._plain(head), justify="right")
        for place, params in enumerate(found.ranking[:SHOWN], 1):
            table.add_row(str(place), *(self._plain(say(params.get(name, ""), SHORT)) for name in found.best))
        self._console.print(table)
        self._say(f"best {self._score_name} {number(found.score, 4)}: {hyperparameters(found.best)}", "bold")
        render_findings(found.findings, self._console)
        self._console.print(Text(self._plain(f"report: {page}")), soft_wrap=True)

    def _end_round(self) -> None:
        if self._round is None or not self._ended:
            return
        round_, trials = self._round, self._ended
        self._round, self._ended = None, []
        killed = sum(trial.status == "killed" for trial in trials)
        failed = sum(trial.status == "failed" for trial in trials)
        lost = "".join(f", {count} {word}" for count, word in ((killed, "killed"), (failed, "failed")) if count)
        best = max(trials, key=lambda trial: (trial.score, -trial.loss))
        self._say(
            f"{round_.name}: {len(trials)} trials of up to {round_.epochs:g} epochs{lost}; best {self._score_name} "
            f"{number(best.score, 4)} ({hyperparameters(best.params)})"
        )
        if failed:
            reason = next(trial.reason for trial in trials if trial.status == "failed")
            self._say(f"the first that failed: {reason}", "yellow")

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.update(self._view())

    def _view(self) -> Group:
        return Group(self._best(), self._progress) if self._standing else Group(self._progress)

    def _best(self) -> Table:
        standing = sorted(self._standing.values(), key=lambda pair: (pair[1].epochs, pair[1].rank), reverse=True)
        rows = [pair for pair in standing if not pair[1].stopped][:SHOWN]
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        names = list(rows[0][0].params) if rows else []
        # of a loop of the user's own the loss is the score with another sign
        have_losses = any(outcome.loss != -outcome.score for _, outcome in rows)
        for head in ("trial", "epochs", self._score_name, *(("loss",) if have_losses else ()), *names):
            table.add_column(self._plain(head), justify="right")
        for trial, outcome in rows:
            values = [say(trial.params.get(name, ""), SHORT) for name in names]
            loss = (number(outcome.loss, 4),) if have_losses else ()
            numbers = (f"{outcome.epochs:.3g}", number(outcome.score, 4), *loss)
            table.add_row(str(trial.number), *map(self._plain, (*numbers, *values)))
        return table

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(self._plain(text), style=style))

    def _plain(self, text: str) -> str:
        return plain(text, ascii_only=self._console.options.ascii_only)
