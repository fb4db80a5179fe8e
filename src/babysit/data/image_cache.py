"""Decoded images kept on disk, so that a data set is decoded once.

An entry is an array file and, written after it, a JSON file with its shape, checksum and what the source looked like.
Whatever does not fit is a miss; a folder that cannot be written is no cache, and nothing more.
"""

from __future__ import annotations

import hashlib
import math
import os
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from babysit.data.memory import available_memory
from babysit.errors import StorageError
from babysit.storage import read_json, write_atomically, write_json

VERSION = 1


@dataclass(frozen=True, eq=False)
class Decoded:
    """Decoded images.

    Attributes:
        x: ``(N, C, H, W)`` uint8, in memory, or read-only on disk if large.
        paths: ``(N,)`` the files they come from.
        skipped: The files left out, each with the reason.
    """

    x: np.ndarray
    paths: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CacheEntry:
    """One entry: the images of one source under one request.

    Attributes:
        folder: The cache folder.
        name: A readable beginning of the file names.
        request: What was asked, as text: the source's path, the size, which files.
        fingerprint: What the source looked like.
    """

    folder: Path
    name: str
    request: str
    fingerprint: str

    def load(self) -> Decoded | None:
        """The images, or None where the entry is missing, of another source state, or damaged."""
        try:
            about = read_json(self._json)
            if about["version"] != VERSION or about["fingerprint"] != self.fingerprint:
                return None
            shape = tuple(about["shape"])
            large = is_large(math.prod(shape))
            x = np.load(self._array, mmap_mode="r" if large else None, allow_pickle=False)
            if x.shape != shape or x.dtype != np.uint8 or not (large or zlib.crc32(x.data) == about["crc32"]):
                return None
            return Decoded(x, tuple(about["paths"]), tuple((path, why) for path, why in about["skipped"]))
        except (OSError, ValueError, KeyError, TypeError, EOFError, MemoryError):
            return None

    def save(self, decoded: Decoded) -> None:
        """Keep the images, if the disk lets us; the array first, since one without a description is a miss."""
        with suppress(StorageError, OSError, UnicodeEncodeError):  # a file name need not be text
            if not isinstance(decoded.x, np.memmap):  # else it was streamed here
                self.stream([decoded.x], decoded.x.shape)
            about = {
                "version": VERSION,
                "request": self.request,
                "fingerprint": self.fingerprint,
                "shape": list(decoded.x.shape),
                "crc32": zlib.crc32(np.ascontiguousarray(decoded.x).data),
                "paths": list(decoded.paths),
                "skipped": [list(pair) for pair in decoded.skipped],
            }
            write_json(self._json, about)

    def stream(self, pieces: Iterable[np.ndarray], shape: tuple[int, ...]) -> None:
        """Write the array a piece at a time, never holding all of it.

        Raises:
            StorageError: The disk refused.
            OSError: The folder cannot be made.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._array, lambda temporary: _write_array(temporary, pieces, shape))

    def open_stream(self) -> np.ndarray:
        """The array that was streamed, on disk and read-only."""
        array: np.ndarray = np.load(self._array, mmap_mode="r", allow_pickle=False)
        return array

    @property
    def _json(self) -> Path:
        return self._stem.with_suffix(".json")

    @property
    def _array(self) -> Path:
        return self._stem.with_suffix(".npy")

    @property
    def _stem(self) -> Path:
        digest = hashlib.sha256(os.fsencode(self.request)).hexdigest()[:16]
        readable = "".join(c for c in self.name if c.isascii() and (c.isalnum() or c in "-_"))[:40]
        return self.folder / f"{readable or 'images'}-{digest}"


def is_large(size: int) -> bool:
    """Whether so many bytes are more than a quarter of the memory that is free."""
    return size > available_memory() / 4


def _write_array(path: Path, pieces: Iterable[np.ndarray], shape: tuple[int, ...]) -> None:
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for piece in pieces:
            file.write(np.ascontiguousarray(piece).data)
