"""A run on the terminal: verdict, steps, findings with remedies, results; in ASCII where nothing else is safe."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babysit.measure.record import RunRecord, read_runs
from babysit.report import search_tables
from babysit.report.formatting import number
from babysit.report.headline import curve, headline, subject, verdict
from babysit.report.summary import Summary, parse_summary, read_summary
from babysit.report.tables import ensemble_rows, round_rows
from babysit.rules import Evidence, Finding
from babysit.rules._config import DEFAULTS, Config

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_STYLES = {"error": "red", "warning": "yellow"}
_PASSED = {True: "✓", False: "✗", None: "–"}
_PASSED_STYLES = {True: "green", False: "red", None: "dim"}
_BEST_TRIALS = 5
_ASCII = str.maketrans(
    {"✓": "ok", "✗": "FAILED", "–": "-", "−": "-", "→": "->", "×": "x", "÷": "/", "…": "...", "²": "2", "·": "-"}
    | {"∞": "inf", "’": "'", "“": '"', "”": '"', "≈": "~", "≤": "<=", "≥": ">=", "★": "*", "─": "-", "•": "*", "—": "-"}
    | {"√": "sqrt", "±": "+/-", "‖": "|", "′": "'", "½": "1/2", "∝": "~", "Σ": "sum", "∇": "grad", "α": "alpha"}
    | {"β": "beta", "γ": "gamma", "ε": "epsilon", "η": "eta", "λ": "lambda", "μ": "mu", "σ": "sigma", "●": "o"}
)


def print_summary(run: Path | Mapping[str, Any], console: Console, config: Config = DEFAULTS) -> None:
    """Print what a run found, in about a screen.

    Args:
        run: A run folder, or the dict of its `report.json`.
        console: Where to; colour and width are its own.
        config: Of the rules, where the records are judged as there is no `report.json` yet.

    Raises:
        RunFolderError: The folder is no run, or its `report.json` is damaged.
    """
    runs = read_runs(run) if isinstance(run, Path) else [RunRecord()]
    summary = read_summary(run, runs, config) if isinstance(run, Path) else parse_summary(run)
    print_read(runs[0], summary, console)


def print_read(run: RunRecord, summary: Summary, console: Console) -> None:
    """The same of a run that has been read.

    Args:
        run: The records, of the first training.
        summary: What is said of the run.
        console: Where to.
    """
    say = _Printer(console)
    say.line((subject(summary), "bold"))
    say.line((verdict(summary).words, verdict(summary).style))
    if summary.curve:
        say.line((curve(summary), ""))
    if summary.judged:
        unfinished = "" if summary.finished else "Not finished: still going on, or stopped. "
        say.line((f"{unfinished}Judged from {summary.judged}.", "italic"))
    _print_steps(say, summary)
    if summary.health:
        say.line()
        say.line((health_words(summary.health), "dim"))
    if summary.findings:
        say.line()
    render_findings(summary.findings, console)
    say.table((), [((fact.name, ""), (fact.value, "bold"), (fact.remark, "dim")) for fact in headline(summary)])
    ensembles = [[(cell, "") for cell in row] for row in ensemble_rows(summary)]
    say.table(("Model", f"Test {summary.score_name}", "Test loss"), ensembles)
    if summary.command == "search":
        _print_search(say, run, summary)


def render_findings(findings: Sequence[Finding], console: Console, symptoms: Mapping[str, Sequence[str]] = {}) -> None:
    """Print findings: severity, code and place, message, evidence beside its limit, remedies, what it explains.

    Args:
        findings: In the order to print; none prints nothing.
        console: Where to.
        symptoms: Code of a finding → the rules whose findings it explains; said once, under the first of that code.
    """
    say = _Printer(console)
    explains = dict(symptoms)
    for place, finding in enumerate(findings):
        severity = str(finding.severity.value)
        if place:
            say.line()
        say.line(
            (f"{severity} {finding.code}", _STYLES.get(severity, "cyan")), (f" {finding.name}{_place(finding)}", "dim")
        )
        say.line((finding.message, ""), indent=2)
        if finding.evidence:
            say.line(("; ".join(_evidence(item, "limit") for item in finding.evidence), "dim"), indent=2)
        for remedy in finding.remedies:
            say.line((f"try: {remedy}", ""), indent=2)
        if also := explains.pop(finding.code, ()):
            say.line((f"explains {', '.join(also)}", "dim"), indent=2)


def health_words(health: Sequence[Evidence]) -> str:
    """The numbers that say how well a training went, each beside what it is compared with, which is no limit.

    Example:
        >>> health_words([Evidence("final training loss", 0.787, 1.33)])
        'final training loss 0.787 (beside 1.33)'
    """
    return "; ".join(_evidence(item, "beside") for item in health)


class _Printer:
    """Prints text that came from data: no markup, no control characters, nothing the console cannot encode."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._ascii = console.options.ascii_only

    def text(self, content: str, style: str = "") -> Text:
        from rich.text import Text

        return Text(plain(content, ascii_only=self._ascii), style=style)

    def line(self, *parts: tuple[str, str], indent: int = 0) -> None:
        from rich.text import Text

        if not parts:
            self._console.print()
            return
        joined = Text.assemble(*(self.text(content, style) for content, style in parts))
        for row in joined.wrap(self._console, max(1, self._console.width - indent)):
            row.rstrip()  # a file or a mail would keep what fills the line
            self._console.print(Text(" " * indent) + row)

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]]) -> None:
        """A blank line and the table of cells and their styles; nothing at all when it has no rows."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        if not rows:
            return
        table = Table(box=SIMPLE_HEAD if heads else None, show_header=bool(heads), show_edge=False, pad_edge=False)
        for place in range(len(rows[0])):
            table.add_column(self.text(heads[place]) if heads else "", overflow="fold")
        for row in rows:
            table.add_row(*(self.text(cell, style) for cell, style in row))
        self._console.print()
        self._console.print(table)


def plain(content: str, *, ascii_only: bool) -> str:
    r"""Text without control characters; in ASCII alone where the console's encoding knows no more.

    Example:
        >>> plain("lr 0.1 → 0.01\x1b[2J", ascii_only=True)
        'lr 0.1 -> 0.01?[2J'
    """
    printable = "".join(
        " " if c in "\n\t" else "?" if unicodedata.category(c) in ("Cc", "Cs", "Cf") else c for c in content
    )
    return printable.translate(_ASCII).encode("ascii", "replace").decode("ascii") if ascii_only else printable


def _print_steps(say: _Printer, summary: Summary) -> None:
    rows = [
        (
            (str(step.number), "dim"),
            (step.title, "bold"),
            (step.measured or "–", ""),
            (step.expected or "–", ""),
            (" ".join([_PASSED[step.passed], *step.findings]), _PASSED_STYLES[step.passed]),
        )
        for step in summary.procedure
    ]
    say.table(("#", "Step", "Measured", "Expected", "Passed"), rows)


def _print_search(say: _Printer, run: RunRecord, summary: Summary) -> None:
    names = search_tables.names_of(run)
    heads = (*search_tables.best_heads(run, summary)[: -len(names) or None], "Setting")
    fixed = len(heads) - 1
    best = [
        (*row[:fixed], ", ".join(f"{name} {value}" for name, value in zip(names, row[fixed:], strict=True)))
        for row in search_tables.best_rows(run, summary)[:_BEST_TRIALS]
    ]
    rounds = ("Round", "Trials", "Epochs", "Killed", "Halved", f"Best {summary.score_name}", "Drawn from")
    for title, rows in (
        (heads, best),
        (("Hyperparameter", "Explains", "The ten best trials"), search_tables.importance_rows(run)),
        (rounds, round_rows(run, summary)),
        (("Status", "Reason", "Trials", "Which"), search_tables.reason_rows(run)),
    ):
        say.table(title, [[(cell, "") for cell in row] for row in rows])
    for place, note in enumerate(summary.notes):
        if not place:
            say.line()
        say.line((f"note: {note}", "italic"))


def _place(finding: Finding) -> str:
    module = f" in {finding.module}" if finding.module else ""
    step = f" at step {finding.first_step:,}" if finding.first_step is not None else ""
    return module + step


def _evidence(evidence: Evidence, compared: str) -> str:
    unit = f" {evidence.unit}" if evidence.unit else ""
    limit = f" ({compared} {number(evidence.limit)}{unit})" if evidence.limit is not None else ""
    return f"{evidence.name} {number(evidence.value)}{unit}{limit}"
