"""Where a command may write, looked at before it begins: what cannot be written at the end is refused first."""

from __future__ import annotations

import os
from pathlib import Path

from babysit.errors import StorageError


def check_file(path: Path, run: Path | None = None) -> None:
    """Refuse a file that could not be written at the end.

    Args:
        path: The file.
        run: A folder that is made before it, with those it lies in.

    Raises:
        StorageError: There is no folder for it, or it is a folder itself.
    """
    if path.is_dir():
        raise _refused(path, "a folder")
    if not path.parent.is_dir() and not _comes_with(run, path.parent):
        raise _refused(path, f"no folder {path.parent}")
    check_folder(path.parent)


def check_folder(path: Path) -> None:
    """Refuse a folder that could not be made, or nothing written into it.

    Raises:
        StorageError: There is a file in its place, or it may not be written.
    """
    nearest = next(item for item in (path.absolute(), *path.absolute().parents) if item.exists())
    if not nearest.is_dir():
        raise _refused(path, f"a file, {nearest}")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise _refused(path, f"that {nearest} may not be written")


def _comes_with(run: Path | None, folder: Path) -> bool:
    """Whether a folder is there once ``run`` has been made."""
    return run is not None and folder.resolve() in (run.resolve(), *run.resolve().parents)


def _refused(path: Path, found: str) -> StorageError:
    return StorageError(str(path), expected="to be able to write there", found=found, todo="choose another place")
