"""What `report.json` of a run says, read into one object; every part may be missing when the run was stopped early."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babysit.errors import RunFolderError
from babysit.measure.record import RunHeader, RunRecord, has_tail, read_runs
from babysit.report.formatting import number, percent, plural
from babysit.report.standing import stand
from babysit.rules import Evidence, Finding, Severity
from babysit.rules._config import DEFAULTS, Config
from babysit.storage import read_json

if TYPE_CHECKING:
    from babysit.diagnose import Diagnosis

_ACCURACY = "accuracy"
_WITH_RESULTS = ("train", "search")
"""Commands that write a `report.json` when they have come to their end."""


@dataclass(frozen=True, slots=True)
class ProcedureStep:
    """One of the procedure's steps: what was measured beside what was expected.

    Attributes:
        number: From 1, in the order taken.
        title: What was done.
        measured: The numbers found.
        expected: The numbers hoped for; ``""`` where there is nothing to expect.
        passed: ``None`` when the step has no test or was not reached.
        findings: Codes of the findings it led to.
    """

    number: int
    title: str
    measured: str
    expected: str
    passed: bool | None
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """A run's results; the mappings are parts of `report.json` as they stand there.

    Attributes:
        command: Such as ``"train"``.
        verdict: ``"healthy"``, ``"warnings"`` or ``"errors"``.
        curve: What the loss curve says, one sentence.
        finished: Whether the run came to its end, as far as its files tell.
        judged: What it was judged from just now; ``""`` where `report.json` says what was found.
        findings: What is wrong, worst first.
        health: The numbers that say how well the training went; taken from the records, so empty without them.
        procedure: The steps taken.
        data: The data set; keys ``name``, ``task``, ``examples``, ``class_names`` and more.
        preprocessing: ``spec`` and ``description``.
        model: ``description``, ``parameters`` and ``layers``.
        search: ``rounds``, ``trials``, ``killed``, ``best`` and more.
        final: ``epochs``, ``best_epoch``, ``settings``, ``train`` and ``validation``.
        test: ``loss``, ``score``, ``examples`` and ``confusion`` or ``truth`` and ``prediction``.
        ensemble: ``name``, ``score`` and ``loss`` of each ensemble tried.
        engine: What trained the trials of a search, and why.
        notes: What else a person should know of a search.
        header: What was known when the run started.
        diagnoses: Of each of the run's trainings; ``()`` where no records were read.
    """

    command: str = ""
    verdict: str = ""
    curve: str = ""
    finished: bool = True
    judged: str = ""
    findings: tuple[Finding, ...] = ()
    health: tuple[Evidence, ...] = ()
    procedure: tuple[ProcedureStep, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    final: Mapping[str, Any] = field(default_factory=dict)
    test: Mapping[str, Any] = field(default_factory=dict)
    ensemble: tuple[Mapping[str, Any], ...] = ()
    engine: str = ""
    notes: tuple[str, ...] = ()
    header: RunHeader = field(default_factory=RunHeader)
    diagnoses: tuple[Diagnosis, ...] = ()

    @property
    def classifies(self) -> bool:
        """Whether scores are accuracies of 0 to 1; one of the user's own may have that name and be in percent."""
        noted = self.header.score_is_share
        return self.score_name == _ACCURACY if noted is None else noted

    @property
    def score_name(self) -> str:
        """What the score is called."""
        task = words(self.data, "task") or self.header.task
        named = words(self.header.settings, "score")
        return named or {"classification": _ACCURACY, "regression": "R²"}.get(task, "score")

    @property
    def target(self) -> str:
        """What a search was asked to search, as it was named; ``""`` where it had no name."""
        return words(part(self.header.settings, "options"), "target")

    @property
    def space(self) -> tuple[str, ...]:
        """Names of the hyperparameters of a search."""
        return tuple(map(str, part(self.header.settings, "space")))

    def score(self, value: float) -> str:
        """A score as text: percent for an accuracy."""
        return percent(value) if self.classifies else number(value)

    def difference(self, value: float) -> str:
        """A difference of two scores as text: points for accuracies."""
        return f"{100 * value:.1f} points".replace("-", "−") if self.classifies else number(value)


def read_summary(folder: Path, runs: Sequence[RunRecord] = (), config: Config = DEFAULTS) -> Summary:
    """Read `report.json`, or judge the records where the run has not written it, because it goes on or was killed.

    Args:
        folder: A run folder.
        runs: Its records, training by training, where they have been read already.
        config: Of the rules, where the records are judged; what a finished run's report says stays as it is.

    Raises:
        RunFolderError: The folder is no run, or its `report.json` is damaged.
    """
    from babysit.diagnose import diagnose, join

    runs = runs or read_runs(folder)
    diagnoses = tuple(diagnose(item, config=config) for item in runs)
    run, diagnosis = runs[0], join(diagnoses)
    try:
        report = read_json(folder / "report.json")
    except FileNotFoundError:
        found = _from_records(runs, diagnosis)
        return dataclasses.replace(found, finished=_has_ended(folder, run), diagnoses=diagnoses)
    except (OSError, ValueError) as error:
        raise _damaged(folder) from error
    if not isinstance(report, dict):
        raise _damaged(folder)
    known = parse_summary(report)
    return dataclasses.replace(known, health=diagnosis.health, header=run.header, diagnoses=diagnoses)


