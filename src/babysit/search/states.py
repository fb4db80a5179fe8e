"""Where trials wait between two rungs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from babysit.errors import RunFolderError
from babysit.fit.checkpoint import load_checkpoint, save_checkpoint
from babysit.storage import refuse_write


class States(Protocol):
    """Keeps the states of trainings by the trials' numbers."""

    def put(self, number: int, state: Mapping[str, Any]) -> None:
        """Keep a state; what was kept of the trial before is replaced."""

    def get(self, number: int) -> Mapping[str, Any] | None:
        """The state that was kept last; ``None`` where there is none, so that the trial begins anew."""

    def drop(self, numbers: Iterable[int]) -> None:
        """Forget the states of trials that do not go on."""


class MemoryStates:
    """States in this process's memory."""

    def __init__(self) -> None:
        self._states: dict[int, Mapping[str, Any]] = {}

    def put(self, number: int, state: Mapping[str, Any]) -> None:
        """Keep a state; its tensors must not change afterwards."""
        self._states[number] = state

    def get(self, number: int) -> Mapping[str, Any] | None:
        """The state that was kept last."""
        return self._states.get(number)

    def drop(self, numbers: Iterable[int]) -> None:
        """Forget the states of some trials."""
        for number in numbers:
            self._states.pop(number, None)


class FolderStates:
    """States as files, for processes that share a folder and for a search that goes on after a kill.

    Written beside and renamed, so that a kill leaves the old state or the new one; not forced to the disk, as a state
    that a power failure takes costs time alone: its trial is trained from its beginning again.

    Args:
        folder: Created when the first state is kept, in a folder that is there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, number: int, state: Mapping[str, Any]) -> None:
        """Keep a state.

        Raises:
            StorageError: The disk refused.
        """
        try:
            self._folder.mkdir(exist_ok=True)
        except OSError as error:
            raise refuse_write(self._folder, error) from error
        save_checkpoint(self._file(number), state, durable=False)

    def get(self, number: int) -> Mapping[str, Any] | None:
        """The state that was kept last; a damaged one counts as none."""
        try:
            return load_checkpoint(self._file(number))
        except RunFolderError:
            return None

    def drop(self, numbers: Iterable[int]) -> None:
        """Forget the states of some trials."""
        for number in numbers:
            with contextlib.suppress(OSError):
                self._file(number).unlink(missing_ok=True)

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:05d}.pt"
