"""The verdict on a run in words, the same wherever it is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from babysit.report.formatting import plural
from babysit.rules import Finding, Severity
from babysit.rules._reading import UNLEARNT

STYLES = {"healthy": "bold green", "warnings": "bold yellow", "errors": "bold red", "unknown": "bold yellow"}
"""How a terminal shows each kind."""

_GOOD = ": good"
_TOO_LITTLE = "nothing found, but too little was recorded to call the run healthy"
_UNLEARNT = "nothing found, but the loss has not come down from guessing yet: too few steps to tell"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict as it is said.

    Attributes:
        kind: ``"healthy"``, ``"warnings"``, ``"errors"``, or ``"unknown"`` where nothing speaks for the run either.
        words: What is said.
    """

    kind: str
    words: str

    @property
    def style(self) -> str:
        """How a terminal shows it."""
        return STYLES[self.kind]


def verdict_of(verdict: str, findings: Sequence[Finding], *, has_numbers: bool, curve: str = "") -> Verdict:
    """How many findings of each severity there are; healthy only with numbers that say so.

    Args:
        verdict: ``"healthy"``, ``"warnings"``, ``"errors"``, or ``""`` for a run that was not judged.
        findings: What was found.
        has_numbers: Whether any number says how well the training went.
        curve: What the loss curve says, which may speak against a healthy one.

    Example:
        >>> verdict_of("healthy", (), has_numbers=True).words, verdict_of("healthy", (), has_numbers=False).kind
        ('healthy', 'unknown')
    """
    if verdict == "healthy":
        if curve.endswith(UNLEARNT):
            return Verdict("unknown", _UNLEARNT)
        return Verdict("healthy", "healthy") if has_numbers else Verdict("unknown", _TOO_LITTLE)
    counts = [
        plural(count, str(severity.value))
        for severity in (Severity.ERROR, Severity.WARNING)
        if (count := sum(finding.severity is severity for finding in findings))
    ]
    return Verdict(verdict if verdict in STYLES else "unknown", ", ".join(counts) or verdict or "not judged")


def with_curve(verdict: Verdict, curve: str) -> str:
    """The verdict and what the loss curve says, in one line.

    Example:
        >>> with_curve(Verdict("errors", "1 error"), "steep fall, from 2.3 to 0.1: good")
        '1 error; the loss curve by itself looks good: steep fall, from 2.3 to 0.1'
    """
    if not curve or (verdict.kind == "unknown" and verdict.words != _UNLEARNT):
        return verdict.words
    return f"{verdict.words}{':' if verdict.kind == 'healthy' else ';'} {curve_words(verdict.kind, curve)}"


def curve_words(kind: str, curve: str) -> str:
    """What the loss curve says; of a run that is not healthy, that it looks good by itself.

    Example:
        >>> curve_words("healthy", "steep fall: good"), curve_words("errors", "overshoots")
        ('loss curve: steep fall: good', 'loss curve: overshoots')
    """
    bare = curve_alone(kind, curve)
    return f"loss curve: {curve}" if bare == curve else f"the loss curve by itself looks good: {bare}"


def curve_alone(kind: str, curve: str) -> str:
    """The curve's shape, without a verdict of its own where the run's is another.

    Example:
        >>> curve_alone("errors", "steep fall: good")
        'steep fall'
    """
    return curve if kind == "healthy" else curve.removesuffix(_GOOD)
