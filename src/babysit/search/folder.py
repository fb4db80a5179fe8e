"""The folder of a search: begun once, gone on with, or joined, only by the same search."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from babysit.errors import RunFolderError
from babysit.fit.data_marks import require_same
from babysit.measure.record import Record, RunHeader, read_header, to_line, write_header
from babysit.search.export import summary_of, trials_csv
from babysit.search.states import FolderStates
from babysit.search.study import StudyResult
from babysit.storage import json_line, refuse_write, strict, write_json, write_text

DATABASE = "study.db"


class SearchFolder:
    """Where a search writes.

    Everything but the states of trials is replaced as a whole, so that several processes may work on one search.

    Args:
        path: A folder that is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def require_usable(cls, path: Path, header: RunHeader, *, resume: bool) -> None:
        """Check, and leave everything as it is, that :meth:`open` would take a folder.

        Raises:
            RunFolderError: It has files in it and going on was not asked for, or they are another search's.
            StorageError: It cannot be looked into.
        """
        if not _taken(path):
            return
        if not resume:
            raise RunFolderError(
                str(path), expected="a new or empty folder", found="files in it", todo="choose another, or resume it"
            )
        _require_same(path, read_header(path), header)

    @classmethod
    def open(cls, path: Path, header: RunHeader, *, resume: bool) -> SearchFolder:
        """Begin a search, or go on with one.

        Raises:
            RunFolderError: It has files in it and going on was not asked for, or they are another search's.
            StorageError: The disk refused.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refuse_write(path, error) from error
        if _taken(path):
            cls.require_usable(path, header, resume=resume)
        else:
            write_header(path, header)
        return cls(path)

    @property
    def storage(self) -> str:
        """The URL of the database that is used where no other is named."""
        return f"sqlite:///{self.path.resolve() / DATABASE}"

    def write_trials(self, records: Sequence[Record]) -> None:
        """Rounds and trials so far, for rules and reports."""
        write_text(self.path / "trials.jsonl", "".join(json_line(to_line(record)) for record in records))

    def finish(self, result: StudyResult, report: dict[str, Any]) -> None:
        """Write what was found, and remove what only a search that goes on needs."""
        write_text(self.path / "trials.csv", trials_csv(result.trials))
        write_json(self.path / "report.json", {**report, "search": summary_of(result)})
        shutil.rmtree(self.path / "trials", ignore_errors=True)


class TemporaryFolder:
    """States of a search that leaves no folder behind; removed with it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="babysit-search-", ignore_cleanup_errors=True)
        self.states = FolderStates(Path(self._folder.name))

    def close(self) -> None:
        """Remove it."""
        self._folder.cleanup()


def _taken(path: Path) -> bool:
    try:
        # a kill while the header is written leaves a temporary file and no run
        return path.exists() and any(item.suffix != ".tmp" for item in path.iterdir())
    except OSError as error:
        raise refuse_write(path, error) from error


def _require_same(path: Path, begun: RunHeader, now: RunHeader) -> None:
    """Refuse to go on with another search.

    Raises:
        RunFolderError: Something that decides the trials differs.
    """
    before, after = ({**_settings(header), "task": header.task, "seed": header.seed} for header in (begun, now))
    if begun.command != now.command:
        before, after = {"command": begun.command}, {"command": now.command}
    require_same(str(path), before, after, what="a search")


def _settings(header: RunHeader) -> dict[str, Any]:
    """As JSON gives them back."""
    return dict(strict(dict(header.settings)))
