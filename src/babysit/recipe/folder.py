"""The folder of a run: where everything is, who may write to it, and how far the run has come."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from babysit.errors import RunFolderError
from babysit.measure.record import RunHeader, read_header, write_header
from babysit.storage import LineWriter, numbered_folder, read_lines, refuse_write

Value = TypeVar("Value")

RUNS = Path("runs")
"""Where runs are put for which no folder was named."""


class RunFolder:
    """A run folder, locked while this process works in it.

    Args:
        path: The folder; made by :meth:`create`, opened again by :meth:`reopen`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @classmethod
    def create(cls, path: Path, header: RunHeader) -> RunFolder:
        """Make a new run folder.

        Raises:
            RunFolderError: There is something in it already.
            StorageError: It cannot be written.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            # a process that was killed before it wrote its first file has left nothing but these
            taken = any(item.name != ".lock" and not _is_temporary(item) for item in path.iterdir())
        except OSError as error:
            raise refuse_write(path, error) from error
        if taken:
            raise RunFolderError(
                str(path),
                expected="a new or empty folder",
                found="files in it",
                todo="choose another --out, or go on with that run by --resume",
            )
        folder = cls(path)
        folder._take()
        try:
            write_header(path, header)
        except BaseException:
            folder.release()
            raise
        return folder

    @classmethod
    def reopen(cls, path: Path) -> tuple[RunFolder, RunHeader]:
        """Open a run folder to go on.

        Raises:
            RunFolderError: It is no run of `babysit train`, of a newer format, or another process works in it.
        """
        header = read_header(path)
        if not isinstance(header.settings, dict) or "options" not in header.settings:
            raise RunFolderError(
                str(path),
                expected="a run of babysit train",
                found=f"a run of {header.command or 'something else'}",
                todo="only babysit train can be resumed",
            )
        folder = cls(path)
        folder._take()
        return folder, header

    @property
    def checkpoint(self) -> Path:
        """Where the full training of the best setting stands."""
        return self.path / "checkpoint.pt"

    def file(self, name: str) -> Path:
        """A file of the run."""
        return self.path / name

    def discard(self) -> None:
        """Remove a run that was refused before anything was trained, so that its folder can be named again."""
        with contextlib.suppress(OSError):
            if not self.file("outcomes.jsonl").exists():
                for name in ("steps.jsonl", "journal.jsonl", "run.json", ".lock"):
                    self.file(name).unlink(missing_ok=True)
                self.path.rmdir()

    def release(self) -> None:
        """Let others work in it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take(self) -> None:
        """Lock the folder and clear what a killed process left half written.

        The operating system unlocks it when the process ends, however it ends.
        """
        try:
            self._lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for item in filter(_is_temporary, self.path.iterdir()):
                item.unlink(missing_ok=True)
        except BlockingIOError as error:
            self.release()
            raise RunFolderError(
                str(self.path),
                expected="a run that no other process is working on",
                found="one that is still going on",
                todo="wait for it or stop it first",
            ) from error
        except OSError as error:
            raise refuse_write(self.path, error) from error


class Journal:
    """What was done and decided, one line each; what is in it is not done or decided again.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        # opened first: that cuts a torn last line, which must not count as known while the file lacks it
        self._lines = LineWriter(path)
        self._known: dict[str, Any] = {
            line["key"]: line["value"] for line in read_lines(path) if isinstance(line, dict) and "key" in line
        }

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def __getitem__(self, key: str) -> Any:
        return self._known[key]

    def write(self, key: str, value: Any) -> None:
        """Note something done; it is on the disk when this returns."""
        self._lines.append({"key": key, "value": value})
        self._lines.sync()
        self._known[key] = value

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def latest(self, name: str, default: int) -> int:
        """The last value noted under ``name`` in any entry."""
        noted = [value[name] for value in self._known.values() if isinstance(value, dict) and name in value]
        return int(noted[-1]) if noted else default

    def decide(self, key: str, decision: Callable[[], Value]) -> Value:
        """What was decided before, or the decision now, written down before it is acted upon."""
        if key not in self._known:
            self.write(key, decision())
        value: Value = self._known[key]
        return value


@contextlib.contextmanager
def new_folder(out: Path | None, name: str) -> Iterator[Path]:
    """Where a run is put: the folder that was asked for, or `runs/NAME-N`, which nobody else gets.

    A folder that was made here and that nothing is put in is removed again.

    Args:
        out: As it was asked for.
        name: Otherwise.

    Raises:
        StorageError: The folder cannot be made.
    """
    if out is not None:
        yield out
        return
    try:
        folder = numbered_folder(RUNS, name)
    except OSError as error:
        raise refuse_write(RUNS, error) from error
    try:
        yield folder
    finally:
        for made in (folder, RUNS):
            with contextlib.suppress(OSError):  # there is something in it
                made.rmdir()


def _is_temporary(item: Path) -> bool:
    """Whether a killed process left it half written."""
    return item.name.startswith(".") and item.suffix == ".tmp"
