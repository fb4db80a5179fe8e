"""MNIST as published, and the sets in its format: a folder of idx files, gzipped or not."""

from __future__ import annotations

import gzip
import zlib
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from babysit.data.examples import Examples
from babysit.data.options import ReadOptions
from babysit.data.splits import TEST, TRAIN
from babysit.errors import InputError

PARTS = (("train", TRAIN), ("t10k", TEST))
PIECE = 1 << 20  # bytes read at a time
MAGIC = {1: b"\0\0\x08\x01", 3: b"\0\0\x08\x03"}  # unsigned bytes of one and of three dimensions


def is_mnist(folder: Path) -> bool:
    """Whether the folder holds MNIST's training images."""
    return _find(folder, "train-images", 3) is not None


def load_mnist(folder: Path, options: ReadOptions) -> Examples:  # noqa: ARG001 - all readers are called alike
    """The idx files ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-…`` in a folder.

    Also ``train-images.idx3-ubyte``, and either with ``.gz``. Images are ``(N, 1, H, W)`` uint8; the test files may be
    missing.

    Raises:
        InputError: A file is missing, of another format, or shorter than it says.
    """
    loaded = [(x, y, part) for stem, part in PARTS for x, y in _part(folder, stem)]
    x = np.concatenate([images for images, _, _ in loaded])
    return Examples(
        name=folder.name,
        source=str(folder),
        kind="image",
        x=x[:, None],
        y=np.concatenate([labels for _, labels, _ in loaded]),
        part=np.repeat([part for _, _, part in loaded], [len(labels) for _, labels, _ in loaded]),
    )


def _part(folder: Path, stem: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Images and labels of one part; an empty list where the part is missing."""
    images, labels = _find(folder, f"{stem}-images", 3), _find(folder, f"{stem}-labels", 1)
    if images is None:
        return []
    if labels is None:
        raise InputError(
            str(folder),
            expected=f"{stem}-labels-idx1-ubyte beside {images.name}",
            found="no such file",
            todo="add it, or the same with .gz",
        )
    x, y = read_idx(images, 3), read_idx(labels, 1)
    if len(x) != len(y):
        raise InputError(str(labels), expected=f"{len(x)} labels", found=str(len(y)), todo="download both files again")
    return [(x, y)]


def _find(folder: Path, stem: str, dimensions: int) -> Path | None:
    names = [f"{stem}{joint}idx{dimensions}-ubyte{suffix}" for joint in "-." for suffix in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """An idx file of unsigned bytes, gzipped if its name ends so, as an array of that many dimensions.

    Raises:
        InputError: It is of another format, or shorter or longer than its header says.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _parse(file, dimensions)  # type: ignore[arg-type]
    except (OSError, EOFError, ValueError, zlib.error, MemoryError) as error:
        raise InputError(
            str(path),
            expected=f"an idx file of unsigned bytes in {dimensions} dimension{'s' * (dimensions > 1)}",
            found=str(error) or "a truncated one",
            todo="download it again",
        ) from error


def _parse(file: BinaryIO, dimensions: int) -> np.ndarray:
    header = file.read(4 + 4 * dimensions)
    if header[:4] != MAGIC[dimensions]:
        raise ValueError(f"the magic number {header[:4].hex() or 'of an empty file'}")
    if len(header) < 4 + 4 * dimensions:
        raise ValueError("a truncated header")
    shape = tuple(int(size) for size in np.frombuffer(header, dtype=">i4", offset=4))
    size = int(np.prod(shape, dtype=object))
    pieces = iter(partial(file.read, PIECE), b"") if min(shape) > 0 else iter(())
    content = b"".join(islice(pieces, size // PIECE + 1))  # never more than there is, whatever the header claims
    if size <= 0 or len(content) != size:
        amount = "more" if len(content) > size else len(content)
        raise ValueError(f"a header that says {shape} and {amount} bytes after it")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape).copy()
