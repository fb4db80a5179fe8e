"""What the author of a rule needs to test it: records without a training or of a script, a check of the rule's page."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import runpy
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babysit.errors import BabysitError
from babysit.measure.record import (
    Evaluation,
    LayerStats,
    LossBlock,
    Probe,
    RunHeader,
    RunRecord,
    StepRecord,
)
from babysit.rules._base import Rule
from babysit.rules._pages import sections

if TYPE_CHECKING:
    from babysit.diagnose import Diagnosis
    from babysit.preflight import Report
    from babysit.preflight.subject import Subject

_BLOCK = 64


@dataclass(frozen=True)
class Watched:
    """What a script did while it was watched.

    Attributes:
        diagnosis: What the rules say.
        records: Its trainings.
        notes: What the watcher says beside.
        output: What the script printed.
        error: What it raised; ``None`` where it ended by itself.
    """

    diagnosis: Diagnosis
    records: tuple[RunRecord, ...]
    notes: tuple[str, ...]
    output: str
    error: BaseException | None


def watch_script(script: str | Path, *arguments: str, out: Path | None = None) -> Watched:
    """Run a training script in this process and watch it.

    Args:
        script: The file.
        *arguments: What its ``sys.argv`` holds beside its name.
        out: A run folder; in memory without one.
    """
    from babysit.watch import Monitor

    error: BaseException | None = None
    before, printed = sys.argv, io.StringIO()
    monitor = Monitor(out=out, command=str(script))
    sys.argv = [str(script), *arguments]
    try:
        with contextlib.redirect_stdout(printed), monitor:
            runpy.run_path(str(script), run_name="__main__")
    except (Exception, SystemExit) as raised:
        error = raised
    finally:
        sys.argv = before
    return Watched(monitor.diagnosis, monitor.records, monitor.notes, printed.getvalue(), error)


def check_script(
    script: str | Path, *arguments: str, seconds: float = 5.0, also: Callable[[Subject], None] = lambda _: None
) -> Report | BabysitError | None:
    """Check a training script in this process as `babysit check` does; it goes no further than its first update.

    Args:
        script: The file.
        *arguments: What its ``sys.argv`` holds beside its name.
        seconds: About what the check may take.
        also: Called with what was checked, once it was.

    Returns:
        The report, the refusal of a script whose step cannot be taken again, or ``None`` where it trains nothing.
    """
    from babysit.preflight.api import check_subject
    from babysit.preflight.borrowed import ScriptCapture
    from babysit.rules._config import DEFAULTS

    outcome: list[Report | BabysitError] = []

    def found(subject: Subject) -> None:
        try:
            outcome.append(check_subject(subject, [subject.batch, *subject.others], seconds=seconds, config=DEFAULTS))
        except BabysitError as error:
            outcome.append(capture.explained(error))
        also(subject)
        raise _CheckedError

    def refused(error: BabysitError) -> None:
        outcome.append(error)
        raise _CheckedError

    before, capture = sys.argv, ScriptCapture(found, refused)
    sys.argv = [str(script), *arguments]
    capture.start()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(_CheckedError, SystemExit):
            runpy.run_path(str(script), run_name="__main__")
    finally:
        sys.argv = before
        capture.stop()
    return outcome[0] if outcome else None


class _CheckedError(BaseException):
    """Ends a script that has been checked."""


def record(
    losses: Sequence[float] = (),
    *,
    train: Sequence[tuple[float, float]] = (),
    validation: Sequence[tuple[float, float]] = (),
    updates: Mapping[str, Sequence[float]] | None = None,
    lr: float | Sequence[float] | None = None,
    probes: Mapping[str, Mapping[str, float]] | None = None,
    **header: Any,
) -> RunRecord:
    """A run as it would have been recorded, from a few numbers.

    Args:
        losses: Training loss of every step.
        train: ``(loss, score)`` of each evaluation of the training split, spread evenly over the steps.
        validation: Likewise for the validation split, at the same steps.
        updates: Update norm of each module at every step, with weights of norm 1.
        lr: Learning rate of every step, or one for all.
        probes: Numbers of each probe.
        **header: Fields of :class:`~babysit.measure.record.RunHeader`.

    Example:
        >>> run = record([2.3, 1.1, 0.6, 0.4], validation=[(1.0, 0.7), (0.5, 0.9)], lr=0.1, chance_loss=2.303)
        >>> [(item.step, item.score) for item in run.evaluated("validation")]
        [(2, 0.7), (4, 0.9)]
        >>> run.steps[3].lr
        0.1
    """
    return RunRecord(
        header=RunHeader(**header),
        blocks=tuple(
            LossBlock(first, tuple(losses[first : first + _BLOCK])) for first in range(0, len(losses), _BLOCK)
        ),
        steps=_steps(losses, updates or {}, lr),
        evaluations=(*_evaluations("train", train, len(losses)), *_evaluations("validation", validation, len(losses))),
        probes=tuple(Probe(name, numbers) for name, numbers in (probes or {}).items()),
    )


def check_page(rule: Rule | type[Rule]) -> None:
    """Check that a rule says all that its page and its findings need.

    Raises:
        AssertionError: A section is missing, empty or out of order; a class variable is missing; or an option has no
            unit or source.
    """
    kind = rule if isinstance(rule, type) else type(rule)
    for attribute in ("code", "name", "severity", "source"):
        assert getattr(kind, attribute, None), f"{kind.__name__} lacks {attribute}"
    assert isinstance(getattr(kind, "needs", None), tuple), f"{kind.__name__} lacks needs"
    found = sections(kind)
    assert tuple(found) == Rule.SECTIONS, f"{kind.code}: expected the sections {Rule.SECTIONS}, found {tuple(found)}"
    empty = [name for name, text in found.items() if not text]
    assert not empty, f"{kind.code}: nothing under {empty}"
    for option in dataclasses.fields(kind):
        assert {"unit", "source"} <= set(option.metadata), f"{kind.code}: make {option.name} with threshold()"


def _steps(
    losses: Sequence[float], updates: Mapping[str, Sequence[float]], lr: float | Sequence[float] | None
) -> tuple[StepRecord, ...]:
    rates: Iterable[float | None] = lr if isinstance(lr, Sequence) else [lr] * len(losses)
    return tuple(
        StepRecord(
            step=step,
            loss=loss,
            lr=rate,
            layers=tuple(
                LayerStats(module, "Linear", weight_norm=1.0, update_norm=norms[step])
                for module, norms in updates.items()
                if step < len(norms)
            ),
        )
        for step, (loss, rate) in enumerate(zip(losses, rates, strict=True))
    )


def _evaluations(split: str, results: Sequence[tuple[float, float]], steps: int) -> tuple[Evaluation, ...]:
    return tuple(
        Evaluation(
            step=max(steps, len(results)) * (number + 1) // len(results),
            epoch=float(number + 1),
            split=split,
            loss=loss,
            score=score,
            examples=1000,
        )
        for number, (loss, score) in enumerate(results)
    )
