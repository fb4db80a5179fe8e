"""From a run's records to one diagnosis: findings in order, each cause once, and the numbers that say healthy."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from statistics import median
from types import MappingProxyType
from typing import Any, Literal

from babysit.measure.record import RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity
from babysit.rules._catalogue import all_rules
from babysit.rules._config import DEFAULTS, Config, apply, filter_findings
from babysit.rules._curve import Curve
from babysit.rules._pairs import pairs
from babysit.rules._reading import reading
from babysit.rules._updates import median_ratios, working_steps

SCHEMA = 1

_RANK = {severity: rank for rank, severity in enumerate(Severity)}

_CURVE = ("LOS002", "LOS003", "LOS004", "LOS005", "LOS008")
_UPDATES = ("UPD001", "UPD002")
_SCORES = ("GEN001", "GEN002")
_OUTCOME = (*_CURVE, *_UPDATES, *_SCORES)
"""How a training that cannot go well looks, whatever the reason."""

_UNITS = ("ACT001", "ACT002", "ACT005")
_GRADIENTS = ("GRD001", "GRD002")
_START = ("INI004", "PRE001", "PRE003")

EXPLAINS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "DAT007": (*_OUTCOME, *_UNITS, "LOS001", "PRE001", "PRE003"),
        "DAT010": (*_OUTCOME, "ACT005", "PRE003", "PRE006"),
        "DAT003": (*_OUTCOME, *_UNITS, "GRD003", "LOS001", "PRE001", "PRE003"),
        "DAT004": (*_OUTCOME, *_UNITS, *_GRADIENTS, "DAT006"),
        # torch's gradient of a CTC loss is that of log-probabilities alone
        "LOS009": (*_OUTCOME, *_UNITS, "GRD002", "GRD003", "LOS001", "LOS006", "PRE001", "PRE003", "PRE004", "PRE006"),
        "LOS007": (*_OUTCOME, *_UNITS, "GRD001", "INI004", "PRE003"),
        "LOS006": (*_OUTCOME, *_UNITS, "GRD002", "GRD003", "INI004", "LOS001"),
        "GRD005": (*_OUTCOME, *_UNITS, "GRD002", "LOS001"),
        "UPD003": ("LOS003", "LOS004", "LOS008", "UPD001", "GEN002", "INI001", "GRD004"),
        "GRD004": ("LOS003", "LOS004", "LOS008", "UPD001", "UPD004", "GEN002", "GRD001", "ACT005"),
        "UPD004": ("LOS003", "LOS005", "LOS008", "UPD001", "GEN002", "INI001", "ACT005"),
        "DAT008": ("GEN001", "LOS005", "DAT006"),
        "DAT005": ("LOS005", "LOS004", "LOS002", "DAT006", "GEN001", "GEN002", "ACT001", "UPD002"),
        "DAT011": _SCORES,
        "GEN003": (*_SCORES, "LOS005"),
        "NRM001": ("GEN001", "LOS005", "LOS004"),
        "INI001": (*_OUTCOME, *_UNITS, *_GRADIENTS, "INI002", "INI004"),
        "UPD005": (*_OUTCOME, *_UNITS, "GRD001", "INI002", "INI004"),
        "DAT002": (
            "ACT001",
            "ACT002",
            "ACT005",
            "LOS002",
            "LOS004",
            "LOS005",
            "LOS008",
            "GRD002",
            "UPD001",
            "GEN001",
            "GEN002",
            "PRE001",
            "PRE006",
        ),
        "DAT001": ("INI004", "LOS003", "PRE001"),
        "INI002": ("INI004", "PRE003", "PRE006", *_UNITS, "GRD001", *_CURVE[1:3], "LOS008", "UPD001", "GEN002"),
        "INI003": (*_START, *_UNITS, *_GRADIENTS, "LOS001", *_OUTCOME),
        "GRD002": ("GRD003", "LOS001", *_CURVE, *_UPDATES, "GEN002", *_UNITS),
        "GRD003": ("LOS001", "LOS002", "LOS004", "LOS005", "LOS008", *_UPDATES, *_SCORES),
        "UPD006": ("LOS003", "LOS004", "LOS008", "UPD001", "GEN002"),
        "GRD006": ("LOS003", "LOS008", "UPD001", "GEN002"),
        "LOS001": (*_CURVE, *_UPDATES, *_SCORES, *_UNITS),
        "LOS002": (*_CURVE[1:], *_UPDATES, *_SCORES, *_UNITS),
        "ACT003": ("INI004", "GRD001", "LOS003", "LOS004", "LOS008", "UPD001", "GEN002", "ACT005"),
        "ACT001": ("GRD001", "LOS003", "LOS004", "LOS005", "LOS008", *_UPDATES, "GEN002"),
        "ACT002": ("GRD001", "LOS003", "LOS004", "LOS005", "UPD001", "GEN002"),
        "GRD001": ("LOS003", "LOS004", "LOS008", "UPD001", "GEN002", "ACT005"),
        "ACT005": ("LOS003", "LOS004", "LOS008", *_UPDATES, *_SCORES, "INI004"),
        "ACT004": ("GEN002", "LOS004"),
        "UPD002": ("LOS004", "LOS005", "LOS008", "GEN002"),
        "LOS008": ("LOS003", "LOS004", "LOS005", "UPD001", "GEN002"),
        "INI004": ("LOS003", "LOS004", "GEN002"),
        "LOS004": ("LOS005", "UPD001", "GEN002"),
        "LOS005": ("GEN002",),
        # a rate too low is told by the curve, whose remedy is worked out from those updates
        "LOS003": ("UPD001", "GEN002"),
        "UPD001": ("GEN002",),
    }
)
"""Cause → symptoms: a symptom found beside its cause is folded under it, unless it is the more severe of the two."""


@dataclass(frozen=True)
class Diagnosis:
    """What a run's records say.

    Attributes:
        findings: Errors first, then warnings, then information; within each by first step and code.
        folded: Code of each symptom that was left out → the finding that explains it.
        health: The numbers that say how well the training went, healthy or not.
        curve: The loss curve in one sentence; ``""`` for a run without losses, or where only some rules were selected.
        broken: Code of each rule that failed → what it said. Such a rule is skipped, not fatal.
        unused: A line for each suppression of the configuration that suppressed nothing.
        asked: Codes of the rules that could be asked of this run and are not ignored.
    """

    findings: tuple[Finding, ...] = ()
    folded: Mapping[str, Finding] = field(default_factory=dict)
    health: tuple[Evidence, ...] = ()
    curve: str = ""
    broken: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()

    @property
    def verdict(self) -> Literal["healthy", "warnings", "errors"]:
        """``"errors"`` or ``"warnings"`` by the most severe finding; information leaves a run healthy."""
        severities = {finding.severity for finding in self.findings}
        if Severity.ERROR in severities:
            return "errors"
        return "warnings" if Severity.WARNING in severities else "healthy"

    def to_json(self, command: str) -> dict[str, Any]:
        """The findings file: ``{"schema", "command", "verdict", "findings"}``.

        Args:
            command: What was run, for the reader.

        Example:
            >>> from babysit.testing import record
            >>> diagnose(record([2.3, 1.1, 0.4])).to_json("babysit train digits")
            {'schema': 1, 'command': 'babysit train digits', 'verdict': 'healthy', 'findings': []}
        """
        return {
            "schema": SCHEMA,
            "command": command,
            "verdict": self.verdict,
            "findings": [finding.to_json() for finding in self.findings],
        }


def diagnose(run: RunRecord, rules: Sequence[Rule] | None = None, config: Config = DEFAULTS) -> Diagnosis:
    """Ask every rule, and make one verdict of the answers.

    Args:
        run: The records, of a finished or a running training.
        rules: The rules to ask; all of them with their default thresholds where ``None``.
        config: Changes their thresholds, and what of their findings counts, before causes and symptoms are told apart.

    Example:
        >>> from babysit.testing import record
        >>> diagnosis = diagnose(record([2.3, 90.0, float("nan")], lr=1e6))
        >>> diagnosis.verdict, [finding.code for finding in diagnosis.findings], sorted(diagnosis.folded)
        ('errors', ['LOS001'], ['LOS002'])
    """
    found, asked, broken = _ask(run, apply(config, all_rules() if rules is None else rules))
    kept, unused = filter_findings(config, found, asked)
    findings, folded = _fold(_ranked(kept))
    return Diagnosis(
        findings=findings,
        folded=folded,
        health=_health(run),
        # without every rule's answer, also those to ignore, a curve that breaks off could read as a good one
        curve="" if config.select else reading(run, {finding.code for finding in found}),
        broken={code: error for code, error in broken.items() if not config.ignores(code)},
        unused=unused,
        asked=tuple(code for code in asked if not config.ignores(code)),
    )


def join(diagnoses: Sequence[Diagnosis]) -> Diagnosis:
    """One diagnosis of several trainings of one process: each finding once, health and curve of the last one.

    Example:
        >>> from babysit.testing import record
        >>> joined = join([diagnose(record([2.3, float("nan")])), diagnose(record([2.3, float("nan")]))])
        >>> [finding.message[-26:] for finding in joined.findings]
        ['also in 1 further training']
    """
    if len(diagnoses) < 2:
        return diagnoses[0] if diagnoses else Diagnosis()
    groups: dict[tuple[str, str], list[Finding]] = {}
    for diagnosis in diagnoses:
        for item in {(finding.code, finding.module): finding for finding in reversed(diagnosis.findings)}.values():
            groups.setdefault((item.code, item.module), []).append(item)
    last = next((item for item in reversed(diagnoses) if item.health), diagnoses[-1])
    return Diagnosis(
        findings=_ranked(_once(items) for items in groups.values()),
        folded={code: item for diagnosis in diagnoses for code, item in diagnosis.folded.items()},
        health=last.health,
        curve=last.curve,
        broken={code: error for diagnosis in diagnoses for code, error in diagnosis.broken.items()},
        unused=tuple(line for line in last.unused if all(line in diagnosis.unused for diagnosis in diagnoses)),
        asked=tuple(dict.fromkeys(code for diagnosis in diagnoses for code in diagnosis.asked)),
    )


def _once(items: Sequence[Finding]) -> Finding:
    first, others = items[0], len(items) - 1
    if not others:
        return first
    also = f"; also in {others} further training{'s' if others > 1 else ''}"
    return dataclasses.replace(first, message=first.message + also)


def _ask(run: RunRecord, rules: Iterable[Rule]) -> tuple[list[Finding], list[str], dict[str, str]]:
    found: list[Finding] = []
    asked: list[str] = []
    broken: dict[str, str] = {}
    for rule in rules:
        try:
            if rule.applies(run):
                asked.append(rule.code)
                found.extend(rule.check(run))
        except Exception as error:  # a faulty rule, of a third party for instance, must not hide what others found
            broken[rule.code] = f"{type(error).__name__}: {error}"
    return found, asked, broken


def _ranked(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """In order, and only the first of several findings that say the same."""
    ordered = sorted(
        found,
        key=lambda item: (_RANK[item.severity], item.first_step is None, item.first_step or 0, item.code, item.module),
    )
    unique: dict[tuple[str, str, str], Finding] = {}
    for item in ordered:
        unique.setdefault((item.code, item.module, item.message), item)
    return tuple(unique.values())


def _fold(findings: Sequence[Finding]) -> tuple[tuple[Finding, ...], dict[str, Finding]]:
    """Leave out what another finding explains; a chain of explanations ends at its first cause."""
    folded: dict[str, Finding] = {}
    for code, symptoms in EXPLAINS.items():
        cause = folded.get(code) or next((item for item in findings if item.code == code), None)
        for item in findings:
            if cause and item.code in symptoms and _RANK[item.severity] >= _RANK[cause.severity]:
                folded.setdefault(item.code, cause)
    return tuple(item for item in findings if item.code not in folded), folded


def _health(run: RunRecord) -> tuple[Evidence, ...]:
    return tuple(
        item for item in chain(_loss(run), _scores(run), _updates(run), _trials(run)) if math.isfinite(item.value)
    )


def _loss(run: RunRecord) -> Iterable[Evidence]:
    curve = Curve.of(run)
    if len(curve.losses):
        yield Evidence("final training loss", curve.final, curve.chance or curve.initial or None)


def _scores(run: RunRecord) -> Iterable[Evidence]:
    for pair in pairs(run)[-1:]:
        yield Evidence("training score", pair.train.score)
        yield Evidence("validation score", pair.validation.score)
        yield Evidence("gap between training and validation score", pair.gap)


def _updates(run: RunRecord) -> Iterable[Evidence]:
    typical = median_ratios(working_steps(run))
    if typical:
        yield Evidence("median update / weights", median(typical.values()), 1e-3)


def _trials(run: RunRecord) -> Iterable[Evidence]:
    """Of a search, which records no losses of its own: what speaks for it is that a trial came to something."""
    scores = [trial.score for trial in run.trials if trial.is_scored]
    if scores and not run.losses:
        yield Evidence(f"best {run.header.settings.get('score', 'score')}", max(scores))
