"""A run of the procedure under way: its folder, its records, and how its steps have ended."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from babysit.diagnose import diagnose
from babysit.fit.interrupts import Interrupts
from babysit.measure.record import (
    Probe,
    Record,
    RecordWriter,
    RunHeader,
    RunRecord,
    collect,
    from_line,
    to_line,
    write_header,
)
from babysit.recipe.folder import Journal, RunFolder
from babysit.recipe.options import TrainOptions
from babysit.recipe.steps import Display, StepResult
from babysit.rules import Finding, Severity
from babysit.rules._catalogue import all_rules
from babysit.rules._config import DEFAULTS, Config


class ProcedureStopped(Exception):  # noqa: N818 - the procedure did what it is for
    """A step failed; the finding says why, and going on would waste time."""


@dataclass
class Run:
    """What every step of the procedure needs beside its own inputs.

    Attributes:
        options: What was asked for.
        folder: Where everything is written.
        journal: What was done and decided before.
        writer: Of `steps.jsonl`.
        display: Shows the procedure.
        interrupts: Signals.
        header: Of the records.
        config: Of the rules.
        results: The steps that have ended.
        probes: Everything that was tried.
        findings: What the steps found.
        report: Parts of `report.json`, by key.
        began: When this process took it up, on the monotonic clock.
    """

    options: TrainOptions
    folder: RunFolder
    journal: Journal
    writer: RecordWriter
    display: Display
    interrupts: Interrupts
    header: RunHeader
    config: Config = DEFAULTS
    results: list[StepResult] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def know(self, **fields: Any) -> None:
        """Add to the header what has become known."""
        self.header = dataclasses.replace(self.header, **fields)
        write_header(self.folder.path, self.header)

    def probe(self, key: str, measure: Callable[[], Probe]) -> Probe:
        """The probe of a step: measured now and recorded, or as it was measured before."""
        if key not in self.journal:
            self.rewind()
            probe = measure()
            self.writer.write(probe)
            self.journal.write(key, {"probe": to_line(probe), "written": self.writer.size})
        known = from_line(self.journal[key]["probe"])
        assert isinstance(known, Probe)
        self.probes.append(known)
        return known

    def rewind(self) -> None:
        """Forget records that a killed process wrote after the last thing it noted in the journal."""
        self.writer.rewind(self.journal.latest("written", 0))

    def records(self, *more: Record) -> RunRecord:
        """What has been tried up to now, and more, for the rules."""
        return collect(self.header, [*self.probes, *more])

    def end_step(
        self,
        result: StepResult,
        *,
        judged_by: Collection[str] = (),
        records: RunRecord | None = None,
        extra: Sequence[Finding] = (),
    ) -> None:
        """Judge what a step recorded by its rules, show how it ended, and stop where an error was found.

        Args:
            result: Without findings.
            judged_by: Codes of the rules to ask.
            records: What to judge; all probes by default.
            extra: Findings that were made otherwise.

        Raises:
            ProcedureStopped: The step failed, and ``--force`` was not given.
        """
        rules = [rule for rule in all_rules() if rule.code in judged_by]
        found = [*extra, *diagnose(records or self.records(), rules, self.config).findings] if rules else list(extra)
        failed = any(finding.severity is Severity.ERROR for finding in found)
        ended = dataclasses.replace(
            result, passed=result.passed and not failed, findings=tuple(finding.code for finding in found)
        )
        self.results.append(ended)
        self.findings += found
        self.display.end(ended, found)
        if not ended.passed and not self.options.force:
            raise ProcedureStopped(result.title)
