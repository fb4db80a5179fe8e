"""A run's report as one JSON object, also of a run that is still going on or was killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from babysit.diagnose import Diagnosis
from babysit.report.summary import Summary, read_summary
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
    return document_of(folder, read_summary(folder, config=config))


def document_of(folder: Path, summary: Summary) -> dict[str, Any]:
    """The same of a run that has been read.

    Args:
        folder: The run folder.
        summary: What is said of it.
    """
    if not summary.judged:
        return {**read_json(folder / "report.json"), "finished": True}
    diagnosis = Diagnosis(summary.findings)
    return {**diagnosis.to_json(summary.command), "finished": summary.finished}
