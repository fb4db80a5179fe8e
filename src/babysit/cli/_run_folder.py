"""Where `babysit run` puts a run: refused before the script starts, made when there is something to put in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

from babysit.cli._places import check_folder
from babysit.errors import RunFolderError
from babysit.storage import numbered_folder, refuse_write
from babysit.watch.processes import discard_unused, launched_rank

SPAWNED = "spawned"
"""Folder in a run folder for what spawned processes record, where their parent records something itself."""

_LAUNCH = ".launch"


class Place:
    """The run folder of a script.

    Args:
        out: The option ``--out``; the first free `runs/NAME-N` where ``None``.
        name: Of the script.

    Attributes:
        shown: The folder as a person calls it; ``None`` until :meth:`reserve`.
    """

    def __init__(self, out: Path | None, name: str) -> None:
        self.shown: Path | None = None
        self._out = out
        self._name = name
        self._start = Path.cwd()
        self._for_spawned: Path | None = None

    def check(self) -> None:
        """Refuse a folder that cannot be used.

        Raises:
            RunFolderError: There are files in it.
            StorageError: It cannot be written.
        """
        restart = _restart()
        if self._out is not None and restart:
            self._out /= restart
        folder = self._out or Path("runs")
        try:
            taken = self._out is not None and not launched_rank() and folder.exists() and any(folder.iterdir())
        except OSError as error:
            raise refuse_write(folder, error) from error
        if taken:
            raise RunFolderError(
                str(folder), expected="a new or empty folder", found="files in it", todo="choose another --out"
            )
        check_folder(folder)

    @property
    def folder(self) -> Path:
        """The folder, wherever the script goes."""
        return self._start / (self.shown or "")

    def reserve(self) -> Path:
        """Make the folder, once.

        Raises:
            StorageError: The disk refused.
        """
        if self.shown is None:
            try:
                if self._out is None:
                    self.shown = _next_free(self._start, Path("runs"), self._name, _launch())
                else:
                    (self._start / self._out).mkdir(parents=True, exist_ok=True)
                    self.shown = self._out
            except OSError as error:
                raise refuse_write(self._out or Path("runs"), error) from error
        return self.folder

    def for_spawned(self) -> Path:
        """Where spawned processes record; the same for all of them."""
        if self._for_spawned is None:
            folder = self.reserve()
            self._for_spawned = folder / SPAWNED if (folder / "run.json").exists() else folder
        return self._for_spawned

    def show(self, folder: Path) -> str:
        """What a person calls a folder in the run folder."""
        return str((self.shown or Path()) / folder.relative_to(self.folder))

    def discard_unused(self) -> None:
        """Remove a folder in which nothing was recorded."""
        if self.shown is None:
            return
        (self.folder / _LAUNCH).unlink(missing_ok=True)
        if discard_unused(self.folder):
            self.shown = None
            with contextlib.suppress(OSError):
                if self._out is None:
                    (self._start / "runs").rmdir()


def name_of(target: str, *, as_module: bool) -> str:
    """What a script's runs are called.

    Example:
        >>> name_of("src/train.py", as_module=False), name_of("pkg.train", as_module=True)
        ('train', 'train')
    """
    name = target.rpartition(".")[2] if as_module else Path(target).resolve().stem
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or "run"


def _next_free(start: Path, parent: Path, name: str, launch: str) -> Path:
    """Make the first of ``name-1``, ``name-2``, … that does not exist yet; one for all processes of a launch."""
    (start / parent).mkdir(parents=True, exist_ok=True)
    with _locked(start / parent):  # until it is written down whose it is
        folder = numbered_folder(start / parent, name, lambda folder: _is_of(folder, launch))
        if launch:
            (folder / _LAUNCH).write_text(launch)
    return parent / folder.name


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network disks cannot
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_of(folder: Path, launch: str) -> bool:
    try:
        return bool(launch) and (folder / _LAUNCH).read_text() == launch
    except OSError:
        return False


def _launch() -> str:
    """What the processes that torchrun starts together have in common, and those of another start have not."""
    if launched_rank() is None:
        return ""
    run = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    together = [run, *(os.environ.get(name, "") for name in ("MASTER_ADDR", "MASTER_PORT"))]
    return " ".join([*together, _restart(), *([str(os.getppid())] if run == "none" else [])])


def _restart() -> str:
    """A name for the processes that torchrun has started again after a failure."""
    count = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return f"restart-{count}" if launched_rank() is not None and count.isdecimal() and int(count) else ""
