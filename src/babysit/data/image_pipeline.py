"""Decode many images: look at the headers, agree on one shape, decode, keep the result.

Large images are decoded in threads, as Pillow lets go of the interpreter lock while it decodes and resizes: two of them
are 1.6 times as fast as one on JPEGs of 480 by 640. Small ones are decoded in one loop, as the lock then changes hands
more than it frees: 60,000 JPEGs of 32 by 32 take 7 s in a loop, 10 s in two threads; processes are slower too.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from babysit.data.image_cache import CacheEntry, Decoded, is_large
from babysit.data.image_decode import Header, decode, quietly, read_header
from babysit.data.image_files import ImageFiles, UnreadableFile
from babysit.data.memory import available_memory
from babysit.data.options import ReadOptions
from babysit.errors import InputError, StorageError

T = TypeVar("T")
CHUNK = 128  # images a thread handles at a time
SMALL = 128 * 128  # pixels below which threads do not pay


@dataclass(frozen=True)
class Request:
    """What is wanted of a source; what is None is taken from the images themselves.

    Attributes:
        purpose: Tells requests for different files of one source apart.
        size: Height and width; None demands that all images have the same.
        channels: 1 or 3; None is 1 if all images are grey, else 3.
    """

    purpose: str
    size: tuple[int, int] | None = None
    channels: int | None = None


def decode_images(files: ImageFiles, paths: Sequence[str], request: Request, options: ReadOptions) -> Decoded:
    """Decode the images at ``paths``, or take them from the cache.

    Args:
        files: Where they lie.
        paths: Which of its files, in the order of the result.
        request: The shape they are wanted in.
        options: Cache folder, progress, and whether unreadable images are skipped or refused.

    Raises:
        InputError: An image cannot be decoded (unless skipped), sizes differ and none is wanted, or there is no room.
    """
    listing = hashlib.sha256(os.fsencode("\0".join(paths))).hexdigest()
    entry = CacheEntry(
        folder=options.cache_folder,
        name=files.root.stem,
        request=f"{files.root} {request} skip_bad={options.skip_bad}",
        fingerprint=f"{files.fingerprint} {listing}",
    )
    cached = entry.load()
    if cached is not None:
        return cached
    with quietly():
        decoded = _decode_anew(_Work(files, options), paths, request, entry)
    entry.save(decoded)
    return decoded


@dataclass
class _Work:
    """The files to read, and those found unreadable so far."""

    files: ImageFiles
    options: ReadOptions
    skipped: dict[str, str] = field(default_factory=dict)

    def kept(self, paths: Sequence[str]) -> list[str]:
        return [path for path in paths if path not in self.skipped]

    def read_all(
        self, what: str, paths: Sequence[str], read: Callable[[bytes], T], threads: int = 1
    ) -> Iterator[list[T]]:
        """Chunks of results in the order of the paths; an unreadable file is refused, or left out and noted."""
        done = 0
        for results in _mapped(lambda chunk: [self._read(path, read) for path in chunk], _chunks(paths), threads):
            good = []
            for path, result, reason in results:
                if result is None:
                    self._skip(path, reason)
                else:
                    good.append(result)
            done += len(results)
            self.options.report(what, done, len(paths))
            yield good

    def _read(self, path: str, read: Callable[[bytes], T]) -> tuple[str, T | None, str]:
        try:
            return path, read(self.files.read(path)), ""
        except UnreadableFile as error:
            return path, None, str(error)

    def _skip(self, path: str, reason: str) -> None:
        if not self.options.skip_bad:
            raise InputError(
                str(self.files.root),
                expected="images that can be decoded",
                found=f"{path!r} ({reason})",
                todo="repair or remove it, or leave out all such files with --skip-bad",
            )
        self.skipped[path] = reason


def _decode_anew(work: _Work, paths: Sequence[str], request: Request, entry: CacheEntry) -> Decoded:
    headers = [header for chunk in work.read_all("reading image headers", paths, read_header) for header in chunk]
    kept = work.kept(paths)
    if not kept:
        raise InputError(
            str(work.files.root),
            expected="images that can be decoded",
            found=f"none among {len(paths)} files",
            todo="check the folder or archive",
        )
    size = request.size or _common_size(work.files, kept, headers)
    channels = request.channels or (1 if all(header.grey for header in headers) else 3)
    pixels = sum(header.height * header.width for header in headers) / len(headers)
    threads = _cores() if pixels >= SMALL else 1

    def pieces(paths: Sequence[str]) -> Iterator[np.ndarray]:
        read = partial(decode, channels=channels, size=size)
        return (np.stack(chunk) for chunk in work.read_all("decoding images", paths, read, threads) if chunk)

    shape = (channels, *size)
    if is_large(len(kept) * math.prod(shape)):
        with suppress(StorageError, OSError):
            x = _on_disk(work, kept, pieces, shape, entry)
            return Decoded(x, tuple(work.kept(kept)), tuple(work.skipped.items()))
    x = _in_memory(pieces(kept), (len(kept), *shape), str(work.files.root))
    return Decoded(x, tuple(work.kept(kept)), tuple(work.skipped.items()))


def _in_memory(pieces: Iterator[np.ndarray], shape: tuple[int, ...], subject: str) -> np.ndarray:
    """The pieces as one array; shorter than ``shape`` where some broke when decoded in full."""
    size = math.prod(shape)
    if size > available_memory():
        raise InputError(
            subject,
            expected="room for the pixels in memory or in the cache folder",
            found=f"{size / 1e9:.1f} GB of pixels",
            todo="make the images smaller with --image-size, or set XDG_CACHE_HOME to a larger disk",
        )
    x = np.empty(shape, dtype=np.uint8)
    filled = 0
    for piece in pieces:
        x[filled : filled + len(piece)] = piece
        filled += len(piece)
    return x[:filled]


def _on_disk(
    work: _Work,
    paths: Sequence[str],
    pieces: Callable[[Sequence[str]], Iterator[np.ndarray]],
    shape: tuple[int, ...],
    entry: CacheEntry,
) -> np.ndarray:
    """The pieces written to the cache as they come; once more without those that broke when decoded in full."""
    entry.stream(pieces(paths), (len(paths), *shape))
    good = work.kept(paths)
    return entry.open_stream() if len(good) == len(paths) else _on_disk(work, good, pieces, shape, entry)


def _common_size(files: ImageFiles, paths: Sequence[str], headers: Sequence[Header]) -> tuple[int, int]:
    sizes = [(header.height, header.width) for header in headers]
    if len(set(sizes)) == 1:
        return sizes[0]
    other = next(index for index, size in enumerate(sizes) if size != sizes[0])
    (height, width), _ = Counter(sizes).most_common(1)[0]
    raise InputError(
        str(files.root),
        expected="images of one size",
        found=f"{paths[0]!r} of {_text(sizes[0])} and {paths[other]!r} of {_text(sizes[other])} (height x width)",
        todo=f"resize all with --image-size {height}x{width}, the most common size",
    )


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _chunks(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    return (paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _mapped(work: Callable[[Sequence[str]], T], chunks: Iterator[Sequence[str]], threads: int) -> Iterator[T]:
    """Results in order, with no more chunks under way than keep the threads busy."""
    if threads == 1:
        yield from map(work, chunks)
        return
    pending: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        for chunk in chunks:
            pending.append(pool.submit(work, chunk))
            if len(pending) > 2 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
