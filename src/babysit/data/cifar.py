"""CIFAR-10 as published: a folder of Python pickles, or of binary records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from babysit.data.examples import Examples
from babysit.data.options import ReadOptions
from babysit.data.splits import TEST, TRAIN
from babysit.data.unpickle import load_plain
from babysit.errors import InputError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PIXELS = 3 * 32 * 32
RECORD = 1 + PIXELS  # a label and the three colour planes

Batch = tuple[np.ndarray, np.ndarray]


def is_cifar(folder: Path) -> bool:
    """Whether the folder holds at least one of CIFAR-10's training batches."""
    return bool(_batches(folder))


def load_cifar(folder: Path, options: ReadOptions) -> Examples:  # noqa: ARG001 - all readers are called alike
    """The batches in a folder: ``data_batch_1`` … ``test_batch``, or the same with ``.bin``.

    Images are ``(N, 3, 32, 32)`` uint8; fewer than five training batches are fine, and so is no test batch.

    Raises:
        InputError: A batch is damaged, or its pickle holds anything but plain data.
    """
    batches = _batches(folder)
    suffix = batches[0].suffix
    read = _read_binary if suffix == ".bin" else _read_pickle
    test = folder / f"test_batch{suffix}"
    files = batches + ([test] if test.is_file() else [])
    loaded = [_load(path, read) for path in files]
    names = _names(folder)
    labels = np.concatenate([y for _, y in loaded])
    if labels.min() < 0 or labels.max() >= len(names):
        found = f"a label {int(labels.max() if labels.max() >= len(names) else labels.min())}"
        raise _damaged(folder, f"labels from 0 to {len(names) - 1}", found)
    return Examples(
        name=folder.name,
        source=str(folder),
        kind="image",
        x=np.concatenate([x for x, _ in loaded]).reshape(-1, 3, 32, 32),
        y=labels,
        part=np.repeat([TEST if path == test else TRAIN for path in files], [len(y) for _, y in loaded]),
        class_names=names,
    )


def _batches(folder: Path) -> list[Path]:
    for suffix in ("", ".bin"):
        found = [folder / f"data_batch_{number}{suffix}" for number in range(1, 6)]
        if existing := [path for path in found if path.is_file()]:
            return existing
    return []


def _load(path: Path, read: Callable[[bytes], Batch]) -> Batch:
    try:
        return read(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _damaged(path, "a batch of CIFAR-10 as published", str(error)) from error


def _read_pickle(content: bytes) -> Batch:
    value = load_plain(content)
    try:
        entries = {key.decode() if isinstance(key, bytes) else key: item for key, item in value.items()}
        x, y = np.asarray(entries["data"]), np.asarray(entries["labels"])
    except (AttributeError, KeyError) as error:
        raise ValueError("no entries 'data' and 'labels'") from error
    if x.dtype != np.uint8 or x.shape != (len(x), PIXELS) or y.shape != (len(x),) or y.dtype.kind not in "iu":
        raise ValueError(f"data of {x.dtype} {x.shape} with labels of {y.dtype} {y.shape}")
    return x, y.astype(np.int64)


def _read_binary(content: bytes) -> Batch:
    if not content or len(content) % RECORD:
        raise ValueError(f"{len(content):,} bytes, which is no whole number of records of {RECORD:,}")
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, RECORD)
    return records[:, 1:], records[:, 0].astype(np.int64)


def _names(folder: Path) -> tuple[str, ...]:
    """The class names beside the batches; the ten known ones where that file is missing or of no use."""
    try:
        if (folder / "batches.meta").is_file():
            found = load_plain((folder / "batches.meta").read_bytes())
            names = found.get(b"label_names") or found.get("label_names") or ()
            texts = tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names)
        else:
            texts = tuple((folder / "batches.meta.txt").read_text(encoding="utf-8").split())
    except (OSError, ValueError, AttributeError):
        return CLASSES
    return texts if len(texts) == len(CLASSES) else CLASSES


def _damaged(path: Path, expected: str, found: str) -> InputError:
    return InputError(str(path), expected=expected, found=found, todo="download it again from its publisher")
