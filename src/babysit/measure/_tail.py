"""Losses that are in no block yet, in a memory-mapped file: a kill loses none, and no step waits for a disk."""

from __future__ import annotations

import contextlib
import mmap
import struct
from pathlib import Path

from babysit.storage import refuse_write

NAME = "losses.tail"
CAPACITY = 8192

_HEADER = struct.Struct("<qq")
_VALUE = struct.Struct("<d")
_SIZE = _HEADER.size + CAPACITY * _VALUE.size


class LossTail:
    """The losses of the last steps, ``CAPACITY`` at most.

    Args:
        folder: The run folder.

    Raises:
        StorageError: The disk refused.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / NAME
        try:
            with path.open("w+b") as file:
                # written, not only extended: a full disk must refuse here and not kill the process at a later step
                file.write(bytes(_SIZE))
                file.flush()
                self._map = mmap.mmap(file.fileno(), _SIZE)
        except OSError as error:
            raise refuse_write(path, error) from error
        self._path = path
        self._count = 0

    def add(self, loss: float) -> None:
        """Note one more loss."""
        _VALUE.pack_into(self._map, _HEADER.size + self._count * _VALUE.size, loss)
        self._count += 1
        _VALUE_COUNT.pack_into(self._map, 8, self._count)

    def clear(self, first: int) -> None:
        """Forget all of them; the next one is of step ``first``."""
        self._count = 0
        _HEADER.pack_into(self._map, 0, first, 0)

    def close(self) -> None:
        """Close the file and remove it."""
        self._map.close()
        with contextlib.suppress(OSError):
            self._path.unlink()


def has_tail(folder: Path) -> bool:
    """Whether a watched training goes on in this folder, or was cut off: one that comes to its end removes its tail."""
    return (folder / NAME).exists()


_VALUE_COUNT = struct.Struct("<q")


def read_tail(folder: Path) -> tuple[int, tuple[float, ...]]:
    """First step and losses of a run's tail; none where there is no file or it is damaged."""
    try:
        content = (folder / NAME).read_bytes()
    except OSError:
        return 0, ()
    if len(content) < _HEADER.size:
        return 0, ()
    first, count = _HEADER.unpack_from(content)
    if not (first >= 0 and 0 <= count <= (len(content) - _HEADER.size) // _VALUE.size):
        return 0, ()
    return first, struct.unpack_from(f"<{count}d", content, _HEADER.size)
