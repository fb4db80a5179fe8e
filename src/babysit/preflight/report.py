"""What a check says: one line a check, the findings, and whether a test suite should fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from babysit.diagnose import Diagnosis
from babysit.measure.record import RunRecord
from babysit.rules import Finding, Severity

Mark = Literal["passed", "failed", "not applicable"]
_ORDER = (Severity.ERROR, Severity.WARNING, Severity.INFO)


class CheckError(AssertionError):
    """Raised by :meth:`Report.raise_for`; the message lists the findings."""


@dataclass(frozen=True)
class Check:
    """One check and its number beside the expected one.

    Attributes:
        name: Such as ``"initial-loss"``.
        title: For the reader.
        measured: The number, in words; why there is none where it is not applicable.
        expected: What it should be.
        mark: ``"passed"``, ``"failed"`` or ``"not applicable"``.
        codes: Of the rules that judged it.
        seconds: It took.
    """

    name: str
    title: str
    measured: str
    expected: str
    mark: Mark
    codes: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Report:
    """What :func:`babysit.check` found.

    Attributes:
        checks: In the order they were made.
        diagnosis: What the rules say.
        record: What they have read.
        suggestion: Settings worth using, such as ``{"lr": 0.003}``.
        seconds: All of it took.
        notes: What a reader should know beside.
    """

    checks: tuple[Check, ...]
    diagnosis: Diagnosis
    record: RunRecord
    suggestion: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, worst first; empty when all is well."""
        return self.diagnosis.findings

    @property
    def verdict(self) -> str:
        """``"healthy"``, ``"warnings"`` or ``"errors"``."""
        return self.diagnosis.verdict

    def raise_for(self, severity: str = "error") -> Report:
        """Fail a test where anything as bad as this was found; gives the report itself otherwise.

        Args:
            severity: ``"error"``, ``"warning"`` or ``"info"``.

        Raises:
            CheckError: Something was found; its message lists it.
            ValueError: There is no such severity.
        """
        worst = _ORDER[: _ORDER.index(Severity(severity)) + 1]
        found = [item for item in self.findings if item.severity in worst]
        if found:
            lines = [f"{item.code} {item.name}: {item.message}; try: {'; '.join(item.remedies)}" for item in found]
            raise CheckError("\n".join([f"{len(found)} finding{'s' if len(found) > 1 else ''}:", *lines]))
        return self

    def to_json(self, command: str) -> dict[str, Any]:
        """The findings file with the checks beside."""
        checks = [
            {
                "name": item.name,
                "measured": item.measured,
                "expected": item.expected,
                "mark": item.mark,
                "codes": list(item.codes),
                "seconds": round(item.seconds, 3),
            }
            for item in self.checks
        ]
        return self.diagnosis.to_json(command) | {"checks": checks, "suggestion": dict(self.suggestion)}

    def __str__(self) -> str:
        marks = {"passed": "✓", "failed": "✗", "not applicable": "–"}
        lines = [f"{marks[item.mark]} {item.title}: {item.measured}" for item in self.checks]
        found = [f"{item.severity} {item.code} {item.name}: {item.message}" for item in self.findings]
        return "\n".join([*lines, self.verdict, *found])
