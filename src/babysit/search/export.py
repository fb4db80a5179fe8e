"""What a search found, for spreadsheets and reports."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from babysit.measure.record import TrialRecord
from babysit.search.study import StudyResult

_FIELDS = ("number", "round", "status", "epochs", "steps", "initial_loss", "loss", "score")


def trials_csv(trials: Sequence[TrialRecord]) -> str:
    """One line a trial: how it ended, then its hyperparameters, then why it was stopped.

    Args:
        trials: In the order of the lines.

    Example:
        >>> trial = TrialRecord(0, 0, {"lr": 0.1}, "complete", 2.0, 40, 2.3, 0.5, 0.9)
        >>> print(trials_csv([trial]), end="")
        number,round,status,epochs,steps,initial_loss,loss,score,lr,reason
        0,0,complete,2.0,40,2.3,0.5,0.9,0.1,
    """
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_FIELDS, *names, "reason"])
    for trial in trials:
        values = [_cell(trial.params.get(name, "")) for name in names]
        writer.writerow([*(getattr(trial, field) for field in _FIELDS), *values, trial.reason])
    return text.getvalue()


def summary_of(result: StudyResult) -> dict[str, object]:
    """The part ``search`` of `report.json`."""
    statuses = [trial.status for trial in result.trials]
    return {
        "trials": len(result.trials),
        **{status: statuses.count(status) for status in ("complete", "halved", "killed", "failed")},
        "epochs_run": result.epochs_run,
        "epochs_planned": result.epochs_planned,
        "saved_fraction": 1 - result.epochs_run / result.epochs_planned,
        "best": result.best,
        "best_score": result.score,
    }


def _cell(value: object) -> object:
    return "-".join(str(part) for part in value) if isinstance(value, tuple) else value
