"""A run's report as one JSON object, also of a run that is still going on or was killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from babysit.diagnose import Diagnosis
from babysit.measure.record import read_runs
from babysit.report.summary import read_summary
from babysit.rules._config import DEFAULTS, Config
from babysit.storage import read_json


def report_document(folder: Path, config: Config = DEFAULTS) -> dict[str, Any]:
    """What `report.json` holds; judged from the records where there is none yet.

    Args:
        folder: A run folder.
        config: Of the rules, where the records are judged.

    Raises:
        RunFolderError: The folder is no run, or its `report.json` is damaged.
    """
    runs = read_runs(folder)
    summary = read_summary(folder, runs, config)
    if not summary.judged:
        return {**read_json(folder / "report.json"), "finished": True}
    diagnosis = Diagnosis(summary.findings)
    return {**diagnosis.to_json(summary.command), "finished": summary.finished}
