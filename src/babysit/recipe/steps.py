"""What the steps of the procedure share: how one ends, and how they are shown while they go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from babysit.rules import Finding


@dataclass(frozen=True)
class StepResult:
    """How one step of the procedure ended.

    Attributes:
        number: 1 to 10, the lecture's order.
        name: Short name, such as ``"initial-loss"``.
        title: For a heading.
        measured: What came out, in words with numbers.
        expected: What it was held against.
        passed: Whether the procedure may go on.
        findings: Codes of the findings it produced.
    """

    number: int
    name: str
    title: str
    measured: str
    expected: str
    passed: bool = True
    findings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For `report.json`."""
        return asdict(self)


class Display(Protocol):
    """Shows the procedure to a person."""

    def begin(self, number: int, title: str) -> None:
        """A step begins."""

    def progress(self, what: str, done: float, total: float) -> None:
        """Something long has come this far."""

    def end(self, result: StepResult, findings: Sequence[Finding]) -> None:
        """A step has ended."""

    def note(self, text: str) -> None:
        """Something worth knowing, in one line."""


class Silent:
    """Shows nothing."""

    def begin(self, number: int, title: str) -> None:
        """Nothing."""

    def progress(self, what: str, done: float, total: float) -> None:
        """Nothing."""

    def end(self, result: StepResult, findings: Sequence[Finding]) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""
