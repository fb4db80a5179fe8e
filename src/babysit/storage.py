"""Writes that survive kill -9, a full disk and a torn last line.

Whole files are written beside their target, flushed to the disk and renamed over it, so a reader sees the old
content or the new one and never a part. Growing files hold one JSON value a line; a torn last line is ignored.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from babysit.errors import StorageError

_LINE = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def refuse_write(path: Path, error: OSError) -> StorageError:
    """Turn the operating system's refusal into the one line a person can act on."""
    return StorageError(
        str(path),
        expected="to be able to write there",
        found=(error.strerror or str(error)).lower(),
        todo="free some space or choose another folder with --out; what was written before is intact",
    )


def numbered_folder(parent: Path, name: str, is_ours: Callable[[Path], bool] = lambda _: False) -> Path:
    """Make the first of ``name-1``, ``name-2``, … that does not exist yet, which of several processes one alone gets.

    Args:
        parent: Made where it does not exist.
        name: Of the folder.
        is_ours: Whether a folder that is there already is the one that is wanted.

    Raises:
        OSError: It cannot be made.
    """
    number = 1
    while True:
        folder = parent / f"{name}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not is_ours(folder):
                number += 1
                continue
        return folder


def write_atomically(path: Path, write: Callable[[Path], None], *, durable: bool = True) -> None:
    """Let ``write`` fill a temporary file, then move it over ``path`` in one step.

    Args:
        path: The file to create or replace.
        write: Called with the temporary path, in the same folder.
        durable: Wait until the disk has it. Without that, a kill still leaves the old content or the new one, and only
            a power failure may leave neither.

    Raises:
        StorageError: The disk refused; ``path`` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        if durable:
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
        temporary.replace(path)
        if durable:
            _sync_folder(path.parent)
    except OSError as error:
        raise refuse_write(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def require_writable(folder: Path) -> None:
    """Make sure that files can be written to a folder, before an hour is spent on what is to be written there.

    Raises:
        StorageError: They cannot.
    """
    probe = folder / f".writable.{os.getpid()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise refuse_write(folder, error) from error


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace ``path`` by ``content`` in one step."""
    write_atomically(path, lambda temporary: _fill(temporary, content), durable=durable)


def write_text(path: Path, content: str) -> None:
    """Replace ``path`` by UTF-8 text in one step."""
    write_bytes(path, content.encode())


def write_json(path: Path, value: Any) -> None:
    """Replace ``path`` by an indented JSON document in one step; NaN and infinities become strings."""
    write_text(path, json.dumps(strict(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read what :func:`write_json` wrote; a number that may be NaN or infinite is read with ``float()``.

    Raises:
        OSError: There is no such file.
        ValueError: It is not JSON.
    """
    return json.loads(path.read_text(encoding="utf-8"))


def json_line(value: Any) -> str:
    r"""One value as one line of strict JSON.

    Example:
        >>> json_line({"loss": float("nan"), "step": 3})
        '{"loss":"NaN","step":3}\n'
    """
    try:
        text = _LINE.encode(value)
    except ValueError:  # of a number that is not finite, as they are rare
        text = _LINE.encode(strict(value))
    return text + "\n"


def read_lines(path: Path) -> Iterator[Any]:
    """The values of a file of JSON lines, ignoring a torn or damaged line.

    A missing file holds no values: a run that was killed early has not written it yet.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    for line in lines:
        if line.strip():
            with contextlib.suppress(ValueError, RecursionError):
                yield json.loads(line)


class LineWriter:
    """Appends JSON lines to a file, starting after its last whole line.

    A torn last line, as a kill leaves it, is cut off when the file is opened.

    Args:
        path: The file; created where there is none.
        size: Cut the file to this many bytes first, to go on from a checkpoint that was taken then; a file that is
            shorter, because the machine lost its last writes, goes on from its last whole line.

    Raises:
        StorageError: The disk refused.
    """

    def __init__(self, path: Path, size: int | None = None) -> None:
        self._path = path
        try:
            self._file = path.open("ab")
            whole = _whole_lines(path)
            # Cutting to more than there is would fill the gap with zero bytes, and they would spoil the next line.
            self._file.truncate(whole if size is None else min(size, whole))
            self._file.seek(0, os.SEEK_END)
        except OSError as error:
            raise refuse_write(path, error) from error

    @property
    def size(self) -> int:
        """Bytes written so far; a checkpoint keeps it to go on from exactly here."""
        return self._file.tell()

    def append(self, value: Any) -> None:
        """Write one value as one line and hand it to the operating system at once."""
        try:
            # half a surrogate, as in a foreign file name, is written as JSON's own escape of it
            self._file.write(json_line(value).encode(errors="backslashreplace"))
            self._file.flush()
        except OSError as error:
            raise refuse_write(self._path, error) from error

    def rewind(self, size: int) -> None:
        """Forget everything after the first ``size`` bytes, to write it again; a shorter file stays as it is."""
        try:
            self._file.truncate(min(size, self._file.tell()))
            self._file.seek(0, os.SEEK_END)
        except OSError as error:
            raise refuse_write(self._path, error) from error

    def sync(self) -> None:
        """Wait until the disk has everything written so far."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise refuse_write(self._path, error) from error

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):
            self._file.close()


def strict(value: Any) -> Any:
    """The same value with NaN and infinities as the strings that ``float()`` reads, as JSON has no such numbers."""
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, dict):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(item) for item in value]
    return value


def _fill(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)


def _whole_lines(path: Path) -> int:
    content = path.read_bytes()
    return content.rfind(b"\n") + 1


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