def parse_summary(report: Mapping[str, Any]) -> Summary:
    """Read the dict of `report.json`; what is missing or of a wrong type is left empty."""
    return Summary(
        command=words(report, "command"),
        verdict=words(report, "verdict"),
        curve=words(report, "curve"),
        findings=tuple(_findings(entries(report, "findings"))),
        procedure=tuple(_steps(entries(report, "procedure"))),
        data=part(report, "data"),
        preprocessing=part(report, "preprocessing"),
        model=part(report, "model"),
        search=part(report, "search"),
        final=part(report, "final"),
        test=part(report, "test"),
        ensemble=tuple(item for item in entries(report, "ensemble") if isinstance(item, Mapping)),
        engine=words(report, "engine"),
        notes=tuple(str(note) for note in entries(report, "notes")),
    )


def part(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The mapping at a key; empty where there is none."""
    value = values.get(key)
    return value if isinstance(value, Mapping) else {}


def entries(values: Mapping[str, Any], key: str) -> list[Any]:
    """The list at a key; empty where there is none."""
    value = values.get(key)
    return list(value) if isinstance(value, (list, tuple)) else []


def words(values: Mapping[str, Any], key: str) -> str:
    """The text at a key; ``""`` where there is none."""
    value = values.get(key)
    return "" if value is None else str(value)


def real(values: Mapping[str, Any], key: str) -> float | None:
    """The number at a key, also one written as ``"NaN"``; ``None`` where there is none.

    Example:
        >>> real({"loss": "Infinity"}, "loss"), real({}, "loss")
        (inf, None)
    """
    try:
        return float(values[key])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def whole(values: Mapping[str, Any], key: str) -> int | None:
    """The whole number of at most 64 bits at a key; ``None`` where there is none."""
    value = values.get(key)
    return value if type(value) is int and abs(value) < 2**63 else None


def _has_ended(folder: Path, run: RunRecord) -> bool:
    """Whether a run without a `report.json` came to its end: not one that writes it then, nor a watched one cut off."""
    command = run.header.command.removeprefix("babysit ").partition(" ")[0]
    return command not in _WITH_RESULTS and not has_tail(folder)


def _from_records(runs: Sequence[RunRecord], diagnosis: Diagnosis) -> Summary:
    run = runs[0]
    steps = plural(sum(len(item.losses) for item in runs), "recorded step")
    several = f" of {len(runs)} trainings" if len(runs) > 1 else ""
    return Summary(
        command=run.header.command,
        verdict=diagnosis.verdict,
        curve=diagnosis.curve,
        judged=f"{plural(len(run.trials), 'trial')} that have ended" if run.rounds else steps + several,
        findings=diagnosis.findings,
        health=diagnosis.health,
        data={"task": run.header.task},
        search=stand(run),
        header=run.header,
    )


def _findings(items: list[Any]) -> Iterator[Finding]:
    for item in items:
        with contextlib.suppress(ValueError):
            if isinstance(item, Mapping):
                yield _finding(item)


def _finding(item: Mapping[str, Any]) -> Finding:
    return Finding(
        code=words(item, "code"),
        name=words(item, "name"),
        severity=Severity(item.get("severity", "warning")),
        message=words(item, "message"),
        evidence=tuple(_evidence(entries(item, "evidence"))),
        remedies=tuple(str(remedy) for remedy in entries(item, "remedies")),
        source=words(item, "source"),
        module=words(item, "module"),
        first_step=whole(item, "first_step"),
        last_step=whole(item, "last_step"),
    )


def _evidence(items: list[Any]) -> Iterator[Evidence]:
    for item in items:
        value = real(item, "value") if isinstance(item, Mapping) else None
        if value is not None:
            yield Evidence(words(item, "name"), value, real(item, "limit"), words(item, "unit"))


def _steps(items: list[Any]) -> Iterator[ProcedureStep]:
    for index, item in enumerate(items, 1):
        if isinstance(item, Mapping):
            yield ProcedureStep(
                number=whole(item, "number") or index,
                title=words(item, "title") or words(item, "name"),
                measured=words(item, "measured"),
                expected=words(item, "expected"),
                passed=item["passed"] if isinstance(item.get("passed"), bool) else None,
                findings=tuple(str(code) for code in entries(item, "findings")),
            )


def _damaged(folder: Path) -> RunFolderError:
    return RunFolderError(
        str(folder),
        expected="a readable report.json",
        found="a damaged one",
        todo="delete it to have the run judged again from its records",
    )
