"""Image files in a folder or a zip archive behind one small interface; nothing is ever extracted to disk."""

from __future__ import annotations

import hashlib
import os
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Protocol

from babysit.errors import InputError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".pbm", ".tif", ".tiff"})
OTHER_FOLDERS = "CIFAR-10's data_batch_1 (or .bin), MNIST's train-images-idx3-ubyte (or .gz), or"
LARGEST_FILE = 1 << 28  # bytes; no image of a sane size is larger, but what a small zip inflates to may be


class UnreadableFile(Exception):  # noqa: N818 - a reason to refuse or to skip, decided by the caller
    """A file that cannot be read, with the reason."""


class ImageFiles(Protocol):
    """Where image files lie.

    Attributes:
        root: The folder or archive.
        paths: The image files under it, sorted, with ``/`` between folders.
        fingerprint: Changes when any of them does.
    """

    @property
    def root(self) -> Path: ...  # noqa: D102
    @property
    def paths(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102

    def read(self, path: str) -> bytes:
        """The content of one file; may be called from several threads."""


class FolderImages:
    """The image files under a folder; links are followed, each folder is entered once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = tuple(sorted(path for path in _walk(root) if _is_image(path)))

    @property
    def fingerprint(self) -> str:
        """A digest of every file's path, size and time of change."""
        digest = hashlib.sha256()
        for path in self.paths:
            with suppress(OSError):  # a link to nothing; reading it will say so
                status = (self.root / path).stat()
                digest.update(os.fsencode(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n"))
        return digest.hexdigest()

    def read(self, path: str) -> bytes:
        """The content of one file."""
        try:
            content = (self.root / path).read_bytes()
        except OSError as error:
            raise UnreadableFile((error.strerror or str(error)).lower()) from error
        return content


class ZipImages:
    """The image files in a zip archive, read in place."""

    def __init__(self, root: Path, archive: zipfile.ZipFile) -> None:
        self.root = root
        self.paths = tuple(sorted({name for name in archive.namelist() if _is_image(name)}))
        self._archive = archive
        self._lock = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """The size and the time of change of the archive."""
        status = self.root.stat()
        return f"{status.st_size} {status.st_mtime_ns}"

    def read(self, path: str) -> bytes:
        """The content of one member; a member that would inflate beyond 256 MiB is refused."""
        try:
            with self._lock:  # zipfile counts its open members without one
                if self._archive.getinfo(path).file_size > LARGEST_FILE:
                    raise UnreadableFile(f"it inflates to more than {LARGEST_FILE >> 20} MiB")
                return self._archive.read(path)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
            raise UnreadableFile(str(error).lower()) from error


@contextmanager
def open_images(path: Path) -> Iterator[ImageFiles]:
    """The image files of a folder or zip archive; the archive is closed afterwards.

    Raises:
        InputError: The file is no zip archive, or there is no image in it.
    """
    with ExitStack() as stack:
        files: ImageFiles = (
            FolderImages(path) if path.is_dir() else ZipImages(path, stack.enter_context(_archive(path)))
        )
        if not files.paths:
            endings = ", ".join(sorted(SUFFIXES))
            raise InputError(
                str(path),
                expected=f"{'' if path.is_file() else OTHER_FOLDERS} class folders of images ({endings})",
                found="none",
                todo="check that it is the right folder or archive",
            )
        yield files


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        empty = path.stat().st_size == 0
        raise InputError(
            str(path),
            expected="a zip archive of images",
            found="an empty file" if empty else f"a damaged one ({error})",
            todo="download or pack it again",
        ) from error


def _walk(root: Path) -> Iterator[str]:
    entered: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in entered:
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        relative = Path(folder).relative_to(root)
        yield from ((relative / name).as_posix() for name in files)


def _is_image(path: str) -> bool:
    parts = PurePosixPath(path).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not hidden and not path.endswith("/") and PurePosixPath(path).suffix.lower() in SUFFIXES
