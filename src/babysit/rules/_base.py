"""What a rule is, what it says, and how sure it has to be: evidence beside its limit, a place, a remedy."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from babysit.measure.record import RunRecord


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One measured number beside the limit it was held against.

    Attributes:
        name: What was measured.
        value: The number.
        limit: What it was compared with; ``None`` for a number that only explains.
        unit: Unit of both; ``""`` for a pure number.
    """

    name: str
    value: float
    limit: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, with numbers, a place and a remedy."""

    code: str
    name: str
    severity: Severity
    message: str
    evidence: tuple[Evidence, ...]
    remedies: tuple[str, ...]
    source: str
    module: str = ""
    first_step: int | None = None
    last_step: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The finding as DESIGN's JSON object."""
        return dataclasses.asdict(self)


def threshold(default: float, *, unit: str = "", source: str = "heuristic") -> Any:
    """A rule's limit: a dataclass field with its unit and where the number comes from."""
    return field(default=default, metadata={"unit": unit, "source": source})


@dataclass(frozen=True)
class Rule(ABC):
    """One thing that can be wrong with a training.

    A rule is a frozen dataclass: class variables say what it is, fields are its thresholds, its docstring is its
    page (the headings are listed in ``SECTIONS``), and :meth:`check` reads records only.

    Attributes:
        code: Such as ``"LOS001"``; never reused.
        name: Such as ``"nonfinite-loss"``.
        severity: Severity of its findings unless one says otherwise.
        needs: What a run must hold for the rule to be asked: any of ``"losses"``, ``"steps"``, ``"evaluations"``,
            ``"trials"`` and ``"probe:NAME"``; nothing for a rule that looks for itself at one thing or another.
        source: Where the rule comes from.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    severity: ClassVar[Severity]
    needs: ClassVar[tuple[str, ...]]
    source: ClassVar[str]

    SECTIONS: ClassVar[tuple[str, ...]] = (
        "What it measures",
        "Why it hurts",
        "What to try",
        "When it is a false alarm",
        "Options",
        "References",
    )

    @abstractmethod
    def check(self, run: RunRecord) -> Iterator[Finding]:
        """Yield what is wrong with the run; nothing when all is well or the evidence does not suffice."""

    def applies(self, run: RunRecord) -> bool:
        """Whether the run holds everything the rule needs."""
        return all(_has(run, need) for need in self.needs)

    def finding(
        self,
        message: str,
        *,
        evidence: Sequence[Evidence],
        remedies: Sequence[str],
        module: str = "",
        steps: tuple[int | None, int | None] = (None, None),
        severity: Severity | None = None,
    ) -> Finding:
        """A finding of this rule."""
        return Finding(
            code=self.code,
            name=self.name,
            severity=severity or self.severity,
            message=message,
            evidence=tuple(evidence),
            remedies=tuple(remedies),
            source=self.source,
            module=module,
            first_step=steps[0],
            last_step=steps[1],
        )


def _has(run: RunRecord, need: str) -> bool:
    kind, _, name = need.partition(":")
    if kind == "probe":
        return run.probe(name) is not None
    return bool(getattr(run, {"losses": "blocks"}.get(kind, kind)))
